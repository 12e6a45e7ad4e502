"""Rules for what a response says in words: an option's text, or that the book does not tell."""

import re

from rapidfuzz import fuzz

from openbook_eval.matching.mentions import plain_form
from openbook_eval.matching.patterns import ANNOUNCEMENT, CLOSING, OPENING_CHARACTERS, one_of
from openbook_eval.matching.response import Reading, Response
from openbook_eval.types import ABSTENTION

_PUNCTUATION = re.compile(r"[\s,，.．。;；、:：()（）\"'“”‘’*]")
_BRIEF, _SHORT = 40, 200
# What the question leaves out ("题目信息不完整") is not what the material leaves out.
_SOURCE = "|".join(
    f"{word[0]}(?<!题目.)(?<!题干.)(?<!问题.){word[1]}"
    for word in ("材料", "资料", "原文", "文中", "文章", "上文", "信息", "书中", "段落", "内容")
)
_NOT_TOLD = (
    r"(?:并未|未曾|未能|未|并没有|没有|没|不曾|并无|无|不(?=包含|涉及|足))"
    r"(?:明确|直接|具体|足够|充分|相关|有关|任何|可)*+(?:地|的)?"
    r"(?:提及|提到|提供|说明|给出|涉及|包含|告诉|描述|记载|交代|指出|介绍|答案|信息|内容|依据|足|找到|提|说|写|讲)"
    r"|未见"
)
_FIND_OUT = "判断/确定/得出/得到/回答/作答/选择/选出/推断/推出/得知/知道/找到/看出"
_CANNOT_TELL = (
    one_of("无法/不能/难以/无从", f"(?:直接|准确|明确)?(?:{one_of(_FIND_OUT)})") + "|" + one_of("找不到/查不到/看不出")
)
# The source before, behind, or left out where the response begins so.
_SAYS_SO = re.compile(
    rf"(?:{_SOURCE})[^。；;\n]{{0,12}}?(?:{_NOT_TOLD}|{_CANNOT_TELL})"
    rf"|(?:{_CANNOT_TELL}|(?:无法|不能)(?:从|由|根据|依据))[^。；;\n]{{0,12}}?(?:{_SOURCE})"
    r"|\A\W*+(?:未|没有?)提[及到]"
)
_SAYS_SO_IN_ENGLISH = re.compile(
    r"(?i:(?:does|do|did)(?: not|n['’]t) (?:mention|say|tell|state|specify|provide|contain|give|include)"
    r"|(?:not|isn't|never) (?:mentioned|stated|specified|provided|given)"
    r"|cannot be (?:determined|answered|inferred)|not possible to (?:determine|answer|tell)"
    r"|(?:not enough|insufficient|no) information|no mention"
    r"|not (?:found )?in the (?:provided |given )?(?:material|passage|text))"
)
_PAUSE = re.compile(r"[。；;，,.\n]")
# "if the material does not tell, ...": the prompt's own sentence given back, or said in other words.
_CONDITION = re.compile(r"(?:如果|假如|倘若|若)[^。；;\n]*+[。；;\n]?")


def _core(text: str) -> str:
    """Return the text without an announcing word before it and without punctuation."""
    text = text.strip()
    found = ANNOUNCEMENT.match(text)
    return _PUNCTUATION.sub("", text[found.end() if found else 0 :])


def exact_option(response: Response) -> Reading | None:
    """Read `CT`, `答案：B超检查`: the response is the text of one option, which may look like letters or hold some."""
    if len(response.text) > _BRIEF:
        return None
    core = _core(response.text)
    # An option whose text is another option's letter would turn an answer of letters around.
    if not core or core in response.options:
        return None
    same = (letter for letter, option in response.options.items() if len(core) <= len(option) and core[0] in option)
    letters = [letter for letter in same if core == _PUNCTUATION.sub("", response.options[letter])]
    return Reading(letters[0]) if len(letters) == 1 else None


def similar_option(response: Response) -> Reading | None:
    """Read the one option that the text is, or holds, but for one character in each eight or fewer."""
    options = {letter: _PUNCTUATION.sub("", plain_form(option)) for letter, option in response.options.items()}
    core = _PUNCTUATION.sub("", plain_form(_core(response.text[-_SHORT:])))
    if not 3 <= len(core) <= max(map(len, options.values()), default=0) + 10:
        return None
    scores: list[tuple[float, str]] = []
    for letter, option in options.items():
        if len(option) >= 3:
            wanted = 100 * (1 - max(1, len(option) // 8) / len(option)) - 0.5
            score = fuzz.partial_ratio(option, core) if len(core) >= len(option) else fuzz.ratio(option, core)
            scores.append((score if score >= wanted else 0.0, letter))
    best = max(scores, default=(0.0, ""))
    return Reading(best[1]) if best[0] > 0 and sum(score == best[0] for score, _ in scores) == 1 else None


def abstention_only(response: Response) -> Reading | None:
    """Read `材料未提及`: nothing but the words that the prompt asks for, or these after an announcing word."""
    text = response.text.strip()
    if ABSTENTION not in text or len(text) > 4 * len(ABSTENTION):
        return None
    found = ANNOUNCEMENT.match(text)
    core = CLOSING.sub("", text[found.end() if found else 0 :].lstrip(OPENING_CHARACTERS))
    return Reading(reason="abstention_only") if core == ABSTENTION else None


def abstention(response: Response) -> Reading | None:
    """Read `材料中没有提到这一点`, `根据材料无法判断`: says in whatever words that the material does not tell."""
    english = response.text.isascii()
    text = response.text if english else _CONDITION.sub("", response.text)
    found = (_SAYS_SO_IN_ENGLISH if english else _SAYS_SO).search(text)
    if not found:
        return None
    # "支原体。材料没有提到别的": what is missing is said of the other options.
    *_, before = (0, *(pause.end() for pause in _PAUSE.finditer(text, 0, found.start())))
    answered = exact_option(response.part(text[:before]))
    return None if answered else Reading(reason="abstention")

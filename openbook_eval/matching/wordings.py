"""Rules for what a response says in words: an option's text, or that the book does not tell."""

import re
from functools import lru_cache

from rapidfuzz import fuzz

from openbook_eval.matching.mentions import plain_form
from openbook_eval.matching.patterns import ANNOUNCEMENT, CLOSING, OPENING_CHARACTERS, leaping, one_of
from openbook_eval.matching.response import Reading, Response
from openbook_eval.types import ABSTENTION

_PUNCTUATION = re.compile(r"[\s,，.．。;；、:：()（）\"'“”‘’*]")
_BRIEF, _SHORT = 40, 200
# What the question leaves out ("题目信息不完整") is not what the material leaves out.
_SOURCE = (
    "[材资原上文书信段内](?<!题目.)(?<!题干.)(?<!问题.)"
    "(?:(?<=[材资])料|(?<=[原上])文|(?<=[文书])中|(?<=文)章|(?<=信)息|(?<=段)落|(?<=内)容)"
)
_NOT_TOLD = (
    r"(?:并未|未曾|未能|未|并没有|没有|没|不曾|并无|无|不(?=包含|涉及|足))"
    r"(?:明确|直接|具体|足够|充分|相关|有关|任何|可)*+(?:地|的)?"
    r"(?:提及|提到|提供|说明|给出|涉及|包含|告诉|描述|记载|交代|指出|介绍|答案|信息|内容|依据|足|找到|提|说|写|讲)"
    r"|未见"
)
_FIND_OUT = "判断/确定/得出/得到/回答/作答/选择/选出/推断/推出/得知/知道/找到/看出"
_CANNOT, _NOT_FOUND = "无法/不能/难以/无从", "找不到/查不到/看不出"
_CANNOT_TELL = f"{one_of(_CANNOT, f'(?:直接|准确|明确)?(?:{one_of(_FIND_OUT)})')}|{one_of(_NOT_FOUND)}"
_NEAR = r"[^。；;\n]{0,12}?"
# The source before, behind, or left out where the response begins so.
_SAYS_SO = (
    re.compile(rf"{_SOURCE}{_NEAR}(?:{_NOT_TOLD}|{_CANNOT_TELL})"),
    leaping(
        (_CANNOT, f"(?:(?:直接|准确|明确)?(?:{one_of(_FIND_OUT)})|从|由|根据|依据){_NEAR}{_SOURCE}"),
        (_NOT_FOUND, f"{_NEAR}{_SOURCE}"),
    ),
    re.compile(r"\A\W*+(?:未|没有?)提[及到]"),
)
_SAYS_SO_IN_ENGLISH = leaping(
    ("does/do/did", "(?: not|n['’]t) (?:mention|say|tell|state|specify|provide|contain|give|include)"),
    ("not/isn't/never", " (?:mentioned|stated|specified|provided|given)"),
    "cannot be (?:determined|answered|inferred)/not possible to (?:determine|answer|tell)",
    "not enough information/insufficient information/no information/no mention",
    "not (?:found )?in the (?:provided |given )?(?:material|passage|text)",
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
    letter = _letters_by_text((*response.options.items(),)).get(core)
    return Reading(letter) if letter else None


@lru_cache(maxsize=10_000)
def _letters_by_text(options: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return the letters of options by their texts without punctuation, "" where several have the same."""
    texts = [_PUNCTUATION.sub("", text) for _, text in options]
    return {text: letter if texts.count(text) == 1 else "" for text, (letter, _) in zip(texts, options, strict=True)}


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
    text = response.text.lower() if english else _CONDITION.sub("", response.text)
    patterns = (_SAYS_SO_IN_ENGLISH,) if english else _SAYS_SO
    said = [found.start() for pattern in patterns if (found := pattern.search(text))]
    if not said:
        return None
    # "支原体。材料没有提到别的": what is missing is said of the other options.
    *_, before = (0, *(pause.end() for pause in _PAUSE.finditer(text, 0, min(said))))
    answered = exact_option(response.part(response.text[:before] if english else text[:before]))
    return None if answered else Reading(reason="abstention")

"""The rules, in the order in which they are asked. Each says which letters it reads, or a reason why there are none."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from openbook_eval.choice.patterns import (
    CLOSING,
    COLON,
    COMMA,
    LETTERS,
    OPENING,
    OPENING_SIGNS,
    OPTION_HERE,
    OPTION_START,
    STOP,
)
from openbook_eval.choice.value import State


@dataclass(frozen=True, slots=True)
class Response:
    """A response made readable. `text` is what answers the question, `options` are plain texts by letter."""

    text: str
    options: Mapping[str, str]
    multi: bool
    echoed: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule reads: letters, or the reason why it is sure that there are none."""

    letters: str = ""
    reason: str | None = None


Rule = Callable[[Response], Reading | None]

# Words that make what follows the answer: 答案是, 故选, ...的说法是, "the answer is", "\\boxed{".
_ANNOUNCED = (
    r"(?:[\[(（【]?(?:正确|最佳|参考|标准|最终)?的?(?:答案|选项(?=[是为:：]))(?:选项)?[\])）】]?(?:应该|应当|应|就|只能)?"
    r"(?:是|为|选|有|选择)*+"
    r"|(?<![不非勿未])(?<!不应)(?<!不能)(?<!不可)(?<!不该)(?<!不会)(?<!不要)(?<!无法)选(?:择|项(?=[是为:：]))?"
    r"|的(?:说法|选项|表述|一项|做法|观点|行为)?(?:应该|应当|应)?(?:是|为|有|包括)"
    r"|[Aa]nswers?(?:\s++(?:is|are|should\s++be))?|[Cc]hoice\s++is|[Oo]ption\s++is|boxed\{(?:\\text\{)?)"
)
_ANNOUNCEMENT = re.compile(_ANNOUNCED + OPENING)
_ENDS_IN_ANNOUNCEMENT = re.compile(_ANNOUNCED + OPENING + r"\Z")
_LAST_SIGNS = frozenset("案是为选有择该当应就能括项]】)）srett{")
_REACH = 40
_LETTERS = re.compile(LETTERS)
_OR = re.compile(r"\s*+或")
_SENTENCE_LETTERS = re.compile(rf"答案[\])）】]?\s*+[{COLON}是为]?[^。\n]{{0,40}}?{LETTERS}")
_STRICT = re.compile(r"[A-H](?:[ 、,，]*+[A-H])*+")
_DRESSED = re.compile(
    rf"(?:{_ANNOUNCED})?{OPENING}([A-H](?:[\s、,，;；/&|+和与及\"'*]*+[A-H])*+){CLOSING}(?:选项|项)?{CLOSING}"
)
_LEADING = re.compile(
    rf"[\s\[\](（)）【】:：\-*]*+(?:选项)?\s*+{LETTERS}"
    rf"(?=\s*$|\s*\n|\s*[{COMMA}{STOP}{COLON};；<(（#)）\]】]|\s*(?:选项|[两三四几]?项|均|都|皆|是|正确|对|符合)|\s+[^\sa-z])"
)
_JUDGED = re.compile(
    rf"(?:选项)?{LETTERS}\s*+(?:选项|[两三四几]?项|[、,，])*+(?:[\"“「][^\"”」]{{0,120}}[\"”」])?"
    r"(?:中?的?(?:说法|表述|描述|内容))?(?:均|都|皆|才|就|应该|应当|应|也)*+(?:是|为|属于)?"
    r"(不?)(正确|对的|符合|合理|成立|错误|错|不对|不符)"
)
_WEAK = re.compile(rf"(?:是|为|[{COLON}]|选择)\s*+{LETTERS}(?=\s*$|\s*[{COMMA}{STOP};；、\n)）])")
_REFUSAL = re.compile(
    r"(?:无法|不能|难以)(?:回答|作答|确定|判断|给出|提供)|抱歉|对不起|没有(?:一个)?(?:正确|合适)的?(?:选项|答案)|无正确"
    r"|(?:以上|上述)(?:选项)?(?:都|均|皆)不|[Ss]orry|I(?:'m| am) (?:just|unable|not able)"
    r"|[Cc]annot (?:answer|provide|determine)"
)
_LONE = re.compile(r"(?<![A-Za-z0-9.])([A-H])(?![A-Za-z0-9])(?!\s+[a-z])")
_OTHER_ALPHABETS = ("甲乙丙丁戊己庚辛", "①②③④⑤⑥⑦⑧", "abcdefgh")


def read_option_list(text: str, start: int) -> tuple[str, int]:
    """Letters of the option lines that begin at `start`, as long as they ascend, and the place after the last start."""
    first = OPTION_HERE.match(text, start)
    if not first:
        return "", start
    letters, end = first.group(1), first.end()
    for found in OPTION_START.finditer(text, end, start + 4000):
        if found.group(1) <= letters[-1]:
            break
        letters += found.group(1)
        end = found.end()
    return letters, end


def letters_only(response: Response) -> Reading | None:
    """`B`, `AC`, `A、C`: nothing but letters, as the prompt demands."""
    text = response.text.strip()
    return Reading(text) if _STRICT.fullmatch(text) and _is_one_answer(text) else None


def dressed_letters(response: Response) -> Reading | None:
    """`答案：AC。`, `(B)`, `**D**`, `B选项`: the whole response is one answer."""
    found = _DRESSED.fullmatch(response.text.strip())
    if not found:
        return None
    return Reading(found.group(1)) if _is_one_answer(found.group(1)) else Reading(reason="contradiction")


def _is_one_answer(text: str) -> bool:
    """Several runs of letters are one answer if no letter comes back, or if every run is the same."""
    runs = re.findall("[A-H]+", text)
    letters = "".join(runs)
    return len(set(runs)) == 1 or len(set(letters)) == len(letters)


def declared(response: Response) -> Reading | None:
    """`，故选B`, `[正确答案]C`, `\\boxed{D}`: a word makes the letters the answer; the last such statement counts."""
    text = response.text
    for found in reversed(list(_LETTERS.finditer(text))):
        announcement = _announcement_before(text, found.start())
        if announcement is None or _OR.match(text, found.end()):
            continue
        letters = read_option_list(text, found.start())[0] or found.group(1)
        listed = len(letters) > 1 and letters != found.group(1)
        everything = set(letters) >= set(response.options)
        # "which is right: A ... B ... C ... D" gives the question back, "choose from A, B, C, D" the instruction.
        if (listed and not response.multi) or (everything and "答案" not in announcement):
            continue
        return Reading(letters)
    return None


def _announcement_before(text: str, place: int) -> str | None:
    before = text[max(0, place - _REACH) : place]
    # Most letters are preceded by a line break or a sign: the search is only worth it after the end of such a word.
    if before.rstrip(OPENING_SIGNS)[-1:] not in _LAST_SIGNS:
        return None
    found = _ENDS_IN_ANNOUNCEMENT.search(before)
    return found.group() if found else None


def option_lines(response: Response) -> Reading | None:
    """`A. 甲` or several such lines: the response begins with options; a statement after them corrects them."""
    text = response.text
    found = _ANNOUNCEMENT.match(text.lstrip(" \n\t])】"))
    start = len(text) - len(text.lstrip(" \n\t])】")) + (found.end() if found else 0)
    letters, end = read_option_list(text, start)
    if not letters:
        return None
    rest = declared(Response(text[end:], response.options, response.multi, response.echoed))
    if rest:
        return rest
    if (
        not response.multi
        and len(letters) > 1
        and len(set(letters) & set(response.options)) >= len(response.options) - 1
    ):
        return Reading(reason="all_options")
    return Reading(letters)


def announced_sentence(response: Response) -> Reading | None:
    """`答案：上述行为中，A、B两项……`: letters later in the sentence that announces the answer."""
    found = _SENTENCE_LETTERS.search(response.text) if "答案" in response.text else None
    if not found:
        return None
    letters = read_option_list(response.text, found.start(1))[0] or found.group(1)
    return Reading(letters) if response.multi or len(letters) == 1 else None


def judged(response: Response) -> Reading | None:
    """`选项B正确，A、C错误`: options called right one by one; with one wrong among right ones, that one is meant."""
    if "正确" not in response.text and "对" not in response.text and "符合" not in response.text:
        return None
    right: list[str] = []
    wrong: list[str] = []
    for found in _JUDGED.finditer(response.text):
        negative = found.group(2) == "不" or found.group(3).startswith(("错", "不"))
        (wrong if negative else right).extend(re.findall("[A-H]", found.group(1)))
    if not right:
        return None
    if not response.multi and len(set(right)) > 1:
        odd = set(wrong) - set(right)
        judged_all = set(right) | set(wrong) >= set(response.options)
        return Reading(odd.pop()) if len(odd) == 1 and judged_all else Reading(right[-1])
    return Reading("".join(right))


def leading_letters(response: Response) -> Reading | None:
    """`A、B、C、D 均具有管辖权`, `选项C符合要求`, `AC 解析：`: the response begins with the letters."""
    found = _LEADING.match(response.text)
    if not found:
        return None
    return Reading(found.group(1)) if _is_one_answer(found.group(1)) else Reading(reason="contradiction")


def refused(response: Response) -> Reading | None:
    """`抱歉，我无法回答`, `没有正确选项`: says that it does not answer."""
    return Reading(reason="refusal") if _REFUSAL.search(response.text) else None


def echoed_options(response: Response) -> Reading | None:
    """The question given back: its option list after other text, and nothing that chooses among them."""
    starts = "".join(found.group(1) for found in OPTION_START.finditer(response.text, 0, 4000))
    # The first option often stands right behind the stem's question mark, where no option begins by itself.
    return Reading(reason="echo") if response.echoed or "AB" in starts or "BC" in starts else None


def other_alphabet(response: Response) -> Reading | None:
    """`②`, `答案是乙`, `b`: letters of another alphabet as the whole answer; none if the options use it themselves."""
    text = response.text.strip()
    if len(text) > _REACH:
        return None
    found = _ANNOUNCEMENT.match(text)
    core = re.sub(CLOSING, "", text[found.end() if found else 0 :])
    if not 0 < len(core) <= len(response.options):
        return None
    for alphabet in _OTHER_ALPHABETS:
        used = any(sign in option for sign in core for option in response.options.values())
        if set(core) <= set(alphabet) and not used:
            return Reading("".join("ABCDEFGH"[alphabet.index(sign)] for sign in core))
    return None


def weak_statement(response: Response) -> Reading | None:
    """`采取的措施是D，……`: the last letters that end a clause after 是, 为 or a colon."""
    found = _WEAK.findall(response.text)
    return Reading(found[-1]) if found else None


def lone_letters(response: Response) -> Reading | None:
    """The only letters there; several different ones commit to nothing where one is asked for."""
    letters = set(_LONE.findall(response.text)) & set(response.options)
    if not letters:
        return None
    if not response.multi and len(letters) > 1:
        return Reading(reason="undecided")
    return Reading(reason="all_options") if letters >= set(response.options) else Reading("".join(letters))


RULES: tuple[tuple[str, State, Rule], ...] = (
    ("letters_only", "stated", letters_only),
    ("dressed_letters", "stated", dressed_letters),
    ("option_lines", "stated", option_lines),
    ("declared", "stated", declared),
    ("leading_letters", "stated", leading_letters),
    ("announced_sentence", "stated", announced_sentence),
    ("judged", "stated", judged),
    ("refused", "stated", refused),
    ("other_alphabet", "stated", other_alphabet),
    ("echoed_options", "stated", echoed_options),
    ("weak_statement", "implied", weak_statement),
)

"""Rules for the form of a whole response: bare letters, option lines, a question given back, a refusal."""

import re

from openbook_eval.matching.grammar import ANNOUNCEMENT, CLOSING, NOT_CHOSEN, OPENING_SIGNS
from openbook_eval.matching.response import BEGINNING, Reading, Response, is_list, one_answer, read_option_list
from openbook_eval.matching.statements import declared

_REACH = 40
_REFUSAL = re.compile(
    r"(?:无法|不能|难以)(?:为您)?(?:回答|作答|解答|确定|判断|给出|提供)|抱歉|对不起|没有(?:一个)?(?:正确|合适)的?(?:选项|答案)"
    r"|无正确|(?:以上|上述)(?:选项)?(?:都|均|皆)不"
)
_REFUSAL_IN_ENGLISH = re.compile(
    r"(?i:sorry|i(?:'m| am) (?:just|unable|not able)|don't know|none of the|cannot (?:answer|provide|determine))"
)
_OTHER_ALPHABETS = ("甲乙丙丁戊己庚辛", "①②③④⑤⑥⑦⑧", "abcdefgh")


def letters_only(response: Response) -> Reading | None:
    """`B`, `AC`, `A、C`: nothing but letters, as the prompt demands."""
    text = response.text.strip()
    if not response.grammar.strict.fullmatch(text):
        return None
    letters = one_answer(text)
    return Reading(letters) if letters and len(set(letters)) == len(letters) else None


def one_option_line(response: Response) -> Reading | None:
    """`B. 胰高血糖素`: one option with its letter and no other letter after it; common, so it is asked early."""
    found = response.grammar.option_line.fullmatch(response.text)
    return Reading(found.group(1)) if found else None


def dressed_letters(response: Response) -> Reading | None:
    """`答案：AC。`, `(B)`, `**D**`, `B选项`: the whole response is one answer."""
    found = response.grammar.dressed.fullmatch(response.text.strip())
    if not found:
        return None
    letters = one_answer(found.group(1))
    # Lines of different letters are different answers to a single-choice question.
    if letters is None or (not response.multi and "\n" in found.group(1) and len(set(letters)) > 1):
        return Reading(reason="contradiction")
    return Reading(letters)


def answer_then_question(response: Response) -> Reading | None:
    """`答案：A` and then another question with its own options: the first paragraph is the answer to ours."""
    if "\n" not in response.text:
        return None
    head, _, rest = response.text.strip().partition("\n")
    found = response.grammar.dressed.fullmatch(head.strip()) if rest and len(head) < _REACH else None
    if not found:
        return None
    starts = "".join(start.group(1) for start in response.grammar.option_start.finditer(rest[:BEGINNING]))
    question_first = re.match(r"[^A-Z]*(?:[(（]\s*[)）]|[?？:：]\s*A[:：.、])|\s*(?:\d+[.、]|下一题)", rest)
    letters = one_answer(found.group(1))
    return Reading(letters) if letters and question_first and is_list(starts) else None


def option_lines(response: Response) -> Reading | None:
    """`A. 甲` or several such lines: the response begins with options; a statement after them corrects them."""
    text = response.text
    begin = len(text) - len(text.lstrip(" \n\t])】"))
    letters, end = read_option_list(response, begin)
    if not letters and (found := ANNOUNCEMENT.match(text, begin)):
        letters, end = read_option_list(response, found.end())
    if not letters:
        return None
    if rest := declared(response, end):
        return rest
    nearly_all = len(letters) >= max(2, len(response.options) - 1)
    return Reading(reason="all_options") if nearly_all and not response.multi else Reading(letters)


def leading_letters(response: Response) -> Reading | None:
    """`A、B、C、D 均具有管辖权`, `选项C符合要求`, `AC 解析：`: the response begins with the letters."""
    found = response.grammar.leading.match(response.text)
    if not found or NOT_CHOSEN.match(response.text, found.end(1)):
        return None
    if re.match(r"\s*(?:选项|项)?\s*(?:肯定|应该)?(?:不|错)", response.text[found.end(1) : found.end(1) + 8]):
        return None
    letters = one_answer(found.group(1))
    return Reading(letters) if letters else Reading(reason="contradiction")


def refused(response: Response) -> Reading | None:
    """`抱歉，我无法回答`, `没有正确选项`: says that it does not answer."""
    text = response.text
    return Reading(reason="refusal") if (_REFUSAL_IN_ENGLISH if text.isascii() else _REFUSAL).search(text) else None


def echoed_options(response: Response) -> Reading | None:
    """The question given back: its option list after other text, and nothing that chooses among them."""
    starts = "".join(found.group(1) for found in response.grammar.option_start.finditer(response.text, 0, BEGINNING))
    return Reading(reason="echo") if response.echoed or is_list(starts) else None


def other_alphabet(response: Response) -> Reading | None:
    """`②`, `答案是乙`, `b`: letters of another alphabet as the whole answer; none if the options use it themselves."""
    text = response.text.strip()
    if len(text) > _REACH:
        return None
    found = ANNOUNCEMENT.match(text)
    core = CLOSING.sub("", text[found.end() if found else 0 :].lstrip(OPENING_SIGNS))
    if not 0 < len(core) <= len(response.options):
        return None
    for alphabet in _OTHER_ALPHABETS:
        used = any(sign in option for sign in core for option in response.options.values())
        if set(core) <= set(alphabet) and not used:
            return Reading("".join("ABCDEFGH"[alphabet.index(sign)] for sign in core))
    return None

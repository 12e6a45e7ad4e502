"""The rules of the choice matcher, in the order of RULES: the first that reads letters, or is sure of none, decides."""

import re
from collections.abc import Sequence

from openbook_eval.matching.conclusion import (
    all_but,
    answer_field,
    concluded,
    is_denied,
    judged,
    last_line,
    quoted_options,
)
from openbook_eval.matching.mentions import Sentence
from openbook_eval.matching.patterns import ANNOUNCEMENT, CLOSING, NOT_CHOSEN, OPENING_CHARACTERS, leaping
from openbook_eval.matching.response import (
    BEGINNING,
    Reading,
    Response,
    Rule,
    bare_letters,
    is_list,
    one_answer,
    read_option_list,
)
from openbook_eval.matching.wordings import abstention, abstention_only, exact_option
from openbook_eval.types import State

_REACH = 40
_REFUSAL = leaping(
    ("无法/不能/难以", "(?:为您)?(?:回答|作答|解答|确定|判断|给出|提供)"),
    "抱歉/对不起/没有(?:一个)?(?:正确|合适)的?(?:选项|答案)/无正确",
    ("以上/上述", "(?:选项)?(?:都|均|皆)不"),
)
_REFUSAL_IN_ENGLISH = leaping(
    "sorry/i(?:'m| am) (?:just|unable|not able)/don't know/none of the/cannot (?:answer|provide|determine)",
)
_SIGNS = " .．。:：、;；,，"
_ANOTHER_QUESTION = re.compile(r"[^A-Z]*(?:[(（]\s*[)）]|[?？:：]\s*A[:：.、])|[^A-Z]{9,}A[:：]|\s*(?:\d+[.、]|下一题)")
_NUMBERED = re.compile(r"\d\s*[.、:]\s*([A-H])(?![A-Za-z])")
_NUMBERS = re.compile(r"(?:\s*[A-H]\s*[:：.]\s*\d+(?=\s|$))+\s*")
_NOT = re.compile(r"\s*(?:选项|项)?\s*(?:(?:肯定|应该)?[不错]|(?:is|are) (?:not|in|wr))")
_OTHER_ALPHABETS = ("甲乙丙丁戊己庚辛", "①②③④⑤⑥⑦⑧", "abcdefgh")


# Rules for the form of a whole response: bare letters, option lines, a question given back, a refusal.


def letters_only(response: Response) -> Reading | None:
    """Read `B`, `AC`, `A、C`: nothing but letters, as the prompt demands."""
    letters = bare_letters(response.text.strip(), response.patterns)
    return Reading(letters) if letters else None


def one_option_line(response: Response) -> Reading | None:
    """Read `B. 胰高血糖素`: one option with its letter and no other letter after it; common, so it is asked early."""
    found = response.patterns.option_line.fullmatch(response.text)
    return Reading(found.group(1)) if found else None


def bare_options(response: Response) -> Reading | None:
    """Read `A. 胰岛素` and `C. 生长激素` below it: lines that are options as they stand; common, so asked early."""
    text = response.text.strip("] \n")
    if text[:1] not in response.options:
        return None
    lines = text.split("\n")
    letters = "".join(line[:1] for line in lines)
    if [*letters] != sorted(set(letters)) or len(letters) != len(lines) or not set(letters) <= response.options.keys():
        return None
    if any(line[1:].strip(_SIGNS) != response.options[line[0]].strip(_SIGNS) for line in lines):
        return None
    if response.multi or len(lines) == 1:
        return Reading(letters)
    return Reading(reason="all_options") if len(lines) == len(response.options) else None


def dressed_letters(response: Response) -> Reading | None:
    """Read `答案：AC。`, `(B)`, `**D**`, `B选项`: the whole response is one answer."""
    found = response.patterns.dressed.fullmatch(response.text.strip())
    if not found:
        return None
    letters = one_answer(found.group(1))
    # Lines of different letters are different answers to a single-choice question.
    if letters is None or (not response.multi and "\n" in found.group(1) and len(set(letters)) > 1):
        return Reading(reason="contradiction")
    return Reading(letters)


def answer_first(response: Response) -> Reading | None:
    """Read `答案：A` and then reasons that name no other answer, or another question with its own options."""
    if "\n" not in response.text:
        return None
    head, _, rest = response.text.strip().partition("\n")
    found = response.patterns.dressed.fullmatch(head.strip()) if rest and len(head) < _REACH else None
    letters = one_answer(found.group(1)) if found else None
    if not letters or (len(set(letters)) == len(response.options) and not response.multi):
        return None
    if ANNOUNCEMENT.match(head) and {*response.patterns.announced.findall(rest)} <= {letters}:
        return Reading(letters)
    starts = "".join(start.group(1) for start in response.patterns.option_start.finditer(rest[:BEGINNING]))
    return Reading(letters) if _ANOTHER_QUESTION.match(rest) and is_list(starts) else None


def option_lines(response: Response) -> Reading | None:
    """Read `A. 甲` or several such lines: the response begins with options; a statement after them corrects them."""
    text = response.text
    begin = len(text) - len(text.lstrip(" \n\t])】"))
    letters = read_option_list(response, begin)
    if not letters and (found := ANNOUNCEMENT.match(text, begin)):
        letters = read_option_list(response, found.end())
    if not letters:
        return None
    if _NUMBERS.fullmatch(text) and not any(map(str.isnumeric, response.options.values())):
        return Reading(reason="echo")
    if response.multi or (len(letters) > 1 and _answers_first(response.sentences)):
        return Reading(letters if response.multi else letters[0])
    # "D：…，E：…，A：…": all of them, in whatever order.
    listed = {found.group(1) for found in response.patterns.option_start.finditer(text, begin, begin + BEGINNING)}
    nearly_all = len(letters) > 1 and len(listed) >= len(response.options) - 1
    return Reading(reason="all_options") if nearly_all else Reading(letters)


def _answers_first(sentences: Sequence[Sentence]) -> bool:
    """Return whether the first option stands alone, with reasons behind it, and the others with remarks."""
    headed = [sentence for sentence in sentences if sentence.heading]
    second = sentences[1] if len(sentences) > 1 else sentences[0]
    return not second.heading and [each.is_option for each in headed] == [True] + [False] * (len(headed) - 1)


def leading_letters(response: Response) -> Reading | None:
    """Read `A、B、C、D 均具有管辖权`, `选项C符合要求`, `AC 解析：`: the response begins with the letters."""
    found = response.patterns.leading.match(response.text)
    if not found or NOT_CHOSEN.match(response.text, found.end(1)):
        return None
    if _NOT.match(response.text, found.end(1)):
        return None
    letters = one_answer(found.group(1))
    return Reading(letters) if letters else Reading(reason="contradiction")


def refused(response: Response) -> Reading | None:
    """Read `抱歉，我无法回答`, `没有正确选项`: says that it does not answer."""
    text = response.text
    found = _REFUSAL_IN_ENGLISH.search(text.lower()) if text.isascii() else _REFUSAL.search(text)
    return Reading(reason="refusal") if found else None


def echoed_options(response: Response) -> Reading | None:
    """Recognise the question given back: its option list after other text, and nothing that chooses among them."""
    starts = "".join(found.group(1) for found in response.patterns.option_start.finditer(response.text, 0, BEGINNING))
    return Reading(reason="echo") if response.echoed or is_list(starts) else None


def other_alphabet(response: Response) -> Reading | None:
    """Read `②`, `答案是乙`, `b`: letters of another alphabet as the whole answer, unless the options use it."""
    text = response.text.strip()
    if len(text) > _REACH:
        return None
    found = ANNOUNCEMENT.match(text)
    core = CLOSING.sub("", text[found.end() if found else 0 :].lstrip(OPENING_CHARACTERS))
    if not 0 < len(core) <= len(response.options):
        return None
    for alphabet in _OTHER_ALPHABETS:
        texts = response.options.values()
        used = core in texts if core.isascii() else any(sign in text for sign in core for text in texts)
        if set(core) <= set(alphabet) and not used:
            return Reading("".join("ABCDEFGH"[alphabet.index(sign)] for sign in core))
    return None


def lone_letters(response: Response) -> Reading | None:
    """Read the only letters there; several different ones commit to nothing where one is asked for."""
    named = [
        mention.letters
        for sentence in response.sentences
        for run in sentence.runs
        for mention in run
        if mention.by_letter and not is_denied(sentence, run)
    ]
    single = {letters for letters in named if len(letters) == 1}
    numbered = _NUMBERED.findall(response.text)
    if len(numbered) > 1 and numbered != sorted(set(numbered)):
        return Reading(reason="contradiction")
    letters = "".join(sorted(single)) or (named[-1] if named and response.multi else "")
    if not letters:
        return None
    if not response.multi and len(letters) > 1:
        return Reading(reason="undecided")
    return Reading(reason="all_options") if len(letters) == len(response.options) else Reading(letters)


# In the order in which they are asked: the first that reads letters, or is sure that there are none, decides.
RULES: tuple[tuple[str, State, Rule], ...] = (
    ("letters_only", "stated", letters_only),
    ("one_option_line", "stated", one_option_line),
    ("exact_option", "implied", exact_option),
    ("dressed_letters", "stated", dressed_letters),
    ("bare_options", "stated", bare_options),
    ("abstention_only", "none", abstention_only),
    ("answer_first", "stated", answer_first),
    ("answer_field", "stated", answer_field),
    ("last_line", "stated", last_line),
    ("all_but", "stated", all_but),
    ("concluded", "stated", concluded),
    ("judged", "stated", judged),
    ("option_lines", "stated", option_lines),
    ("leading_letters", "stated", leading_letters),
    ("abstention", "none", abstention),
    ("refused", "none", refused),
    ("other_alphabet", "stated", other_alphabet),
    ("echoed_options", "none", echoed_options),
    ("quoted_options", "implied", quoted_options),
    ("lone_letters", "implied", lone_letters),
)

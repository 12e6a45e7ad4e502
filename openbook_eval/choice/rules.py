"""The rules, in the order in which they are asked. Each says which letters it reads, or a reason why there are none."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from openbook_eval.choice.grammar import (
    ANNOUNCEMENT,
    CLOSING,
    NOT_CHOSEN,
    OPENING_SIGNS,
    Grammar,
)
from openbook_eval.choice.value import State


class Response(NamedTuple):
    """A response made readable. `text` is what answers the question; `echoed` says that it gave the question back."""

    text: str
    options: Mapping[str, str]
    multi: bool
    echoed: bool
    grammar: Grammar


class Reading(NamedTuple):
    """What a rule reads: letters, or the reason why it is sure that there are none."""

    letters: str = ""
    reason: str | None = None


Rule = Callable[[Response], Reading | None]

_REACH = 40
_STATEMENTS = 6
_CLOSE = 8
_OR = re.compile(r"\s*+(?:或|or\b)")
_BEGINNING = 4000
# Between two statements: the later one takes the earlier one back, or sums up.
_CORRECTS = re.compile(
    r"更正|纠正|修正|改正|不对|哦不|有误|看错|遗漏|重新|其实|实际|而是|而应|应该?[选为]|即|综上|因此|所以|最终|总之|故"
    r"|(?i:correct(?:ion|ing)|actually|however|wait|therefore|sorry|but\b)"
)
_HEDGES = re.compile(r"或|可能|也许|\bor\b|either")
_REFUSAL = re.compile(
    r"(?:无法|不能|难以)(?:为您)?(?:回答|作答|解答|确定|判断|给出|提供)|抱歉|对不起|没有(?:一个)?(?:正确|合适)的?(?:选项|答案)"
    r"|无正确|(?:以上|上述)(?:选项)?(?:都|均|皆)不"
)
_REFUSAL_IN_ENGLISH = re.compile(
    r"(?i:sorry|i(?:'m| am) (?:just|unable|not able)|don't know|none of the|cannot (?:answer|provide|determine))"
)
_DENIED_BEFORE = re.compile(r"(?:不|非|并非|排除|除了)(?:应该?|能|可|该|会|要|宜)?(?:选择?|是|为)?\s*$")
_DENIED_AFTER = re.compile(r"(?:选项|项)?[^。；;\n]{0,4}?(?:不(?:能|应|该|可)?(?:选|对|正确)|不能选|错|排除)")
_MAY_JUDGE = re.compile("[✓✔√✗✘×❌✅错]|确(?![答的])|对[，,；;。]|orrect")
_OTHER_ALPHABETS = ("甲乙丙丁戊己庚辛", "①②③④⑤⑥⑦⑧", "abcdefgh")


def read_option_list(response: Response, start: int) -> tuple[str, int]:
    """Letters of the option lines that begin at `start`, as long as they ascend, and the place after the last start."""
    first = response.grammar.option_here.match(response.text, start)
    if not first:
        return "", start
    letters, end = first.group(1), first.end()
    for found in response.grammar.option_start.finditer(response.text, end, start + _BEGINNING):
        if found.group(1) <= letters[-1]:
            break
        letters += found.group(1)
        end = found.end()
    return letters, end


def _one_answer(text: str) -> str | None:
    """The letters of several runs if no letter comes back or all runs are the same, with at most one slip; or None."""
    runs = re.findall("[A-Z]+", text)
    letters = "".join(runs)
    if len(set(runs)) == 1 or len(set(letters)) >= len(letters) - (len(runs) > 2):
        return letters
    return None


def letters_only(response: Response) -> Reading | None:
    """`B`, `AC`, `A、C`: nothing but letters, as the prompt demands."""
    text = response.text.strip()
    if not response.grammar.strict.fullmatch(text):
        return None
    letters = _one_answer(text)
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
    letters = _one_answer(found.group(1))
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
    starts = "".join(start.group(1) for start in response.grammar.option_start.finditer(rest[:_BEGINNING]))
    question_first = re.match(r"[^A-Z]*(?:[(（]\s*[)）]|[?？:：]\s*A[:：.、])|\s*(?:\d+[.、]|下一题)", rest)
    letters = _one_answer(found.group(1))
    return Reading(letters) if letters and question_first and _is_list(starts) else None


def _is_list(starts: str) -> bool:
    """Whether options in a row begin there; the first often stands right behind a question mark, where none begins."""
    return "AB" in starts or "BC" in starts


def judged_list(response: Response) -> Reading | None:
    """`A：正确。B：错误。`, `A. 畸形 ✓`: a list that says of each option whether it is right."""
    text = response.text
    # Three of A, B, C and D have one of the first and one of the last two among them.
    if not ("A" in text or "B" in text) or not ("C" in text or "D" in text or len(response.options) < 3):
        return None
    if not _MAY_JUDGE.search(text):
        return None
    needed = min(3, len(response.options))
    verdicts: dict[str, bool] = {}
    for found in response.grammar.option_verdict.finditer(text, 0, _BEGINNING):
        verdicts.setdefault(found.group(1), _is_positive(found.group(2), found.group(3)))
    if len(verdicts) < needed:
        return None
    return _from_verdicts(response, verdicts)


def _is_positive(negation: str, verdict: str) -> bool:
    return not negation and verdict.lower() not in {"错误", "错", "incorrect", "wrong", "✗", "✘", "×", "❌"}


def _from_verdicts(response: Response, verdicts: Mapping[str, bool]) -> Reading | None:
    """The right ones; of a single-choice question with several right ones the odd one out, which was asked for."""
    right = [letter for letter, positive in verdicts.items() if positive]
    wrong = [letter for letter, positive in verdicts.items() if not positive]
    if not right:
        return None
    if response.multi or len(right) == 1:
        return Reading("".join(right))
    if len(wrong) == 1 and len(verdicts) == len(response.options):
        return Reading(wrong[0])
    return Reading(right[-1])


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


def declared(response: Response, start: int = 0) -> Reading | None:
    r"""`，故选B`, `[正确答案]C`, `\boxed{D}`: a word makes the letters the answer; a later statement corrects."""
    last: tuple[str, int, bool] | None = None
    # The last few: a model that repeats itself hundreds of times says no more by it.
    for found in reversed(_statements(response, start)[-_STATEMENTS:]):
        if last and found.end() + _CLOSE > last[1] and _OR.match(response.text, found.end()):
            return Reading(reason="undecided")
        letters = _declared_letters(response, found)
        if not letters:
            continue
        final = found.group(1).startswith(("答案", "boxed"))
        if last is None or set(letters) == set(last[0]):
            last = letters, found.start(), final or (last is not None and last[2])
        else:
            return _of_two(response, last, found.end(), final)
    return Reading(last[0]) if last else None


def _statements(response: Response, start: int) -> list[re.Match[str]]:
    """Announcing words with their letters, in the order of the text."""
    text = response.text
    patterns = response.grammar.declared
    if "e" in text or "E" in text:  # as every announcing word of English has
        patterns += response.grammar.declared_in_english
    found = [place for pattern in patterns for place in pattern.finditer(text, start)]
    return sorted(found, key=re.Match.start) if len(found) > 1 else found


def _declared_letters(response: Response, found: re.Match[str]) -> str:
    if NOT_CHOSEN.match(response.text, found.end()):
        return ""
    listed = read_option_list(response, found.start(2))[0]
    # "which is right: A ..." gives the question back, whole or cut off in its first option.
    if listed[:1] == next(iter(response.options)) and found.group(1).startswith("的"):
        return ""
    if len(listed) > 1 and (not response.multi or (not found.group(1).startswith("答案") and len(listed) > 2)):
        return ""
    return listed if len(listed) > 1 else found.group(2)


def _of_two(response: Response, last: tuple[str, int, bool], end: int, final: bool) -> Reading:
    """The later of two different statements, if something between them says why it is the later one that holds."""
    letters, start, last_final = last
    between = response.text[end:start]
    if last_final and not final:
        return Reading(letters)
    if len(between) > _REACH or _CORRECTS.search(between):
        return Reading(letters)
    return Reading(reason="undecided" if _HEDGES.search(between) else "contradiction")


def leading_letters(response: Response) -> Reading | None:
    """`A、B、C、D 均具有管辖权`, `选项C符合要求`, `AC 解析：`: the response begins with the letters."""
    found = response.grammar.leading.match(response.text)
    if not found or NOT_CHOSEN.match(response.text, found.end(1)):
        return None
    if re.match(r"\s*(?:选项|项)?\s*(?:肯定|应该)?(?:不|错)", response.text[found.end(1) : found.end(1) + 8]):
        return None
    letters = _one_answer(found.group(1))
    return Reading(letters) if letters else Reading(reason="contradiction")


def announced_sentence(response: Response) -> Reading | None:
    """`答案：上述行为中，A、B两项……`: letters later in the sentence that announces the answer."""
    found = response.grammar.sentence.search(response.text) if "答案" in response.text else None
    if not found or NOT_CHOSEN.match(response.text, found.end()):
        return None
    letters = read_option_list(response, found.start(2))[0] or found.group(2)
    return Reading(letters) if response.multi or len(letters) == 1 else None


def judged(response: Response) -> Reading | None:
    """`选项B正确，A、C错误`: options called right or wrong in running text."""
    verdicts: dict[str, bool] = {}
    for found in response.grammar.judged.finditer(response.text):
        for letter in re.findall("[A-Z]", found.group(1)):
            # The last word on an option counts, and stands last.
            verdicts.pop(letter, None)
            verdicts[letter] = _is_positive(found.group(2), found.group(3))
    return _from_verdicts(response, verdicts) if verdicts else None


def refused(response: Response) -> Reading | None:
    """`抱歉，我无法回答`, `没有正确选项`: says that it does not answer."""
    text = response.text
    return Reading(reason="refusal") if (_REFUSAL_IN_ENGLISH if text.isascii() else _REFUSAL).search(text) else None


def echoed_options(response: Response) -> Reading | None:
    """The question given back: its option list after other text, and nothing that chooses among them."""
    starts = "".join(found.group(1) for found in response.grammar.option_start.finditer(response.text, 0, _BEGINNING))
    return Reading(reason="echo") if response.echoed or _is_list(starts) else None


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


def closing_statement(response: Response) -> Reading | None:
    """`采取的措施是D，……`: letters that end a clause after 是, 为 or a colon; several different ones decide nothing."""
    places = response.grammar.closing_statement.finditer(response.text)
    found = {place.group(1) for place in places if not _is_denied(response.text, place.start(1), place.end(1))}
    if not found:
        return None
    return Reading(found.pop()) if len(found) == 1 else Reading(reason="undecided")


def _is_denied(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 8) : start], text[end : end + 12]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(after))


def lone_letters(response: Response) -> Reading | None:
    """The only letters there; several different ones commit to nothing where one is asked for."""
    text = response.text
    places = response.grammar.lone.finditer(text)
    letters = {place.group(1) for place in places if not _is_denied(text, place.start(), place.end())}
    if response.multi and not letters:
        runs = [found.group(1) for found in response.grammar.letters.finditer(text)]
        letters = set(runs[-1]) if runs and list(runs[-1]) == sorted(set(runs[-1])) else set()
    if not letters:
        return None
    if not response.multi and len(letters) > 1:
        return Reading(reason="undecided")
    return Reading(reason="all_options") if len(letters) == len(response.options) else Reading("".join(letters))


RULES: tuple[tuple[str, State, Rule], ...] = (
    ("letters_only", "stated", letters_only),
    ("one_option_line", "stated", one_option_line),
    ("dressed_letters", "stated", dressed_letters),
    ("answer_then_question", "stated", answer_then_question),
    ("judged_list", "stated", judged_list),
    ("option_lines", "stated", option_lines),
    ("declared", "stated", declared),
    ("leading_letters", "stated", leading_letters),
    ("announced_sentence", "stated", announced_sentence),
    ("judged", "stated", judged),
    ("refused", "stated", refused),
    ("other_alphabet", "stated", other_alphabet),
    ("echoed_options", "stated", echoed_options),
    ("closing_statement", "stated", closing_statement),
)

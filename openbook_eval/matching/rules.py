"""The rules of the choice matcher, in the order of RULES: the first that reads letters, or is sure of none, decides."""

import re
from collections.abc import Mapping

from openbook_eval.matching.patterns import ANNOUNCEMENT, CLOSING, NOT_CHOSEN, OPENING_CHARACTERS
from openbook_eval.matching.response import BEGINNING, Reading, Response, Rule, is_list, one_answer, read_option_list
from openbook_eval.matching.wordings import abstention, abstention_only, exact_option, quoted_options
from openbook_eval.types import State

_REACH = 40
_REFUSAL = re.compile(
    r"(?:无法|不能|难以)(?:为您)?(?:回答|作答|解答|确定|判断|给出|提供)|抱歉|对不起|没有(?:一个)?(?:正确|合适)的?(?:选项|答案)"
    r"|无正确|(?:以上|上述)(?:选项)?(?:都|均|皆)不"
)
_REFUSAL_IN_ENGLISH = re.compile(
    r"(?i:sorry|i(?:'m| am) (?:just|unable|not able)|don't know|none of the|cannot (?:answer|provide|determine))"
)
_OTHER_ALPHABETS = ("甲乙丙丁戊己庚辛", "①②③④⑤⑥⑦⑧", "abcdefgh")
_STATEMENTS = 6
_CLOSE = 8
_OR = re.compile(r"\s*+(?:或|or\b)")
# Between two statements: the later one takes the earlier one back, or sums up.
_CORRECTS = re.compile(
    r"更正|纠正|修正|改正|不对|哦不|有误|看错|遗漏|重新|其实|实际|而是|而应|应该?[选为]|即|综上|因此|所以|最终|总之|故"
    r"|(?i:correct(?:ion|ing)|actually|however|wait|therefore|sorry|but\b)"
)
_HEDGES = re.compile(r"或|可能|也许|\bor\b|either")
_DENIED_BEFORE = re.compile(r"(?:不|非|并非|排除|除了)(?:应该?|能|可|该|会|要|宜)?(?:选择?|是|为)?\s*$")
_DENIED_AFTER = re.compile(r"(?:选项|项)?[^。；;\n]{0,4}?(?:不(?:能|应|该|可)?(?:选|对|正确)|错|排除)")
_MAY_JUDGE = re.compile("[✓✔√✗✘×❌✅错]|确(?![答的])|对[，,；;。]|orrect")


# Rules for the form of a whole response: bare letters, option lines, a question given back, a refusal.


def letters_only(response: Response) -> Reading | None:
    """Read `B`, `AC`, `A、C`: nothing but letters, as the prompt demands."""
    text = response.text.strip()
    if not response.patterns.strict.fullmatch(text):
        return None
    letters = one_answer(text)
    return Reading(letters) if letters and len(set(letters)) == len(letters) else None


def one_option_line(response: Response) -> Reading | None:
    """Read `B. 胰高血糖素`: one option with its letter and no other letter after it; common, so it is asked early."""
    found = response.patterns.option_line.fullmatch(response.text)
    return Reading(found.group(1)) if found else None


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


def answer_then_question(response: Response) -> Reading | None:
    """Read `答案：A` and then another question with its own options: the first paragraph is the answer to ours."""
    if "\n" not in response.text:
        return None
    head, _, rest = response.text.strip().partition("\n")
    found = response.patterns.dressed.fullmatch(head.strip()) if rest and len(head) < _REACH else None
    if not found:
        return None
    starts = "".join(start.group(1) for start in response.patterns.option_start.finditer(rest[:BEGINNING]))
    question_first = re.match(r"[^A-Z]*(?:[(（]\s*[)）]|[?？:：]\s*A[:：.、])|\s*(?:\d+[.、]|下一题)", rest)
    letters = one_answer(found.group(1))
    return Reading(letters) if letters and question_first and is_list(starts) else None


def option_lines(response: Response) -> Reading | None:
    """Read `A. 甲` or several such lines: the response begins with options; a statement after them corrects them."""
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
    """Read `A、B、C、D 均具有管辖权`, `选项C符合要求`, `AC 解析：`: the response begins with the letters."""
    found = response.patterns.leading.match(response.text)
    if not found or NOT_CHOSEN.match(response.text, found.end(1)):
        return None
    if re.match(r"\s*(?:选项|项)?\s*(?:肯定|应该)?(?:不|错)", response.text[found.end(1) : found.end(1) + 8]):
        return None
    letters = one_answer(found.group(1))
    return Reading(letters) if letters else Reading(reason="contradiction")


def refused(response: Response) -> Reading | None:
    """Read `抱歉，我无法回答`, `没有正确选项`: says that it does not answer."""
    text = response.text
    return Reading(reason="refusal") if (_REFUSAL_IN_ENGLISH if text.isascii() else _REFUSAL).search(text) else None


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
        used = any(sign in option for sign in core for option in response.options.values())
        if set(core) <= set(alphabet) and not used:
            return Reading("".join("ABCDEFGH"[alphabet.index(sign)] for sign in core))
    return None


# Rules for letters that a sentence makes the answer, and for letters that merely stand in one.


def declared(response: Response, start: int = 0) -> Reading | None:
    r"""Read `，故选B`, `[正确答案]C`, `\boxed{D}`: a word makes the letters the answer; a later statement corrects."""
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
    patterns = response.patterns.declared
    if "e" in text or "E" in text:  # as every announcing word of English has
        patterns += response.patterns.declared_in_english
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
    return listed if len(listed) > 1 else "".join(re.findall("[A-Z]", found.group(2)))


def _of_two(response: Response, last: tuple[str, int, bool], end: int, final: bool) -> Reading:
    """Return the later of two different statements, if something between them says why the later one holds."""
    letters, start, last_final = last
    between = response.text[end:start]
    if last_final and not final:
        return Reading(letters)
    if len(between) > _REACH or _CORRECTS.search(between):
        return Reading(letters)
    return Reading(reason="undecided" if _HEDGES.search(between) else "contradiction")


def announced_sentence(response: Response) -> Reading | None:
    """Read `答案：上述行为中，A、B两项……`: letters later in the sentence that announces the answer."""
    found = response.patterns.sentence.search(response.text) if "答案" in response.text else None
    if not found or NOT_CHOSEN.match(response.text, found.end()):
        return None
    listed = read_option_list(response, found.start(1))[0]
    if len(listed) > 1 and not response.multi:
        return None
    return Reading(listed if len(listed) > 1 else found.group(1))


def closing_statement(response: Response) -> Reading | None:
    """Read `采取的措施是D，……`: letters that end a clause after 是, 为 or a colon; several different ones are none."""
    places = response.patterns.closing_statement.finditer(response.text)
    found = {place.group(1) for place in places if not _is_denied(response.text, place.start(1), place.end(1))}
    if not found:
        return None
    return Reading(found.pop()) if len(found) == 1 else Reading(reason="undecided")


def lone_letters(response: Response) -> Reading | None:
    """Read the only letters there; several different ones commit to nothing where one is asked for."""
    text = response.text
    places = response.patterns.lone.finditer(text)
    letters = {place.group(1) for place in places if not _is_denied(text, place.start(), place.end())}
    if response.multi and not letters:
        runs = [found.group(1) for found in response.patterns.letters.finditer(text)]
        letters = set(runs[-1]) if runs and list(runs[-1]) == sorted(set(runs[-1])) else set()
    if not letters:
        return None
    if not response.multi and len(letters) > 1:
        return Reading(reason="undecided")
    return Reading(reason="all_options") if len(letters) == len(response.options) else Reading("".join(letters))


def _is_denied(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 8) : start], text[end : end + 12]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(after))


# Rules for responses that call options right or wrong one by one.


def judged_list(response: Response) -> Reading | None:
    """Read `A：正确。B：错误。`, `A. 畸形 ✓`: a list that says of each option whether it is right."""
    text = response.text
    # A cheap look first: such a list begins with A or B and goes on to C or D.
    if not ("A" in text or "B" in text) or not ("C" in text or "D" in text or len(response.options) < 3):
        return None
    if not _MAY_JUDGE.search(text):
        return None
    needed = min(3, len(response.options))
    judgements: dict[str, bool] = {}
    for found in response.patterns.option_judgement.finditer(text, 0, BEGINNING):
        judgements.setdefault(found.group(1), _is_positive(found.group(2), found.group(3)))
    # Whoever goes through the options and then names an answer means that one.
    if len(judgements) < needed or declared(response):
        return None
    return _from_judgements(response, judgements)


def judged(response: Response) -> Reading | None:
    """Read `选项B正确，A、C错误`: options called right or wrong in running text."""
    judgements: dict[str, bool] = {}
    for found in response.patterns.judged.finditer(response.text):
        for letter in re.findall("[A-Z]", found.group(1)):
            # The last word on an option counts, and stands last.
            judgements.pop(letter, None)
            judgements[letter] = _is_positive(found.group(2), found.group(3))
    return _from_judgements(response, judgements) if judgements else None


def _is_positive(negation: str, judgement: str) -> bool:
    return not negation and judgement.lower() not in {"错误", "错", "incorrect", "wrong", "✗", "✘", "×", "❌"}


def _from_judgements(response: Response, judgements: Mapping[str, bool]) -> Reading | None:
    """Return the right ones; of a single-choice question with several the odd one out, which was asked for."""
    right = [letter for letter, positive in judgements.items() if positive]
    wrong = [letter for letter, positive in judgements.items() if not positive]
    if not right:
        return None
    if response.multi or len(right) == 1:
        return Reading("".join(right))
    if len(wrong) == 1 and len(judgements) == len(response.options):
        return Reading(wrong[0])
    return Reading(right[-1])


# In the order in which they are asked: the first that reads letters, or is sure that there are none, decides.
RULES: tuple[tuple[str, State, Rule], ...] = (
    ("letters_only", "stated", letters_only),
    ("one_option_line", "stated", one_option_line),
    ("exact_option", "implied", exact_option),
    ("dressed_letters", "stated", dressed_letters),
    ("abstention_only", "none", abstention_only),
    ("answer_then_question", "stated", answer_then_question),
    ("judged_list", "stated", judged_list),
    ("option_lines", "stated", option_lines),
    ("declared", "stated", declared),
    ("leading_letters", "stated", leading_letters),
    ("announced_sentence", "stated", announced_sentence),
    ("judged", "stated", judged),
    ("abstention", "none", abstention),
    ("refused", "none", refused),
    ("other_alphabet", "stated", other_alphabet),
    ("echoed_options", "none", echoed_options),
    ("closing_statement", "stated", closing_statement),
    ("quoted_options", "implied", quoted_options),
    ("lone_letters", "implied", lone_letters),
)

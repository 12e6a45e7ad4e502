"""Rules for letters that a sentence makes the answer, and for letters that merely stand in one."""

import re

from openbook_eval.matching.grammar import NOT_CHOSEN
from openbook_eval.matching.response import Reading, Response, read_option_list

_REACH = 40
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
    return listed if len(listed) > 1 else "".join(re.findall("[A-Z]", found.group(2)))


def _of_two(response: Response, last: tuple[str, int, bool], end: int, final: bool) -> Reading:
    """The later of two different statements, if something between them says why it is the later one that holds."""
    letters, start, last_final = last
    between = response.text[end:start]
    if last_final and not final:
        return Reading(letters)
    if len(between) > _REACH or _CORRECTS.search(between):
        return Reading(letters)
    return Reading(reason="undecided" if _HEDGES.search(between) else "contradiction")


def announced_sentence(response: Response) -> Reading | None:
    """`答案：上述行为中，A、B两项……`: letters later in the sentence that announces the answer."""
    found = response.grammar.sentence.search(response.text) if "答案" in response.text else None
    if not found or NOT_CHOSEN.match(response.text, found.end()):
        return None
    listed = read_option_list(response, found.start(1))[0]
    if len(listed) > 1 and not response.multi:
        return None
    return Reading(listed if len(listed) > 1 else found.group(1))


def closing_statement(response: Response) -> Reading | None:
    """`采取的措施是D，……`: letters that end a clause after 是, 为 or a colon; several different ones decide nothing."""
    places = response.grammar.closing_statement.finditer(response.text)
    found = {place.group(1) for place in places if not _is_denied(response.text, place.start(1), place.end(1))}
    if not found:
        return None
    return Reading(found.pop()) if len(found) == 1 else Reading(reason="undecided")


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


def _is_denied(text: str, start: int, end: int) -> bool:
    before, after = text[max(0, start - 8) : start], text[end : end + 12]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(after))

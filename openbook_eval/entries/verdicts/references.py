"""Finds the letters of a passage that stand for an option, each with the words that go with it."""

import re
from collections.abc import Iterator, Mapping

from openbook_eval.entries.verdicts.spans import Span, merged
from openbook_eval.entries.verdicts.words import (
    ABBREVIATED,
    ALL,
    ANNOUNCING,
    BLANKS,
    BRACKETED,
    CLOSING,
    ENDS,
    GOVERNED,
    GOVERNS,
    LEADS_BEFORE,
    OPENING,
    PAUSES,
    REACH,
    STOPS,
    STRONG_BEFORE,
    WEAK_BEFORE,
    WIDER,
    Letters,
    patterns_of,
)


def own_words(text: str, options: Mapping[str, str]) -> list[Span]:
    """Where option texts stand that hold letters themselves ("B超", "A型血"); texts that are a verdict are none."""
    words = {option for option in options.values() if len(option) > 1 and set(option) & set(options)}
    spans = [
        found.span()
        for word in words
        if not re.fullmatch(r"[A-Z\W和与及]+", word) and not any(references(word, dict.fromkeys(options, ""), []))
        for found in re.finditer(re.escape(word), text)
    ]
    return merged(spans)


def references(text: str, options: Mapping[str, str], own: list[Span]) -> Iterator[Span]:
    """Letters that stand for an option, each with the words that go with it."""
    if not options:
        return
    patterns = patterns_of("".join(options))
    # "A是…；B是…；C是…": a passage that goes through the options.
    listing = len({found[1] for found in patterns.subject.finditer(text)}) > 2
    place, own_place = 0, 0
    while found := patterns.listed.search(text, place):
        start, place = found.start(), found.start() + _distinct(found[0])
        while own_place < len(own) and own[own_place][1] <= start:
            own_place += 1
        if own_place < len(own) and own[own_place][0] <= start:
            place = max(place, own[own_place][1])
        elif span := _reference(text, (start, place), patterns, options):
            yield span
            place = max(place, span[1])
        elif listing and _is_subject(text, start, patterns):
            yield start, place


def _is_subject(text: str, start: int, patterns: Letters) -> bool:
    return _begins_item(text[max(0, start - REACH) : start]) or bool(patterns.subject.match(text, start - 1))


def _distinct(listed: str) -> int:
    """The length of the list up to a letter that was there before: "A，A项" are two references."""
    seen: set[str] = set()
    end = 0
    for place, sign in enumerate(listed, 1):
        letter = chr(ord(sign) - WIDER) if sign > "\uff00" else sign
        if letter in seen:
            break
        if "A" <= letter <= "Z":
            seen.add(letter)
            end = place
    return end


def _reference(text: str, letters: Span, patterns: Letters, options: Mapping[str, str]) -> Span | None:
    """What to take out with these letters; None where they are no reference to an option."""
    start, end = letters
    judged, named = patterns.judged.match(text, end), patterns.named.match(text, end)
    if announced := _announced(text, letters, judged, named):
        return announced
    before = text[max(0, start - REACH) : start]
    if judged:
        leads = LEADS_BEFORE.search(before)
        return start - (len(before) - leads.start() if leads else 0), judged.end()
    governing = _with_governing(text, (start, named.end() if named else end))
    if named or governing[1] > end:
        return governing
    if text[start - 1 : start] + text[end : end + 1] in BRACKETED:
        abbreviation = text[start : start + 2].isalpha() or ABBREVIATED.search(before[:-1])
        return None if abbreviation else (start - 1, end + 1)
    label = None if text[start : start + 2].isalpha() else patterns.label.match(text, end)
    if (label or patterns.alone.match(text, end)) and _begins_item(before):
        return start, label.end() if label else end
    if text[end : end + 1] in ALL and _are_options(text[start:end], options) and _heads_clause(before):
        return start, end + 1
    own = options.get(text[start:end], "")
    return letters if len(own) > 1 and text[end : end + 8].lstrip().startswith(own[:4]) else None


def _are_options(listed: str, options: Mapping[str, str]) -> bool:
    """Whether a list names three options or more in their order and nothing else: "ABDE均", "A、B、C都"."""
    names = [sign for sign in listed if sign.isupper()]
    return len(names) > 2 and names == sorted(set(names) & set(options))


def _heads_clause(before: str) -> bool:
    return not before or before[-1] in PAUSES + STOPS


def _announced(text: str, letters: Span, judged: re.Match[str] | None, named: re.Match[str] | None) -> Span | None:
    """The letters with the words before them that make them an answer or an option."""
    start, end = letters
    before = text[max(0, start - REACH) : start]
    after = judged or named
    if before.rstrip(" \t\n\u3000“\"'‘（([【*：:")[-1:].lower() not in ANNOUNCING:
        return None
    found = STRONG_BEFORE.search(before)
    # "故可排除（D错）", "答案（A对）": the bracket judges the option whose text stands before it.
    if found and judged and before[-1] in OPENING:
        return None
    if not found and (after or ENDS.match(text, end)):
        found = WEAK_BEFORE.search(before)
    if not found:
        return None
    opened = len(before) - len(before.rstrip(OPENING + "*\"'"))
    end = after.end() if after else end
    end += text[end : end + 1] == "后" and not after
    while opened and text[end : end + 1] and text[end] in CLOSING + "*\"'":
        opened, end = opened - 1, end + 1
    span = start - len(before) + found.start(), end
    return span if judged else _with_governing(text, span)


def _with_governing(text: str, span: Span) -> Span:
    """A named option with the preposition that governs it, where nothing else follows that it could govern."""
    start, end = span
    before = text[max(0, start - 4) : start]
    governs, governed = GOVERNS.search(before), GOVERNED.match(text, end)
    if not governs or not governed:
        return span
    excepted = governs[0].startswith("除") and text[governed.end() : governed.end() + 1] in ("，", ",")
    return start - len(before) + governs.start(), governed.end() + excepted


def _begins_item(before: str) -> bool:
    """Whether a letter after this text stands where the label of a list item stands."""
    bare = before.rstrip(BLANKS + "-*#•(（")
    if not bare or bare[-1] in STOPS + "；;：:":
        return True
    return before[-1] in BLANKS and not re.match(r"[A-Za-z]", bare[-1])

"""Take out of a passage what leaks the answer: what says by its letter which option is right or wrong.

The knowledge stays. The time is linear in the text, however hostile.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from openbook_eval.books import leak_patterns as p
from openbook_eval.books.leak_patterns import BLANKS, CLOSING, OPENING, PAUSES, REACH, STOPS, WIDER, Letters

Span = tuple[int, int]

_BRACKETS = ("（", "(", "【", "[")
# Brackets are taken to close within so many characters.
_BRACKET = 200
_PAIRS = {a + b for a, b in zip(OPENING + "（(*\"'", CLOSING + ")）*\"'", strict=True)}
# Taking one leak out may join the halves of another. Published passages are through after three rounds; a text that
# needs more than these is made to outlast them.
_ROUNDS = 6


def remove_leaks(text: str, options: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the passage without leaks, and what was removed, in order.

    Letters that name an option leave with the words that judge or announce them and with the punctuation around them;
    letters of words (维生素A, B超) and of an option's own text stay. Where removing leaks shows new ones without end,
    nothing is kept.
    """
    rest, cuts = text, list[Span]()
    places: Sequence[int] = range(len(text))
    for _ in range(_ROUNDS):
        found = _cuts(rest, options)
        if not found:
            return rest, tuple(text[start:end] for start, end in cuts)
        cuts = _merged([*cuts, *((places[start], places[end - 1] + 1) for start, end in found)])
        edges = [0, *chain.from_iterable(cuts), len(text)]
        kept = list(zip(edges[::2], edges[1::2], strict=True))
        rest = "".join(text[start:end] for start, end in kept)
        places = list(chain.from_iterable(range(start, end) for start, end in kept))
    return "", (text,)


def _cuts(text: str, options: Mapping[str, str]) -> list[Span]:
    """Return leaks and the punctuation around them, in order."""
    own = _own_words(text, options)
    found = [*_references(text, options, own), *(phrase.span() for phrase in p.LETTERLESS.finditer(text))]
    grown = [_filled(text, *span) for span in _joined(text, sorted(found))]
    return _merged([_tidied(text, span) for span in _joined(text, grown)])


def _own_words(text: str, options: Mapping[str, str]) -> list[Span]:
    """Return where option texts stand that hold letters themselves ("B超", "A型血"); texts that are a leak are none."""
    words = {option for option in options.values() if len(option) > 1 and set(option) & set(options)}
    spans = [
        found.span()
        for word in words
        if not re.fullmatch(r"[A-Z\W和与及]+", word) and not any(_references(word, dict.fromkeys(options, ""), []))
        for found in re.finditer(re.escape(word), text)
    ]
    return _merged(spans)


def _references(text: str, options: Mapping[str, str], own: list[Span]) -> Iterator[Span]:
    """Return letters that stand for an option, each with the words that go with it."""
    if not options:
        return
    patterns = p.patterns_of("".join(options))
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
        elif listing and (_begins_item(text[max(0, start - REACH) : start]) or patterns.subject.match(text, start - 1)):
            yield start, place


def _distinct(listed: str) -> int:
    """Return the length of the list up to a letter that was there before: "A，A项" are two references."""
    seen: set[str] = set()
    end = 0
    for place, character in enumerate(listed, 1):
        letter = chr(ord(character) - WIDER) if character > "\uff00" else character
        if letter in seen:
            break
        if "A" <= letter <= "Z":
            seen.add(letter)
            end = place
    return end


def _reference(text: str, letters: Span, patterns: Letters, options: Mapping[str, str]) -> Span | None:
    """Return what to take out with these letters; None where they are no reference to an option."""
    start, end = letters
    judged, named = patterns.judged.match(text, end), patterns.named.match(text, end)
    if announced := _announced(text, letters, judged, named):
        return announced
    before = text[max(0, start - REACH) : start]
    if judged:
        leads = p.LEADS_BEFORE.search(before)
        return start - (len(before) - leads.start() if leads else 0), judged.end()
    governing = _with_governing(text, (start, named.end() if named else end))
    if named or governing[1] > end:
        return governing
    if text[start - 1 : start] + text[end : end + 1] in p.BRACKETED:
        abbreviation = text[start : start + 2].isalpha() or p.ABBREVIATED.search(before[:-1])
        return None if abbreviation else (start - 1, end + 1)
    label = None if text[start : start + 2].isalpha() else patterns.label.match(text, end)
    if (label or patterns.alone.match(text, end)) and _begins_item(before):
        return start, label.end() if label else end
    heads_clause = not before or before[-1] in PAUSES + STOPS
    if heads_clause and text[end : end + 1] in p.ALL and _are_options(text[start:end], options):
        return start, end + 1
    own = options.get(text[start:end], "")
    return letters if len(own) > 1 and text[end : end + 8].lstrip().startswith(own[:4]) else None


def _are_options(listed: str, options: Mapping[str, str]) -> bool:
    """Return whether a list names three options or more in their order and nothing else: "ABDE均", "A、B、C都"."""
    names = [character for character in listed if character.isupper()]
    return len(names) > 2 and names == sorted(set(names) & set(options))


def _announced(text: str, letters: Span, judged: re.Match[str] | None, named: re.Match[str] | None) -> Span | None:
    """Return the letters with the words before them that make them an answer or an option."""
    start, end = letters
    before = text[max(0, start - REACH) : start]
    after = judged or named
    if before.rstrip(" \t\n\u3000“\"'‘（([【*：:")[-1:].lower() not in p.ANNOUNCING:
        return None
    found = p.STRONG_BEFORE.search(before)
    # "故可排除（D错）", "答案（A对）": the bracket judges the option whose text stands before it.
    if found and judged and before[-1] in OPENING:
        return None
    if not found and (after or p.ENDS.match(text, end)):
        found = p.WEAK_BEFORE.search(before)
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
    """Return a named option with the preposition that governs it, where nothing else follows that it could govern."""
    start, end = span
    before = text[max(0, start - 4) : start]
    governs, governed = p.GOVERNS.search(before), p.GOVERNED.match(text, end)
    if not governs or not governed:
        return span
    excepted = governs[0].startswith("除") and text[governed.end() : governed.end() + 1] in ("，", ",")
    return start - len(before) + governs.start(), governed.end() + excepted


def _begins_item(before: str) -> bool:
    """Return whether a letter after this text stands where the label of a list item stands."""
    bare = before.rstrip(BLANKS + "-*#•(（")
    if not bare or bare[-1] in STOPS + "；;：:":
        return True
    return before[-1] in BLANKS and not re.match(r"[A-Za-z]", bare[-1])


def _joined(text: str, spans: Iterable[Span]) -> list[Span]:
    """Join leaks with nothing but a pause between them, within brackets also those with a full stop."""
    whole: list[Span] = []
    for start, end in spans:
        bracketed = bool(whole) and text[whole[-1][0] - 1 : whole[-1][0]] in _BRACKETS
        if whole and not text[whole[-1][1] : start].strip(PAUSES + BLANKS + STOPS * bracketed):
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole


def _tidied(text: str, span: Span) -> Span:
    """Add the punctuation that the leak would leave hanging."""
    start, end = span
    left, right = _last(text, start), _first(text, end)
    before, after = text[left - 1 : left], text[right : right + 1]
    if not before or before in STOPS + OPENING:
        hanging = PAUSES if before and before in OPENING else PAUSES + STOPS.strip("\n")
        while after and after in hanging:
            right = end = _first(text, right + 1)
            # A full stop ends the sentence that is gone; what follows begins the next.
            hanging, after = PAUSES if after in PAUSES else "", text[right : right + 1]
        if not after or (after == "\n" and before in ("", "\n")):
            return left, right + len(after)
    elif before in PAUSES and (not after or after in PAUSES + STOPS + CLOSING):
        return _last(text, left - 1), end
    elif left < start and (not after or after in PAUSES + STOPS + CLOSING):
        return left, end
    return start, right if left < start or before in ("", "\n") else end


def _filled(text: str, start: int, end: int) -> Span:
    """Grow the span over brackets and quotation marks that hold nothing else, and over one without a partner."""
    left, right = _last(text, start), _first(text, end)
    while left > 0 and text[left - 1] + text[right : right + 1] in _PAIRS:
        start, end = left - 1, right + 1
        left, right = _last(text, start), _first(text, end)
    before = text[max(0, start - _BRACKET) : start]
    is_open = max(before.rfind("("), before.rfind("（")) > max(before.rfind(")"), before.rfind("）"))
    return (start, right + 1) if right < len(text) and text[right] in ")）" and not is_open else (start, end)


def _last(text: str, end: int) -> int:
    return len(text[max(0, end - REACH) : end].rstrip(BLANKS)) + max(0, end - REACH)


def _first(text: str, start: int) -> int:
    return start + len(text[start : start + REACH]) - len(text[start : start + REACH].lstrip(BLANKS))


def _merged(spans: Iterable[Span]) -> list[Span]:
    whole: list[Span] = []
    for start, end in sorted(spans):
        if whole and start <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole

"""Stretches of a text that leave it, and the punctuation that would be left hanging around them."""

from collections.abc import Iterable
from itertools import chain

from openbook_eval.entries.verdicts.words import BLANKS, CLOSING, OPENING, PAUSES, REACH, STOPS

Span = tuple[int, int]

_BRACKETS = ("（", "(", "【", "[")
# Brackets are taken to close within so many signs.
_BRACKET = 200
_PAIRS = {a + b for a, b in zip(OPENING + "（(*\"'", CLOSING + ")）*\"'", strict=True)}


def joined(text: str, spans: Iterable[Span]) -> list[Span]:
    """Verdicts with nothing but a pause between them are one; within brackets also those with a full stop."""
    whole: list[Span] = []
    for start, end in spans:
        bracketed = bool(whole) and text[whole[-1][0] - 1 : whole[-1][0]] in _BRACKETS
        if whole and not text[whole[-1][1] : start].strip(PAUSES + BLANKS + STOPS * bracketed):
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole


def tidied(text: str, span: Span) -> Span:
    """The verdict with the punctuation that it leaves hanging."""
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


def filled(text: str, start: int, end: int) -> Span:
    """The span grown over the brackets and quotation marks that hold nothing else, and over one that has no partner."""
    left, right = _last(text, start), _first(text, end)
    while left > 0 and text[left - 1] + text[right : right + 1] in _PAIRS:
        start, end = left - 1, right + 1
        left, right = _last(text, start), _first(text, end)
    if right < len(text) and text[right] in ")）" and not _is_open(text[max(0, start - _BRACKET) : start]):
        return start, right + 1
    return start, end


def _is_open(before: str) -> bool:
    return max(before.rfind("("), before.rfind("（")) > max(before.rfind(")"), before.rfind("）"))


def _last(text: str, end: int) -> int:
    """Where the text before `end` ends, blanks left out."""
    return len(text[max(0, end - REACH) : end].rstrip(BLANKS)) + max(0, end - REACH)


def _first(text: str, start: int) -> int:
    """Where the text after `start` begins, blanks left out."""
    return start + len(text[start : start + REACH]) - len(text[start : start + REACH].lstrip(BLANKS))


def merged(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that touch made one."""
    whole: list[Span] = []
    for start, end in sorted(spans):
        if whole and start <= whole[-1][1]:
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole


def between(spans: Iterable[Span], length: int) -> list[Span]:
    """What the spans leave of a text of this length."""
    edges = [0, *chain.from_iterable(spans), length]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]

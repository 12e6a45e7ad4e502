"""Takes out of a passage what says by its letter which option is right or wrong, and keeps the knowledge.

The time is linear in the text, however hostile.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

from openbook_eval.entries.verdicts.references import own_words, references
from openbook_eval.entries.verdicts.spans import Span, between, filled, joined, merged, tidied
from openbook_eval.entries.verdicts.words import LETTERLESS

# Taking one verdict out may join the halves of another. Published passages are through after three rounds; a text that
# needs more than these is made to outlast them.
_ROUNDS = 6


def take_out(text: str, options: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The passage without verdicts, and what was taken out, in order.

    Letters that name an option leave with the words that judge or announce them and with the signs that would be left
    hanging; letters of words (维生素A, B超) and of an option's own text stay. A text without verdict comes back as it
    is. Of a text that shows a new verdict however many are taken out, nothing is kept.
    """
    rest, cuts = text, list[Span]()
    places: Sequence[int] = range(len(text))
    for _ in range(_ROUNDS):
        found = _cuts(rest, options)
        if not found:
            return rest, tuple(text[start:end] for start, end in cuts)
        cuts = merged([*cuts, *((places[start], places[end - 1] + 1) for start, end in found)])
        kept = between(cuts, len(text))
        rest = "".join(text[start:end] for start, end in kept)
        places = list(chain.from_iterable(range(start, end) for start, end in kept))
    return "", (text,)


def _cuts(text: str, options: Mapping[str, str]) -> list[Span]:
    """What must leave the text, in order: verdicts, and the signs around them."""
    own = own_words(text, options)
    found = [*references(text, options, own), *(phrase.span() for phrase in LETTERLESS.finditer(text))]
    grown = [filled(text, *span) for span in joined(text, sorted(found))]
    return merged([tidied(text, span) for span in joined(text, grown)])

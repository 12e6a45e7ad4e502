"""Entries rewritten so that they support a wrong option: who reads the book answers with it, who remembers does not."""

import re

from openbook_eval.evidence import apart, options_held, plain
from openbook_eval.sampling import seeded_draw
from openbook_eval.types import Entry, Question

# "all of the above" makes no statement of its own; taken only where nothing else is wrong.
_SUMS_UP = re.compile(r"(?:以上|上述)|(?:都|均|皆)(?:不?是|不?对|不?正确|可以?)")


def contrary_answer(question: Question, seed: int) -> str:
    """The letters that the rewritten entry supports: one right letter of the answer gives way to a seeded wrong one.

    Where every option is right, one of them is left out. The draw hangs on the options' texts, so that questions that
    ask the same and have the same options are given the same wrong answer.
    """
    right = question.answer
    texts = {letter: plain(text) for letter, text in question.options.items()}

    def drawn(letter: str) -> tuple[bool, int, str]:
        key = seeded_draw(seed, "contrary", *sorted(texts[name] for name in right), texts[letter])
        return bool(_SUMS_UP.search(texts[letter])), key, letter

    given_up = min(right, key=drawn)
    kept = [letter for letter in right if letter != given_up]
    wrong = [letter for letter in question.options if letter not in right]
    # A wrong option with a right one's text would support nothing else.
    telling = [letter for letter in wrong if texts[letter] not in {texts[name] for name in right}] or wrong
    return "".join(sorted([*kept, min(telling, key=drawn)] if telling else kept))


def rewrite(question: Question, entry: Entry, answer: str, *, shared: bool) -> Entry:
    """The entry with right and wrong option exchanged, or the statement of `answer` where that does not do.

    It does where the new text holds every option of `answer` word for word and the option given up no longer, where
    the stem, if the entry repeats it, still asks the same, and where no other question's entry is the same text
    (`shared`): two questions would rewrite it two ways.
    """
    given_up = "".join(sorted(set(question.answer) - set(answer)))
    put_in = "".join(sorted(set(answer) - set(question.answer)))
    if not shared and len(given_up) == len(put_in) == 1:
        text = _exchanged(entry.text, question.options[given_up], question.options[put_in])
        held = options_held(text, question.options)
        stem = question.statement("").removesuffix("。")
        asks_the_same = stem in text or stem not in entry.text
        if text != entry.text and asks_the_same and set(answer) <= set(held) and given_up not in held:
            return Entry(question.id, text, entry.provider, entry.removed)
    return Entry(question.id, question.statement(answer), "statement")


def _exchanged(text: str, first: str, second: str) -> str:
    """Both texts in each other's place, save inside longer numbers (`10` in `1000`).

    The text as it is where one of them is part of the other or a single sign.
    """
    if min(len(first), len(second)) < 2 or first in second or second in first:
        return text
    either = re.compile("|".join(map(apart, (first, second))))
    return either.sub(lambda found: second if found.group() == first else first, text)

"""Prompts at work at once never need more blocks than the cache has."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.backend.admission import Admission

Prompts = list[list[int]]
PROMPTS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=12), min_size=1, max_size=12).map(sorted)


def blocks(prompts: Prompts, places: list[int], answer: int, block: int) -> int:
    """Counted one by one: a prompt takes whole blocks that are there already, but never that of its last token."""
    there: set[tuple[int, ...]] = set()
    taken = 0
    for place in sorted(places):
        prompt = prompts[place]
        heads = [tuple(prompt[: block * (number + 1)]) for number in range(len(prompt) // block)]
        hits = sum(head in there for head in heads[: (len(prompt) - 1) // block])
        taken += -(-(len(prompt) + answer) // block) - hits
        there.update(heads)
    return taken


def admission(prompts: Prompts, answer: int, block: int, size: int) -> Admission:
    return Admission([np.array(one, np.int32) for one in prompts], [answer] * len(prompts), block, size)


@given(PROMPTS, st.integers(1, 5), st.integers(1, 4), st.integers(1, 30), st.data())
def test_what_is_at_work_fits_and_all_are_admitted_in_order(
    prompts: Prompts, answer: int, block: int, size: int, data: st.DataObject
) -> None:
    admitting = admission(prompts, answer, block, size)
    running: list[int] = []
    begun = []
    while True:
        while (place := admitting.admit()) is not None:
            running.append(place)
            begun.append(place)
            assert len(running) == 1 or blocks(prompts, running, answer, block) <= size
        if not running:
            break
        # What waits would not have fitted.
        if len(begun) < len(prompts):
            assert blocks(prompts, [*running, len(begun)], answer, block) > size
        ended = data.draw(st.sampled_from(running))
        running.remove(ended)
        admitting.finish(ended)
    assert begun == list(range(len(prompts)))


def test_a_prompt_too_large_for_the_cache_is_left_to_the_engine() -> None:
    admitting = admission([[1] * 100], 4, 4, 3)
    assert (admitting.admit(), admitting.admit()) == (0, None)


def test_prompts_of_one_book_share_its_blocks() -> None:
    book = [7] * 8
    admitting = admission([[*book, 1], [*book, 2], [*book, 3]], 3, 4, 4)
    # Two blocks of the book and one for each prompt's end and answer: the third waits.
    assert [admitting.admit() for _ in range(3)] == [0, 1, None]
    admitting.finish(0)
    assert admitting.admit() == 2

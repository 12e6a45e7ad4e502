"""Tokens are counted and padding is not, however a batch tells the one from the other."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.training.counting import tokens_in

PAD = 0


def test_ones_of_a_mask_are_counted() -> None:
    batch = {"input_ids": torch.tensor([[5, 6, 0], [7, 0, 0]]), "attention_mask": torch.tensor([[1, 1, 0], [1, 0, 0]])}
    assert int(tokens_in(batch, PAD)) == 3


def test_the_numbers_of_packed_samples_are_no_sums() -> None:
    batch = {"input_ids": torch.tensor([[5, 6, 7, 8, 0]]), "attention_mask": torch.tensor([[1, 1, 2, 3, 0]])}
    assert int(tokens_in(batch, PAD)) == 4


def test_without_a_mask_a_token_that_pads_elsewhere_is_counted_inside_a_sample() -> None:
    # Two samples that end with the token that also pads, and three of padding.
    batch = {
        "input_ids": torch.tensor([[5, 6, 0, 7, 0, 0, 0, 0]]),
        "position_ids": torch.tensor([[0, 1, 2, 0, 1, 0, 0, 0]]),
    }
    assert int(tokens_in(batch, PAD)) == 5


def test_without_mask_and_positions_all_but_the_padding_is_counted() -> None:
    batch = {"input_ids": torch.tensor([[5, 6, 0], [7, 0, 0]])}
    assert int(tokens_in(batch, PAD)) == 3
    assert int(tokens_in(batch, None)) == 6


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=6), st.integers(0, 4))
def test_packed_samples_are_counted_alike_with_a_mask_and_without(samples: list[list[int]], padding: int) -> None:
    ids = torch.tensor([[*(token for sample in samples for token in sample), *[PAD] * padding]])
    positions = torch.tensor([[*(place for sample in samples for place in range(len(sample))), *range(padding)]])
    numbers = [number + 1 for number, sample in enumerate(samples) for _ in sample]
    mask = torch.tensor([[*numbers, *[0] * padding]])
    expected = sum(map(len, samples))
    assert int(tokens_in({"input_ids": ids, "attention_mask": mask}, PAD)) == expected
    assert int(tokens_in({"input_ids": ids, "position_ids": positions}, PAD)) == expected

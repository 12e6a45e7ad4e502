"""Which cards a replica gets."""

import pytest

from openbook_eval.backend.replicas import cards
from openbook_eval.errors import OpenbookError


def test_replicas_get_cards_one_behind_the_other() -> None:
    assert [cards(number, 2, None) for number in range(3)] == ["0,1", "2,3", "4,5"]


def test_replicas_keep_to_the_cards_that_the_user_shows() -> None:
    assert [cards(number, 1, "3,5") for number in range(2)] == ["3", "5"]
    with pytest.raises(OpenbookError, match="CUDA_VISIBLE_DEVICES=3,5 shows too few cards for replica 2 with 2 each"):
        cards(1, 2, "3,5")

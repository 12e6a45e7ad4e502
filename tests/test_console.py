"""Numbers as the terminal shows them."""

import pytest

from openbook_eval.console import percent
from openbook_eval.leaderboard.export import points


@pytest.mark.parametrize(
    ("share", "shown"), [(57 / 80, "71.3"), (0.7135, "71.4"), (0.00049, "0.0"), (1.0, "100.0"), (None, "-")]
)
def test_halves_are_rounded_up_as_on_the_page(share: float | None, shown: str) -> None:
    assert percent(share) == shown
    assert share is None or points(-share) in (f"-{shown}", "+0.0")

"""How figures and texts of others are written in tables."""

from rich.text import Text

from openbook_eval.errors import visible


def percent(share: float | None) -> str:
    """A share of 1 in percent with two decimals; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.2f}"


def line(text: str) -> Text:
    """Names, ids and other text from outside: no markup is read in it, and no sign of it moves the cursor."""
    return Text(visible(text))

"""What every table of a run shares: how figures are written, and what must be said below them."""

from collections.abc import Iterator

from rich.text import Text

from openbook_eval.errors import visible
from openbook_eval.models.context_window import Truncation


def percent(share: float | None) -> str:
    """A share of 1 in percent with two decimals; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.2f}"


def line(text: str) -> Text:
    """Names, ids and other text from outside: no markup is read in it, and no sign of it moves the cursor."""
    return Text(visible(text))


def caveats(limited: bool, truncation: Truncation, gaps: str) -> Iterator[Text]:
    """What keeps a run's figures from being those of the whole exam: a limit, questions without answer, cut prompts."""
    style = "table.caption"
    if limited:
        yield Text("taken with --limit: not all questions were asked", style)
    if gaps:
        yield Text(gaps, "bold red")
    if not truncation.checked:
        yield Text(f"not checked for truncation ({truncation.reason})", style)
    elif truncation.cut:
        cut = f"TRUNCATED: {truncation.cut} of {truncation.prompts} prompts did not reach the model whole"
        yield Text(cut, "bold red")

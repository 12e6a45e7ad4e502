"""What the command lines share: how they begin, how a user's mistake ends them, and what they print."""

import io
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from openbook_eval import __version__
from openbook_eval.errors import OpenbookError, visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text


def run_program(name: str, app: Callable[[], object]) -> None:
    """Run a command line; a user error ends in one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show Chinese shows question marks instead of ending the program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except OpenbookError as error:
        leave(error, name)


def leave(error: OpenbookError, name: str = "openbook-eval") -> NoReturn:
    """Print a user error and end the program with exit code 2."""
    # Paths and names in it come from outside.
    print(f"{name}: " + "\n".join(map(visible, str(error).split("\n"))), file=sys.stderr)
    raise SystemExit(2) from error


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


def version_option(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Serve as the callback of an app: the options that stand before its commands."""


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Guard work with packages of an extra: raise OpenbookError, with `what`, where one is missing."""
    try:
        yield
    except ImportError as error:
        raise OpenbookError(f"{what} ({error}); install openbook-eval[{extra}]") from error


def line(text: str) -> "Text":
    """Return text from outside for the terminal: no markup is read in it, and no character of it moves the cursor."""
    from rich.text import Text

    return Text(visible(text))


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share of 1 in percent; a dash where there is none."""
    return "-" if share is None or not math.isfinite(share) else f"{rounded(100 * share, digits):.{digits}f}"


def rounded(number: float, digits: int = 1) -> float:
    """Return a number rounded half up, as the page's scripts round it: 71.25 is 71.3, where Python says 71.2."""
    up = math.floor(round(abs(number) * 10**digits, 6) + 0.5) / 10**digits
    return math.copysign(up, number)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", notes: Iterable[str] = (), names: int = 1
) -> "Table":
    """Lay out a table of texts for a terminal of 80 columns: `names` columns to the left, then figures to the right.

    An empty row is a line between sections. No markup is read in the texts, which may come from outside.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    laid = Table(
        title=Text("\n".join(map(visible, title.split("\n")))) if title else None,
        caption=Text("\n").join(Text(visible(note)) for note in notes) or None,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
        collapse_padding=True,
    )
    for place, name in enumerate(columns):
        laid.add_column(Text(name), justify="left" if place < names else "right", overflow="fold")
    for row in rows:
        if row:
            laid.add_row(*(Text(visible(cell)) for cell in row))
        else:
            laid.add_section()
    return laid


def show(parts: Iterable["RenderableType"]) -> None:
    """Print tables and lines; a line of text is not broken, so that programs can read it."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, Text))

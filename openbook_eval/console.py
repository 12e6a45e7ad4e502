"""What the command lines share: how they begin, how a user's mistake ends them, and what they print."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from openbook_eval import __version__
from openbook_eval.errors import OpenbookError, visible


def run_program(name: str, app: Callable[[], object]) -> None:
    """Run a command line; a user error ends in one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show Chinese shows question marks instead of ending the program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except OpenbookError as error:
        # Paths and names in it come from outside.
        print(f"{name}: " + "\n".join(map(visible, str(error).split("\n"))), file=sys.stderr)
        sys.exit(2)


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

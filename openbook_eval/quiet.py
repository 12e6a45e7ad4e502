"""Keep a terminal quiet while a program and its libraries write: all goes to a log file, but for one progress bar."""

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from openbook_eval.errors import OpenbookError

# Of all that a run writes, the bars of lm-eval's requests and of our own models.
_BAR = re.compile(r"Running \w+ requests|Questions answered")


@contextmanager
def quiet(log: Path) -> Iterator[list[str]]:
    """Name `log` in one line and send everything there; give what is printed to standard output, piece by piece.

    Folders are created. Raises OpenbookError of the last line where the program ends itself with an error.
    """
    print(f"log: {log}", flush=True)
    printed: list[str] = []
    log.parent.mkdir(parents=True, exist_ok=True)
    streams, saved = (sys.stdout, sys.stderr), [os.dup(number) for number in (1, 2)]
    with (
        log.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file,
        os.fdopen(os.dup(saved[1]), "w", encoding="utf-8", errors="replace") as terminal,
    ):
        # Engines write past Python, and so do their processes.
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.stdout = _Logged(file, printed.append)
        sys.stderr = _Logged(file, _Bar(terminal).tell, shown=terminal.isatty())
        try:
            yield printed
        except SystemExit as error:
            if not error.code:
                raise
            last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise OpenbookError(last.removeprefix("openbook-eval: ")) from error
        finally:
            sys.stdout, sys.stderr = streams
            for number, kept in zip((1, 2), saved, strict=True):
                os.dup2(kept, number)
                os.close(kept)


class _Logged(io.TextIOBase):
    """A standard stream of which all goes to the log, and to `tell` as well."""

    def __init__(self, log: IO[str], tell: Callable[[str], None], *, shown: bool = False) -> None:
        self._log, self._tell, self._shown = log, tell, shown

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._shown

    def fileno(self) -> int:
        return self._log.fileno()

    def write(self, text: str) -> int:
        self._tell(text)
        return self._log.write(text)

    def flush(self) -> None:
        self._log.flush()


class _Bar:
    """Shows a bar out of all that is written: on a terminal as it grows, elsewhere as it ends."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal, self._last = terminal, ""

    def tell(self, text: str) -> None:
        if _BAR.search(text):
            self._last = text
            if self._terminal.isatty():
                self._terminal.write(text)
        elif text == "\n" and "100%" in self._last:
            self._terminal.write("\n" if self._terminal.isatty() else f"{self._last.strip()}\n")
            self._last = ""
        self._terminal.flush()

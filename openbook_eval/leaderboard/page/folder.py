"""The folder of a page: written aside, and put in place of an older one as a whole."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openbook_eval.errors import OpenbookError

# All that a page consists of. A folder that holds anything else is not replaced.
_PARTS = frozenset({"index.html", "assets", "data", "plots"})


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A new folder with room for data and plots; it takes the place of `out` when all went well.

    Raises OpenbookError where `out` is something else than a page, an empty folder or nothing, or cannot be written.
    """
    out = out.resolve()
    refuse_other(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as building:
            # Not the temporary folder itself: only its owner may look into that.
            new = Path(building) / "new"
            for part in ("data", "plots"):
                (new / part).mkdir(parents=True)
            yield new
            # Systems know no exchange of folders: for a moment there is neither.
            if out.exists():
                out.rename(Path(building) / "old")
            new.rename(out)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        raise OpenbookError(f"{out}: the page cannot be written ({error.strerror or error}{place})") from error


def refuse_other(out: Path) -> None:
    """Raises OpenbookError where `out` is something else than a page, an empty folder or nothing."""
    if out.exists() and not out.is_dir():
        raise OpenbookError(f"{out}: not a folder; name one that the page may be written to")
    if not out.is_dir():
        return
    names = {path.name for path in out.iterdir()}
    if stray := sorted(names - _PARTS):
        raise OpenbookError(f"{out}: holds {stray[0]!r}, which is no part of a page; name another folder")
    if names and not (out / "data" / "board.js").is_file():
        raise OpenbookError(f"{out}: is not a page of a leaderboard; name another folder")

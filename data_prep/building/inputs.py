"""The files that a build reads, by their content."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from data_prep.building.progress import Advance
from data_prep.manifest import Input, file_of
from openbook_eval.errors import OpenbookError

_THREADS = 2


@contextmanager
def hashing(
    files: Mapping[tuple[str, str], Path], advance: Advance = lambda _: None
) -> Iterator[Callable[[], list[Input]]]:
    """Size and hash of every file, by source and label; found in threads, and to be called for when it is needed.

    Raises OpenbookError where a file cannot be read, and at the end where one was changed in the meantime.
    """

    def one(place: tuple[str, str]) -> Input:
        content = file_of(files[place])
        advance(content.bytes)
        return Input(source=place[0], file=place[1], bytes=content.bytes, sha256=content.sha256)

    before = {file: _state(file) for file in files.values()}
    with ThreadPoolExecutor(_THREADS) as threads:
        found = threads.map(one, files)
        yield lambda: list(found)
    if changed := [str(file) for file, state in before.items() if _state(file) != state]:
        raise OpenbookError(f"{changed[0]}: was changed while it was read; run again when nothing writes to it")


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be read ({error.strerror})") from error
    return found.st_size, found.st_mtime_ns

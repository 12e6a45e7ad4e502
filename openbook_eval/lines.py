"""Files of lines that are only ever appended to: a program killed at any moment has lost none that it had written."""

import errno
import os
from pathlib import Path


def read_lines(path: Path) -> list[bytes]:
    """The lines of `path` that are not empty, in the order they were written; none where there is no such file.

    The last may be torn, or any before it that a kill left so. Raises OSError where the file cannot be read.
    """
    try:
        return [line for line in path.read_bytes().split(b"\n") if line]
    except FileNotFoundError:
        return []


def append_line(path: Path, line: bytes) -> None:
    """Writes `line`, which holds no line break, at once; the folders of `path` are made where they are missing.

    Raises OSError where it cannot be written whole.
    """
    line += b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        line = line if _ends_whole(file) else b"\n" + line
        # One write: with O_APPEND the lines of two processes never mix.
        written = os.write(file, line)
    finally:
        os.close(file)
    if written < len(line):
        raise OSError(errno.ENOSPC, "the disk is full", str(path))


def _ends_whole(file: int) -> bool:
    """Whether the last line is complete; behind a torn one a line would be lost.

    In the midst of another process's write it looks torn as well: that leaves a blank line and does no harm.
    """
    size = os.fstat(file).st_size
    return size == 0 or os.pread(file, 1, size - 1) == b"\n"

"""The bytes of a file: unpacked where it is packed, and as UTF-8 where they are text in another encoding."""

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader, FileIO
from pathlib import Path

from backports import zstd

from openbook_eval.errors import ExamError, OpenbookError
from openbook_eval.files import decode

_HEAD = 64 << 10
# What the encoding of lines is told from, and how many bytes of them are read at once: few, while they are in the
# processor's cache, are parsed in a third less time than many.
_SAMPLE, _FEW = 1 << 20, 128 << 10
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def is_packed(file: Path) -> bool:
    """Whether the file is gzip or zstd, by what it begins with: names lie."""
    with file.open("rb") as opened:
        return opened.read(4).startswith((_GZIP, _ZSTD))


def is_utf16(start: bytes) -> bool:
    """Whether a file that begins so is UTF-16, whose line ends cannot be found as bytes."""
    return start.startswith(_UTF16)


@contextmanager
def unpacked(file: Path) -> Iterator[BufferedIOBase]:
    """The file open for reading, unpacked. Raises OpenbookError where it cannot be read or is cut off while packed."""
    try:
        with file.open("rb") as opened:
            start = opened.read(4)
        if start.startswith(_GZIP):
            with gzip.open(file) as stream:
                yield stream
        elif start.startswith(_ZSTD):
            with zstd.open(file) as stream:
                yield stream
        else:
            with BufferedReader(FileIO(file), _FEW) as plain:
                yield plain
    except (EOFError, zlib.error, zstd.ZstdError, gzip.BadGzipFile) as error:
        raise OpenbookError(f"{file}: cannot be unpacked ({error}); fetch or pack it again") from error
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be read ({error.strerror or error})") from error


def head(file: Path) -> bytes:
    """The first bytes of a file, unpacked; of UTF-16 as UTF-8."""
    with unpacked(file) as stream:
        start = stream.read(_HEAD)
    if is_utf16(start):
        return start.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return start.removeprefix(codecs.BOM_UTF8)


def whole(file: Path) -> bytes:
    """All bytes of a file, unpacked, as UTF-8 where they are text."""
    with unpacked(file) as stream:
        return as_utf8(stream.read())


def lines(file: Path, start: int, end: int) -> Iterator[list[bytes]]:
    """The lines of a file, in UTF-8, a few at a time; `start` and `end` cut a file that is not packed.

    A line that is no text in the encoding of the others stays as it is.
    """
    with unpacked(file) as stream:
        stream.seek(start)
        sample = stream.read(_SAMPLE)
        if start == 0 and is_utf16(sample):
            yield as_utf8(sample + stream.read()).splitlines(keepends=True)
            return
        foreign = _is_gb18030(sample[: sample.rfind(b"\n") + 1] or sample)
        begin = start + (len(codecs.BOM_UTF8) if start == 0 and sample.startswith(codecs.BOM_UTF8) else 0)
        stream.seek(begin)
        left = sys.maxsize if is_packed(file) else end - begin
        while left > 0 and (some := stream.readlines(min(_FEW, left))):
            left -= sum(map(len, some))
            # It reads on after a line that ends with the last byte asked for.
            while left < 0:
                left += len(some.pop())
            yield list(map(_from_gb18030, some)) if foreign else some


def _is_gb18030(sample: bytes) -> bool:
    return as_utf8(sample) is not sample and not sample.startswith(codecs.BOM_UTF8)


def _from_gb18030(line: bytes) -> bytes:
    try:
        return line.decode("gb18030").encode()
    except UnicodeDecodeError:
        return line


def as_utf8(data: bytes) -> bytes:
    """The same text in UTF-8 without BOM, whether UTF-8, UTF-16 or gb18030; what is none of these stays as it is."""
    data = data.removeprefix(codecs.BOM_UTF8)
    if _is_utf8(data) or _mostly_utf8(data):
        return data
    try:
        return decode(data, "").encode()
    except ExamError:
        return data


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf8(data: bytes) -> bool:
    """Whether more lines are UTF-8 than not: then a few bytes were damaged, and gb18030 would garble the rest."""
    foreign = [line for line in data.split(b"\n") if not line.isascii()]
    return not is_utf16(data) and 2 * sum(map(_is_utf8, foreign)) > len(foreign)

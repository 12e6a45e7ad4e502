"""The texts of items in chunks, each loaded when one of its items is looked at."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from openbook_eval.leaderboard.page import pieces

SIZE = 200  # items of one chunk
_DIGITS = 16  # of a book's sha256 that name its piece


def write(data: Path, name: str, rows: Iterable[tuple[str, Any]], places: Mapping[str, int]) -> bool:
    """Writes the pieces `name-0`, `name-1`, ... of (id, row); `places` tells the place of an id. False: no rows came.

    A chunk is written as soon as it is whole: rows that come in order of their places take no memory. A place
    without a row holds null; of an id that comes again the first row stands.
    """
    open_chunks: dict[int, dict[int, Any]] = {}
    written: set[int] = set()
    for key, row in rows:
        if key not in places:
            continue
        chunk, place = divmod(places[key], SIZE)
        if chunk in written:
            continue
        own = open_chunks.setdefault(chunk, {})
        own.setdefault(place, row)
        if len(own) == _length(chunk, len(places)):
            _write_one(data, f"{name}-{chunk}", open_chunks.pop(chunk), len(own))
            written.add(chunk)
    if not written and not open_chunks:
        return False
    for chunk in range(-(-len(places) // SIZE)):
        if chunk not in written:
            _write_one(data, f"{name}-{chunk}", open_chunks.get(chunk, {}), _length(chunk, len(places)))
    return True


def write_books(data: Path, books: Iterable[tuple[str, str]]) -> None:
    """Writes a piece a shared book, each once; `books` are (sha256, text)."""
    for digest, text in books:
        if is_digest(digest) and not (data / f"{book_piece(digest)}.js").exists():
            pieces.write(data, book_piece(digest), text)


def is_digest(text: str | None) -> bool:
    """Whether it is a sha256. Digests stand in files from outside, and name files here."""
    return text is not None and re.fullmatch("[0-9a-f]{64}", text) is not None


def book_piece(digest: str) -> str:
    """The name of the piece that holds a book."""
    return f"book-{digest[:_DIGITS]}"


def _length(chunk: int, items: int) -> int:
    return min(SIZE, items - chunk * SIZE)


def _write_one(data: Path, name: str, rows: Mapping[int, Any], length: int) -> None:
    pieces.write(data, name, [rows.get(place) for place in range(length)])

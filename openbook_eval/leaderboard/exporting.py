"""Writes what was found to files: CSV, parquet and JSON for programs, Markdown and LaTeX for readers."""

import io
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
import polars as pl

from openbook_eval.errors import OpenbookError

# What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection), in full width as well.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
# What makes links, pictures, emphasis, cells; an address must not become a link by itself.
_MARKDOWN = re.compile(r"([\\`*_\[\]|~@$#!]|:(?=//)|(?<=www)\.)")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    # At the beginning of a row it would be an argument of the line break before it.
    "[": "{[}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table to be read: its first `texts` columns are words, the others figures."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    texts: int = 1


@dataclass(frozen=True, slots=True)
class Export:
    """The same in three forms: a typed table, a value fit for JSON, and tables to be read."""

    frame: pl.DataFrame
    record: object
    sheets: Sequence[Sheet]


def export(what: Export, paths: Iterable[Path]) -> None:
    """Writes a file a path, its form by its suffix; each whole or not at all.

    Raises OpenbookError for a suffix that is none of `FORMS`, before anything is written, or a file that cannot be
    written.
    """
    known = list(paths)
    check(known)
    for path in known:
        write(path, FORMS[path.suffix.lower()](what))


def check(paths: Iterable[Path]) -> None:
    """Raises OpenbookError for a path that no file can be written to, or whose suffix is none of `FORMS`."""
    for path in paths:
        if path.is_dir() or next(folder for folder in path.absolute().parents if folder.exists()).is_file():
            raise OpenbookError(f"{path}: cannot be written, a folder or a file is in its place; name another file")
        if path.suffix.lower() not in FORMS:
            raise OpenbookError(f"{path}: cannot export as {path.suffix or 'nothing'!r}; known are {', '.join(FORMS)}")


def write(path: Path, content: bytes) -> None:
    """Writes a file aside and moves it into place. Raises OpenbookError where it cannot be written."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise OpenbookError(f"{path}: cannot be written ({error.strerror or error})") from error


def sound(text: str) -> str:
    """Text from outside in one line that any file can hold: control characters and halves of surrogate pairs replaced.

    So are signs that turn the direction of writing around.
    """
    return "".join("\ufffd" if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in text)


def _csv(what: Export) -> bytes:
    texts = [name for name, kind in what.frame.schema.items() if kind == pl.String]
    guarded = (
        pl.when(pl.any_horizontal(pl.col(name).str.starts_with(sign) for sign in _FORMULA))
        .then(pl.concat_str(pl.lit("'"), name))
        .otherwise(pl.col(name))
        .alias(name)
        for name in texts
    )
    return what.frame.with_columns(*guarded).write_csv().encode()


def _parquet(what: Export) -> bytes:
    file = io.BytesIO()
    what.frame.write_parquet(file, compression="zstd")
    return file.getvalue()


def _json(what: Export) -> bytes:
    return orjson.dumps(what.record, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def markdown(sheets: Iterable[Sheet]) -> str:
    """Tables to be read as Markdown, all text in them escaped."""
    return "\n".join(map(_markdown_table, sheets))


def _markdown(what: Export) -> bytes:
    return markdown(what.sheets).encode()


def _markdown_table(sheet: Sheet) -> str:
    rules = [":--" if place < sheet.texts else "--:" for place in range(len(sheet.heads))]
    rows = [[_escaped_markdown(cell) for cell in row] for row in (sheet.heads, *sheet.rows)]
    lines = ["| " + " | ".join(row) + " |" for row in (rows[0], rules, *rows[1:])]
    notes = [f"- {_escaped_markdown(note)}" for note in sheet.notes]
    return "\n".join([f"### {_escaped_markdown(sheet.title)}", "", *lines, "", *notes, *([""] if notes else [])])


def _escaped_markdown(text: str) -> str:
    escaped = _MARKDOWN.sub(r"\\\1", sound(text))
    return "".join(_HTML.get(sign, sign) for sign in escaped)


def _latex(what: Export) -> bytes:
    head = "% Needs booktabs; Chinese names need XeLaTeX or LuaLaTeX with a Chinese font.\n"
    return (head + "\n".join(map(_latex_table, what.sheets))).encode()


def _latex_table(sheet: Sheet) -> str:
    columns = "l" * sheet.texts + "r" * (len(sheet.heads) - sheet.texts)
    head, *rows = [" & ".join(map(_escaped_latex, row)) + r" \\" for row in (sheet.heads, *sheet.rows)]
    notes = [rf"\par\footnotesize {_escaped_latex(note)}" for note in sheet.notes]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_escaped_latex(sheet.title)}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def _escaped_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in sound(text))


FORMS: Mapping[str, Callable[[Export], bytes]] = {
    ".csv": _csv,
    ".md": _markdown,
    ".tex": _latex,
    ".parquet": _parquet,
    ".json": _json,
}

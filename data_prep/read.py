"""Raw files, whatever their format, encoding and layout, as frames of rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

import polars as pl

from data_prep import formats
from data_prep.formats import UTF8, Fault, Foreign, Item
from data_prep.layouts import Layout, RowError
from data_prep.spec import Format, Source
from openbook_eval.errors import OpenbookError, first_line

# `question` is what the user says and `answer` what the assistant says, several turns joined by line breaks; `turns` is
# the JSON of the whole conversation where it is more than one question and one answer, else null. `file` and `row`
# (from 1) name the place that a row was read from.
_TEXTS: Mapping[str, pl.DataType] = {
    "row": pl.UInt32(), "question": pl.String(), "answer": pl.String(), "turns": pl.String(),
}  # fmt: skip
SCHEMA: Mapping[str, pl.DataType] = {"source": pl.String(), "domain": pl.String(), "file": pl.String(), **_TEXTS}

_SUFFIXES: dict[str, Format] = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx",
    ".parquet": "parquet", ".txt": "text",
}  # fmt: skip
_PACKED = (".gz", ".gzip", ".zst", ".zstd")
# What the hub's own tools write beside the rows.
_UNWANTED = ["dataset_info*.json", "*.lock.json", "requirements*.txt", "LICENSE*", "README*"]
# Faults of a refused file that are printed, and characters of a broken row that are kept: it may be the rest of a file.
_SHOWN, _LONGEST = 20, 10_000
# Rows that are named of those with the same fault.
_NAMED = 3
# Rows that are read one by one and handed on at once, and bytes by which lines of JSON are told from an array.
_ROWS, _HEAD = 20_000, 64 << 10


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a source; `label` is its name in the data folder, or its data set's name and its name in that."""

    source: Source
    label: str
    file: Path
    format: Format
    size: int  # in bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a part, with the columns of SCHEMA, what could not be read, and lines that were gb18030."""

    frame: pl.DataFrame
    faults: Sequence[Fault] = ()
    foreign: Foreign = UTF8


def parts(sources: Sequence[Source], root: Path) -> list[Part]:
    """Return the files of all sources by name of source and label; paths are relative to the folder `root`.

    Raises OpenbookError with every source's fault at once: where no file is there or matches, and where one cannot be
    read, is empty or of unknown format.
    """
    found: list[Part] = []
    faults: list[str] = []
    for source in sources:
        try:
            files = _local_files(source, root) or _fetch(source.hub or "", source.format)
            found += [_part(source, label, file) for label, file in files.items()]
        except OSError as error:
            faults.append(f"source {source.name}: {error.filename}: cannot be read ({error.strerror})")
        except OpenbookError as error:
            faults.append(f"source {source.name}: {error}")
    if faults:
        head = f"{len(faults)} sources cannot be read:\n  " if len(faults) > 1 else ""
        raise OpenbookError(head + "\n  ".join(faults))
    return sorted(found, key=lambda part: (part.source.name, part.label))


def _local_files(source: Source, root: Path) -> dict[str, Path]:
    if source.path is None:
        return {}
    named, files = root / source.path, source.files(root)
    if named.is_dir():
        raise OpenbookError(f"{named} is a folder; name its files, such as path: {source.path}/*.json")
    if not files and not source.hub:
        raise OpenbookError(f"no such file: {named}; fix its path, or name the folder of the data by --data")
    return files


def _fetch(name: str, declared: Format | None) -> dict[str, Path]:
    """Return the files of a data set of the hub by label: `owner/name`, or `owner/name/PATTERN` for some of them.

    They stay in the hub's cache; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold as usual.
    """
    from huggingface_hub import snapshot_download

    owner, short, pattern = (*name.split("/", 2), "", "")[:3]
    dataset = f"{owner}/{short}"
    # Files that hold lines of JSON are called .json as often as not.
    known = [suffix for suffix, format_ in _SUFFIXES.items() if not declared or format_[:4] == declared[:4]]
    wanted = [pattern] if pattern else [f"*{suffix}{packed}" for suffix in known for packed in ("", *_PACKED)]
    try:
        folder = Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=wanted, ignore_patterns=_UNWANTED))
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        raise OpenbookError(
            f"hub data set {dataset}: cannot be fetched ({first_line(error)}); "
            "fetch its files elsewhere and name them by path"
        ) from error
    # The cache's folder may hold more: files of an earlier fetch by another pattern.
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    matching = (name for name in sorted(names) if any(fnmatchcase(name, each) for each in wanted))
    found = [name for name in matching if not any(fnmatchcase(name, each) for each in _UNWANTED)]
    if not found:
        raise OpenbookError(f"hub data set {dataset}: has no file that matches {pattern or 'a known format'}")
    return {f"{dataset}/{name}": folder / name for name in found}


def _part(source: Source, label: str, file: Path) -> Part:
    """Return a file with its format: as declared, else by its name; json or jsonl by what the file begins with."""
    bare = label.lower()
    for packed in _PACKED:
        bare = bare.removesuffix(packed)
    format_, size = source.format or _SUFFIXES.get(Path(bare).suffix), file.stat().st_size
    if not format_:
        known = ", ".join([*_SUFFIXES, *_PACKED[::2]])
        raise OpenbookError(f"{label}: its name tells no format ({known}); name it in the source, such as format: json")
    if not size:
        raise OpenbookError(f"{label}: is empty")
    if source.rows and format_ == "jsonl":
        raise OpenbookError(f"{label}: rows names a key of a file of JSON; a file of JSON lines has none")
    if format_ in ("json", "jsonl") and not source.rows:
        line, more, _ = formats.read_text(file, _HEAD)[0].lstrip().partition(b"\n")
        if line.startswith(b"["):
            format_ = "json"
        elif not more or not any(isinstance(item, Fault) for item in formats.read_lines(line, 1)):
            format_ = "jsonl"
    return Part(source, label, file, format_, size)


def read(part: Part) -> Iterator[Chunk]:
    """Yield the rows of a part in chunks of some 16 MB of text at most; texts have no white space around them.

    Where the source says `broken: refuse`, raises OpenbookError with all faults of the part, after the chunks before
    the first of them. Raises it as well where the file cannot be read at all.
    """
    layout = Layout.of(part.source, part.format)
    constants = {"source": part.source.name, "domain": part.source.domain, "file": part.label}
    columns = [*layout.finish(), *(pl.lit(value).alias(name) for name, value in constants.items())]
    refused: list[Fault] = []
    for texts, faults, foreign in _texts(part, layout):
        refused += faults if part.source.broken == "refuse" else ()
        if not refused and (texts.height or faults):
            cut = [fault._replace(text=fault.text[:_LONGEST]) for fault in faults]
            yield Chunk(texts.with_columns(*columns).select(list(SCHEMA)), cut, foreign)
    if refused:
        raise _refusal(part.label, refused)


def _texts(part: Part, layout: Layout) -> Iterator[tuple[pl.DataFrame, list[Fault], Foreign]]:
    if part.format != "jsonl":
        items, foreign = _items(part)
        yield from _one_by_one(items, layout, foreign)
        return
    for first, block in formats.read_blocks(part.file):
        texts, decoded, foreign = layout.read_at_once(block), block, UTF8
        if texts is None:
            decoded, foreign = formats.as_utf8(block, first)
            texts = layout.read_at_once(decoded) if foreign.lines else None
        if texts is None:
            yield from _one_by_one(formats.read_lines(decoded, first), layout, foreign)
        else:
            yield texts.with_row_index("row", first), [], foreign


def _items(part: Part) -> tuple[Iterator[Item], Foreign]:
    if part.format in ("xlsx", "parquet"):
        return formats.read_table(part.file, part.label, workbook=part.format == "xlsx"), UTF8
    data, foreign = formats.read_text(part.file)
    if part.format in ("csv", "tsv"):
        return formats.read_separated(data, "," if part.format == "csv" else "\t", part.label), foreign
    return formats.read_pairs(data) if part.format == "text" else formats.read_array(data, part.source.rows), foreign


def _one_by_one(
    items: Iterable[Item], layout: Layout, foreign: Foreign
) -> Iterator[tuple[pl.DataFrame, list[Fault], Foreign]]:
    items = iter(items)
    while some := list(islice(items, _ROWS)):
        found: list[tuple[int, str, str, str | None]] = []
        faults: list[Fault] = []
        for item in some:
            if isinstance(item, Fault):
                faults.append(item)
                continue
            try:
                found.append((item[0], *layout.read(item[1])))
            except RowError as error:
                faults.append(Fault(item[0], str(error), formats.shown(item[1])))
        yield pl.DataFrame(found, _TEXTS, orient="row"), faults, foreign
        foreign = UTF8


def _refusal(label: str, faults: Sequence[Fault]) -> OpenbookError:
    """Name each fault once, with the first rows that have it."""
    rows: dict[str, list[int]] = {}
    for row, reason, _ in faults:
        rows.setdefault(reason, []).append(row)
    found = [f"{_named(numbers)}{reason}" for reason, numbers in rows.items()]
    way_out = "fix it or the source's fields, or say broken: salvage there to take all other rows"
    if len(found) == 1:
        return OpenbookError(f"{label}: {found[0]}; {way_out}")
    more = [f"and {len(found) - _SHOWN:,} other faults"] if len(found) > _SHOWN else []
    head = f"{label}: {len(faults):,} faults, nothing was taken; {way_out}:"
    return OpenbookError("\n  ".join([head, *found[:_SHOWN], *more]))


def _named(rows: Sequence[int]) -> str:
    """Name rows at the beginning of a line; row 0 is the file."""
    if len(rows) == 1:
        return f"row {rows[0]}: " if rows[0] else ""
    more = f" and {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else ""
    return f"{len(rows):,} rows ({', '.join(map(str, rows[:_NAMED]))}{more}): "

"""Raw files, whatever their format, encoding and layout, as frames of rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import orjson
import polars as pl

from data_prep import formats, json_files
from data_prep.formats import Batch, Fault
from data_prep.layouts import Layout, RowError
from data_prep.spec import Format, Source
from data_prep.tokens import where
from openbook_eval.errors import OpenbookError, first_line

# `question` is what the user says and `answer` what the assistant says, several turns joined by line breaks; `turns` is
# the JSON of the whole conversation where it is more than one question and one answer, else null. `file` and `row`
# (from 1) name the place that a row was read from.
SCHEMA: Mapping[str, pl.DataType] = {
    "source": pl.String(),
    "domain": pl.String(),
    "file": pl.String(),
    "row": pl.UInt32(),
    "question": pl.String(),
    "answer": pl.String(),
    "turns": pl.String(),
}

_SUFFIXES: dict[str, Format] = {
    ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv", ".xlsx": "xlsx",
    ".parquet": "parquet", ".txt": "text",
}  # fmt: skip
_PACKED = (".gz", ".gzip", ".zst", ".zstd")
_JSON: tuple[Format, ...] = ("json", "jsonl")
# What files of other formats begin with.
_BINARY = {b"PAR1": "parquet", b"PK\x03\x04": "xlsx or another zip"}
# What the hub's own tools write beside the rows.
_UNWANTED = ["dataset_info*.json", "*.lock.json", "requirements*.txt", "LICENSE*", "README*"]
# Faults of a refused file that are printed, and characters of a broken row that are kept: it may be the rest of a file.
_SHOWN, _LONGEST = 20, 10_000
# All that JSON escapes.
_ESCAPES = {sign: orjson.dumps(sign).decode()[1:-1] for sign in map(chr, (*range(32), ord('"'), ord("\\")))}


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a source.

    `label` is the file's name relative to the data folder, or its data set's name and its name in that. `size`
    is in bytes.
    """

    source: Source
    label: str
    file: Path
    size: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that could not be read: its file's label, its number (from 1), what is wrong, and its first characters."""

    file: str
    row: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a part, with the columns of SCHEMA, and those among them that could not be read.

    `breaks` says where the file is not as it should be but no row is lost, such as by a comma after the last one.
    """

    frame: pl.DataFrame
    broken: tuple[Broken, ...] = ()
    breaks: tuple[str, ...] = ()


def parts(sources: Sequence[Source], root: Path) -> list[Part]:
    """Return the files of all sources by name of source and label; paths are relative to the folder `root`.

    Raises OpenbookError with every source's fault at once: where no file is there or matches, where one cannot be read,
    is empty or of unknown format, and where files of a source are of two formats.
    """
    found: list[Part] = []
    faults: list[str] = []
    for source in sources:
        try:
            found += _parts(source, root)
        except OSError as error:
            faults.append(f"source {source.name}: {error.filename}: cannot be read ({error.strerror})")
        except OpenbookError as error:
            faults.append(f"source {source.name}: {error}")
    if faults:
        head = [f"{len(faults)} sources cannot be read:"] if len(faults) > 1 else []
        raise OpenbookError("\n  ".join([*head, *faults]))
    return sorted(found, key=lambda part: (part.source.name, part.label))


def _parts(source: Source, root: Path) -> list[Part]:
    files = local_files(source, root) if source.path is not None else []
    if not files and source.hub:
        files = _fetch(source.hub, source.format)
    if not source.format:
        _check_one_format(files)
    for label, file in files:
        format_of(file, label, source.format)
    return [Part(source, label, file, file.stat().st_size) for label, file in files]


def local_files(source: Source, root: Path) -> list[tuple[str, Path]]:
    """Return label and path of every file that the source's path names or matches.

    Raises OpenbookError where there is none, unless the hub has them.
    """
    pattern = source.path or ""
    named = root / pattern
    if named.is_dir():
        raise OpenbookError(f"{named} is a folder; name its files, such as path: {pattern}/*.json")
    found = [named] if named.is_file() else _matching(pattern, root)
    files = sorted((file.relative_to(root) if file.is_relative_to(root) else file, file) for file in found)
    if files or source.hub:
        return [(label.as_posix(), file) for label, file in files]
    what = "no file matches" if any(sign in pattern for sign in "*?[") else "no such file:"
    raise OpenbookError(f"{what} {named}; fix its path, or name the folder of the data by --data")


def _matching(pattern: str, root: Path) -> list[Path]:
    anchor = Path(pattern).anchor
    try:
        found = Path(anchor).glob(pattern.removeprefix(anchor)) if anchor else root.glob(pattern)
        return [file for file in found if file.is_file()]
    except ValueError as error:
        raise OpenbookError(f"path {pattern}: matches no file ({error})") from error


def _fetch(name: str, declared: Format | None) -> list[tuple[str, Path]]:
    """Label and path of the files of a data set of the hub: `owner/name`, or `owner/name/PATTERN` for some of them.

    They stay in the hub's cache; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold as usual.
    """
    from huggingface_hub import snapshot_download

    owner, _, rest = name.partition("/")
    short, _, pattern = rest.partition("/")
    dataset, wanted = f"{owner}/{short}", [pattern] if pattern else _patterns(declared)
    try:
        folder = Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=wanted, ignore_patterns=_UNWANTED))
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        raise OpenbookError(
            f"hub data set {dataset}: cannot be fetched ({first_line(error)}); "
            "fetch its files elsewhere and name them by path"
        ) from error
    # The cache's folder may hold more: files of an earlier fetch by another pattern.
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    found = [name for name in files if _fits(name, wanted) and not _fits(name, _UNWANTED)]
    if not found:
        raise OpenbookError(f"hub data set {dataset}: has no file that matches {pattern or 'a known format'}")
    return [(f"{dataset}/{name}", files[name]) for name in found]


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _patterns(declared: Format | None) -> list[str]:
    """Patterns of the names that files of a format have, of all formats where none is declared."""
    endings = [suffix for suffix, format_ in _SUFFIXES.items() if declared in (None, format_)]
    # Files that hold lines of JSON are called .json as often as not.
    endings += [".json"] if declared == "jsonl" else []
    return [f"*{ending}{packed}" for ending in endings for packed in ("", *_PACKED)]


def _named_format(file: Path) -> Format | None:
    name = file.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return _SUFFIXES.get(Path(name).suffix)


def _check_one_format(files: Sequence[tuple[str, Path]]) -> None:
    found: dict[Format, str] = {}
    for label, file in files:
        format_ = _named_format(file)
        if format_ is None:
            known = ", ".join([*_SUFFIXES, *_PACKED[::2]])
            raise OpenbookError(
                f"{label}: its name tells no format ({known}); name it in the source, such as format: json"
            )
        found.setdefault("json" if format_ in _JSON else format_, label)
    if len(found) > 1:
        each = ", ".join(f"{label} is {format_}" for format_, label in found.items())
        raise OpenbookError(f"two formats in one source: {each}; make it two sources, or narrow the path")


def format_of(file: Path, label: str, declared: Format | None) -> Format:
    """Return the format of a file, as declared, else by its name; json and jsonl by what it begins with.

    Raises OpenbookError where it plainly has another than the one declared or named.
    """
    start = formats.read_head(file)
    if not start:
        raise OpenbookError(f"{label}: is empty")
    format_ = declared or _named_format(file)
    if format_ is None:
        raise OpenbookError(f"{label}: its name tells no format; name it in the source, such as format: json")
    other = next((name for magic, name in _BINARY.items() if start.startswith(magic)), None)
    if other and format_ not in ("xlsx", "parquet"):
        raise OpenbookError(f"{label}: should be {format_}, but is {other}; name its format in the source")
    if format_ not in _JSON:
        return format_
    looks = _array_or_lines(start)
    if declared and looks and looks != declared:
        raise OpenbookError(f"{label}: is declared as {declared}, but is {looks}; fix the source's format")
    return looks or format_


def _array_or_lines(start: bytes) -> Format | None:
    """A JSON array, or an object a line; none where the first bytes do not tell."""
    begin = start.lstrip()
    if not begin.startswith(b"{"):
        return "json" if begin.startswith(b"[") else None
    line, end, _ = begin.partition(b"\n")
    if not end:
        return "jsonl"
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return "jsonl"


def read(part: Part) -> Iterator[Chunk]:
    """Yield the rows of a part in chunks of some 16 MB of text at most; texts have no white space around them.

    Where the source says `broken: refuse`, raises OpenbookError with all faults of the part, after the chunks before
    the first of them. Raises it as well where the file cannot be read at all.
    """
    format_ = format_of(part.file, part.label, part.source.format)
    layout = Layout.of(part.source, format_)
    faults: list[str] = []
    for batch in _batches(part, format_, layout):
        chunk = _chunk(part, batch, layout)
        if part.source.broken == "refuse":
            faults += [*batch.breaks, *(f"row {row.row}: {row.reason}" for row in chunk.broken)]
        if not faults and (chunk.frame.height or chunk.broken or chunk.breaks):
            yield chunk
    if faults:
        raise _refused(part.label, faults)


def _batches(part: Part, format_: Format, layout: Layout) -> Iterator[Batch]:
    match format_:
        case "jsonl":
            return json_files.read_lines(part.file, layout)
        case "json":
            return json_files.read_array(formats.read_text(part.file))
        case "csv" | "tsv":
            return formats.read_separated(formats.read_text(part.file), "," if format_ == "csv" else "\t", part.label)
        case "text":
            return formats.read_pairs(formats.read_text(part.file))
        case "xlsx":
            return formats.read_workbook(part.file, part.label)
        case "parquet":
            return formats.read_parquet(part.file, part.label)


def _chunk(part: Part, batch: Batch, layout: Layout) -> Chunk:
    numbers, faults = batch.numbers, list(batch.faults)
    texts = layout.read_columns(batch.table) if batch.table is not None else None
    if texts is None:
        numbers, texts = _one_by_one(batch, layout, faults)
    constants = {"source": part.source.name, "domain": part.source.domain, "file": part.label}
    frame = texts.with_columns(
        *layout.finish(),
        *(pl.lit(value).alias(name) for name, value in constants.items()),
        row=pl.Series(numbers, dtype=pl.UInt32()),
    )
    broken = (Broken(part.label, row, reason, text[:_LONGEST]) for row, reason, text in sorted(faults))
    return Chunk(frame.select(list(SCHEMA)), tuple(broken), tuple(batch.breaks))


def _one_by_one(batch: Batch, layout: Layout, faults: list[Fault]) -> tuple[Sequence[int], pl.DataFrame]:
    """Numbers and texts of the rows that hold what they should; those that do not are added to `faults`."""
    rows = batch.rows if batch.table is None else batch.table.to_dicts()
    found: dict[int, tuple[str, str, str | None]] = {}
    for number, row in zip(batch.numbers, rows, strict=True):
        try:
            found[number] = layout.read(row)
        except RowError as error:
            faults.append(Fault(number, str(error), json_files.shown(row)))
    schema = {name: SCHEMA[name] for name in ("question", "answer", "turns")}
    return list(found), pl.DataFrame(list(found.values()), schema, orient="row")


def _refused(label: str, faults: Sequence[str]) -> OpenbookError:
    way_out = "fix it or the source's fields, or say broken: salvage there to take all other rows"
    if len(faults) == 1:
        return OpenbookError(f"{label}: {faults[0]}; {way_out}")
    more = [f"and {len(faults) - _SHOWN:,} more"] if len(faults) > _SHOWN else []
    head = f"{label}: {len(faults):,} faults, nothing was taken; {way_out}:"
    return OpenbookError("\n  ".join([head, *faults[:_SHOWN], *more]))


def train_line() -> pl.Expr:
    """Return the lines of train.jsonl (String, with line break) of a frame with columns question, answer and turns.

    A line is `{"messages": [{"role", "content"}, ...]}`, as Axolotl's `type: chat_template` reads it, byte for byte as
    orjson writes it.
    """
    pair = pl.concat_str(
        pl.lit('{"messages":[{"role":"user","content":"'),
        _escaped(pl.col("question")),
        pl.lit('"},{"role":"assistant","content":"'),
        _escaped(pl.col("answer")),
        pl.lit('"}]}\n'),
    )
    return pl.coalesce(pl.lit('{"messages":') + pl.col("turns") + pl.lit("}\n"), pair)


def _escaped(text: pl.Expr) -> pl.Expr:
    to_escape = text.str.contains(r'["\\\x00-\x1f]')
    escaped = where(to_escape, text).str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return pl.when(to_escape).then(escaped).otherwise(text)

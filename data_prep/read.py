"""Raw files, whatever their format, encoding and layout, as frames of rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import orjson
import polars as pl

from data_prep import formats
from data_prep.formats import Batch, Fault
from data_prep.layouts import Layout, RowError
from data_prep.spec import Format, Source
from data_prep.tokens import where
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
    """One file of a source; `label` is its name in the data folder, or its data set's name and its name in that."""

    source: Source
    label: str
    file: Path
    size: int  # in bytes


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a part, with the columns of SCHEMA, and those among them that could not be read.

    `breaks` says where the file is not as it should be but no row is lost, such as by a comma after the last one.
    """

    frame: pl.DataFrame
    broken: tuple[Fault, ...] = ()
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
            files = _local_files(source, root) or _fetch(source.hub or "", source.format)
            if not source.format:
                _check_one_format(files)
            for label, file in files.items():
                format_of(file, label, source.format)
            found += [Part(source, label, file, file.stat().st_size) for label, file in files.items()]
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
    named = root / source.path
    if named.is_dir():
        raise OpenbookError(f"{named} is a folder; name its files, such as path: {source.path}/*.json")
    files = source.files(root)
    if not files and not source.hub:
        what = "no file matches" if any(sign in source.path for sign in "*?[") else "no such file:"
        raise OpenbookError(f"{what} {named}; fix its path, or name the folder of the data by --data")
    return files


def _fetch(name: str, declared: Format | None) -> dict[str, Path]:
    """The files of a data set of the hub by label: `owner/name`, or `owner/name/PATTERN` for some of them.

    They stay in the hub's cache; HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE hold as usual.
    """
    from huggingface_hub import snapshot_download

    owner, short, pattern = (*name.split("/", 2), "", "")[:3]
    dataset = f"{owner}/{short}"
    # Files that hold lines of JSON are called .json as often as not.
    formats_ = {declared, "json" if declared == "jsonl" else declared} if declared else set(_SUFFIXES.values())
    endings = [suffix for suffix, format_ in _SUFFIXES.items() if format_ in formats_]
    wanted = [pattern] if pattern else [f"*{ending}{packed}" for ending in endings for packed in ("", *_PACKED)]
    try:
        folder = Path(snapshot_download(dataset, repo_type="dataset", allow_patterns=wanted, ignore_patterns=_UNWANTED))
    except Exception as error:  # the client passes on the errors of its transport library, which changes
        raise OpenbookError(
            f"hub data set {dataset}: cannot be fetched ({first_line(error)}); "
            "fetch its files elsewhere and name them by path"
        ) from error
    # The cache's folder may hold more: files of an earlier fetch by another pattern.
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    matching = (name for name in files if any(fnmatchcase(name, pattern) for pattern in wanted))
    found = [name for name in matching if not any(fnmatchcase(name, pattern) for pattern in _UNWANTED)]
    if not found:
        raise OpenbookError(f"hub data set {dataset}: has no file that matches {pattern or 'a known format'}")
    return {f"{dataset}/{name}": files[name] for name in found}


def _named_format(name: str) -> Format:
    """The format that a name tells. Raises OpenbookError where it tells none."""
    bare = name.lower()
    for packed in _PACKED:
        bare = bare.removesuffix(packed)
    if format_ := _SUFFIXES.get(Path(bare).suffix):
        return format_
    known = ", ".join([*_SUFFIXES, *_PACKED[::2]])
    raise OpenbookError(f"{name}: its name tells no format ({known}); name it in the source, such as format: json")


def _check_one_format(labels: Iterable[str]) -> None:
    found: dict[Format, str] = {}
    for label in labels:
        format_ = _named_format(label)
        found.setdefault("json" if format_ == "jsonl" else format_, label)
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
    format_ = declared or _named_format(label)
    other = next((name for magic, name in _BINARY.items() if start.startswith(magic)), None)
    if other and format_ not in ("xlsx", "parquet"):
        raise OpenbookError(f"{label}: should be {format_}, but is {other}; name its format in the source")
    if format_ not in ("json", "jsonl"):
        return format_
    looks = _array_or_lines(start)
    if declared and looks and looks != declared:
        raise OpenbookError(f"{label}: is declared as {declared}, but is {looks}; fix the source's format")
    return looks or format_


def _array_or_lines(start: bytes) -> Format | None:
    """A JSON array, or an object a line; none where the first bytes do not tell."""
    line, end, _ = start.lstrip().partition(b"\n")
    if not line.startswith(b"{"):
        return "json" if line.startswith(b"[") else None
    try:
        if end:
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
            return formats.read_lines(part.file, layout)
        case "json":
            return formats.read_array(formats.read_text(part.file))
        case "csv" | "tsv":
            return formats.read_separated(formats.read_text(part.file), "," if format_ == "csv" else "\t", part.label)
        case "text":
            return formats.read_pairs(formats.read_text(part.file))
        case "xlsx" | "parquet":
            return formats.read_table(part.file, part.label, workbook=format_ == "xlsx")


def _chunk(part: Part, batch: Batch, layout: Layout) -> Chunk:
    found: list[tuple[int, str, str, str | None]] = []
    faults = list(batch.faults)
    for number, row in batch.rows.items():
        try:
            found.append((number, *layout.read(row)))
        except RowError as error:
            faults.append(Fault(number, str(error), formats.shown(row)))
    texts = batch.texts if batch.texts is not None else pl.DataFrame(found, _TEXTS, orient="row")
    constants = {"source": part.source.name, "domain": part.source.domain, "file": part.label}
    frame = texts.with_columns(*layout.finish(), *(pl.lit(value).alias(name) for name, value in constants.items()))
    broken = (fault._replace(text=fault.text[:_LONGEST]) for fault in sorted(faults))
    return Chunk(frame.select(list(SCHEMA)), tuple(broken), tuple(batch.breaks))


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

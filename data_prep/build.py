"""The build: from a spec to folders of mixes.

Every file is read in chunks, whose rows are cleaned, checked and keyed in threads; then duplicates are marked over all
rows, and each mix is chosen and written into a work folder, from which it is moved to its place. All rows are held in
memory, about as many bytes as the files have.
"""

import fcntl
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import orjson
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_prep.clean import judge
from data_prep.decontaminate import ExamIndex, Match
from data_prep.dedup import keys, mark_duplicates
from data_prep.manifest import (
    MANIFEST,
    ROWS,
    TRAIN,
    BuildFacts,
    Contamination,
    FileContent,
    Flow,
    InputFile,
    Manifest,
    write_rows,
)  # fmt: skip
from data_prep.mix import Chosen, choose_all, nesting, scaled
from data_prep.read import SCHEMA, Chunk, Part, parts, read, train_line
from data_prep.spec import Cleaning, Decontamination, Mix, Spec
from data_prep.tokens import counter, estimate, plain
from openbook_eval.errors import ExamError, OpenbookError, did_you_mean
from openbook_eval.exams import ExamFile, load_exam

DROPPED, CONTAMINATION = "dropped", "contamination.jsonl"
_WORK = ".work"
# What openbook_eval.exams says where the hub cannot be reached or has no such data set.
_NOT_FETCHED = "hub data set "
_THREADS = max(2, min(8, os.cpu_count() or 1))
# Rows that are written at a time.
_ROWS = 16_384

_KEPT_SCHEMA: Mapping[str, pl.DataType] = {**SCHEMA, "tokens": pl.UInt32(), "key": pl.UInt64()}
_DROPPED_SCHEMA: Mapping[str, pl.DataType] = {
    **SCHEMA,
    "reason": pl.String(),
    "exam_item": pl.Struct(
        {"exam": pl.String(), "id": pl.String(), "kind": pl.String(), "share": pl.Float64(), "text": pl.String()}
    ),
    "of": pl.Struct({name: SCHEMA[name] for name in ("source", "file", "row")}),
}
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
Count = Callable[[Sequence[str]], list[int]]
_Broken = Mapping[str, Sequence[Mapping[str, object]]]


@dataclass(frozen=True, slots=True)
class Order:
    """A spec, the folder that paths of its sources start from, and the folder to write to.

    `only` names the mixes wanted, all where it is empty. `exams` stand in for those of the spec, and must all be there;
    of the spec's, one that cannot be fetched is passed over and reported.
    """

    spec: Spec
    data: Path
    out: Path
    scale: float = 1.0
    only: Sequence[str] = ()
    exams: Sequence[str] = ()

    def mixes(self) -> dict[str, Mix]:
        """Return the mixes wanted, scaled. Raises OpenbookError as wanted_mixes does."""
        return wanted_mixes(self.spec, self.only, self.scale)

    def whole_spec(self) -> Spec:
        """Return the spec with the exams that rows are checked against."""
        if not self.exams:
            return self.spec
        return self.spec.model_copy(update={"decontaminate": Decontamination(exams=list(self.exams))})


def wanted_mixes(spec: Spec, only: Sequence[str], scale: float) -> dict[str, Mix]:
    """Return the mixes of a spec with these names, all where there are none, with their sizes times `scale`.

    Raises OpenbookError for a name that is none or is taken, and for a scale that leaves nothing.
    """
    if unknown := [name for name in only if name not in spec.mixes]:
        raise OpenbookError(f"--mix {unknown[0]}: no such mix; {did_you_mean(unknown[0], spec.mixes)}")
    if taken := [name for name in spec.mixes if name in (DROPPED, CONTAMINATION)]:
        raise OpenbookError(f"mix {taken[0]}: the build has something else of that name; call it otherwise")
    return scaled({name: mix for name, mix in spec.mixes.items() if not only or name in only}, scale)


@dataclass(frozen=True, slots=True)
class Exams:
    """Exams as read, and by name those that could not be fetched, with the reason: nothing is checked against them."""

    read: tuple[ExamFile, ...] = ()
    lacking: Mapping[str, str] = field(default_factory=dict)

    def provenance(self) -> list[dict[str, str]]:
        """Return what the manifest says of every exam; without the reason, which differs between machines."""
        lacking = [{"name": name, "not_checked": "could not be fetched"} for name in self.lacking]
        return sorted([*(exam.provenance for exam in self.read), *lacking], key=lambda exam: exam["name"])


def load_exams(names: Iterable[str], *, required: bool) -> Exams:
    """Load the exams of these names, as `openbook-eval` takes them.

    Raises ExamError where one cannot be read; where one cannot be fetched from the hub only if `required`.
    """
    found: list[ExamFile] = []
    lacking: dict[str, str] = {}
    for name in sorted(set(names)):
        try:
            found.append(load_exam(name))
        except ExamError as error:
            if required or not str(error).startswith(_NOT_FETCHED):
                raise
            lacking[name] = str(error).partition(";")[0]
    return Exams(tuple(found), lacking)


@dataclass(frozen=True, slots=True)
class Built:
    """What a build came to. `breaks` says of each source where its files are not as they should be, if anywhere."""

    mixes: Mapping[str, Manifest]
    sources: Mapping[str, Flow]
    exams: Exams
    breaks: Mapping[str, Sequence[str]]


@dataclass(slots=True)
class _Pass:
    """What the first pass came to: rows kept and dropped, and what of the files could not be read, by source."""

    kept: list[pl.DataFrame] = field(default_factory=lambda: [pl.DataFrame(schema=_KEPT_SCHEMA)])
    dropped: list[pl.DataFrame] = field(default_factory=list)
    broken: dict[str, list[Mapping[str, object]]] = field(default_factory=dict)
    breaks: dict[str, list[str]] = field(default_factory=dict)


def build(order: Order, notify: Callable[[str], None] = lambda _: None) -> Built:
    """Build the mixes of an order; `notify` gets what the user should know before the end.

    Raises OpenbookError. A mix is there whole or not at all, also where the build is killed.
    """
    spec, mixes = order.whole_spec(), order.mixes()
    count = counter(spec.tokenizer) if spec.tokenizer else None
    todo = parts(spec.sources, order.data)
    with _hold(order.out) as work:
        exams = Exams()
        if spec.decontaminate:
            exams = load_exams(spec.decontaminate.exams, required=bool(order.exams))
        for name, reason in exams.lacking.items():
            notify(f"exam {name}: NOT CHECKED; {reason}")
        with _hashing(todo) as inputs, _step("reading the sources", sum(part.size for part in todo)) as advance:
            done = _read_all(todo, spec.clean, ExamIndex.of(exams.read) if exams.read else None, advance)
        kept, dropped = _without_duplicates(done, spec)
        flows = _flows(spec, kept, dropped, done)
        _write_dropped(order.out, work, dropped, {name: done.broken.get(name, []) for name in flows}, bool(exams.read))
        chosen = _choose(kept, mixes, spec, count)
        facts = BuildFacts.of(spec, inputs, flows, _contamination(spec, exams, flows), order.scale)
        manifests = _write_mixes(order.out, work, chosen, facts)
    return Built(manifests, flows, exams, done.breaks)


@contextmanager
def _hold(out: Path) -> Iterator[Path]:
    """Make `out`, hold it against a second build, and lend an empty work folder in it, which is gone at the end."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise OpenbookError(f"{out}: cannot be made or opened as a folder ({error.strerror})") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise OpenbookError(f"{out}: another build is writing there; wait for it or name another folder") from error
    work = out / _WORK
    try:
        shutil.rmtree(work, ignore_errors=True)
        (work / DROPPED).mkdir(parents=True)
        yield work
    except (OSError, pl.exceptions.PolarsError) as error:
        # polars passes on some errors of the system as its own.
        if not isinstance(error, OSError) and "os error" not in str(error):
            raise
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise OpenbookError(f"{out}: cannot be written ({reason}); fix that and run again") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(handle)


@contextmanager
def _step(title: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """Show how far a step is, where the standard error is a terminal; call the value with how much was done."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda amount: bar.advance(task, amount)


def _ahead(do: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """The results in the order of the items, a few of which are worked on at a time."""
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[Future[_Result]] = deque()
        for item in items:
            waiting.append(threads.submit(do, item))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# Reading.


@contextmanager
def _hashing(todo: Sequence[Part]) -> Iterator[list[InputFile]]:
    """Size and hash of every file, found in a thread while the files are read; the list is full at the end.

    Raises OpenbookError where a file was changed in the meantime.
    """

    def one(part: Part) -> InputFile:
        content = FileContent.of(part.file)
        return InputFile(source=part.source.name, file=part.label, bytes=content.bytes, sha256=content.sha256)

    before = {part.file: _state(part.file) for part in todo}
    inputs: list[InputFile] = []
    with ThreadPoolExecutor(1) as thread:
        hashes = thread.map(one, todo)
        yield inputs
        inputs += hashes
    if changed := [str(file) for file, state in before.items() if _state(file) != state]:
        raise OpenbookError(f"{changed[0]}: was changed while it was read; run again when nothing writes to it")


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be read ({error.strerror}); run again when it is there") from error
    return found.st_size, found.st_mtime_ns


def _read_all(
    todo: Sequence[Part], settings: Cleaning, index: ExamIndex | None, advance: Callable[[float], None]
) -> _Pass:
    done = _Pass()

    def chunks() -> Iterator[pl.DataFrame]:
        for part in todo:
            for chunk in read(part):
                _note_broken(part, chunk, done)
                yield chunk.frame
            advance(part.size)

    for kept, dropped in _ahead(lambda frame: _sort_out(frame, settings, index), chunks()):
        done.kept.append(kept)
        done.dropped.append(dropped)
    return done


def _note_broken(part: Part, chunk: Chunk, done: _Pass) -> None:
    notes = done.broken.setdefault(part.source.name, [])
    for row in chunk.broken:
        notes.append({"file": part.label, "row": row.row, "reason": "broken", "fault": row.reason, "text": row.text})
    notes += ({"file": part.label, "reason": "break", "fault": fault} for fault in chunk.breaks)
    if chunk.breaks:
        done.breaks.setdefault(part.source.name, []).extend(f"{part.label}: {fault}" for fault in chunk.breaks)


def _sort_out(frame: pl.DataFrame, settings: Cleaning, index: ExamIndex | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that are kept so far, with tokens and key, and those that are unclean or hold an exam item."""
    frame = frame.with_columns(judge(frame, settings).alias("reason"))
    unclean = frame.filter(pl.col("reason").is_not_null())
    clean = frame.lazy().filter(pl.col("reason").is_null())
    # Lazily, so that what the columns share is found once.
    rows = clean.with_columns(
        estimate(), plain_question=plain(pl.col("question")), plain_answer=plain(pl.col("answer"))
    ).collect()
    found = {match.place: _exam_item(match) for match in (index.check(rows) if index else ())}
    rows = rows.with_columns(keys(rows)).drop("reason", "plain_question", "plain_answer")
    items = pl.Series("exam_item", list(found.values()), dtype=_DROPPED_SCHEMA["exam_item"])
    contaminated = rows[list(found)].with_columns(items, reason=pl.lit("contaminated"))
    kept = rows.filter(~pl.int_range(pl.len()).is_in(list(found))) if found else rows
    return kept, pl.concat([_as_dropped(unclean), _as_dropped(contaminated)])


def _exam_item(match: Match) -> dict[str, object]:
    share = round(match.share, 4)
    return {"exam": match.exam, "id": match.question_id, "kind": match.kind, "share": share, "text": match.excerpt}


def _as_dropped(rows: pl.DataFrame) -> pl.DataFrame:
    there = {name: pl.col(name) if name in rows.columns else pl.lit(None) for name in _DROPPED_SCHEMA}
    return rows.select(column.cast(_DROPPED_SCHEMA[name]).alias(name) for name, column in there.items())


# Duplicates, and what was left out.


def _without_duplicates(done: _Pass, spec: Spec) -> tuple[pl.DataFrame, pl.DataFrame]:
    with _step("looking for duplicates"):
        rows = mark_duplicates(pl.concat(done.kept), spec.seed, spec.deduplicate.near)
    gone = rows.filter(pl.col("reason").is_not_null())
    standing = rows.select("source", "file", "row")[gone["of"]].to_struct("of")
    kept = rows.filter(pl.col("reason").is_null()).drop("reason", "of")
    dropped = pl.concat([*done.dropped, _as_dropped(gone.with_columns(standing))])
    return kept, dropped.sort("source", "file", "row", maintain_order=True)


def _flows(spec: Spec, kept: pl.DataFrame, dropped: pl.DataFrame, done: _Pass) -> dict[str, Flow]:
    """What became of the rows of each source."""
    stayed = dict(kept.group_by("source").len().iter_rows())
    counted = dropped.group_by("source", "reason").len().sort("reason")
    flows: dict[str, Flow] = {}
    for source in sorted(spec.sources, key=lambda source: source.name):
        reasons = dict(counted.filter(pl.col("source") == source.name).select("reason", "len").iter_rows())
        rows = stayed.get(source.name, 0)
        flows[source.name] = Flow(
            domain=source.domain,
            licence=source.licence,
            read=rows + sum(reasons.values()),
            broken=sum(note["reason"] == "broken" for note in done.broken.get(source.name, ())),
            exact=reasons.pop("duplicate", 0),
            near=reasons.pop("near_duplicate", 0),
            contaminated=reasons.pop("contaminated", 0),
            dropped=reasons,
            kept=rows,
        )
    return flows


def _write_dropped(out: Path, work: Path, dropped: pl.DataFrame, broken: _Broken, against_exams: bool) -> None:
    """Write dropped/<source>.jsonl: what could not be read, then rows as in train.jsonl, with the reason in front.

    Where rows were checked against exams, contamination.jsonl names each that holds an item, and the item.
    """
    (out / DROPPED).mkdir(exist_ok=True)
    for source, notes in broken.items():
        with (work / DROPPED / "rows").open("wb") as file:
            file.writelines(orjson.dumps(note, option=orjson.OPT_APPEND_NEWLINE) for note in notes)
            for some in dropped.filter(pl.col("source") == source).iter_slices(_ROWS):
                heads = some.select("file", "row", "reason", "exam_item", "of").iter_rows(named=True)
                file.writelines(map(_headed, heads, _lines(some)))
        (work / DROPPED / "rows").replace(out / DROPPED / f"{source}.jsonl")
    if against_exams:
        found = dropped.filter(pl.col("reason") == "contaminated")
        lines = found.select("source", "file", "row", "exam_item").unnest("exam_item").iter_rows(named=True)
        with (work / CONTAMINATION).open("wb") as file:
            file.writelines(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)
        (work / CONTAMINATION).replace(out / CONTAMINATION)


def _headed(head: Mapping[str, object], line: bytes) -> bytes:
    known = {name: value for name, value in head.items() if value is not None}
    return orjson.dumps(known)[:-1] + b"," + line[1:]


def _lines(rows: pl.DataFrame) -> list[bytes]:
    return rows.select(train_line().cast(pl.Binary)).to_series().to_list()


def _contamination(spec: Spec, exams: Exams, flows: Mapping[str, Flow]) -> Contamination | None:
    if not spec.decontaminate:
        return None
    rows = sum(flow.contaminated for flow in flows.values())
    return Contamination(exams=exams.provenance(), rows=rows, report=CONTAMINATION)


# Choosing and writing.


def _choose(rows: pl.DataFrame, mixes: Mapping[str, Mix], spec: Spec, count: Count | None) -> dict[str, Chosen]:
    """The rows of every mix. Tokens are counted for the rows chosen only, where the choice does not hang on them."""
    if count is None:
        return choose_all(rows, mixes, spec.seed)
    with _step("counting tokens"):
        if any(mix.over == "tokens" for mix in mixes.values()):
            return choose_all(_count_tokens(rows, count), mixes, spec.seed)
        chosen = choose_all(rows, mixes, spec.seed)
        every = pl.concat([each.rows.drop("repeat") for each in chosen.values()]).unique("key", maintain_order=True)
        counted = _count_tokens(every, count).select("key", counted="tokens")
        return {name: replace(each, rows=_with_counted(each.rows, counted)) for name, each in chosen.items()}


def _with_counted(rows: pl.DataFrame, counted: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.join(counted, on="key", how="left", maintain_order="left").with_columns(tokens="counted").drop("counted")
    )


def _count_tokens(rows: pl.DataFrame, count: Count) -> pl.DataFrame:
    """The rows with the tokens of all their messages counted instead of estimated."""
    tokens: list[int] = []
    for some in rows.select("question", "answer", "turns").iter_slices(_ROWS):
        texts = [
            [question, answer] if turns is None else [turn["content"] for turn in orjson.loads(turns)]
            for question, answer, turns in some.iter_rows()
        ]
        counts = iter(count([text for row in texts for text in row]))
        tokens += (sum(islice(counts, len(row))) for row in texts)
    return rows.with_columns(pl.Series("tokens", tokens, dtype=pl.UInt32))


def _write_mixes(out: Path, work: Path, chosen: Mapping[str, Chosen], facts: BuildFacts) -> dict[str, Manifest]:
    rows = {name: each.rows for name, each in chosen.items()}
    nested = nesting(rows) if len(rows) > 1 else {name: {} for name in rows}
    found: dict[str, Manifest] = {}
    with _step("writing the mixes", sum(each.height for each in rows.values())) as advance:
        for name, each in chosen.items():
            with (work / TRAIN).open("wb") as file:
                for lines in _ahead(_lines, each.rows.iter_slices(_ROWS)):
                    file.writelines(lines)
                    advance(len(lines))
            write_rows(work, each.rows)
            found[name] = Manifest.of(facts, each, work, nested[name])
            found[name].write(work)
            _move(work, out / name)
    return found


def _move(work: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    # Where train.jsonl is, it is that of the manifest beside it.
    (folder / TRAIN).unlink(missing_ok=True)
    for name in (ROWS, MANIFEST, TRAIN):
        (work / name).replace(folder / name)

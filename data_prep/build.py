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
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

import orjson
import polars as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from data_prep.clean import judge
from data_prep.decontaminate import ExamIndex
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
    outputs_in,
    write_rows,
)
from data_prep.mix import choose, nesting, scaled
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

# Of all rows: what a clean one has more than read.SCHEMA, and what a dropped one has.
_ALL_SCHEMA: Mapping[str, pl.DataType] = {
    **SCHEMA,
    "reason": pl.String(),
    "tokens": pl.UInt32(),
    "key": pl.UInt64(),
    "exam_item": pl.Struct(
        {"exam": pl.String(), "id": pl.String(), "kind": pl.String(), "share": pl.Float64(), "text": pl.String()}
    ),
}
_Result = TypeVar("_Result")
Count = Callable[[Sequence[str]], list[int]]
# By source: what could not be read, as it is written to dropped/.
_Notes = dict[str, list[dict[str, object]]]


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


def build(
    spec: Spec,
    data: Path,
    out: Path,
    *,
    scale: float = 1.0,
    only: Sequence[str] = (),
    exams: Sequence[str] = (),
    notify: Callable[[str], None] = lambda _: None,
) -> Built:
    """Build the mixes of a spec, or `only` those of these names, from the files below `data` into the folder `out`.

    `exams` stand in for those of the spec, and must all be there; of the spec's, one that cannot be fetched is passed
    over and reported. `notify` gets what the user should know before the end. Raises OpenbookError. A mix is there
    whole or not at all, also where the build is killed.
    """
    if exams:
        spec = spec.model_copy(update={"decontaminate": Decontamination(exams=list(exams))})
    mixes = wanted_mixes(spec, only, scale)
    count = counter(spec.tokenizer) if spec.tokenizer else None
    todo = parts(spec.sources, data)
    with _hold(out) as work:
        checked = load_exams(spec.decontaminate.exams if spec.decontaminate else (), required=bool(exams))
        for name, reason in checked.lacking.items():
            notify(f"exam {name}: NOT CHECKED; {reason}")
        rows, notes, inputs = _read_all(todo, spec.clean, ExamIndex.of(checked.read) if checked.read else None)
        kept, dropped = _without_duplicates(rows, spec)
        flows = _flows(spec, kept, dropped, notes)
        _write_dropped(out, work, dropped, notes, against_exams=bool(checked.read))
        facts = BuildFacts.of(spec, inputs, flows, _contamination(spec, checked, dropped), scale)
        manifests = _write_mixes(out, work, _choose(kept, mixes, spec.seed, count), facts)
    breaks = {
        name: [f"{note['file']}: {note['fault']}" for note in some if note["reason"] == "break"]
        for name, some in notes.items()
    }
    return Built(manifests, flows, checked, {name: faults for name, faults in breaks.items() if faults})


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
        work.mkdir()
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


def _ahead(do: Callable[[pl.DataFrame], _Result], frames: Iterable[pl.DataFrame]) -> Iterator[_Result]:
    """The results in the order of the frames, a few of which are worked on at a time."""
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[Future[_Result]] = deque()
        for frame in frames:
            waiting.append(threads.submit(do, frame))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# Reading.


def _read_all(
    todo: Sequence[Part], settings: Cleaning, index: ExamIndex | None
) -> tuple[pl.DataFrame, _Notes, list[InputFile]]:
    """All rows, what could not be read, and the files, which are hashed in a thread in the meantime.

    Raises OpenbookError where a file was changed meanwhile.
    """
    notes: _Notes = {part.source.name: [] for part in todo}
    before = {part.file: _state(part.file) for part in todo}
    with ThreadPoolExecutor(1) as thread, _step("reading the sources", sum(part.size for part in todo)) as advance:
        inputs = thread.map(_input_file, todo)

        def frames() -> Iterator[pl.DataFrame]:
            for part in todo:
                for chunk in read(part):
                    notes[part.source.name] += _noted(part.label, chunk)
                    yield chunk.frame
                advance(part.size)

        rows = [pl.DataFrame(schema=_ALL_SCHEMA), *_ahead(lambda frame: _sort_out(frame, settings, index), frames())]
    if changed := [str(file) for file, state in before.items() if _state(file) != state]:
        raise OpenbookError(f"{changed[0]}: was changed while it was read; run again when nothing writes to it")
    return pl.concat(rows), notes, list(inputs)


def _input_file(part: Part) -> InputFile:
    content = FileContent.of(part.file)
    return InputFile(source=part.source.name, file=part.label, bytes=content.bytes, sha256=content.sha256)


def _state(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise OpenbookError(f"{file}: cannot be read ({error.strerror}); run again when it is there") from error
    return found.st_size, found.st_mtime_ns


def _noted(file: str, chunk: Chunk) -> Iterator[dict[str, object]]:
    for row in chunk.broken:
        yield {"file": file, "row": row.row, "reason": "broken", "fault": row.reason, "text": row.text}
    for fault in chunk.breaks:
        yield {"file": file, "reason": "break", "fault": fault}


def _sort_out(frame: pl.DataFrame, settings: Cleaning, index: ExamIndex | None) -> pl.DataFrame:
    """The rows with the reason to drop them: unclean, or an exam item; the clean ones with their tokens and keys."""
    frame = frame.with_columns(judge(frame, settings).alias("reason"))
    plain_texts = {"plain_question": plain(pl.col("question")), "plain_answer": plain(pl.col("answer"))}
    # Lazily, so that what the columns share is found once.
    clean = frame.lazy().filter(pl.col("reason").is_null()).with_columns(estimate(), **plain_texts).collect()
    matches = index.check(clean) if index else {}
    found = [matches[place]._asdict() if place in matches else None for place in range(clean.height)]
    items = pl.Series("exam_item", found, dtype=_ALL_SCHEMA["exam_item"])
    clean = clean.with_columns(keys(clean), items, reason=pl.when(items.is_not_null()).then(pl.lit("contaminated")))
    unclean = frame.filter(pl.col("reason").is_not_null())
    return pl.concat([clean, unclean], how="diagonal").select(*_ALL_SCHEMA)


# Duplicates, and what was left out.


def _without_duplicates(rows: pl.DataFrame, spec: Spec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that are kept, and all others in the order of the files, with `of`, the place of the row that stays."""
    with _step("looking for duplicates"):
        marked = mark_duplicates(rows.filter(pl.col("reason").is_null()), spec.seed, spec.deduplicate.near)
    gone = marked.filter(pl.col("reason").is_not_null())
    gone = gone.with_columns(marked.select("source", "file", "row")[gone["of"]].to_struct("of"))
    dropped = pl.concat([rows.filter(pl.col("reason").is_not_null()), gone], how="diagonal")
    kept = marked.filter(pl.col("reason").is_null()).drop("reason", "exam_item", "of")
    return kept, dropped.sort("source", "file", "row", maintain_order=True)


def _flows(spec: Spec, kept: pl.DataFrame, dropped: pl.DataFrame, notes: _Notes) -> dict[str, Flow]:
    """What became of the rows of each source; reasons in alphabetical order."""
    counts: dict[str, dict[str, int]] = {source.name: {"kept": 0} for source in spec.sources}
    for source, rows in kept.group_by("source").len().iter_rows():
        counts[source]["kept"] = rows
    for source, reason, rows in dropped.group_by("source", "reason").len().sort("reason").iter_rows():
        counts[source][reason] = rows
    flows: dict[str, Flow] = {}
    for source in sorted(spec.sources, key=lambda source: source.name):
        reasons = counts[source.name]
        flows[source.name] = Flow(
            domain=source.domain,
            licence=source.licence,
            read=sum(reasons.values()),
            broken=sum(note["reason"] == "broken" for note in notes[source.name]),
            kept=reasons.pop("kept"),
            exact=reasons.pop("duplicate", 0),
            near=reasons.pop("near_duplicate", 0),
            contaminated=reasons.pop("contaminated", 0),
            dropped=reasons,
        )
    return flows


def _contamination(spec: Spec, exams: Exams, dropped: pl.DataFrame) -> Contamination | None:
    rows = int((dropped["reason"] == "contaminated").sum())
    return Contamination(exams=exams.provenance(), rows=rows, report=CONTAMINATION) if spec.decontaminate else None


def _write_dropped(out: Path, work: Path, dropped: pl.DataFrame, notes: _Notes, *, against_exams: bool) -> None:
    """Write dropped/<source>.jsonl: what could not be read, then rows as in train.jsonl, with the reason in front.

    Where rows were checked against exams, contamination.jsonl names each that holds an item, and the item.
    """
    (out / DROPPED).mkdir(exist_ok=True)
    for source, faults in notes.items():
        some = dropped.filter(pl.col("source") == source).iter_slices(_ROWS)
        lines = chain(map(_json_line, faults), chain.from_iterable(map(_headed_lines, some)))
        _write(work, out / DROPPED / f"{source}.jsonl", lines)
    if against_exams:
        held = dropped.filter(pl.col("reason") == "contaminated").select("source", "file", "row", "exam_item")
        _write(work, out / CONTAMINATION, map(_json_line, held.unnest("exam_item").iter_rows(named=True)))


def _headed_lines(rows: pl.DataFrame) -> Iterator[bytes]:
    heads = rows.select("file", "row", "reason", "exam_item", "of").iter_rows(named=True)
    for head, line in zip(heads, _lines(rows), strict=True):
        yield orjson.dumps({name: value for name, value in head.items() if value is not None})[:-1] + b"," + line[1:]


def _write(work: Path, file: Path, lines: Iterable[bytes]) -> None:
    with (work / "lines").open("wb") as opened:
        opened.writelines(lines)
    (work / "lines").replace(file)


def _json_line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)


def _lines(rows: pl.DataFrame) -> list[bytes]:
    return rows.select(train_line().cast(pl.Binary)).to_series().to_list()


# Choosing and writing.


def _choose(rows: pl.DataFrame, mixes: Mapping[str, Mix], seed: int, count: Count | None) -> dict[str, pl.DataFrame]:
    """The rows of every mix, their tokens counted where that is wanted."""
    if count is None:
        return choose(rows, mixes, seed)
    with _step("counting tokens"):
        if all(mix.over == "rows" for mix in mixes.values()):
            # Only of the rows chosen, which are the first of their domains: of these, the same ones are chosen again.
            taken = pl.concat(each.select("key") for each in choose(rows, mixes, seed).values())
            rows = rows.join(taken, on="key", how="semi")
        return choose(_count_tokens(rows, count), mixes, seed)


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


def _write_mixes(out: Path, work: Path, mixes: Mapping[str, pl.DataFrame], facts: BuildFacts) -> dict[str, Manifest]:
    nested = nesting(mixes)
    found: dict[str, Manifest] = {}
    with _step("writing the mixes", sum(rows.height for rows in mixes.values())) as advance:
        for name, rows in mixes.items():
            with (work / TRAIN).open("wb") as file:
                for lines in _ahead(_lines, rows.iter_slices(_ROWS)):
                    file.writelines(lines)
                    advance(len(lines))
            write_rows(work, rows)
            found[name] = Manifest.of(facts, name, rows, outputs_in(work), nested[name])
            found[name].write(work)
            _move(work, out / name)
    return found


def _move(work: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    # Where train.jsonl is, it is that of the manifest beside it.
    (folder / TRAIN).unlink(missing_ok=True)
    for name in (ROWS, MANIFEST, TRAIN):
        (work / name).replace(folder / name)

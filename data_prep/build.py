"""The build: from a spec to folders of mixes.

Every file is read in chunks, whose rows are cleaned, checked and keyed in threads; then duplicates are marked over all
rows, and each mix is chosen and written into a work folder, from which it is moved to its place. All rows are held in
memory, about twice the bytes of the files.
"""

import fcntl
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import orjson
import polars as pl
from rich.console import Console
from rich.progress import Progress

from data_prep.clean import judge, repair
from data_prep.decontaminate import ExamIndex
from data_prep.dedup import keys, mark_duplicates, plain
from data_prep.formats import Fault, Foreign
from data_prep.manifest import (
    FILES,
    TRAIN,
    BuildFacts,
    Contamination,
    FileContent,
    Flow,
    InputFile,
    Manifest,
    write_manifest,
)
from data_prep.mix import choose, counter, nesting, scaled
from data_prep.outputs import FORMATS, MESSAGES
from data_prep.read import SCHEMA, Part, parts, read
from data_prep.spec import Cleaning, Decontamination, Mix, Spec
from openbook_eval.errors import ExamNotFetchedError, OpenbookError, did_you_mean
from openbook_eval.exams import ExamFile, load_exam

DROPPED, CONTAMINATION = "dropped", "contamination.jsonl"
_THREADS = max(2, min(8, os.cpu_count() or 1))
# Rows that are written at a time.
_ROWS = 16_384

# Of all rows: what a clean one has more than read.SCHEMA, and what a dropped one has.
_ALL_SCHEMA: Mapping[str, pl.DataType] = {
    **SCHEMA,
    "repaired": pl.Boolean(),
    "reason": pl.String(),
    "tokens": pl.UInt32(),
    "key": pl.UInt64(),
    "exam_item": pl.Struct(
        {"exam": pl.String(), "id": pl.String(), "kind": pl.String(), "share": pl.Float64(), "text": pl.String()}
    ),
}
_Result = TypeVar("_Result")
# What could not be read, and of which file.
_Faults: TypeAlias = list[tuple[Part, Fault]]


def wanted_mixes(spec: Spec, only: Sequence[str], scale: float) -> dict[str, Mix]:
    """Return the mixes of a spec with these names, all where there are none, with their sizes times `scale`.

    Raises OpenbookError for a name that is none or is taken, and for a scale that leaves nothing.
    """
    if unknown := [name for name in only if name not in spec.mixes]:
        raise OpenbookError(f"--mix {unknown[0]}: no such mix; {did_you_mean(unknown[0], spec.mixes)}")
    if taken := [name for name in spec.mixes if name in (DROPPED, CONTAMINATION)]:
        raise OpenbookError(f"mix {taken[0]}: the build has something else of that name; call it otherwise")
    return scaled({name: mix for name, mix in spec.mixes.items() if not only or name in only}, scale)


def load_exams(
    names: Iterable[str], *, required: bool, notify: Callable[[str], None]
) -> tuple[list[ExamFile], list[dict[str, str]]]:
    """Load the exams of these names, as `openbook-eval` takes them, and say what the manifest says of each.

    One that cannot be fetched from the hub is notified: nothing is checked against it. Raises ExamError where an exam
    cannot be read, or cannot be fetched and is `required`.
    """
    found: list[ExamFile] = []
    named: list[dict[str, str]] = []
    for name in sorted(set(names)):
        try:
            found.append(load_exam(name))
            named.append(found[-1].provenance)
        except ExamNotFetchedError as error:
            if required:
                raise
            notify(f"exam {name}: NOT CHECKED; {str(error).partition(';')[0]}")
            # Without the reason, which differs between machines.
            named.append({"name": name, "not_checked": "could not be fetched"})
    return found, sorted(named, key=lambda exam: exam["name"])


def build(
    spec: Spec,
    data: Path,
    out: Path,
    *,
    scale: float = 1.0,
    only: Sequence[str] = (),
    exams: Sequence[str] = (),
    form: str = "axolotl",
    notify: Callable[[str], None] = lambda _: None,
) -> dict[str, Manifest]:
    """Build the mixes of a spec, or `only` those of these names, from the files below `data` into the folder `out`.

    `exams` stand in for those of the spec, and must all be there; of the spec's, one that cannot be fetched is passed
    over and reported. `form` is one of FORMATS, that of train.jsonl. `notify` gets what the user should know. Raises
    OpenbookError. A mix is there whole or not at all, also where the build is killed.
    """
    if form not in FORMATS:
        raise OpenbookError(f"--format {form}: no such format; {did_you_mean(form, FORMATS)}")
    if exams:
        spec = spec.model_copy(update={"decontaminate": Decontamination(exams=list(exams))})
    mixes = wanted_mixes(spec, only, scale)
    for name in (*mixes, DROPPED):
        # What stands there is replaced as a whole.
        held = sorted(file.name for file in (out / name).glob("*") if file.name not in FILES)
        if others := [file for file in held if name != DROPPED or not file.endswith(".jsonl")]:
            raise OpenbookError(f"{out / name}: holds {others[0]}, which no build wrote; move it or build elsewhere")
    count = counter(spec.tokenizer) if spec.tokenizer else None
    todo = parts(spec.sources, data)
    with _hold(out) as work:
        names = spec.decontaminate.exams if spec.decontaminate else ()
        checked, named = load_exams(names, required=bool(exams), notify=notify)
        rows, faults, inputs = _read_all(todo, spec.clean, ExamIndex.of(checked) if checked else None)
        _notify_of_files(faults, inputs, notify)
        with _step("looking for duplicates"):
            kept, dropped = _without_duplicates(rows, spec)
        _write_dropped(work, spec, dropped, faults)
        _replace(work / DROPPED, out / DROPPED)
        (out / CONTAMINATION).unlink(missing_ok=True)
        if checked:
            _replace(work / CONTAMINATION, out / CONTAMINATION)
        flows = _flows(spec, kept, dropped, faults)
        with _step("choosing rows"):
            chosen = choose(kept, mixes, spec.seed, count, _losses(flows.values()), spec.shares)
        contaminated, report = sum(flow.contaminated for flow in flows.values()), CONTAMINATION if checked else None
        contamination = Contamination(exams=named, rows=contaminated, report=report) if names else None
        facts = BuildFacts.of(spec, inputs, flows, contamination, scale, mixes, form)
        return _write_mixes(out, work, mixes, chosen, facts)


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
    work = out / ".work"
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
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda amount: bar.advance(task, amount)


def _ahead(do: Callable[[pl.DataFrame], _Result], frames: Iterable[pl.DataFrame]) -> Iterator[_Result]:
    """Yield the results in the order of the frames, a few of which are worked on at a time."""
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting: deque[Future[_Result]] = deque()
        for frame in frames:
            waiting.append(threads.submit(do, frame))
            if len(waiting) > _THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


# --- Reading and sorting out


def _read_all(
    todo: Sequence[Part], settings: Cleaning, index: ExamIndex | None
) -> tuple[pl.DataFrame, _Faults, list[InputFile]]:
    """Return all rows, what could not be read, and the files, which are hashed in a thread in the meantime."""
    faults: _Faults = []
    foreign: dict[str, list[Foreign]] = {part.label: [] for part in todo}
    states = {part.file: _state(part.file) for part in todo}
    with ThreadPoolExecutor(1) as thread, _step("reading the sources", sum(part.size for part in todo)) as advance:
        contents = thread.map(FileContent.of, [part.file for part in todo])

        def frames() -> Iterator[pl.DataFrame]:
            for part in todo:
                for chunk in read(part):
                    faults.extend((part, fault) for fault in chunk.faults)
                    foreign[part.label].append(chunk.foreign)
                    yield chunk.frame
                advance(part.size)

        rows = [pl.DataFrame(schema=_ALL_SCHEMA), *_ahead(lambda frame: _sort_out(frame, settings, index), frames())]
        files = [
            InputFile(
                source=part.source.name,
                file=part.label,
                **content.model_dump(),
                foreign_lines=sum(lines for lines, _ in foreign[part.label]),
                first_foreign=next((first for _, first in foreign[part.label] if first), None),
            )
            for part, content in zip(todo, contents, strict=True)
        ]
    if changed := [part.file for part in todo if _state(part.file) != states[part.file]]:
        raise OpenbookError(f"{changed[0]}: was changed while it was read; run again when nothing writes to it")
    return pl.concat(rows), faults, files


def _notify_of_files(faults: _Faults, inputs: Iterable[InputFile], notify: Callable[[str], None]) -> None:
    """Say what is wrong with files that costs no row, and which were not, or not all, UTF-8."""
    for part, fault in faults:
        if not fault.row:
            notify(f"source {part.source.name}: {part.label}: {fault.reason}")
    for each in inputs:
        if each.foreign_lines:
            lines = f"lines that were read as gb18030: {each.foreign_lines:,}, from line {each.first_foreign} on"
            notify(f"source {each.source}: {each.file}: {lines}")


def _state(file: Path) -> tuple[int, int] | None:
    """Return the size of a file and when it was last written, None where it is gone."""
    try:
        return file.stat().st_size, file.stat().st_mtime_ns
    except OSError:
        return None


def _sort_out(frame: pl.DataFrame, settings: Cleaning, index: ExamIndex | None) -> pl.DataFrame:
    """Return the rows with the reason to drop them: unclean, or an exam item; the clean ones with tokens and keys."""
    frame = repair(frame)
    frame = frame.hstack(judge(frame, settings))
    plain_texts = {"plain_question": plain(pl.col("question")), "plain_answer": plain(pl.col("answer"))}
    # Lazily, so that what the columns share is found once.
    clean = frame.lazy().filter(pl.col("reason").is_null()).with_columns(**plain_texts).collect()
    matches = index.check(clean) if index else {}
    found = [matches[place]._asdict() if place in matches else None for place in range(clean.height)]
    items = pl.Series("exam_item", found, dtype=_ALL_SCHEMA["exam_item"])
    clean = clean.with_columns(keys(clean), items, reason=pl.when(items.is_not_null()).then(pl.lit("contaminated")))
    unclean = frame.filter(pl.col("reason").is_not_null())
    return pl.concat([clean, unclean], how="diagonal").select(*_ALL_SCHEMA)


def _without_duplicates(rows: pl.DataFrame, spec: Spec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows that are kept, and all others by file, with `of`, the place of the row that stays."""
    marked = mark_duplicates(rows.filter(pl.col("reason").is_null()), spec.seed, spec.deduplicate.near)
    gone = marked.filter(pl.col("reason").is_not_null())
    gone = gone.with_columns(marked.select("source", "file", "row")[gone["of"]].to_struct("of"))
    dropped = pl.concat([rows.filter(pl.col("reason").is_not_null()), gone], how="diagonal")
    kept = marked.filter(pl.col("reason").is_null()).drop("reason", "exam_item", "of")
    return kept, dropped.sort("source", "file", "row", maintain_order=True)


def _flows(spec: Spec, kept: pl.DataFrame, dropped: pl.DataFrame, faults: _Faults) -> dict[str, Flow]:
    """Count what became of the rows of each source; reasons in alphabetical order."""
    reasons = pl.concat(
        [kept.select("source", "repaired", reason=pl.lit("kept")), dropped.select("source", "repaired", "reason")]
    )
    counted = reasons.group_by("source", "reason").len().sort("reason").rows()
    repaired = dict(reasons.group_by("source").agg(pl.col("repaired").sum()).rows())
    flows: dict[str, Flow] = {}
    for source in spec.sources:
        counts = {reason: rows for name, reason, rows in counted if name == source.name}
        flows[source.name] = Flow(
            domain=source.domain,
            licence=source.licence,
            read=sum(counts.values()),
            broken=sum(part.source.name == source.name and fault.row > 0 for part, fault in faults),
            repaired=repaired.get(source.name, 0),
            kept=counts.pop("kept", 0),
            exact=counts.pop("duplicate", 0),
            near=counts.pop("near_duplicate", 0),
            contaminated=counts.pop("contaminated", 0),
            dropped=counts,
        )
    return flows


def _losses(flows: Iterable[Flow]) -> dict[str, str]:
    """Say of each domain how many rows were read, and why how many of them are not kept."""
    lost: dict[str, Counter[str]] = {}
    for flow in flows:
        gone = {"read": flow.read, "duplicate": flow.exact + flow.near, "contaminated": flow.contaminated}
        lost.setdefault(flow.domain, Counter()).update({**gone, "broken": flow.broken, **flow.dropped})
    return {
        domain: "; ".join(f"{rows:,} {reason}" for reason, rows in counts.most_common() if rows or reason == "read")
        for domain, counts in lost.items()
    }


# --- Writing


def _replace(new: Path, old: Path) -> None:
    """Put a file or folder in the place of another; systems know no exchange of folders: for a moment there is none."""
    if old.is_dir():
        old.rename(new.with_name(f"old {new.name}"))
    new.rename(old)


def _write_lines(file: Path, batches: Iterable[Iterable[bytes]]) -> None:
    with file.open("wb") as opened:
        for lines in batches:
            opened.writelines(lines)


def _write_dropped(work: Path, spec: Spec, dropped: pl.DataFrame, faults: _Faults) -> None:
    """Write dropped/<source>.jsonl: what could not be read, then rows as Axolotl reads them, the reason in front.

    contamination.jsonl names each row that holds an exam item, and the item.
    """
    (work / DROPPED).mkdir()
    for name in (source.name for source in spec.sources):
        broken = (_json_line(_noted(part, fault)) for part, fault in faults if part.source.name == name)
        some = dropped.filter(pl.col("source") == name).iter_slices(_ROWS)
        _write_lines(work / DROPPED / f"{name}.jsonl", chain([broken], map(_headed_lines, some)))
    held = dropped.filter(pl.col("reason") == "contaminated").select("source", "file", "row", "exam_item")
    _write_lines(work / CONTAMINATION, [map(_json_line, held.unnest("exam_item").iter_rows(named=True))])


def _write_mixes(
    out: Path, work: Path, mixes: Mapping[str, Mix], chosen: Mapping[str, pl.DataFrame], facts: BuildFacts
) -> dict[str, Manifest]:
    nested, found = nesting(chosen), dict[str, Manifest]()
    with _step("writing the mixes", len(chosen)) as advance:
        for name, rows in chosen.items():
            (work / name).mkdir()
            _write_lines(work / name / TRAIN, _ahead(FORMATS[facts.format].lines, rows.iter_slices(_ROWS)))
            found[name] = write_manifest(work / name, facts, name, mixes[name], rows, nested[name])
            _replace(work / name, out / name)
            advance(1)
    return found


def _noted(part: Part, fault: Fault) -> dict[str, Any]:
    if not fault.row:
        return {"file": part.label, "reason": "break", "fault": fault.reason}
    return {"file": part.label, "row": fault.row, "reason": "broken", "fault": fault.reason, "text": fault.text}


def _headed_lines(rows: pl.DataFrame) -> Iterator[bytes]:
    heads = rows.select("file", "row", "reason", "exam_item", "of").iter_rows(named=True)
    for head, line in zip(heads, MESSAGES.lines(rows), strict=True):
        yield orjson.dumps({name: value for name, value in head.items() if value is not None})[:-1] + b"," + line[1:]


def _json_line(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)

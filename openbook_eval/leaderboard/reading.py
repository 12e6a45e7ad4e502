"""Reads what lm-eval has written, any number of runs: one typed table, and what was left out, named."""

import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import store
from openbook_eval.leaderboard.layouts import ResultsFile, find
from openbook_eval.leaderboard.results_file import Announced, SamplesToRead, read_results
from openbook_eval.leaderboard.runs import Run, SamplesFile
from openbook_eval.leaderboard.samples_file import Samples, read_samples_file
from openbook_eval.leaderboard.taken import Taken as Taken
from openbook_eval.types import ExamName

# Told how many samples files are read, and of how many.
Progress = Callable[[int, int], None]

# From so many bytes on a second process is worth its start.
_MANY_BYTES = 300_000_000
_SHOWN = 3


def read(paths: Sequence[Path], *, progress: Progress | None = None) -> Taken:
    """All runs in `paths`: results files, folders of them, and stores.

    A run with any fault is left out whole and named. Raises OpenbookError for a path that is not there, and where
    nothing is left.
    """
    found = find(paths)
    announced, refused, others = _announced(found.results)
    runs: list[tuple[Run, pl.DataFrame]] = []
    for run, faults in _with_samples(announced, progress):
        runs += [run] if run else []
        refused += faults
    for folder in found.stored:
        try:
            runs.append(store.read_run(folder))
        except OpenbookError as error:
            refused.append(str(error))
    refused += found.refused
    refused += [f"{others} tasks of other exams than ours"] if others else []
    if not runs:
        raise OpenbookError(_nothing(paths, refused))
    return Taken.of(runs, refused)


def _nothing(paths: Sequence[Path], refused: Sequence[str]) -> str:
    where = ", ".join(map(str, paths))
    if not refused:
        return f"{where}: no results of cmed tasks; run openbook-eval run ... --log_samples --output_path FOLDER first"
    more = [f"and {len(refused) - _SHOWN} more"] if len(refused) > _SHOWN else []
    return f"{where}: no run that can be shown: {'; '.join([*refused[:_SHOWN], *more])}"


def _announced(files: Iterable[ResultsFile]) -> tuple[list[Announced], list[str], int]:
    announced: list[Announced] = []
    refused: list[str] = []
    others = 0
    for file in files:
        try:
            told = read_results(file)
        except OpenbookError as error:
            refused.append(str(error))
            continue
        announced += told.runs
        refused += told.refused
        others += told.others
    return announced, refused, others


def _with_samples(
    announced: Sequence[Announced], progress: Progress | None
) -> Iterator[tuple[tuple[Run, pl.DataFrame] | None, list[str]]]:
    """Each run with its items, or why it has none."""
    work = [(each.path, run.told["condition"], each.exam) for run in announced for each in run.samples]
    parts = _read_all(work)
    done = 0
    for run in announced:
        found: list[Samples] = []
        faults = []
        for each in run.samples:
            part = next(parts)
            done += 1
            if progress:
                progress(done, len(work))
            fault = part if isinstance(part, str) else _miscounted(each, part)
            if fault:
                faults.append(fault)
            elif not isinstance(part, str):
                found.append(part)
        try:
            yield (None if faults else _run(run, found)), faults[:1]
        except ValidationError as error:
            yield None, [f"{run.told['results']}: not as lm-eval and we write it ({_first(error)}); run again"]


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the run'}: {first['msg']}"


def _miscounted(told: SamplesToRead, found: Samples) -> str | None:
    if told.items is None or told.items == found.items.height:
        return None
    return (
        f"{told.path}: {found.items.height} items, but the results are of {told.items}; the file was cut off, run again"
    )


def _read_all(work: Sequence[tuple[Path, str, ExamName]]) -> Iterator[Samples | str]:
    size = sum(path.stat().st_size for path, *_ in work if path.is_file())
    if size < _MANY_BYTES or multiprocessing.cpu_count() < 2:
        yield from map(_read_one, work)
        return
    # A forked polars may hang.
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_read_one, work, chunksize=max(1, min(6, len(work) // 4)))


def _read_one(work: tuple[Path, str, ExamName]) -> Samples | str:
    try:
        return read_samples_file(*work)
    except OpenbookError as error:
        return str(error)


def _run(announced: Announced, samples: Sequence[Samples]) -> tuple[Run, pl.DataFrame]:
    told = announced.told
    files = tuple(
        SamplesFile(exam=each.exam, path=str(each.path), sha256=part.sha256, items=part.items.height)
        for each, part in zip(announced.samples, samples, strict=True)
    )
    asked = sorted(f"{file.exam} {part.asked_sha256}" for file, part in zip(files, samples, strict=True))
    parts = [told["model"], told["condition"], told["date"], *(file.sha256 for file in files)]
    run = Run(
        id=_digest(parts)[:16],
        model_sha256=_digest([told["model"]]),
        items_sha256=_digest(asked),
        asked=sum(file.items for file in files),
        samples=files,
        **told,
    )
    items = pl.concat([part.items for part in samples])
    return run, items.select(pl.lit(run.id).alias("run"), pl.all())


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()

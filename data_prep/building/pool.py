"""Pass 1 over all jobs, in processes of their own."""

import gc
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import polars as pl

from data_prep.building.examining import Rules, examine
from data_prep.building.jobs import Job
from data_prep.building.work import Work
from data_prep.duplicates import keys
from data_prep.rows import SCHEMA
from openbook_eval.errors import OpenbookError

_THREADS = "POLARS_MAX_THREADS"
# Memory that a process has had it keeps: handed back to the system and asked for again with every block of rows, it
# would be wiped each time, a quarter of all the work. (The manuals of glibc's and jemalloc's environment variables.)
_KEPT = str(4 << 30)
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": _KEPT,
    "MALLOC_TRIM_THRESHOLD_": _KEPT,
    "MALLOC_TOP_PAD_": str(64 << 20),
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:10000,muzzy_decay_ms:-1",
}
_RULES = "rules.pickle"


@contextmanager
def workers(processes: int) -> Iterator[ProcessPoolExecutor | None]:
    """So many processes, started at once: their imports run while there is still nothing for them to do.

    None where one is enough: that is this process.
    """
    if processes == 1:
        yield None
        return
    # polars makes a thread for every core, in every process.
    threads = os.environ.get(_THREADS) or str(max(1, (os.cpu_count() or 1) // processes))
    with _environment({**_MEMORY, _THREADS: threads}):
        pool = ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn"), initializer=_start)
        # They start, each with its first call, in this environment.
        for _ in range(processes):
            pool.submit(_prepare)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Variables of processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def meanwhile(pool: ProcessPoolExecutor | None, do: Callable[..., None], *arguments: object) -> Future[None]:
    """Does something in a worker; where there is none, here and now."""
    if pool:
        return pool.submit(do, *arguments)
    done: Future[None] = Future()
    do(*arguments)
    done.set_result(None)
    return done


def examine_all(
    jobs: Sequence[Job],
    rules: Rules,
    work: Work,
    pool: ProcessPoolExecutor | None,
    done: Callable[[Job], None] = lambda _: None,
) -> None:
    """Does every job that is not finished yet; `done` is called after each, and first for those finished before.

    Raises what a job raises; OpenbookError where a process dies.
    """
    for job in (job for job in jobs if work.finished(job.number)):
        done(job)
    left = [job for job in jobs if not work.finished(job.number)]
    if left and pool is None:
        for job in left:
            _do(job, rules, work)
            done(job)
    elif left and pool is not None:
        file = work.folder / _RULES
        file.write_bytes(pickle.dumps(rules, protocol=pickle.HIGHEST_PROTOCOL))
        _share_out(pool, left, file, work, done)
        file.unlink()


def _do(job: Job, rules: Rules, work: Work) -> None:
    with work.filling(job.number) as folder:
        examine(job, rules, folder)


def _share_out(
    pool: ProcessPoolExecutor, jobs: Sequence[Job], rules: Path, work: Work, done: Callable[[Job], None]
) -> None:
    try:
        # The largest first, so that none is left alone at the end.
        order = sorted(jobs, key=lambda job: -job.bytes)
        waiting = {pool.submit(_do_in_worker, job, rules, work): job for job in order}
        for future in as_completed(waiting):
            future.result()
            done(waiting[future])
    except BrokenProcessPool as error:
        raise OpenbookError(
            "a worker process died, likely for want of memory; run again with --processes 1: what was finished is kept"
        ) from error


def _start() -> None:
    # A million rows are some millions of dicts and texts that die by themselves; to look for rings among them took a
    # twentieth of the time.
    gc.set_threshold(200_000)
    # The parent ends the pool; an interrupt from the keyboard reaches all of its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)


def _prepare() -> None:
    """What every first use waits for, done while the worker has nothing else to do."""
    keys(pl.DataFrame(schema=SCHEMA))


def _do_in_worker(job: Job, rules: Path, work: Work) -> None:
    _do(job, _rules(rules), work)


@cache
def _rules(file: Path) -> Rules:
    """The rules that this build has just written: once a process."""
    found: Rules = pickle.loads(file.read_bytes())  # noqa: S301 (our own file of a moment ago)
    return found

"""Jobs run in processes of their own; what goes wrong there is told in one line."""

import os
from pathlib import Path
from typing import Any

import pytest

from data_prep.building.examining import Rules
from data_prep.building.jobs import Job, all_parts, jobs
from data_prep.building.pool import examine_all, workers
from data_prep.building.work import Work
from data_prep.spec import Cleaning
from openbook_eval.errors import OpenbookError
from tests.data_prep.building.raw import contents, spec, write_data

MIXES = {"all": {"size": 10, "ratio": "1:1"}}


class Deadly:
    """In place of the check against exams: ends its process, as the kernel does where memory runs out."""

    def check(self, *_: object) -> list[object]:
        os._exit(9)


@pytest.fixture
def todo(tmp_path: Path) -> list[Job]:
    return jobs(all_parts(spec(MIXES).sources, write_data(tmp_path / "data")))


def _examine(todo: list[Job], guard: Any, work: Work, processes: int) -> list[int]:
    """Numbers of the jobs, in the order in which they were told to be done."""
    done: list[int] = []
    with workers(processes) as pool:
        examine_all(todo, Rules(Cleaning(), guard), work, pool, lambda job: done.append(job.number))
    return done


def test_one_process_and_two_write_the_same_bytes(todo: list[Job], tmp_path: Path) -> None:
    for processes in (1, 2):
        (tmp_path / f"{processes}").mkdir()
        assert sorted(_examine(todo, None, Work.of(tmp_path / f"{processes}", 0), processes)) == [0, 1, 2]
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert len(contents(tmp_path / "1")) == 15


@pytest.mark.parametrize("processes", [1, 2])
def test_finished_jobs_are_not_done_again(todo: list[Job], tmp_path: Path, processes: int) -> None:
    work = Work.of(tmp_path, 0)
    for job in todo:
        with work.filling(job.number):
            pass
    assert _examine(todo, Deadly(), work, processes) == [0, 1, 2]


def test_a_worker_that_dies_is_told_with_the_way_out(todo: list[Job], tmp_path: Path) -> None:
    before = os.environ.get("POLARS_MAX_THREADS")
    with pytest.raises(OpenbookError, match="a worker process died, likely for want of memory; run again with"):
        _examine(todo, Deadly(), Work.of(tmp_path, 0), 2)
    assert os.environ.get("POLARS_MAX_THREADS") == before


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_job_raises_comes_out_of_the_worker(todo: list[Job], tmp_path: Path, processes: int) -> None:
    (tmp_path / "data" / "alpaca.jsonl").write_text('{"instruction": "为什么天是蓝的", \n')
    with pytest.raises(OpenbookError, match=r"alpaca\.jsonl"):
        _examine(todo, None, Work.of(tmp_path, 0), processes)

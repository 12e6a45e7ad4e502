"""Pass 1 is cut the same way every time, whatever the order of sources."""

from pathlib import Path

import pytest

from data_prep.building.jobs import all_parts, jobs
from data_prep.sources import Part
from data_prep.spec import Source
from openbook_eval.errors import OpenbookError
from tests.data_prep.building.raw import row, write_data, write_jsonl


def _source(name: str, path: str) -> Source:
    return Source.model_validate({"name": name, "domain": "tcm", "licence": "MIT", "path": path})


def _part(source: Source, label: str, size: int) -> Part:
    return Part(source, label, Path(label), 0, size, 1)


def test_parts_come_by_name_of_source_and_file_whatever_the_order_of_the_spec(tmp_path: Path) -> None:
    write_data(tmp_path, 3)
    write_jsonl(tmp_path / "b" / "2.jsonl", [row(2)])
    write_jsonl(tmp_path / "b" / "1.jsonl", [row(1)])
    sources = [_source("huatuo", "huatuo.jsonl"), _source("alpaca", "b/*.jsonl")]
    found = all_parts(sources, tmp_path)
    assert [(part.source.name, part.label) for part in found] == [
        ("alpaca", "b/1.jsonl"),
        ("alpaca", "b/2.jsonl"),
        ("huatuo", "huatuo.jsonl"),
    ]
    assert found == all_parts(sources[::-1], tmp_path)


def test_every_source_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="2 sources cannot be read:") as caught:
        all_parts([_source("one", "1.jsonl"), _source("two", "2.jsonl")], tmp_path)
    assert "1.jsonl" in str(caught.value)
    assert "2.jsonl" in str(caught.value)


def test_a_job_has_one_source_and_no_more_than_an_eighth_of_all_bytes() -> None:
    one, two = _source("one", "*"), _source("two", "*")
    megabyte = 1 << 20
    parts = [_part(one, f"{number}", 10 * megabyte) for number in range(10)] + [_part(two, "a", megabyte)]
    made = jobs(parts)
    assert [job.number for job in made] == list(range(11))
    assert [job.source.name for job in made] == ["one"] * 10 + ["two"]
    assert sum(job.bytes for job in made) == 101 * megabyte


def test_small_files_of_a_source_share_a_job() -> None:
    one = _source("one", "*")
    (job,) = jobs([_part(one, f"{number}", 1000) for number in range(50)])
    assert [part.label for part in job.parts] == [f"{number}" for number in range(50)]


def test_there_are_no_more_than_some_hundred_jobs_however_much_there_is_to_read() -> None:
    one = _source("one", "*")
    assert len(jobs([_part(one, f"{number}", 64 << 20) for number in range(4_000)])) <= 401

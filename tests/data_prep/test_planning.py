"""A plan says what would be built and what is missing, without reading the files in full."""

import gzip
import io
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from rich.console import Console

from data_prep.planning import Plan, plan, plan_report
from data_prep.spec import Spec
from tests.data_prep.building.raw import declared, row, spec, write_data, write_jsonl

ROWS = [row(number) for number in range(7)]


def _source(**changes: Any) -> Spec:
    """A spec of one source; a path is relative to the folder of the test."""
    source = {"name": "one", "domain": "tcm", "licence": "MIT", **changes}
    return Spec.model_validate({"sources": [source], "mixes": {"mix": {"size": 10, "ratio": {"tcm": 1}}}})


def _text(found: Plan) -> str:
    written = io.StringIO()
    console = Console(width=160, file=written)
    for part in plan_report(found):
        console.print(part)
    return written.getvalue()


def test_a_plan_has_the_rows_of_every_mix_by_domain(tmp_path: Path) -> None:
    mixes = {"mix91": {"size": 1000, "ratio": "9:1"}, "med": {"size": 500, "ratio": {"medical": 1}}}
    found = plan(spec(mixes), write_data(tmp_path, 5), scale=0.1)
    assert found.wanted == {"mix91": {"general": 90, "tcm": 5, "western": 5}, "med": {"tcm": 25, "western": 25}}
    assert [(holding.source.name, holding.rows, holding.exact) for holding in found.holdings] == [
        ("alpaca", 8, True),
        ("zhongyi", 8, True),
        ("huatuo", 8, True),
    ]
    assert (found.short("mix91", "general"), found.short("mix91", "tcm"), found.short("med", "tcm")) == (82, 0, 17)


@pytest.mark.parametrize(
    ("name", "content", "rows", "exact"),
    [
        ("a.jsonl", b"".join(orjson.dumps(each) + b"\n" for each in ROWS), 7, True),
        ("a.jsonl", b"\n".join(orjson.dumps(each) for each in ROWS), 7, True),
        ("a.json", orjson.dumps(ROWS), 7, False),
        ("a.json", orjson.dumps(ROWS, option=orjson.OPT_INDENT_2), 7, False),
        ("a.json", b"[]", None, False),
        ("a.csv", b"question,answer\n1,2\n3,4\n", 2, False),
        ("a.jsonl.gz", gzip.compress(b"{}"), None, False),
        ("a.xlsx", b"PK\x03\x04", None, False),
    ],
)
def test_rows_are_counted_or_said_to_be_about_as_many_or_unknown(
    tmp_path: Path, name: str, content: bytes, rows: int | None, exact: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    (holding,) = plan(_source(path=name), tmp_path).holdings
    assert (holding.files, holding.rows) == (1, rows)
    assert rows is None or holding.exact == exact


def test_a_parquet_file_tells_its_rows(tmp_path: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    (holding,) = plan(_source(path="*.parquet"), tmp_path).holdings
    assert (holding.rows, holding.exact) == (7, True)


def test_the_files_of_a_pattern_are_counted_together(tmp_path: Path) -> None:
    for number in range(3):
        write_jsonl(tmp_path / "x" / f"{number}.jsonl", ROWS)
    (holding,) = plan(_source(path="x/*.jsonl"), tmp_path).holdings
    assert (holding.files, holding.rows) == (3, 21)


def test_what_is_on_the_hub_is_unknown_and_no_shortage(tmp_path: Path) -> None:
    found = plan(_source(hub="owner/set"), tmp_path)
    assert (found.held("tcm"), found.short("mix", "tcm")) == (None, 0)
    assert "source one: to be fetched from the hub: owner/set" in _text(found)
    assert "unknown" in _text(found)


def test_a_file_that_is_missing_is_told_not_raised(tmp_path: Path) -> None:
    found = plan(_source(path="none/*.jsonl"), tmp_path)
    assert found.short("mix", "tcm") == 10
    assert "one: no file" in _text(found)


def test_a_file_that_is_empty_is_told_not_raised(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    found = plan(_source(path="a.jsonl"), tmp_path)
    assert found.short("mix", "tcm") == 10
    assert "source one: cannot be read (a.jsonl: is empty)" in _text(found)


def test_the_report_says_what_is_short_and_what_will_come_of_it(tmp_path: Path) -> None:
    mixes = {"a": {"size": 30, "ratio": {"tcm": 1}}, "b": {"size": 30, "ratio": {"tcm": 1}, "allow_repeat": True}}
    text = _text(plan(spec(mixes), write_data(tmp_path, 5)))
    assert "a: tcm is 22 rows short before any is dropped; the build will stop, unless by allow_repeat" in text
    assert "b: tcm is 22 rows short before any is dropped; rows will be repeated" in text
    assert "to be checked against mini" in text


def test_only_the_mixes_asked_for_are_planned(tmp_path: Path) -> None:
    both = {"a": {"size": 30, "ratio": {"tcm": 1}}, "b": {"size": 30, "ratio": {"tcm": 1}}}
    assert list(plan(Spec.model_validate(declared(both)), tmp_path, only=["b"]).mixes) == ["b"]

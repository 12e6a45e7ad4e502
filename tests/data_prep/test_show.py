"""A plan and a mix are laid out as they are, and nothing in a mix moves the terminal."""

import gzip
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_prep.build import build
from data_prep.manifest import MANIFEST, ROWS, TRAIN
from data_prep.show import holding, show, show_plan
from data_prep.spec import Source, Spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.files import json_lines
from tests.data_prep.raw import copied_row, row, spec, write_data

MIXES: dict[str, Any] = {
    "r41": {"size": 60, "ratio": "4:1"},
    "r91": {"size": 60, "ratio": "9:1"},
    "words": {"size": 9000, "ratio": {"medical": 1}, "over": "tokens", "allow_repeat": True},
}
ALL = [row(number) for number in range(7)]
ONE = {"name": "one", "domain": "tcm", "licence": "MIT"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixes")
    declared = spec(MIXES, decontaminate={"exams": ["mini"]})
    build(declared, write_data(folder / "data"), folder / "out")
    return folder / "out"


@pytest.fixture
def r41(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    (tmp_path / "r41").mkdir()
    for name in (TRAIN, ROWS, MANIFEST):
        (tmp_path / "r41" / name).write_bytes((built / "r41" / name).read_bytes())
    return tmp_path / "r41"


def printed(parts: Iterator[Table | Text], width: int = 100) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    for part in parts:
        console.print(part)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(map(str, column.cells) for column in table.columns), strict=True)]


def tables(folder: Path) -> list[Table]:
    return [part for part in show(folder) if isinstance(part, Table)]


# --- A plan


def _holding(folder: Path, **changes: Any) -> tuple[int, int | None, bool, str]:
    found = holding(Source.model_validate({**ONE, **changes}), folder)
    return found.files, found.rows, found.exact, found.missing


@pytest.mark.parametrize(
    ("name", "content", "rows", "exact"),
    [
        ("a.jsonl", json_lines(ALL), 7, True),
        ("a.jsonl", json_lines(ALL)[:-1], 7, True),
        ("a.json", orjson.dumps(ALL), 7, False),
        ("a.json", orjson.dumps(ALL, option=orjson.OPT_INDENT_2), 7, False),
        ("a.json", b"[]", None, True),
        ("a.csv", b"question,answer\n1,2\n3,4\n", 2, False),
        ("a.jsonl.gz", gzip.compress(b"{}", mtime=0), None, True),
        ("a.xlsx", b"PK\x03\x04", None, True),
    ],
)
def test_rows_are_counted_or_said_to_be_about_as_many_or_unknown(
    tmp_path: Path, name: str, content: bytes, rows: int | None, exact: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert _holding(tmp_path, path=name) == (1, rows, exact, "")


def test_files_of_a_pattern_are_counted_and_what_is_missing_is_reported(tmp_path: Path) -> None:
    for number in range(3):
        pl.DataFrame(ALL).write_parquet(tmp_path / f"{number}.parquet")
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert _holding(tmp_path, path="*.parquet") == (3, 21, True, "")
    assert _holding(tmp_path, path="a.jsonl") == (1, 0, True, "cannot be read (a.jsonl: is empty)")
    assert _holding(tmp_path, path="no*.json") == (0, 0, True, f"no file {tmp_path / 'no*.json'}")
    assert _holding(tmp_path, hub="owner/set") == (0, None, True, "to be fetched from the hub: owner/set")


def test_a_plan_has_the_rows_of_every_mix_and_source(tmp_path: Path) -> None:
    mixes = {"mix91": {"size": 1000, "ratio": "9:1"}, "med": {"size": 500, "ratio": {"medical": 1}}}
    planned, sources, *_ = show_plan(spec(mixes), write_data(tmp_path, 5), scale=0.1)
    assert isinstance(planned, Table) and isinstance(sources, Table)  # noqa: PT018
    assert cells(planned) == [
        ["mix91", "100", "90", "5", "5"],
        ["med", "50", "-", "25", "25"],
        ["the sources hold", "", "8", "8", "8"],
    ]
    assert [found[0::4] for found in cells(sources)] == [["alpaca", "8"], ["zhongyi", "8"], ["huatuo", "8"]]


def test_a_plan_says_what_is_short_and_what_comes_of_it(tmp_path: Path) -> None:
    mixes = {"a": {"size": 30, "ratio": {"tcm": 1}}, "b": {"size": 30, "ratio": {"tcm": 1}, "allow_repeat": True}}
    text = printed(show_plan(spec(mixes), write_data(tmp_path, 5)), width=160)
    assert "a: tcm is 22 rows short before any is dropped; the build will stop, unless by allow_repeat" in text
    assert "b: tcm is 22 rows short before any is dropped; rows will be repeated" in text
    assert "to be checked against mini" in text
    assert "a: tcm" not in printed(show_plan(spec(mixes), tmp_path, only=["b"]))


def test_what_is_on_the_hub_is_unknown_and_no_shortage(tmp_path: Path) -> None:
    declared = {"sources": [{**ONE, "hub": "owner/set"}], "mixes": {"mix": {"size": 10, "ratio": {"tcm": 1}}}}
    text = printed(show_plan(Spec.model_validate(declared), tmp_path))
    assert ("unknown" in text, "short" in text) == (True, False)
    assert "source one: to be fetched from the hub: owner/set\n" in text


# --- A mix


def test_counts_and_the_ratio_wanted_and_got_are_of_rows_or_of_tokens(built: Path) -> None:
    domains, sources, *_ = map(cells, tables(built / "r41"))
    tenth = ("6", "10.00")
    shares = {("general", "alpaca"): ("48", "80.00"), ("tcm", "zhongyi"): tenth, ("western", "huatuo"): tenth}
    assert [(row[0], row[1], *row[3:]) for row in domains] == [
        (domain, rows, "0", share, share) for (domain, _), (rows, share) in shares.items()
    ]
    assert [(row[0], row[1], row[3]) for row in sources] == [(of, *counts) for (_, of), counts in shares.items()]
    words = cells(tables(built / "words")[0])
    tokens = [int(row[2].replace(",", "")) for row in words]
    assert [row[4:] for row in words] == [["50.00", f"{100 * count / sum(tokens):.2f}"] for count in tokens]
    assert all(int(row[1]) - int(row[3]) <= 103 for row in words)


def test_the_head_says_what_the_mix_is_checked_against_and_contained_in(built: Path) -> None:
    text = printed(show(built / "r41"))
    assert text.startswith("r41: 60 rows, ")
    assert "tokens (estimated from characters), seed 0\nchecked against mini: 3 rows left out of the build\n" in text
    assert "contained in r91: general\n" in text
    assert [f"{name}: " in printed(show(built)) for name in MIXES] == [True] * 3


def test_a_mix_that_is_contained_whole_is_said_to_be(tmp_path: Path) -> None:
    mixes = {name: {"size": size, "ratio": "1:1"} for name, size in (("small", 10), ("large", 20))}
    build(spec(mixes, decontaminate=None), write_data(tmp_path / "data"), tmp_path / "out")
    assert "not checked against any exam\ncontained in large: all of it" in printed(show(tmp_path / "out" / "small"))
    assert "contained in" not in printed(show(tmp_path / "out" / "large"))


def test_lengths_are_counted_in_bars(tmp_path: Path) -> None:
    # A Han character is 0.537 tokens.
    rows = [{"instruction": "头" * size, "output": "痛"} for size in (8, 10, 28, 29, 40, 70, 7900, 9000)]
    (tmp_path / "a.jsonl").write_bytes(json_lines(rows))
    declared = {"sources": [{**ONE, "path": "a.jsonl"}], "mixes": {"a": {"size": 8, "ratio": {"tcm": 1}}}}
    kept = {"clean": {"keep": ["too_long", "repeated"]}, "deduplicate": {"near": None}}
    build(Spec.model_validate({**declared, **kept}), tmp_path, tmp_path / "out")
    assert cells(tables(tmp_path / "out")[2]) == [
        ["0-15", "2", "25.00", "█" * 27],
        ["16-31", "3", "37.50", "█" * 40],
        ["32-63", "1", "12.50", "█" * 13],
        ["4,096 or more", "2", "25.00", "█" * 27],
    ]


def test_ten_samples_of_each_source_the_same_every_time_and_no_row_twice(built: Path) -> None:
    found = {str(table.columns[0].header).strip(): cells(table) for table in tables(built / "words")[3:]}
    assert {source: len(set(map(str, samples))) for source, samples in found.items()} == {"huatuo": 10, "zhongyi": 10}
    places = [sample.partition(" ")[0].removeprefix("zhongyi.jsonl:") for (sample,) in found["zhongyi"]]
    for place, (sample,) in zip(places, found["zhongyi"], strict=True):
        # After the source's own rows stands a copy of another's.
        expected = row(int(place) - 1, "中医") if int(place) <= 100 else copied_row()
        assert sample == f"zhongyi.jsonl:{place} user: {expected['instruction']}\nassistant: {expected['output']}"
    assert places != sorted(places, key=int)
    assert [cells(table) for table in tables(built / "words")[3:]] == list(found.values())


def rewrite(folder: Path, line: bytes) -> None:
    path = folder / TRAIN
    path.write_bytes(line * len(path.read_bytes().splitlines()))


def test_a_sample_is_two_lines_of_the_terminal_however_long_and_whatever_is_in_it(r41: Path) -> None:
    turns = [
        {"role": "user", "content": "问\n\x1b[2J[bold red]" + "很长" * 10_000},
        {"role": "assistant", "content": "答\r\u202e\x9b"},
        {"role": "user", "content": "再问\u3000x"},
    ]
    rewrite(r41, orjson.dumps({"messages": turns}) + b"\n")
    head, name, *lines = printed(iter(tables(r41)[-1:]), width=70).rstrip("\n").split("\n")
    assert (head.strip(), name.strip(), len(lines)) == ("", "zhongyi", 12)
    first, second = (line.rstrip() for line in lines[:2])
    assert first.partition(" ")[2].startswith(r"user: 问\n\x1b[2J[bold red]很长很长")
    assert first.endswith("…")
    assert second == r"assistant: 答\r\u202e\x9b user: 再问　x"


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"nonsense\n", b'{"messages": []}\n', b'{"messages": ["x"]}\n'])
def test_a_line_that_is_none_is_named(r41: Path, line: bytes) -> None:
    rewrite(r41, line)
    with pytest.raises(OpenbookError, match=r"train.jsonl: line \d+ is not as data-prep writes it; see data-prep ver"):
        list(show(r41))


@pytest.mark.parametrize("name", [TRAIN, ROWS, MANIFEST])
def test_a_missing_file_is_named(r41: Path, name: str) -> None:
    (r41 / name).unlink()
    with pytest.raises(OpenbookError, match=rf"{name}: cannot be read \(No such file or directory"):
        list(show(r41))

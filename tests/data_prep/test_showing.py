"""A mix is shown as it is, and nothing in it moves the terminal."""

from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_prep import showing
from data_prep.manifest import MANIFEST, TRAIN
from data_prep.origins import ROWS
from data_prep.rows import line
from data_prep.showing import show
from openbook_eval.errors import OpenbookError, visible
from tests.data_prep.mixes import build, index, spec

MIXES: dict[str, Any] = {
    "r41": {"size": 60, "ratio": "4:1"},
    "r91": {"size": 60, "ratio": "9:1"},
    "words": {"size": 300, "ratio": {"medical": 1}, "over": "tokens", "allow_repeat": True},
}


@pytest.fixture
def mixes(tmp_path: Path) -> Path:
    build(tmp_path, spec(MIXES), index({"alpaca": 60, "belle": 40, "zhongyi": 20, "huatuo": 50}))
    return tmp_path


def printed(*parts: Table | Text, width: int = 100) -> str:
    console = Console(file=StringIO(), width=width, color_system=None)
    for part in parts:
        console.print(part)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(map(str, column.cells) for column in table.columns), strict=True)]


def tables(folder: Path) -> list[list[list[str]]]:
    return [cells(part) for part in show(folder) if isinstance(part, Table)][:3]


def samples(folder: Path) -> dict[str, list[str]]:
    found = [part for part in show(folder) if isinstance(part, Table)][3:]
    return {str(table.columns[0].header).strip(): [cell for (cell,) in cells(table)] for table in found}


def test_counts_and_the_ratio_wanted_and_got(mixes: Path) -> None:
    domains, sources, _ = tables(mixes / "r41")
    assert [(row[0], row[1], *row[3:]) for row in domains] == [
        ("general", "48", "0", "80.00", "80.00"),
        ("tcm", "6", "0", "10.00", "10.00"),
        ("western", "6", "0", "10.00", "10.00"),
    ]
    assert [row[0] for row in sources] == ["alpaca", "belle", "zhongyi", "huatuo"]
    assert sum(int(row[1]) for row in sources) == 60
    assert [row[1::2] for row in sources[2:]] == [["6", "10.00"], ["6", "10.00"]]


def test_over_tokens_the_ratio_is_that_of_tokens(mixes: Path) -> None:
    domains = tables(mixes / "words")[0]
    tokens = [int(row[2]) for row in domains]
    assert [row[4:] for row in domains] == [["50.00", f"{100 * count / sum(tokens):.2f}"] for count in tokens]
    # 20 rows of tcm do not fill 150 tokens.
    assert int(domains[0][3]) == int(domains[0][1]) - 20 > 0


def test_the_head_says_what_the_mix_is_checked_against_and_contained_in(mixes: Path) -> None:
    text = printed(*show(mixes / "r41"))
    assert "r41: 60 rows, " in text
    assert "tokens (estimated from characters), seed 0" in text
    assert "checked against mini: 20 rows left out of the build\nNOT CHECKED against cmb\n" in text
    assert "contained in r91: general" in text


def test_a_mix_that_is_contained_whole_is_said_to_be(tmp_path: Path) -> None:
    sizes = {"small": {"size": 10, "ratio": "1:1"}, "large": {"size": 20, "ratio": "1:1"}}
    build(tmp_path, spec(sizes), index({"alpaca": 60, "zhongyi": 20, "huatuo": 50}))
    assert "contained in large: all of it" in printed(*show(tmp_path / "small"))
    assert "contained in" not in printed(*show(tmp_path / "large"))


def test_every_mix_of_a_folder_is_shown(mixes: Path) -> None:
    text = printed(*show(mixes))
    assert [f"{name}: " in text for name in MIXES] == [True, True, True]


def test_a_folder_without_a_mix_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="holds no mix"):
        list(show(tmp_path))


def test_lengths_are_counted_in_bars(tmp_path: Path) -> None:
    lengths = [0, 15, 16, 31, 31, 40, 4096, 9000]
    rows = index({"alpaca": 8}).with_columns(pl.Series("tokens", lengths, pl.UInt32))
    build(tmp_path, spec({"a": {"size": 8, "ratio": {"general": 1}}}), rows)
    assert tables(tmp_path)[2] == [
        ["0-15", "2", "25.00", "█" * 27],
        ["16-31", "3", "37.50", "█" * 40],
        ["32-63", "1", "12.50", "█" * 13],
        ["4,096 or more", "2", "25.00", "█" * 27],
    ]


def test_ten_samples_of_each_source_the_same_every_time_and_no_row_twice(mixes: Path) -> None:
    found = samples(mixes / "words")
    assert {source: len(set(shown)) for source, shown in found.items()} == {"huatuo": 10, "zhongyi": 10}
    rows = [int(sample.partition(" ")[0].removeprefix("zhongyi.jsonl:")) for sample in found["zhongyi"]]
    assert found["zhongyi"] == [f"zhongyi.jsonl:{row} user: zhongyi的第{row}问\nassistant: 第{row}答" for row in rows]
    assert rows != sorted(rows)
    assert samples(mixes / "words") == found


def rewritten(folder: Path, content: bytes) -> None:
    path = folder / TRAIN
    path.write_bytes(content * len(path.read_bytes().splitlines()))


def test_a_sample_is_two_lines_of_the_terminal_however_long_and_whatever_is_in_it(mixes: Path) -> None:
    turns = orjson.dumps(
        [
            {"role": "user", "content": "问\n\x1b[2J[bold red]" + "很长" * 10_000},
            {"role": "assistant", "content": "答\r\u202e\x9b"},
            {"role": "user", "content": "再问\u3000x"},
        ]
    ).decode()
    rewritten(mixes / "r41", line("", "", turns))
    last = [part for part in show(mixes / "r41") if isinstance(part, Table)][-1]
    head, name, *lines = printed(last, width=70).rstrip("\n").split("\n")
    assert (head.strip(), name.strip(), len(lines)) == ("", "zhongyi", 12)
    first, second = (line.rstrip() for line in lines[:2])
    assert first.partition(" ")[2].startswith(r"user: 问\n\x1b[2J[bold red]很长很长")
    assert first.endswith("…")
    assert second == r"assistant: 答\r\u202e\x9b user: 再问　x"


@given(st.text())
def test_no_sign_of_an_escaped_text_moves_the_cursor(text: str) -> None:
    assert all(sign.isprintable() or sign == "\u3000" for sign in visible(text))
    if text.isprintable():
        assert visible(text) == text


@pytest.mark.parametrize(
    "content",
    [b"\n", b"{}\n", b"[]\n", b"nonsense\n", b'{"messages": []}\n', b'{"messages": 3}\n', b'{"messages": ["x"]}\n'],
)
def test_a_line_that_is_none_is_named(mixes: Path, content: bytes) -> None:
    rewritten(mixes / "r41", content)
    with pytest.raises(
        OpenbookError, match=r"train.jsonl: line \d+ is not as data-prep writes it; see data-prep verify"
    ):
        list(show(mixes / "r41"))


@pytest.mark.parametrize("name", [TRAIN, ROWS, MANIFEST])
def test_a_missing_file_is_named(mixes: Path, name: str) -> None:
    (mixes / "r41" / name).unlink()
    with pytest.raises(OpenbookError, match=rf"{name}: cannot be read \(No such file or directory\)"):
        list(show(mixes / "r41"))


def test_only_lines_that_are_shown_are_kept(mixes: Path) -> None:
    assert showing._lines(mixes / "r41" / TRAIN, [59, 100, 0]).keys() == {0, 59}

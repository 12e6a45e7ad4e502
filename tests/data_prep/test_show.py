"""A plan and a mix are laid out as they are, and nothing in a mix moves the terminal."""

import re
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from rich.table import Table

from data_prep.build import build
from data_prep.manifest import MANIFEST, ROWS, TRAIN
from data_prep.show import show_built, show_mixes, show_plan
from data_prep.spec import Spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.raw import copied_row, row, spec, write_data

MIXES: dict[str, Any] = {
    "r41": {"size": 60, "ratio": "4:1"},
    "r91": {"size": 60, "ratio": "9:1"},
    "words": {"size": 9000, "ratio": {"medical": 1}, "over": "tokens", "allow_repeat": True},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixes")
    build(spec(MIXES), write_data(folder / "data"), folder / "out")
    return folder / "out"


@pytest.fixture
def r41(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    (tmp_path / "r41").mkdir()
    for name in (TRAIN, ROWS, MANIFEST):
        (tmp_path / "r41" / name).write_bytes((built / "r41" / name).read_bytes())
    return tmp_path / "r41"


def printed(parts: Any) -> str:
    console = Console(file=StringIO(), width=160, color_system=None)
    for part in parts:
        console.print(part, soft_wrap=True)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def cells(table: Table) -> list[list[str]]:
    return [list(row) for row in zip(*(map(str, column.cells) for column in table.columns), strict=True)]


def tables(folder: Path) -> list[list[list[str]]]:
    return [cells(part) for part in show_mixes(folder) if isinstance(part, Table)]


def test_a_plan_has_the_shares_of_every_mix_the_files_of_every_source_and_what_is_missing(tmp_path: Path) -> None:
    mixes = {"mix91": {"size": 1000, "ratio": "9:1"}, "med": {"size": 500, "ratio": {"medical": 1}, "over": "tokens"}}
    folder = write_data(tmp_path)
    size = f"{(folder / 'alpaca.jsonl').stat().st_size / 1e6:.1f}"
    planned, files, *_ = [cells(part) for part in show_plan(spec(mixes), folder, 0.1) if isinstance(part, Table)]
    assert planned == [["mix91", "100", "90", "5", "5"], ["med", "50 tokens", "-", "25", "25"]]
    assert files[0] == ["alpaca", "general", "MIT", "1", size]
    assert "\nto be checked against mini\n" in printed(show_plan(spec(mixes), folder))
    hub = {"name": "one", "domain": "tcm", "licence": "MIT", "hub": "owner/set"}
    sources = [hub, {**hub, "name": "two", "hub": None, "path": "a/*.json"}, {**hub, "name": "x", "domain": "western"}]
    declared = {"sources": sources, "mixes": {"mix": MIXES["words"]}}
    text = printed(show_plan(Spec.model_validate(declared), tmp_path))
    assert "checked against no exam\nsource one: to be fetched from the hub: owner/set\n" in text
    assert f"source two: no file {tmp_path}/a/*.json\n" in text


def test_counts_and_the_ratio_wanted_and_got_are_of_rows_or_of_tokens(built: Path) -> None:
    domains, sources = tables(built / "r41")
    tenth = ("6", "10.00")
    shares = {("general", "alpaca"): ("48", "80.00"), ("tcm", "zhongyi"): tenth, ("western", "huatuo"): tenth}
    assert [(row[0], row[1], *row[3:]) for row in domains] == [
        (domain, rows, "0", share, share) for (domain, _), (rows, share) in shares.items()
    ]
    assert [(row[0], row[1], row[3]) for row in sources] == [(of, *counts) for (_, of), counts in shares.items()]
    words = tables(built / "words")[0]
    tokens = [int(row[2].replace(",", "")) for row in words]
    assert [row[4:] for row in words] == [["50.00", f"{100 * count / sum(tokens):.2f}"] for count in tokens]


def test_the_head_says_what_the_mix_is_checked_against_and_contained_in(built: Path, tmp_path: Path) -> None:
    text = printed(show_mixes(built / "r41"))
    assert text.startswith("r41: 60 rows, ")
    assert "tokens (estimated from characters), seed 0\nchecked against mini: 3 rows left out\n" in text
    assert "contained in r91: general\n" in text
    assert re.search(r"\ntokens a row: \d+ at 5%, \d+ at 50%, \d+ at 95%, \d+ at 100%\n", text)
    assert [f"{name}: " in printed(show_mixes(built)) for name in MIXES] == [True] * 3
    mixes = {name: {"size": size, "ratio": "1:1"} for name, size in (("small", 10), ("large", 20))}
    build(spec(mixes, decontaminate=None), write_data(tmp_path / "data"), tmp_path / "out")
    whole = printed(show_mixes(tmp_path / "out" / "small"))
    assert "checked against no exam\ncontained in large: all of it" in whole


def samples(folder: Path) -> dict[str, list[str]]:
    _, *sources = printed(show_mixes(folder)).split("\n\n")[-3:]
    return {name: lines for name, *lines in (source.rstrip("\n").split("\n") for source in sources)}


def test_ten_samples_of_each_source_the_same_every_time_and_no_row_twice(built: Path) -> None:
    found = samples(built / "words")
    assert {source: len(set(lines)) for source, lines in found.items()} == {"huatuo": 10, "zhongyi": 10}
    for sample in found["zhongyi"]:
        place = int(sample.partition(" ")[0].removeprefix("zhongyi.jsonl:"))
        # After the source's own rows stands a copy of another's.
        expected = row(place - 1, "中医") if place <= 100 else copied_row()
        said = f"user: {expected['instruction']} assistant: {expected['output']}"
        assert sample == f"zhongyi.jsonl:{place} {said}"
    assert samples(built / "words") == found


def rewrite(folder: Path, line: bytes) -> None:
    path = folder / TRAIN
    path.write_bytes(line * len(path.read_bytes().splitlines()))


def test_a_sample_is_a_line_of_two_hundred_characters_whatever_is_in_it(r41: Path) -> None:
    rewrite(
        r41,
        orjson.dumps({"messages": [{"role": "user", "content": "问\n\x1b[2J[bold]\r\u202e\x9b" + "长" * 9000}]})
        + b"\n",
    )
    first, *_ = samples(r41)["zhongyi"]
    assert first.partition(" ")[2].startswith(r"user: 问\n\x1b[2J[bold]\r\u202e\x9b长长")
    assert 200 <= len(first) <= 220


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"nonsense\n", b'{"messages": ["x"]}\n'])
def test_a_line_that_is_none_is_named(r41: Path, line: bytes) -> None:
    rewrite(r41, line)
    with pytest.raises(OpenbookError, match=r"train.jsonl: line \d+ is not as data-prep writes it; see data-prep ver"):
        list(show_mixes(r41))


@pytest.mark.parametrize("name", [TRAIN, ROWS, MANIFEST])
def test_a_missing_file_is_named(r41: Path, name: str) -> None:
    (r41 / name).unlink()
    with pytest.raises(OpenbookError, match=rf"{name}: cannot be read \(No such file or directory"):
        list(show_mixes(r41))


def test_rows_in_the_style_of_an_exam_are_counted_by_source_and_shown(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", 30)
    with (data / "zhongyi.jsonl").open("ab") as file:
        file.writelines(
            orjson.dumps({"instruction": f"第{number}味药？", "output": "答案：B"}) + b"\n" for number in range(10)
        )
    sources = [{**each.model_dump(), "max_share": 0.2} for each in spec(MIXES).sources if each.name == "zhongyi"]
    other = {"name": "others", "domain": "tcm", "licence": "MIT", "path": "huatuo.jsonl"}
    declared = spec({"all": {"size": 30, "ratio": {"tcm": 1}}}, sources=[*sources, other], clean={"min_answer": 1})
    manifest = build(declared, data, tmp_path / "out")["all"]
    tcm = manifest.domains["tcm"]
    assert tcm.sources["zhongyi"].rows == 6
    letters = sum(b"B" in line for line in (tmp_path / "out" / "all" / TRAIN).open("rb"))
    assert 0 < letters <= 6
    assert (tcm.exam_style, tcm.sources["zhongyi"].exam_style, tcm.sources["others"].exam_style) == (
        letters,
        letters,
        0,
    )
    shown = {row[0]: row[-1] for row in tables(tmp_path / "out" / "all")[1]}
    assert shown == {"zhongyi": f"{100 * letters / 6:.2f}", "others": "0.00"}
    assert [cells(part)[0][-1] for part in show_built({"all": manifest}, tmp_path) if isinstance(part, Table)][1] == (
        f"{100 * letters / 30:.2f}"
    )

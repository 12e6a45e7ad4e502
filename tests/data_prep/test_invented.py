"""The data that the project makes itself: right, the same everywhere, and fit for the mixes of the spec `tiny`."""

import hashlib
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from data_prep.invented import general, invent, tcm, western, writing
from data_prep.invented.tables import Asking, Table
from data_prep.invented.writing import TABLES, choose
from data_prep.manifest import read
from data_prep.spec import DOMAINS, Domain
from openbook_eval.errors import OpenbookError
from tests.data_prep.test_cli import call

# When one of these changes, so does the hash of every mix of the spec `tiny`.
DIGESTS = {
    "general": "f5f4dd8632ca58ddcb83bb0bf71f8277059291a94f341e070932e667a450073e",
    "tcm": "63cea1b00136022ad7154bfbf5f13af500a36270baecfbc9370d733c243b0f15",
    "western": "8cfd8f7b613cd7e9df01b16b4b2e14b3a0680610eab4e858645e6f9aead1437b",
}
PER_UNIT = {
    ("千米", "米"): 1000, ("米", "厘米"): 100, ("厘米", "毫米"): 10, ("吨", "千克"): 1000, ("千克", "克"): 1000,
    ("升", "毫升"): 1000, ("平方米", "平方厘米"): 10_000, ("公顷", "平方米"): 10_000, ("小时", "分钟"): 60,
    ("分钟", "秒"): 60, ("星期", "天"): 7,
}  # fmt: skip


def facts(tables: tuple[Table, ...], first: str) -> list[dict[str, str]]:
    """The facts of the table whose first column has this name."""
    (found,) = (table.facts for table in tables if next(iter(table.facts[0])) == first)
    return list(found)


def test_the_files_are_the_same_on_every_machine(tmp_path: Path) -> None:
    files = invent(tmp_path, 400, 0)
    assert files == [tmp_path / "tiny" / f"{domain}.jsonl" for domain in DOMAINS]
    assert {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == DIGESTS


def test_a_second_call_replaces_the_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    invent(tmp_path, 5, 0)
    invent(tmp_path, 3, 1)
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == [f"{name}.jsonl" for name in sorted(DOMAINS)]
    lines = (tmp_path / "tiny" / "tcm.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == choose("tcm", 3, 1)


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_two_rows_are_the_same_and_every_text_is_filled(domain: Domain) -> None:
    rows = [row for table in TABLES[domain] for row in table.rows()]
    assert len(rows) >= 700
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    for row in rows:
        assert list(row) == ["instruction", "input", "output"]
        assert row["instruction"]
        assert row["output"]
        assert not set("{}\n") & set("".join(row.values()))


@pytest.mark.parametrize("domain", DOMAINS)
def test_fewer_rows_are_the_beginning_of_more_and_another_seed_draws_others(domain: Domain) -> None:
    assert choose(domain, 50, 0) == choose(domain, 400, 0)[:50]
    assert choose(domain, 50, 1) != choose(domain, 50, 0)


def test_the_order_of_the_tables_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    before = choose("western", 400, 0)
    turned = {**TABLES, "western": tuple(Table(t.facts[::-1], t.askings[::-1]) for t in TABLES["western"][::-1])}
    monkeypatch.setattr(writing, "TABLES", turned)
    assert choose("western", 400, 0) == before


def test_a_table_asks_each_fact_in_each_phrasing() -> None:
    table = Table.of("a b", "1 2\n3 4\n", (Asking(("{a}?", "what\n{a}"), ("{b}", "it is {b}")),))
    assert [tuple(row.values()) for row in table.rows()] == [
        ("1?", "", "2"), ("1?", "", "it is 2"), ("what", "1", "2"), ("what", "1", "it is 2"),
        ("3?", "", "4"), ("3?", "", "it is 4"), ("what", "3", "4"), ("what", "3", "it is 4"),
    ]  # fmt: skip


def test_a_line_of_a_table_that_is_short_or_long_is_refused() -> None:
    for line in ("1", "1 2 3"):
        with pytest.raises(ValueError, match="zip"):
            Table.of("a b", line, ())


@pytest.mark.parametrize("tables", [general.TABLES, tcm.TABLES, western.TABLES])
def test_nothing_stands_twice_in_a_table(tables: tuple[Table, ...]) -> None:
    assert tables
    for table in tables:
        counts = Counter(tuple(fact.values())[:2] for fact in table.facts)
        assert max(counts.values()) == 1


def test_sums_and_products_are_right() -> None:
    found = facts(general.TABLES, "one")
    assert len(found) == 36
    for fact in found:
        one, other = int(fact["one"]), int(fact["other"])
        assert (int(fact["sum"]), int(fact["product"])) == (one + other, one * other)


def test_units_are_converted_rightly() -> None:
    found = facts(general.TABLES, "amount")
    assert {(fact["unit"], fact["part"]) for fact in found} == set(PER_UNIT)
    for fact in found:
        assert int(fact["parts"]) == int(fact["amount"]) * PER_UNIT[fact["unit"], fact["part"]]


def test_the_solar_terms_go_round_the_year() -> None:
    terms = facts(general.TABLES, "term")
    assert [term["next"] for term in terms] == [term["term"] for term in (*terms[1:], terms[0])]
    assert [term["season"] for term in terms] == [f"{season}季" for season in "春夏秋冬" for _ in range(6)]
    assert [term["month"] for term in terms] == [f"{month % 12 + 1}月" for month in range(1, 13) for _ in range(2)]


def test_elements_are_in_the_order_of_the_periodic_table_and_nerves_in_theirs() -> None:
    numbers = [int(element["number"]) for element in facts(general.TABLES, "element")]
    assert all(one < other for one, other in pairwise(numbers))
    assert "".join(nerve["number"] for nerve in facts(western.TABLES, "nerve")) == "ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫ"


def test_herbs_have_the_natures_tastes_and_channels_that_there_are() -> None:
    for herb in facts(tcm.TABLES, "herb"):
        assert herb["nature"] in {"寒", "微寒", "大寒", "平", "微温", "温", "热", "大热"}
        assert {taste.removeprefix("微") for taste in herb["taste"].split("、")} <= set("辛甘酸苦咸淡")
        channels = set(herb["channels"].split("、"))
        assert channels <= {"肺", "大肠", "脾", "胃", "心", "小肠", "膀胱", "肾", "心包", "三焦", "胆", "肝"}


def test_the_mixes_of_tiny_are_built_of_nearly_all_of_it(tmp_path: Path) -> None:
    invented = call("invent", "--out", tmp_path / "data")
    assert invented.returncode == 0, invented.stderr
    assert invented.stdout.splitlines()[0] == f"{tmp_path / 'data' / 'tiny' / 'general.jsonl'}: 400 rows"
    built = call("build", "tiny", "--data", tmp_path / "data", "--out", tmp_path / "out", "--processes", "1")
    assert built.returncode == 0, built.stderr
    manifest = read(tmp_path / "out" / "tiny")
    flows = manifest.build.sources
    assert {name: (flow.read, flow.kept) for name, flow in flows.items()} == {
        "tiny_general": (400, 400),
        "tiny_tcm": (400, 399),  # one tells the herbs of 白虎汤, as a question of the bundled exam asks
        "tiny_western": (400, 400),
    }
    assert {name: part.rows for name, part in manifest.domains.items()} == {"general": 200, "tcm": 100, "western": 100}
    other = read(tmp_path / "out" / "tiny41")
    assert {name: part.rows for name, part in other.domains.items()} == {"general": 320, "tcm": 40, "western": 40}
    assert call("verify", tmp_path / "out").returncode == 0


def test_more_rows_than_there_are_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"^--rows 2000: general has no more than 1462 rows$"):
        invent(tmp_path, 2000, 0)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(OpenbookError, match=r"tiny: cannot be written to \(Not a directory\); name another folder$"):
        invent(tmp_path / "data", 3, 0)

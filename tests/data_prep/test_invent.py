"""The data that the project makes itself: right, the same everywhere, and fit for the mixes of the spec `tiny`."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import data_prep
from data_prep.cli import invent, invented_rows
from data_prep.spec import DOMAINS
from openbook_eval.errors import OpenbookError
from openbook_eval.files import load_yaml

TABLES: dict[str, list[dict[str, Any]]] = load_yaml(Path(data_prep.__file__).parent / "invented.yml")
# When one of these changes, so does the hash of every mix of the spec `tiny`.
DIGESTS = {
    "general": "f5f4dd8632ca58ddcb83bb0bf71f8277059291a94f341e070932e667a450073e",
    "tcm": "63cea1b00136022ad7154bfbf5f13af500a36270baecfbc9370d733c243b0f15",
    "western": "8cfd8f7b613cd7e9df01b16b4b2e14b3a0680610eab4e858645e6f9aead1437b",
}


def lines(folder: Path, domain: str) -> list[bytes]:
    return (folder / "tiny" / f"{domain}.jsonl").read_bytes().splitlines()


def test_the_files_are_the_same_on_every_machine(tmp_path: Path) -> None:
    invent(tmp_path / "more", 400)
    invent(tmp_path / "fewer", 50)
    files = list((tmp_path / "more" / "tiny").iterdir())
    assert {file.stem: hashlib.sha256(file.read_bytes()).hexdigest() for file in files} == DIGESTS
    for domain in DOMAINS:
        assert lines(tmp_path / "fewer", domain) == lines(tmp_path / "more", domain)[:50]


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_two_rows_are_the_same_and_every_text_is_filled(domain: str) -> None:
    facts = [[tuple(line.split()[:2]) for line in table["facts"].splitlines()] for table in TABLES[domain]]
    assert all(max(Counter(table).values()) == 1 for table in facts)
    rows = [row for table in TABLES[domain] for row in invented_rows(table)]
    assert len(rows) >= 700
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    for row in rows:
        assert list(row) == ["instruction", "input", "output"]
        assert row["instruction"] and row["output"]  # noqa: PT018
        assert not set("{}\n") & set("".join(row.values()))


def test_each_fact_is_asked_in_each_phrasing() -> None:
    asking = {"questions": ["{a}?", "what\n{a}"], "answers": ["{b}", "it is {b}"]}
    found = [tuple(row.values()) for row in invented_rows({"columns": "a b", "facts": "1 2\n", "askings": [asking]})]
    assert found == [("1?", "", "2"), ("1?", "", "it is 2"), ("what", "1", "2"), ("what", "1", "it is 2")]
    with pytest.raises(ValueError, match="zip"):
        list(invented_rows({"columns": "a b", "facts": "1 2 3", "askings": [asking]}))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (2000, r"^--rows 2000: general has no more than 1462 rows$"),
        (3, r"general\.jsonl: cannot be written \(Not a directory\)$"),
    ],
)
def test_what_cannot_be_written_is_an_error_of_one_line(tmp_path: Path, rows: int, message: str) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(OpenbookError, match=message):
        invent(tmp_path / "data", rows)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]

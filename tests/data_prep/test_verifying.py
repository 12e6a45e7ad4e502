"""Whatever is changed of a mix after it was built is found, and told in a line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import manifest
from data_prep.manifest import MANIFEST, TRAIN, Manifest, file_of, read
from data_prep.origins import ROWS, read_rows, write_rows
from data_prep.verifying import verify
from openbook_eval.errors import OpenbookError
from tests.data_prep.mixes import build, index, spec

MIXES: dict[str, Any] = {
    "r41": {"size": 60, "ratio": "4:1"},
    "r91": {"size": 60, "ratio": "9:1"},
    "words": {"size": 300, "ratio": {"medical": 1}, "over": "tokens", "allow_repeat": True},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder, spec(MIXES), index({"alpaca": 60, "belle": 40, "zhongyi": 20, "huatuo": 50}))
    return folder


@pytest.fixture
def mixes(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "mixes")
    return tmp_path / "mixes"


def forge(folder: Path, **changes: Any) -> None:
    """Changes of a manifest by somebody who mends its checksum and its hashes."""
    content = {**read(folder).model_dump(), **changes}
    content["outputs"] = {name: file_of(folder / name).model_dump() for name in (TRAIN, ROWS)}
    forged = Manifest.model_validate(content)
    manifest.write(folder, forged.model_copy(update={"checksum": forged.own_checksum()}))


def domains(folder: Path, name: str, **changes: int) -> dict[str, Any]:
    found = read(folder).model_dump()["domains"]
    return {**found, name: {**found[name], **changes}}


def of_build(folder: Path, **changes: Any) -> dict[str, Any]:
    return {**read(folder).model_dump()["build"], **changes}


def test_a_mix_as_it_was_built_has_no_fault_alone_or_among_others(mixes: Path) -> None:
    assert verify(mixes) == []
    assert [verify(mixes / name) for name in MIXES] == [[], [], []]


def test_other_folders_and_files_beside_the_mixes_are_none(mixes: Path) -> None:
    (mixes / "dropped").mkdir()
    (mixes / "contaminated.jsonl").write_text("{}")
    assert verify(mixes) == []


def test_a_folder_without_a_mix_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"holds no mix; a mix is a folder with train.jsonl and manifest.json"):
        verify(tmp_path)
    with pytest.raises(OpenbookError, match=r"gone: no such folder"):
        verify(tmp_path / "gone")


Change = Callable[[list[bytes]], list[bytes]]
OTHER_LINES = "train.jsonl was changed after the build: as many lines, but not the same"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda lines: [*lines[:30], *lines[31:]], "train.jsonl: 59 lines, and 60 were written"),
        (lambda lines: [*lines[:30], lines[3], *lines[30:]], "train.jsonl: 61 lines, and 60 were written"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], OTHER_LINES),
        (lambda lines: [*lines[:59], lines[0]], OTHER_LINES),
        (lambda _: [], "train.jsonl: 0 lines, and 60 were written"),
    ],
)
def test_changed_lines_are_told(mixes: Path, change: Change, fault: str) -> None:
    train = mixes / "r41" / TRAIN
    train.write_bytes(b"".join(change(train.read_bytes().splitlines(keepends=True))))
    assert verify(mixes) == [f"r41: {fault}"]
    assert verify(mixes / "r41") == [f"r41: {fault}"]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([TRAIN, ROWS, MANIFEST]), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte_is_one_fault(built: Path, name: str, place: float, change: int) -> None:
    path = built / "r41" / name
    content = path.read_bytes()
    changed = bytearray(content)
    changed[int(place * len(content))] ^= change
    try:
        path.write_bytes(bytes(changed))
        # White space between the words of a manifest means nothing.
        same = name == MANIFEST and _loads(bytes(changed)) == json.loads(content)
        assert len(verify(built / "r41")) == (0 if same else 1)
    finally:
        path.write_bytes(content)


def _loads(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


@pytest.mark.parametrize("name", [TRAIN, ROWS, MANIFEST])
def test_a_missing_file_is_one_fault(mixes: Path, name: str) -> None:
    path = mixes / "r41" / name
    path.unlink()
    assert verify(mixes) == [f"{path}: cannot be read (No such file or directory)"]


def test_a_changed_manifest_is_told_and_its_word_not_taken(mixes: Path) -> None:
    path = mixes / "r41" / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"rows": 60', b'"rows": 59'))
    assert verify(mixes) == ["r41: manifest.json was changed after the build; its files were not checked against it"]


def test_faults_of_several_mixes_and_files_are_all_told(mixes: Path) -> None:
    (mixes / "r41" / TRAIN).write_bytes(b"")
    (mixes / "r41" / ROWS).write_bytes(b"")
    (mixes / "r91" / MANIFEST).write_bytes(b"{}")
    faults = verify(mixes)
    assert faults[:2] == [
        "r41: train.jsonl: 0 lines, and 60 were written",
        "r41: rows.parquet was changed after the build",
    ]
    assert faults[2].startswith(f"{mixes / 'r91' / MANIFEST}: not a manifest of data-prep (")
    assert len(faults) == 3


# What only somebody who mends the checksum can do.


def test_other_rows_than_the_manifest_counts_are_told(mixes: Path) -> None:
    folder = mixes / "r41"
    rows = read_rows(folder)
    write_rows(folder, rows.with_columns(pl.lit("alpaca").alias("source")))
    forge(folder)
    assert verify(folder) == ["r41: rows.parquet: rows by domain and source are not those of manifest.json"]
    write_rows(folder, rows.with_columns(pl.col("key").reverse()))
    forge(folder)
    assert verify(folder) == []
    write_rows(folder, rows.with_columns(pl.col("key") ^ 1))
    forge(folder)
    assert verify(folder) == ["r41: rows.parquet: the keys are not those of manifest.json"]


def test_counts_that_are_not_in_the_ratio_are_told(mixes: Path) -> None:
    folder = mixes / "r41"
    forge(folder, domains=domains(folder, "general", rows=47))
    assert verify(folder) == ["r41: manifest.json: general has 47 rows, and the ratio wants 48"]
    forge(folder, domains=domains(folder, "general", rows=48, wanted=49))
    assert verify(folder) == ["r41: manifest.json: the shares that it wants are not those of the ratio in its spec"]
    forge(folder, domains=domains(folder, "general", wanted=48), size=61)
    assert verify(folder) == ["r41: manifest.json: says 61 rows, and its spec 60 rows"]
    forge(folder, size=60, rows=61)
    assert verify(folder) == ["r41: manifest.json: the rows of its domains do not add up to 61"]


def test_more_tokens_than_the_ratio_wants_are_told(mixes: Path) -> None:
    folder = mixes / "words"
    forge(folder, domains=domains(folder, "tcm", tokens=151))
    assert verify(folder) == ["words: manifest.json: tcm has 151 tokens, and the ratio wants 150"]


def test_another_spec_than_that_of_the_hash_is_told(mixes: Path) -> None:
    folder = mixes / "r41"
    before = of_build(folder)
    forge(folder, build=of_build(folder, spec={**before["spec"], "seed": 5}))
    assert verify(folder) == ["r41: manifest.json: the spec is not that of spec_sha256"]
    forge(folder, build={**before, "spec": {}})
    assert verify(folder) == ["r41: manifest.json: the spec in it is none, or has no mix 'r41'"]
    forge(folder, build=before, mix="a\nb")
    assert verify(folder) == ["r41: manifest.json: the spec in it is none, or has no mix 'a\\nb'"]


def test_rows_that_went_missing_on_the_way_are_told(mixes: Path) -> None:
    folder = mixes / "r41"
    sources = of_build(folder)["sources"]
    sources["belle"]["kept"] = 35
    forge(folder, build=of_build(folder, sources=sources))
    assert verify(folder) == ["r41: manifest.json: of 50 rows of source 'belle', 14 were left out and 35 kept"]


def test_a_mix_that_is_not_in_the_other_as_it_says_is_told(mixes: Path) -> None:
    forge(mixes / "r41", nested_in={"r91": ["general", "tcm"], "elsewhere": ["tcm"]})
    assert verify(mixes) == ["r41: manifest.json says that r91 holds its rows of ['tcm']; it does not"]


def test_a_scaled_build_is_sound(tmp_path: Path) -> None:
    build(tmp_path, spec(MIXES), index({"alpaca": 60, "belle": 40, "zhongyi": 20, "huatuo": 50}), scale=0.5)
    assert read(tmp_path / "r41").size == 30
    assert verify(tmp_path) == []

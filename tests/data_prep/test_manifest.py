"""manifest.json says all that a mix is made of, the same on every machine; what is changed afterwards is found."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.build import build
from data_prep.manifest import DATASET_INFO, FILES, MANIFEST, ROWS, TRAIN, BuildFacts, read_manifest, read_rows, verify
from data_prep.spec import Spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.raw import spec, write_data

MIXES: dict[str, Any] = {
    "r41": {"size": 60, "ratio": "4:1"},
    "r91": {"size": 60, "ratio": "9:1"},
    "tcm": {"size": 150, "ratio": {"tcm": 1}, "allow_repeat": True},
    "words": {"size": 300, "ratio": {"medical": 1}, "over": "tokens", "allow_repeat": True},
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    found = build(spec(MIXES), write_data(folder / "data"), folder / "out")
    assert {name: read_manifest(folder / "out" / name) for name in MIXES} == found
    return folder / "out"


@pytest.fixture
def mixes(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "mixes")
    return tmp_path / "mixes"


def test_it_says_spec_outputs_shares_repeats_and_what_holds_what(built: Path) -> None:
    found = {name: json.loads((built / name / MANIFEST).read_bytes()) for name in MIXES}
    assert [found["r41"][name] for name in ("mix", "size", "over", "rows")] == ["r41", 60, "rows", 60]
    shares = {name: (part["wanted"], part["rows"]) for name, part in found["r41"]["domains"].items()}
    assert shares == {"general": (48, 48), "tcm": (6, 6), "western": (6, 6)}
    tcm = found["tcm"]["build"]["sources"]["zhongyi"]["kept"]
    assert found["tcm"]["domains"]["tcm"]["repeats"] == 150 - tcm
    held = {name: held for name, held in found["r41"]["nested_in"].items() if name != "words"}
    assert held == {"r91": ["general"], "tcm": ["tcm"]}
    content = (built / "r41" / TRAIN).read_bytes()
    assert found["r41"]["outputs"][TRAIN] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert set(found["r41"]["outputs"]) == {TRAIN, ROWS, DATASET_INFO}
    assert found["r41"]["build"]["spec"]["mixes"]["r41"]["ratio"] == {"general": 4.0, "medical": 1.0}
    assert found["r41"]["build"]["contamination"]["exams"][0]["name"] == "mini"


def test_rows_and_tokens_are_counted_by_domain_and_source(built: Path) -> None:
    manifest, rows = read_manifest(built / "r41"), read_rows(built / "r41")
    for domain, part in manifest.domains.items():
        for source, count in part.sources.items():
            of = rows.filter((pl.col("domain") == domain) & (pl.col("source") == source))
            assert (count.rows, count.tokens) == (of.height, of["tokens"].sum())
    assert manifest.tokens == rows["tokens"].sum()


def test_it_says_no_place_and_no_time_and_chinese_is_written_as_it_is(tmp_path: Path) -> None:
    declared = spec(MIXES)
    sources = [source.model_copy(update={"licence": "学术使用"}) for source in declared.sources]
    build(declared.model_copy(update={"sources": sources}), write_data(tmp_path / "data"), tmp_path, only=["r41"])
    text = (tmp_path / "r41" / MANIFEST).read_text(encoding="utf-8")
    assert text.startswith('{\n  "mix": "r41",\n  "size": 60,\n')
    assert text.endswith("}\n")
    assert "学术使用" in text
    assert str(tmp_path) not in text
    assert set(json.loads(text)["build"]["versions"]) == {"openbook-eval", "opencc", "polars", "rensa"}


def facts(declared: Spec) -> BuildFacts:
    return BuildFacts.of(declared, [], {})


def test_a_spec_is_the_same_in_any_order_and_with_its_defaults_written_out() -> None:
    exams = {"decontaminate": {"exams": ["mini", "cmb"]}, "clean": {"keep": ["too_short", "empty"]}}
    first, second = spec(MIXES, **exams), spec({name: MIXES[name] for name in reversed(MIXES)})
    written = second.model_dump(mode="json") | {
        "sources": second.model_dump(mode="json")["sources"][::-1],
        "decontaminate": {"exams": ["cmb", "mini"]},
        "clean": {"keep": ["empty", "too_short"]},
    }
    assert facts(Spec.model_validate(written)) == facts(first)
    changed = spec({**MIXES, "r41": {"size": 61, "ratio": "4:1"}}, **exams)
    assert facts(changed).spec_sha256 != facts(first).spec_sha256


def test_the_checksum_is_over_everything_else(built: Path) -> None:
    manifest = read_manifest(built / "r41")
    fields = type(manifest).model_fields
    others = {name: manifest.model_copy(update={name: None}).own_checksum() for name in fields}
    assert [name for name, checksum in others.items() if checksum == manifest.checksum] == ["checksum"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        *((name, None, "cannot be read (No such file or directory)") for name in (MANIFEST, ROWS)),
        *((MANIFEST, text, "not a manifest of data-prep (the file: Inv") for text in (b"", b"[" * 10**5, b"\xff\xfe")),
        (MANIFEST, b'{"mix": 3}', "not a manifest of data-prep (mix: Input should be a valid string)"),
        *((ROWS, text, "not a parquet file (") for text in (b"", b"PAR1 no table PAR1")),
    ],
)
def test_what_is_no_manifest_or_table_is_an_error_of_one_line(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(OpenbookError) as caught:
        (read_manifest if name == MANIFEST else read_rows)(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")
    assert "\n" not in str(caught.value)


# verify.


def test_a_mix_as_it_was_built_has_no_fault_alone_or_among_others_or_scaled(built: Path, tmp_path: Path) -> None:
    assert verify(built) == []
    assert [verify(built / name) for name in MIXES] == [[], [], [], []]
    build(spec(MIXES), write_data(tmp_path / "data"), tmp_path / "half", scale=0.5)
    assert read_manifest(tmp_path / "half" / "r41").size == 30
    assert verify(tmp_path / "half") == []


def test_a_mix_that_a_killed_build_did_not_make_is_missing(mixes: Path) -> None:
    shutil.rmtree(mixes / "r91")
    assert verify(mixes) == ["r91: is missing; the build that was to make it did not end: run it again"]
    assert verify(mixes / "r41") == []


def test_a_folder_without_a_mix_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match=r"holds no mix; a mix is a folder with train.jsonl and manifest.json"):
        verify(tmp_path)
    with pytest.raises(OpenbookError, match=r"gone: no such folder"):
        verify(tmp_path / "gone")


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: [*lines[:30], *lines[31:]],
        lambda lines: [*lines[:30], lines[3], *lines[30:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda _: [],
    ],
)
def test_changed_lines_are_found(mixes: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    train = mixes / "r41" / TRAIN
    train.write_bytes(b"".join(change(train.read_bytes().splitlines(keepends=True))))
    assert verify(mixes) == [f"r41: train.jsonl was changed after the build; it has {train.stat().st_size:,} bytes"]


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(1, 255))
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


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_one_fault(mixes: Path, name: str) -> None:
    path = mixes / "r41" / name
    path.unlink()
    (fault,) = verify(mixes)
    assert fault.startswith(f"{path}: cannot be read (No such file or directory)")


def test_faults_of_several_mixes_and_files_are_all_named_and_a_changed_manifest_is_not_believed(mixes: Path) -> None:
    (mixes / "r41" / TRAIN).write_bytes(b"")
    (mixes / "r41" / ROWS).write_bytes(b"")
    (mixes / "r91" / MANIFEST).write_bytes(b"{}")
    tcm = mixes / "tcm" / MANIFEST
    tcm.write_bytes(tcm.read_bytes().replace(b'"rows": 150', b'"rows": 149'))
    first, second, third, fourth = verify(mixes)
    assert first == "r41: train.jsonl was changed after the build; it has 0 bytes"
    assert second == "r41: rows.parquet was changed after the build; it has 0 bytes"
    assert third.startswith(f"{mixes / 'r91' / MANIFEST}: not a manifest of data-prep (")
    assert fourth == "tcm: manifest.json was changed after the build; its files were not checked against it"


def test_a_mix_of_another_build_that_no_longer_holds_the_rows_of_this_one_is_found(mixes: Path) -> None:
    write_data(mixes.parent / "data")
    build(spec({"r91": {"size": 60, "ratio": "9:1"}}, seed=5), mixes.parent / "data", mixes)
    assert "r41: manifest.json says that r91 holds its rows of ['general']; it does not" in verify(mixes)

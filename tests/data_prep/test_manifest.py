"""manifest.json says all that a mix is made of, the same on every machine; what is changed afterwards is found."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.manifest import (
    MANIFEST,
    ROWS,
    ROWS_SCHEMA,
    TRAIN,
    BuildFacts,
    FileContent,
    Flow,
    InputFile,
    Manifest,
    read_manifest,
    read_rows,
    verify,
    write_rows,
)  # fmt: skip
from data_prep.mix import choose_all
from data_prep.spec import Mix, Spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.mixes import build, index, spec

SIZES = {"alpaca": 60, "belle": 40, "zhongyi": 20, "huatuo": 50}
MIXES: dict[str, Any] = {
    "r41": {"size": 60, "ratio": "4:1"},
    "r91": {"size": 60, "ratio": "9:1"},
    "tcm": {"size": 50, "ratio": {"tcm": 1}, "allow_repeat": True},
    "words": {"size": 300, "ratio": {"medical": 1}, "over": "tokens", "allow_repeat": True},
}
ROWS_OF_MIX = choose_all(
    index({"alpaca": 30, "belle": 30, "zhongyi": 8, "huatuo": 20}, tokens=1),
    {"a": Mix.model_validate({"size": 40, "ratio": "1:1", "allow_repeat": True})},
    0,
)["a"].rows


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    build(folder, spec(MIXES), index(SIZES))
    return folder


@pytest.fixture
def mixes(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / "mixes")
    return tmp_path / "mixes"


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    found = build(tmp_path, spec(MIXES), index(SIZES))
    assert {name: read_manifest(tmp_path / name) for name in MIXES} == found


def test_it_says_spec_outputs_shares_repeats_and_what_holds_what(built: Path) -> None:
    found = {name: json.loads((built / name / MANIFEST).read_bytes()) for name in MIXES}
    assert [found["r41"][name] for name in ("mix", "size", "over", "rows")] == ["r41", 60, "rows", 60]
    shares = {name: (part["wanted"], part["rows"]) for name, part in found["r41"]["domains"].items()}
    assert shares == {"general": (48, 48), "tcm": (6, 6), "western": (6, 6)}
    assert found["tcm"]["domains"]["tcm"]["repeats"] == 30
    assert {name: held for name, held in found["r41"]["nested_in"].items() if name != "words"} == {
        "r91": ["general"],
        "tcm": ["tcm"],
    }
    content = (built / "r41" / TRAIN).read_bytes()
    assert found["r41"]["outputs"][TRAIN] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert set(found["r41"]["outputs"]) == {TRAIN, ROWS}
    assert found["r41"]["build"]["spec"]["mixes"]["r41"]["ratio"] == {"general": 4.0, "medical": 1.0}
    assert found["r41"]["build"]["contamination"]["exams"][0]["name"] == "mini"


def test_rows_and_tokens_are_counted_by_domain_and_source(built: Path) -> None:
    manifest, rows = read_manifest(built / "r41"), read_rows(built / "r41")
    for domain, part in manifest.domains.items():
        for source, count in part.sources.items():
            of = rows.filter((pl.col("domain") == domain) & (pl.col("source") == source))
            assert (count.rows, count.tokens) == (of.height, of["tokens"].sum())
    assert manifest.tokens == rows["tokens"].sum()


def test_two_builds_are_the_same_bytes_whatever_the_order_of_rows_sources_and_mixes(tmp_path: Path) -> None:
    rows, declared = index(SIZES), spec(MIXES)
    other = Spec(sources=declared.sources[::-1], mixes=dict(reversed(declared.mixes.items())))
    build(tmp_path / "one", declared, rows)
    build(tmp_path / "two", other, rows.reverse())
    for name in (f"{mix}/{file}" for mix in MIXES for file in (TRAIN, ROWS, MANIFEST)):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_it_says_no_place_and_no_time_and_chinese_is_written_as_it_is(tmp_path: Path) -> None:
    declared = spec(MIXES)
    sources = [source.model_copy(update={"licence": "学术使用"}) for source in declared.sources]
    build(tmp_path, declared.model_copy(update={"sources": sources}), index(SIZES))
    text = (tmp_path / "r41" / MANIFEST).read_text(encoding="utf-8")
    assert text.startswith('{\n  "mix": "r41",\n  "size": 60,\n')
    assert text.endswith("}\n")
    assert "学术使用" in text
    assert str(tmp_path) not in text
    assert set(json.loads(text)["build"]["versions"]) == {"openbook-eval", "polars", "rensa"}


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


def test_the_shared_part_is_sorted_and_says_how_tokens_were_counted() -> None:
    inputs = [InputFile(source="b", file=name, bytes=1, sha256="") for name in "zy"]
    inputs.append(InputFile(source="a", file="x", bytes=1, sha256=""))
    flow = Flow(domain="tcm", licence="MIT", read=0, broken=0, dropped={}, exact=0, near=0, contaminated=0, kept=0)
    found = BuildFacts.of(spec(MIXES, tokenizer="qwen", seed=3), inputs, {"b": flow, "a": flow})
    assert [(each.source, each.file) for each in found.inputs] == [("a", "x"), ("b", "y"), ("b", "z")]
    assert list(found.sources) == ["a", "b"]
    assert (found.tokens, found.tokenizer, found.seed, found.scale) == ("counted", "qwen", 3, 1.0)
    assert facts(spec(MIXES)).tokens == "estimated"


def test_the_checksum_is_over_everything_else(built: Path) -> None:
    manifest = read_manifest(built / "r41")
    assert manifest.checksum == manifest.own_checksum()
    others = {name: manifest.model_copy(update={name: None}).own_checksum() for name in Manifest.model_fields}
    assert [name for name, checksum in others.items() if checksum == manifest.checksum] == ["checksum"]


def test_a_file_is_its_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert FileContent.of(tmp_path / "a") == FileContent(bytes=3, sha256=abc)
    with pytest.raises(OpenbookError, match=r"b: cannot be read \(No such file or directory\)"):
        FileContent.of(tmp_path / "b")


def one_line(error: OpenbookError) -> str:
    assert "\n" not in str(error)
    return str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "not a manifest of data-prep (the file: Invalid JSON"),
        (b"[" * 100_000, "not a manifest of data-prep (the file: Invalid JSON"),
        (b"\xff\xfe{}", "not a manifest of data-prep (the file: Invalid JSON"),
        (b'{"mix": 3}', "not a manifest of data-prep (mix: Input should be a valid string)"),
    ],
)
def test_what_is_no_manifest_is_an_error_of_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(OpenbookError) as caught:
        read_manifest(tmp_path)
    assert one_line(caught.value).startswith(f"{tmp_path / MANIFEST}: {message}")


# rows.parquet.


def test_rows_come_back_as_they_were_written_also_in_a_folder_that_looks_like_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "mix[1]*"
    folder.mkdir()
    write_rows(folder, ROWS_OF_MIX.with_columns(pl.lit("x").alias("more")))
    assert read_rows(folder).equals(ROWS_OF_MIX.select(*ROWS_SCHEMA))


def test_the_file_is_the_same_whatever_the_chunks_of_the_frame_and_the_number_of_threads(tmp_path: Path) -> None:
    rows = pl.concat([ROWS_OF_MIX] * 5000, rechunk=True)
    write_rows(tmp_path, pl.concat([rows[:1000], rows[1000:]], rechunk=False))
    in_pieces = FileContent.of(tmp_path / ROWS)
    program = (
        "from pathlib import Path; import polars as pl; from tests.data_prep.test_manifest import *\n"
        "assert pl.thread_pool_size() == 5\n"
        f"write_rows(Path({str(tmp_path)!r}), pl.concat([ROWS_OF_MIX] * 5000, rechunk=True))"
    )
    root, threads = Path(__file__).parents[2], {**os.environ, "POLARS_MAX_THREADS": "5"}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, env=threads)
    assert FileContent.of(tmp_path / ROWS) == in_pieces


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "not a parquet file ("),
        (b"PAR1 no table PAR1", "not a parquet file ("),
    ],
)
def test_what_is_no_table_is_an_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / ROWS).write_bytes(content)
    with pytest.raises(OpenbookError) as caught:
        read_rows(tmp_path)
    assert one_line(caught.value).startswith(f"{tmp_path / ROWS}: {message}")


def test_a_table_of_other_columns_is_an_error(tmp_path: Path) -> None:
    pl.DataFrame({"key": [1]}).write_parquet(tmp_path / ROWS)
    with pytest.raises(OpenbookError, match=r"wants the columns key, domain, source, tokens, file, row, repeat"):
        read_rows(tmp_path)


# verify.


def forge(folder: Path, **changes: Any) -> None:
    """Changes of a manifest by somebody who mends its checksum and its hashes."""
    content = {**read_manifest(folder).model_dump(), **changes}
    content["outputs"] = {name: FileContent.of(folder / name).model_dump() for name in (TRAIN, ROWS)}
    forged = Manifest.model_validate(content)
    forged.model_copy(update={"checksum": forged.own_checksum()}).write(folder)


def domains(folder: Path, name: str, **changes: int) -> dict[str, Any]:
    found = read_manifest(folder).model_dump()["domains"]
    return {**found, name: {**found[name], **changes}}


def of_build(folder: Path, **changes: Any) -> dict[str, Any]:
    return {**read_manifest(folder).model_dump()["build"], **changes}


def test_a_mix_as_it_was_built_has_no_fault_alone_or_among_other_files(mixes: Path) -> None:
    (mixes / "dropped").mkdir()
    (mixes / "contamination.jsonl").write_text("{}")
    assert verify(mixes) == []
    assert [verify(mixes / name) for name in MIXES] == [[], [], [], []]


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
def test_changed_lines_are_found(mixes: Path, change: Change, fault: str) -> None:
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
    (fault,) = verify(mixes)
    assert fault.startswith(f"{path}: cannot be read (No such file or directory)")


def test_a_changed_manifest_is_found_and_its_word_not_taken(mixes: Path) -> None:
    path = mixes / "r41" / MANIFEST
    path.write_bytes(path.read_bytes().replace(b'"rows": 60', b'"rows": 59'))
    assert verify(mixes) == ["r41: manifest.json was changed after the build; its files were not checked against it"]


def test_faults_of_several_mixes_and_files_are_all_named(mixes: Path) -> None:
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


def test_other_rows_than_the_manifest_counts_are_found(mixes: Path) -> None:
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


def test_counts_that_are_not_in_the_ratio_are_found(mixes: Path) -> None:
    folder = mixes / "r41"
    forge(folder, domains=domains(folder, "general", rows=47))
    assert verify(folder) == ["r41: manifest.json: general has 47 rows, and the ratio wants 48"]
    forge(folder, domains=domains(folder, "general", rows=48, wanted=49))
    assert verify(folder) == ["r41: manifest.json: the shares that it wants are not those of the ratio in its spec"]
    forge(folder, domains=domains(folder, "general", wanted=48), size=61)
    assert verify(folder) == ["r41: manifest.json: says 61 rows, and its spec 60 rows"]
    forge(folder, size=60, rows=61)
    assert verify(folder) == ["r41: manifest.json: the rows of its domains do not add up to 61"]
    folder = mixes / "words"
    forge(folder, domains=domains(folder, "tcm", tokens=151))
    assert verify(folder) == ["words: manifest.json: tcm has 151 tokens, and the ratio wants 150"]


def test_another_spec_than_that_of_the_hash_is_found(mixes: Path) -> None:
    folder = mixes / "r41"
    before = of_build(folder)
    forge(folder, build=of_build(folder, spec={**before["spec"], "seed": 5}))
    assert verify(folder) == ["r41: manifest.json: the spec is not that of spec_sha256"]
    forge(folder, build={**before, "spec": {}})
    assert verify(folder) == ["r41: manifest.json: the spec in it is none, or has no mix 'r41'"]
    forge(folder, build=before, mix="a\nb")
    assert verify(folder) == ["r41: manifest.json: the spec in it is none, or has no mix 'a\\nb'"]


def test_rows_that_went_missing_on_the_way_are_found(mixes: Path) -> None:
    folder = mixes / "r41"
    sources = of_build(folder)["sources"]
    sources["belle"]["kept"] = 35
    forge(folder, build=of_build(folder, sources=sources))
    assert verify(folder) == ["r41: manifest.json: of 50 rows of source 'belle', 14 were left out and 35 kept"]


def test_a_mix_that_is_not_in_the_other_as_it_says_is_found(mixes: Path) -> None:
    forge(mixes / "r41", nested_in={"r91": ["general", "tcm"], "elsewhere": ["tcm"]})
    assert verify(mixes) == ["r41: manifest.json says that r91 holds its rows of ['tcm']; it does not"]


def test_a_scaled_build_is_sound(tmp_path: Path) -> None:
    build(tmp_path, spec(MIXES), index(SIZES), scale=0.5)
    assert read_manifest(tmp_path / "r41").size == 30
    assert verify(tmp_path) == []

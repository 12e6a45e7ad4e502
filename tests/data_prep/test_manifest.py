"""manifest.json says all that a mix is made of, the same on every machine."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.manifest import (
    MANIFEST,
    TRAIN,
    Build,
    File,
    Flow,
    Input,
    Manifest,
    canonical_spec,
    digest,
    file_of,
    read,
    write,
)
from data_prep.origins import ROWS
from data_prep.spec import Spec
from openbook_eval.errors import OpenbookError
from tests.data_prep.mixes import build, index, spec

SIZES = {"alpaca": 60, "belle": 40, "zhongyi": 20, "huatuo": 50}
MIXES: dict[str, Any] = {
    "r41": {"size": 60, "ratio": "4:1"},
    "r91": {"size": 60, "ratio": "9:1"},
    "tcm": {"size": 50, "ratio": {"tcm": 1}, "allow_repeat": True},
}


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    built = build(tmp_path, spec(MIXES), index(SIZES))
    assert {name: read(tmp_path / name) for name in MIXES} == built


def test_it_tells_spec_outputs_shares_repeats_and_what_holds_what(tmp_path: Path) -> None:
    build(tmp_path, spec(MIXES), index(SIZES))
    found = {name: json.loads((tmp_path / name / MANIFEST).read_bytes()) for name in MIXES}
    assert [found["r41"][name] for name in ("mix", "size", "over", "rows")] == ["r41", 60, "rows", 60]
    shares = {name: (part["wanted"], part["rows"]) for name, part in found["r41"]["domains"].items()}
    assert shares == {"general": (48, 48), "tcm": (6, 6), "western": (6, 6)}
    assert found["tcm"]["domains"]["tcm"]["repeats"] == 30
    assert found["r41"]["nested_in"] == {"r91": ["general"], "tcm": ["tcm"]}
    assert found["r91"]["nested_in"] == {"r41": ["tcm", "western"], "tcm": ["tcm"]}
    content = (tmp_path / "r41" / TRAIN).read_bytes()
    assert found["r41"]["outputs"][TRAIN] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert set(found["r41"]["outputs"]) == {TRAIN, ROWS}
    assert found["r41"]["build"]["spec"]["mixes"]["r41"]["ratio"] == {"general": 4.0, "medical": 1.0}
    assert found["r41"]["build"]["contamination"]["exams"][0]["name"] == "mini"


def test_two_builds_are_alike_byte_for_byte_whatever_the_order_of_rows_sources_and_mixes(tmp_path: Path) -> None:
    rows, declared = index(SIZES), spec(MIXES)
    other = Spec(sources=declared.sources[::-1], mixes=dict(reversed(declared.mixes.items())))
    build(tmp_path / "one", declared, rows)
    build(tmp_path / "two", other, rows.reverse())
    names = [f"{mix}/{file}" for mix in MIXES for file in (TRAIN, ROWS, MANIFEST)]
    assert [file_of(tmp_path / "one" / name) for name in names] == [file_of(tmp_path / "two" / name) for name in names]


def test_it_tells_no_place_and_no_time(tmp_path: Path) -> None:
    build(tmp_path, spec(MIXES), index(SIZES))
    text = (tmp_path / "r41" / MANIFEST).read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert set(json.loads(text)["build"]["versions"]) == {"openbook-eval", "polars", "rensa"}


def test_it_is_indented_and_chinese_is_written_as_it_is(tmp_path: Path) -> None:
    declared = spec(MIXES)
    sources = [source.model_copy(update={"licence": "学术使用"}) for source in declared.sources]
    build(tmp_path, declared.model_copy(update={"sources": sources}), index(SIZES))
    content = (tmp_path / "r41" / MANIFEST).read_bytes()
    assert content.startswith(b'{\n  "mix": "r41",\n  "size": 60,\n')
    assert content.endswith(b"}\n")
    assert "学术使用".encode() in content


def test_nothing_is_left_beside_it(tmp_path: Path) -> None:
    build(tmp_path, spec(MIXES), index(SIZES))
    assert sorted(file.name for file in (tmp_path / "r41").iterdir()) == [MANIFEST, ROWS, TRAIN]


def test_a_disk_that_is_full_leaves_the_old_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build(tmp_path, spec(MIXES), index(SIZES))["r41"]

    def half(path: Path, text: str, **_: Any) -> int:
        path.write_bytes(text[:100].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "r41", built.model_copy(update={"rows": 7}))
    assert read(tmp_path / "r41") == built


def test_a_spec_is_the_same_in_any_order_and_with_its_defaults_written_out() -> None:
    exams = {"decontaminate": {"exams": ["mini", "cmb"]}, "clean": {"keep": ["too_short", "empty"]}}
    first, second = spec(MIXES, **exams), spec({name: MIXES[name] for name in reversed(MIXES)})
    written = second.model_dump(mode="json") | {
        "sources": second.model_dump(mode="json")["sources"][::-1],
        "decontaminate": {"exams": ["cmb", "mini"]},
        "clean": {"keep": ["empty", "too_short"]},
    }
    assert canonical_spec(Spec.model_validate(written)) == canonical_spec(first)
    changed = spec({**MIXES, "r41": {"size": 61, "ratio": "4:1"}}, **exams)
    assert digest(canonical_spec(changed)) != digest(canonical_spec(first))


def test_the_shared_part_is_sorted_and_says_how_tokens_were_counted() -> None:
    inputs = [Input(source="b", file=name, bytes=1, sha256="") for name in "zy"]
    inputs.append(Input(source="a", file="x", bytes=1, sha256=""))
    flow = Flow(domain="tcm", licence="MIT", read=0, broken=0, dropped={}, exact=0, near=0, contaminated=0, kept=0)
    found = Build.of(spec(MIXES, tokenizer="qwen", seed=3), inputs, {"b": flow, "a": flow})
    assert [(each.source, each.file) for each in found.inputs] == [("a", "x"), ("b", "y"), ("b", "z")]
    assert list(found.sources) == ["a", "b"]
    assert (found.tokens, found.tokenizer, found.seed, found.scale) == ("counted", "qwen", 3, 1.0)
    assert Build.of(spec(MIXES), inputs, {}).tokens == "estimated"


def test_the_checksum_is_over_everything_else(tmp_path: Path) -> None:
    built = build(tmp_path, spec(MIXES), index(SIZES))["r41"]
    assert built.checksum == built.own_checksum()
    others = {name: built.model_copy(update={name: None}).own_checksum() for name in Manifest.model_fields}
    assert [name for name, checksum in others.items() if checksum == built.checksum] == ["checksum"]


def test_a_file_is_its_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_of(tmp_path / "a") == File(bytes=3, sha256=abc)
    with pytest.raises(OpenbookError, match=r"b: cannot be read \(No such file or directory\)"):
        file_of(tmp_path / "b")


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
        read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / MANIFEST}: {message}")
    assert "\n" not in str(caught.value)

"""A spec is read whole, or every error of it is reported at once."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data_prep.spec import DOMAINS, Mix, Source, Spec, read_spec
from openbook_eval.errors import OpenbookError

NUMBERS = st.integers(1, 10**6) | st.floats(1e-6, 1e6)


def declared(tmp_path: Path, **changes: Any) -> Path:
    content = {
        "sources": [source("alpaca", "general"), source("zhongyi", "tcm"), source("huatuo", "western")],
        "mixes": {"a": {"size": 10, "ratio": {"general": 9, "medical": 1}}},
        **changes,
    }
    return written(tmp_path, yaml.safe_dump(content, allow_unicode=True))


def source(name: str, domain: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "domain": domain, "licence": "MIT", "path": f"{name}/*.json", **changes}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "spec.yml"
    path.write_text(text, encoding="utf-8")
    return path


def errors(path: Path) -> list[str]:
    with pytest.raises(OpenbookError) as caught:
        read_spec(path)
    head, *found = str(caught.value).split("\n  ")
    return found or [head.removeprefix(f"{path}: ")]


def mix(**fields: Any) -> Mix:
    return Mix.model_validate({"size": 10, **fields})


def test_a_sound_spec_has_its_deerrors(tmp_path: Path) -> None:
    spec = read_spec(declared(tmp_path))
    assert spec.sources[0] == Source(name="alpaca", domain="general", licence="MIT", path="alpaca/*.json")
    assert (spec.sources[0].layout, spec.sources[0].broken) == ("alpaca", "refuse")
    assert (spec.clean.max_tokens, spec.deduplicate.near, spec.decontaminate, spec.seed) == (2048, 0.8, None, 0)
    assert spec.mixes["a"].weights() == {"general": Fraction(9, 10), "tcm": Fraction(1, 20), "western": Fraction(1, 20)}


@pytest.mark.parametrize("ratio", ["9:1", '"9:1"', "'9.0 : 1.0'", "9：1", "{general: 9, medical: 1}"])
def test_a_ratio_is_a_pair_or_a_mapping(tmp_path: Path, ratio: str) -> None:
    path = declared(tmp_path, mixes={"a": {"size": 10, "ratio": "PAIR"}})
    path.write_text(path.read_text(encoding="utf-8").replace("PAIR", ratio), encoding="utf-8")
    assert read_spec(path).mixes["a"].ratio == {"general": 9.0, "medical": 1.0}


# PyYAML reads these as numbers in base 60, as YAML 1.1 has it.
@pytest.mark.parametrize("ratio", ["1:9", "9:1", "1:1", "4:1", "1:4", "59:59", "1:1.5"])
def test_a_pair_without_quotes_is_no_number(tmp_path: Path, ratio: str) -> None:
    path = declared(tmp_path, mixes={"a": {"size": 10, "ratio": "PAIR"}})
    path.write_text(path.read_text(encoding="utf-8").replace("PAIR", ratio), encoding="utf-8")
    general, medical = ratio.split(":")
    assert read_spec(path).mixes["a"].ratio == {"general": float(general), "medical": float(medical)}


def test_numbers_are_still_read(tmp_path: Path) -> None:
    text = declared(tmp_path).read_text(encoding="utf-8") + "seed: 0x10\nclean: {min_chinese: .5, max_tokens: 1_000}\n"
    spec = read_spec(written(tmp_path, text))
    assert (spec.seed, spec.clean.min_chinese, spec.clean.max_tokens) == (16, 0.5, 1000)


@pytest.mark.parametrize(
    ("ratio", "fault"),
    [
        (ratio, f"mixes.a.ratio: {ratio!r} is not a ratio; write two numbers above 0, general:medical, such as 9:1")
        for ratio in [
            "9:1:",
            "9:1:1",
            "0:1",
            "1:0",
            "0.0:1",
            "-9:1",
            "9",
            "",
            ":",
            "nan:1",
            "1e3:1",
            "9/1",
            "9:一",
            "٠:1",
        ]
    ]
    + [
        ({}, "mixes.a.ratio: Dictionary should have at least 1 item after validation, not 0"),
        ({"general": 0, "tcm": 1}, "mixes.a.ratio.general: Input should be greater than 0"),
        ({"general": -1}, "mixes.a.ratio.general: Input should be greater than 0"),
        ({"general": float("inf")}, "mixes.a.ratio.general: Input should be a finite number"),
        ({"general": True}, "mixes.a.ratio.general: Input should be a valid number"),
        (541, "mixes.a.ratio: Input should be a valid dictionary"),
        (None, "mixes.a.ratio: Input should be a valid dictionary"),
        ({"medical": 1, "tcm": 1}, "mixes.a.ratio: names medical and a part of it; name one or the other"),
    ],
)
def test_a_ratio_that_is_none_is_an_error(tmp_path: Path, ratio: object, fault: str) -> None:
    assert errors(declared(tmp_path, mixes={"a": {"size": 10, "ratio": ratio}})) == [fault]


@given(st.text())
def test_any_text_for_a_ratio_is_read_or_refused(ratio: str) -> None:
    try:
        found = mix(ratio=ratio).ratio
    except ValueError:
        return
    assert set(found) == {"general", "medical"}
    assert all(weight > 0 for weight in found.values())


def test_medical_is_divided_by_its_own_ratio() -> None:
    assert mix(ratio="1:1", medical={"tcm": 3, "western": 1}).weights() == {
        "general": Fraction(1, 2),
        "tcm": Fraction(3, 8),
        "western": Fraction(1, 8),
    }
    assert mix(ratio={"medical": 2}, medical={"western": 5}).weights() == {"western": 1}
    assert mix(ratio={"western": 0.1, "general": 0.2}).weights() == {
        "general": Fraction(2, 3),
        "western": Fraction(1, 3),
    }


@given(
    st.fixed_dictionaries({"general": NUMBERS, "medical": NUMBERS})
    | st.dictionaries(st.sampled_from(DOMAINS), NUMBERS, min_size=1),
    st.dictionaries(st.sampled_from(["tcm", "western"]), NUMBERS, min_size=1),
)
def test_weights_are_exact_parts_of_one(ratio: dict[str, float], medical: dict[str, float]) -> None:
    found = mix(ratio=ratio, medical=medical)
    weights = found.weights()
    assert sum(weights.values()) == 1
    assert list(weights) == [domain for domain in DOMAINS if domain in weights]
    if "medical" in ratio:
        assert weights["general"] / (1 - weights["general"]) == Fraction(str(ratio["general"])) / Fraction(
            str(ratio["medical"])
        )


def test_unknown_keys_fail_with_a_hint(tmp_path: Path) -> None:
    assert errors(declared(tmp_path, mixes={"a": {"size": 10, "ratoi": {"general": 1}}})) == [
        "mixes.a.ratio: Field required",
        "mixes.a.ratoi: unknown key; did you mean 'ratio'?",
    ]
    assert errors(declared(tmp_path, sed=1)) == ["sed: unknown key; did you mean 'seed'?"]
    fields = {"sources": [source("alpaca", "general", fields={"questoin": "q"})], "mixes": {"a": GENERAL}}
    assert errors(declared(tmp_path, **fields)) == ["sources.0.fields.questoin: unknown key; did you mean 'question'?"]


GENERAL = {"size": 10, "ratio": {"general": 1}}


def test_all_errors_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    path = declared(
        tmp_path,
        sources=[source("alpaca", "general"), source("alpaca", "general"), source("b", "tcm")],
        mixes={"../a": GENERAL, "b": {"size": 0, "ratio": "9:1:"}},
        clean={"min_chinese": 2},
        decontaminate={"exams": []},
    )
    with pytest.raises(OpenbookError) as caught:
        read_spec(path)
    assert str(caught.value).split("\n  ") == [
        f"{path}: 6 errors:",
        "sources: alpaca is declared twice",
        "mixes.../a.[key]: String should match pattern '^[a-z0-9][a-z0-9_.-]*$'",
        "mixes.b.size: Input should be greater than 0",
        "mixes.b.ratio: '9:1:' is not a ratio; write two numbers above 0, general:medical, such as 9:1",
        "clean.min_chinese: Input should be less than or equal to 1",
        "decontaminate.exams: List should have at least 1 item after validation, not 0",
    ]


def test_every_mix_without_a_source_of_its_domain_is_reported_beside_other_errors(tmp_path: Path) -> None:
    mixes = {"a": {"size": 10, "ratio": "9:1"}, "b": {"size": 10, "ratio": {"western": 1}}, "c": GENERAL}
    assert errors(declared(tmp_path, sources=[source("alpaca", "general")], mixes=mixes, seed="x")) == [
        "mixes: a wants tcm, western; b wants western; no source is of that domain",
        "seed: Input should be a valid integer",
    ]


def test_a_source_needs_a_place(tmp_path: Path) -> None:
    lost = {"name": "alpaca", "domain": "general", "licence": "MIT"}
    assert errors(declared(tmp_path, sources=[lost], mixes={"a": GENERAL})) == [
        "sources.0: needs a path or the name of a data set on the hub"
    ]


@pytest.mark.parametrize("name", ["..", "../a", "a/b", "", ".a", "a\n", "A", "方"])
def test_a_mix_is_called_as_a_folder_can_be(name: str) -> None:
    fields = {"sources": [source("alpaca", "general")], "mixes": {name: GENERAL}}
    with pytest.raises(ValueError, match="String should match pattern"):
        Spec.model_validate(fields)


@pytest.mark.parametrize("text", ["a: [1", "- a", "", "mixes: {a: {size: 1}, b: {}, a: {}}", "[" * 100_000])
def test_what_is_no_spec_is_an_error_of_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(OpenbookError) as caught:
        read_spec(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)

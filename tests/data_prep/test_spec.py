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
GENERAL = {"size": 10, "ratio": {"general": 1}}


def source(name: str, domain: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "domain": domain, "licence": "MIT", "path": f"{name}/*.json", **changes}


SOURCES = [source("alpaca", "general"), source("zhongyi", "tcm"), source("huatuo", "western")]


def declared(tmp_path: Path, ratio: str = "", **changes: Any) -> Path:
    """A spec in a file; `ratio` is written as it stands, without quotes."""
    mixes = {"a": {"size": 10, "ratio": "PAIR" if ratio else {"general": 9, "medical": 1}}}
    text = yaml.safe_dump({"sources": SOURCES, "mixes": mixes, **changes}, allow_unicode=True)
    path = tmp_path / "spec.yml"
    path.write_text(text.replace("PAIR", ratio), encoding="utf-8")
    return path


def errors(path: Path) -> list[str]:
    with pytest.raises(OpenbookError) as caught:
        read_spec(path)
    head, *found = str(caught.value).split("\n  ")
    assert head == f"{path}: {len(found)} errors:" if found else head.startswith(f"{path}: ")
    return found or [head.removeprefix(f"{path}: ")]


def mix(**fields: Any) -> Mix:
    return Mix.model_validate({"size": 10, **fields})


def test_a_sound_spec_has_its_defaults(tmp_path: Path) -> None:
    spec = read_spec(declared(tmp_path))
    assert spec.sources[0] == Source(name="alpaca", domain="general", licence="MIT", path="alpaca/*.json")
    assert (spec.sources[0].layout, spec.sources[0].broken) == ("alpaca", "refuse")
    assert (spec.clean.max_tokens, spec.deduplicate.near, spec.decontaminate, spec.seed) == (2048, 0.8, None, 0)
    assert spec.mixes["a"].weights() == {"general": Fraction(9, 10), "tcm": Fraction(1, 20), "western": Fraction(1, 20)}


def test_a_preset_fills_what_a_source_leaves_out(tmp_path: Path) -> None:
    own = source("some", "tcm", preset="huatuo_o1", fields={"answer": "final"})
    (read,) = read_spec(declared(tmp_path, sources=[own], mixes={"a": {"size": 1, "ratio": {"tcm": 1}}})).sources
    assert read.layout == "qa"
    assert (read.fields.question, read.fields.answer, read.fields.reasoning) == ("Question", "final", "Complex_CoT")
    assert errors(declared(tmp_path, sources=[{**own, "preset": "sharegtp"}])) == [
        "sources.0: preset: did you mean 'sharegpt'?"
    ]


def test_the_max_share_of_all_sources_of_a_domain_must_fill_it(tmp_path: Path) -> None:
    both = [source("a", "general", max_share=0.4), source("b", "general", max_share=0.5), *SOURCES[1:]]
    assert errors(declared(tmp_path, sources=both)) == [
        "sources: the max_share of all general sources add up to 0.9, less than 1"
    ]
    assert read_spec(declared(tmp_path, sources=[*both, source("c", "general", max_share=0.1)])).sources[0].max_share


# PyYAML reads pairs without quotes as numbers in base 60, as YAML 1.1 has it.
@pytest.mark.parametrize(
    ("ratio", "general", "medical"),
    [
        ("9:1", 9, 1), ('"9:1"', 9, 1), ("'9.0 : 1.0'", 9, 1), ("9：1", 9, 1), ("{general: 9, medical: 1}", 9, 1),
        ("1:9", 1, 9), ("1:1", 1, 1), ("4:1", 4, 1), ("59:59", 59, 59), ("1:1.5", 1, 1.5),
    ],
)  # fmt: skip
def test_a_ratio_is_a_pair_or_a_mapping(tmp_path: Path, ratio: str, general: float, medical: float) -> None:
    assert read_spec(declared(tmp_path, ratio)).mixes["a"].ratio == {"general": general, "medical": medical}


def test_numbers_are_still_read(tmp_path: Path) -> None:
    path = declared(tmp_path)
    path.write_text(path.read_text("utf-8") + "seed: 0x10\nclean: {min_chinese: .5, max_tokens: 1_000}\n", "utf-8")
    spec = read_spec(path)
    assert (spec.seed, spec.clean.min_chinese, spec.clean.max_tokens) == (16, 0.5, 1000)


NO_PAIRS = ["9:1:", "9:1:1", "0:1", "1:0", "0.0:1", "-9:1", "9", "", ":", "nan:1", "1e3:1", "9/1", "9:一", "٠:1"]


@pytest.mark.parametrize(
    ("ratio", "fault"),
    [
        *((no, f": {no!r} is not a ratio; write two numbers above 0, general:medical, such as 9:1") for no in NO_PAIRS),
        ({}, ": Dictionary should have at least 1 item after validation, not 0"),
        ({"general": 0, "tcm": 1}, ".general: Input should be greater than 0"),
        ({"general": -1}, ".general: Input should be greater than 0"),
        ({"general": float("inf")}, ".general: Input should be a finite number"),
        ({"general": True}, ".general: Input should be a valid number"),
        (541, ": Input should be a valid dictionary"),
        (None, ": Input should be a valid dictionary"),
        ({"medical": 1, "tcm": 1}, ": names medical and a part of it; name one or the other"),
    ],
)
def test_a_ratio_that_is_none_is_an_error(tmp_path: Path, ratio: object, fault: str) -> None:
    assert errors(declared(tmp_path, mixes={"a": {"size": 10, "ratio": ratio}})) == [f"mixes.a.ratio{fault}"]


@pytest.mark.parametrize(
    ("fields", "weights"),
    [
        (
            {"ratio": "1:1", "medical": {"tcm": 3, "western": 1}},
            {"general": Fraction(1, 2), "tcm": Fraction(3, 8), "western": Fraction(1, 8)},
        ),
        ({"ratio": {"medical": 2}, "medical": {"western": 5}}, {"western": 1}),
        ({"ratio": {"western": 0.1, "general": 0.2}}, {"general": Fraction(2, 3), "western": Fraction(1, 3)}),
    ],
)
def test_medical_is_divided_by_its_own_ratio(fields: dict[str, Any], weights: dict[str, Fraction]) -> None:
    assert mix(**fields).weights() == weights


@given(
    st.fixed_dictionaries({"general": NUMBERS, "medical": NUMBERS})
    | st.dictionaries(st.sampled_from(DOMAINS), NUMBERS, min_size=1),
    st.dictionaries(st.sampled_from(["tcm", "western"]), NUMBERS, min_size=1),
)
def test_weights_are_exact_parts_of_one(ratio: dict[str, float], medical: dict[str, float]) -> None:
    weights = mix(ratio=ratio, medical=medical).weights()
    assert sum(weights.values()) == 1
    assert list(weights) == [domain for domain in DOMAINS if domain in weights]
    if "medical" in ratio:
        parts = Fraction(str(ratio["general"])), Fraction(str(ratio["medical"]))
        assert weights["general"] / (1 - weights["general"]) == parts[0] / parts[1]


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        (
            {"mixes": {"a": {"size": 10, "ratoi": {"general": 1}}}},
            ["mixes.a.ratio: Field required", "mixes.a.ratoi: unknown key; did you mean 'ratio'?"],
        ),
        ({"sed": 1}, ["sed: unknown key; did you mean 'seed'?"]),
        (
            {"sources": [source("alpaca", "general", fields={"questoin": "q"})], "mixes": {"a": GENERAL}},
            ["sources.0.fields.questoin: unknown key; did you mean 'question'?"],
        ),
        (
            {
                "sources": [source("alpaca", "general"), source("alpaca", "general"), source("b", "tcm")],
                "mixes": {"../a": GENERAL, "b": {"size": 0, "ratio": "9:1:"}},
                "clean": {"min_chinese": 2},
                "decontaminate": {"exams": []},
            },
            [
                "sources: alpaca is declared twice",
                "mixes.../a.[key]: String should match pattern '^[a-z0-9][a-z0-9_.-]*$'",
                "mixes.b.size: Input should be greater than 0",
                "mixes.b.ratio: '9:1:' is not a ratio; write two numbers above 0, general:medical, such as 9:1",
                "clean.min_chinese: Input should be less than or equal to 1",
                "decontaminate.exams: List should have at least 1 item after validation, not 0",
            ],
        ),
        (
            {
                "sources": [source("alpaca", "general")],
                "mixes": {"a": {"size": 10, "ratio": "9:1"}, "b": {"size": 10, "ratio": {"western": 1}}, "c": GENERAL},
                "seed": "x",
            },
            [
                "mixes: a wants tcm, western; b wants western; no source is of that domain",
                "seed: Input should be a valid integer",
            ],
        ),
        (
            {"sources": [{"name": "alpaca", "domain": "general", "licence": "MIT"}], "mixes": {"a": GENERAL}},
            ["sources.0: needs a path or the name of a data set on the hub"],
        ),
    ],
)
def test_all_errors_of_a_file_are_reported_at_once(tmp_path: Path, changes: dict[str, Any], faults: list[str]) -> None:
    assert errors(declared(tmp_path, **changes)) == faults


@pytest.mark.parametrize("name", ["..", "../a", "a/b", "", ".a", "a\n", "A", "方"])
def test_a_mix_is_called_as_a_folder_can_be(name: str) -> None:
    with pytest.raises(ValueError, match="String should match pattern"):
        Spec.model_validate({"sources": SOURCES, "mixes": {name: GENERAL}})


@pytest.mark.parametrize("text", ["a: [1", "- a", "", "mixes: {a: {size: 1}, b: {}, a: {}}", "[" * 100_000])
def test_what_is_no_spec_is_an_error_of_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "spec.yml").write_text(text, encoding="utf-8")
    (error,) = errors(tmp_path / "spec.yml")
    assert "\n" not in error

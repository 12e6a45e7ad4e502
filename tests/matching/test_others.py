"""The matchers of others do what their makers' rules say, faults included."""

import re
from pathlib import Path

import orjson
import pytest

from openbook_eval.matching.others import MATCHERS, Matcher

OPTIONS = {"A": "Insulin", "B": "Glucagon", "C": "Growth hormone", "D": "Adrenaline"}
BY_NAME: dict[str, Matcher] = {matcher.name: matcher for matcher in MATCHERS}


@pytest.mark.parametrize(
    ("name", "response", "qtype", "letters"),
    [
        # CMB: after 答案是 to the full stop; of single choice the first letter; else every letter of the text.
        ("cmb", "答案是A、C。其余错误，如B。", "multi", "AC"),
        ("cmb", "答案是CA。", "multi", "CA"),
        ("cmb", "答案为B", "single", "B"),
        ("cmb", "正确选项：AD。", "single", "A"),
        ("cmb", "选项A不对，应该选B", "single", "A"),
        ("cmb", "不知道", "single", ""),
        # The authors: every letter A to E, wherever it stands.
        ("authors", "A错，选B", "single", "AB"),
        ("authors", "维生素E", "single", "E"),
        # lm-eval: letter in brackets, else an option's text, else a letter after a colon.
        ("lm-eval", "(B) is right, not (A)", "single", "B"),
        ("lm-eval", "It is glucagon.", "single", "B"),
        ("lm-eval", "Answer: C", "single", "C"),
        ("lm-eval", "Growth hormone, not insulin", "single", "C"),
        ("lm-eval", "B", "single", ""),
        # OpenCompass: phrases in a fixed order, one letter only.
        ("opencompass", "答案是AC", "multi", "A"),
        ("opencompass", "D不对，所以选B", "single", "B"),
        ("opencompass", "The correct answer is D.", "single", "D"),
        ("opencompass", "不知道", "single", ""),
        ("opencompass", "维生素C", "single", "C"),
    ],
)
def test_a_matcher_reads_as_its_rule_says(name: str, response: str, qtype: str, letters: str) -> None:
    assert BY_NAME[name].read(response, OPTIONS, qtype) == letters  # type: ignore[arg-type]


def test_cmb_compares_strings_and_the_others_sets() -> None:
    assert not BY_NAME["cmb"].is_right("CA", "AC")
    assert BY_NAME["cmb"].is_right("CA", "CA")
    assert BY_NAME["authors"].is_right("CA", "AC")


def test_ours_is_among_them() -> None:
    assert BY_NAME["ours"].read("应选B", OPTIONS, "single") == "B"


def test_lm_evals_matcher_reads_as_lm_eval_itself_does() -> None:
    from lm_eval.filters.extraction import MultiChoiceRegexFilter

    # As its MMLU tasks set it.
    original = MultiChoiceRegexFilter(regex_pattern="(\\([A-Z]\\))", ignore_case=True, ignore_punctuation=True)
    rows = [orjson.loads(line) for line in (Path(__file__).parent / "responses.jsonl").read_bytes().splitlines()]
    theirs = original.apply(
        [[row["output"]] for row in rows], [{"choices": list(row["options"].values())} for row in rows]
    )
    letters = ["".join(re.findall("[A-Z]", match)) if match != "[invalid]" else "" for (match,) in theirs]
    assert [BY_NAME["lm-eval"].read(row["output"], row["options"], row["qtype"]) for row in rows] == letters

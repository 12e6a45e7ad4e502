"""The page of real output of lm-eval: its pieces, its folder, and what it does where texts are missing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import export
from openbook_eval.leaderboard.board import boards
from openbook_eval.leaderboard.page import build, encoded, refuse_other
from openbook_eval.results import read_runs
from openbook_eval.types import Question
from tests.results.lm_eval_output import write_run

MODEL, HOSTILE = "some/<b>tuned</b>", "</script><script>alert(1)</script>\x00\u202e\u2028"


def responses(question: Question, expected: str) -> str | None:
    """Something hostile for the first question of each exam, nothing for the second, else what is right."""
    number = question.id.rpartition("-")[2].lstrip("0")
    return HOSTILE if number == "1" else None if number == "2" else expected


def built(runs: Path, out: Path) -> Path:
    found = read_runs([runs])
    assert build(found, boards(found), out) == out / "index.html"
    return out


def piece(page: Path, name: str) -> Any:
    text = (page / "data" / f"{name}.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix(f'openbook.piece("{name}",').removesuffix(");\n"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, model="some/base", condition=["openbook", "closedbook"], right=0.8, questions=300, chat=True)
    write_run(folder, model=MODEL, respond=responses, chat=True, questions=300)
    write_run(folder, model="some/base", condition="reading_library_4k", date="2026-01-03T00-00-00", chat=True)
    (folder / "results_2026-01-01T00-00-00.json").write_text('{"results": ')
    return folder


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(runs, tmp_path_factory.mktemp("page") / "report")


def test_a_page_is_its_views_assets_and_data_and_the_same_input_makes_the_same_bytes(
    runs: Path, page: Path, tmp_path: Path
) -> None:
    assert sorted(path.name for path in page.iterdir()) == ["assets", "data", "index.html", "pages"]
    views = {path.stem for path in (page / "pages").iterdir()}
    assert views == {"board-1", "board-2", "run-0", "run-1", "run-2", "run-3", "paper", "plots", "items"}
    assert contents(built(runs, tmp_path / "report")) == contents(page)


def test_views_hold_markup_of_ours_only_and_no_folder_of_this_machine(runs: Path, page: Path) -> None:
    for view in [page / "index.html", *(page / "pages").iterdir()]:
        html = view.read_text(encoding="utf-8")
        assert str(runs) not in html
        assert "<b>tuned" not in html
        assert html.count("<script") == (4 if view.stem == "items" else 1)
        assert not re.search(r" style=| on[a-z]+=|javascript:|https?://(?!www\.w3\.org)", html)
    assert "&lt;b&gt;tuned&lt;/b&gt;" in (page / "index.html").read_text(encoding="utf-8")


def test_items_scores_questions_and_responses_are_of_the_same_items(page: Path) -> None:
    for number, board in enumerate(piece(page, "runs")["boards"]):
        items = piece(page, f"items-{number}")
        parts = range(-(-len(items["ids"]) // 200))
        questions = [each for part in parts for each in piece(page, f"questions-{number}-{part}")]
        assert [question["id"] for question in questions] == items["ids"]
        assert [question["expected"] for question in questions] == items["expected"]
        for run in board["runs"]:
            assert run["texts"]
            scores = piece(page, f"scores-{run['number']}")
            said = [each for part in parts for each in piece(page, f"responses-{run['number']}-{part}")]
            for score, letters, text in zip(scores["correct"], scores["letters"], said, strict=True):
                assert (score == "-") is (text["state"] is None)
                assert letters in text["response"]


@pytest.mark.parametrize(
    ("cost", "cells"),
    [
        ({"prompts": 60}, [("", "–"), ("", "–")]),
        (
            {"prompt_tokens": 1_000, "generated_tokens": 234, "engine_seconds": 61.4},
            [("1234", "1,234"), ("61.4", "61 s")],
        ),
        (
            {"prompt_tokens": 7, "completion_tokens": 3, "cost": 0.256, "currency": "CNY"},
            [("10", "10"), ("0.256", "0.26 CNY")],
        ),
        ({"prompt_tokens": 7, "completion_tokens": 3, "cost": None, "currency": "CNY"}, [("10", "10"), ("", "–")]),
    ],
)
def test_tokens_and_cost_of_a_run_stand_in_its_row(
    tmp_path: Path, cost: dict[str, Any], cells: list[tuple[str, str]]
) -> None:
    write_run(tmp_path / "runs", model="some/base", questions=12, openbook={"cost": cost})
    view = (built(tmp_path / "runs", tmp_path / "page") / "index.html").read_text(encoding="utf-8")
    row = view[view.index("some/base") :].partition("</tr>")[0]
    found = re.findall(r'<td class="number" data-value="([^"]*)">\s*([^<]*?)\s*</td>', row)
    assert found[-2:] == cells


def test_a_hostile_response_is_whole_in_its_piece_and_one_that_is_missing_has_no_score(page: Path) -> None:
    (number,) = (r["number"] for b in piece(page, "runs")["boards"] for r in b["runs"] if r["model"] == MODEL)
    said = [each for part in (0, 1) for each in piece(page, f"responses-{number}-{part}")]
    assert [each["response"] for each in said].count(HOSTILE) == 6
    assert not set("<\0") & set((page / "data" / f"responses-{number}-0.js").read_text(encoding="utf-8"))
    scores = piece(page, f"scores-{number}")
    assert scores["correct"].count("-") == scores["answered"].count("-") == 6
    missing = said[scores["correct"].index("-")]
    assert (missing["response"], missing["before"]) == ("", "<|im_start|>user\n")


def test_a_run_whose_samples_changed_since_has_scores_and_no_texts(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", questions=12)
    found = read_runs([tmp_path / "runs"])
    for samples in (tmp_path / "runs").rglob("samples_*.jsonl"):
        samples.write_text(samples.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    build(found, boards(found), tmp_path / "report")
    assert piece(tmp_path / "report", "runs")["boards"][0]["runs"][0]["texts"] is False
    kinds = {path.name.partition("-")[0] for path in (tmp_path / "report" / "data").iterdir()}
    assert kinds == {"runs.js", "items", "pairs", "scores"}


@pytest.mark.parametrize("files", [["notes.txt"], ["index.html"], ["index.html", "data/other.js"], None])
def test_a_folder_that_is_no_page_is_not_replaced(files: list[str] | None, tmp_path: Path) -> None:
    out = tmp_path / "report"
    if files is None:
        out.write_text("a file")
    for name in files or ():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    before = contents(tmp_path)
    with pytest.raises(OpenbookError, match=r"report: .*name"):
        refuse_other(out)
    assert contents(tmp_path) == before


def test_a_page_that_fails_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "runs", questions=12)
    out = built(tmp_path / "runs", tmp_path / "report")
    before = contents(tmp_path)
    monkeypatch.setattr("openbook_eval.leaderboard.page.plots", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        built(tmp_path / "runs", out)
    assert contents(tmp_path) == before


TEXT = st.text() | st.sampled_from(["</script>", "<!--", "&", "\u2028", "\0"])


@settings(deadline=None)
@given(st.recursive(TEXT | st.integers(-9, 9), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_any_value_comes_out_as_it_went_in_and_ends_no_script(value: Any) -> None:
    assert json.loads(encoded(value)) == value
    assert not re.search("[<\n\r\0]", encoded(value).decode())


def test_half_a_pair_and_a_number_that_is_none_are_replaced() -> None:
    assert encoded(["a\ud800b", {"\udfff": "<"}]) == '["a\ufffdb",{"\ufffd":"\\u003c"}]'.encode()
    assert encoded([float("nan"), float("inf")]) == b"[null,null]"


def test_halves_are_rounded_up_alike_on_terminal_and_page_and_in_exports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def is_right(question: Question) -> bool:
        return int(question.id.rpartition("-")[2]) < 57

    write_run(tmp_path / "runs", condition=["openbook", "closedbook"], questions=480, right=is_right)
    own = boards(read_runs(tmp_path / "runs"))
    assert own[0].rows[0].overall.value == 57 / 80
    export.show(export.board_sheet(own[0]))
    texts = [capsys.readouterr().out]
    for suffix in ("md", "tex"):
        export.export(export.board_export(own), [tmp_path / f"x.{suffix}"])
        texts.append((tmp_path / f"x.{suffix}").read_text(encoding="utf-8"))
    folder = built(tmp_path / "runs", tmp_path / "page")
    texts += [path.read_text(encoding="utf-8") for path in folder.rglob("*.html") if path.name not in ("paper.html",)]
    assert ["71.3" in text for text in texts if re.search(r"\b71\.[23]\b", text)] == [True] * 8
    assert not any(re.search(r"\b71\.2\b", text) for text in texts)

"""Published figures recomputed: from raw answers, by arithmetic, from an address; what is said where they differ."""

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from openbook_eval import leaderboard_cli
from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.claims import Files, read_validations
from openbook_eval.leaderboard.validation import Checked, Validated, check
from tests.local_server import LocalServer

ROOT = Path(__file__).parents[2]
SINGLE = "单项选择题"
# Two exams, three classes; the answers are right, wrong, doubled, and absent.
KEY = [
    {"id": 1, "exam_type": "甲", "exam_class": "一", "question_type": SINGLE, "answer": "A"},
    {"id": 2, "exam_type": "甲", "exam_class": "一", "question_type": SINGLE, "answer": "B"},
    {"id": 3, "exam_type": "甲", "exam_class": "二", "question_type": SINGLE, "answer": "C"},
    {"id": 4, "exam_type": "乙", "exam_class": "三", "question_type": SINGLE, "answer": "D"},
    {"id": 5, "exam_type": "乙", "exam_class": "三", "question_type": SINGLE, "answer": "E"},
]
SAID = [
    {"id": 1, "model_answer": "A"},
    {"id": 2, "model_answer": "C"},
    {"id": 3, "model_answer": "CC"},
    {"id": 4, "model_answer": "D"},
]


def report(folder: Path, *claims: dict[str, Any], answers: dict[str, str] | None = None, **files: Any) -> Validated:
    (folder / "key.json").write_text(json.dumps(KEY), encoding="utf-8")
    (folder / "said.json").write_text(json.dumps(SAID), encoding="utf-8")
    given = answers if answers is not None else {"file": "said.json", "key": "key.json"}
    spec = {"title": "t", "source": {"repository": "r"}, "claims": [{"name": "c"} | claim for claim in claims]}
    (folder / "claim.yml").write_text(yaml.safe_dump(spec | ({"answers": given} if given else {})), encoding="utf-8")
    ((_, validation),) = read_validations([folder / "claim.yml"])
    return check(validation, Files(folder, **files))


def one(folder: Path, **claim: Any) -> Checked:
    (checked,) = report(folder, claim).checked
    return checked


@pytest.mark.parametrize(
    ("mean", "absent", "figure"),
    [
        # Right are 1 and 4: 3 says CC, which is not C as a text.
        ("items", "left out", "50.00"),
        ("items", "wrong", "40.00"),
        ("exams", "left out", "66.67"),  # (1/3 + 1/1) / 2
        ("classes", "left out", "62.50"),  # ((1/2 + 0) / 2 + 1) / 2
        ("classes", "wrong", "37.50"),  # ((1/2 + 0) / 2 + 1/2) / 2
        ("subclasses", "left out", "50.00"),  # (1/2 + 0 + 1) / 3
    ],
)
def test_a_figure_is_averaged_as_its_publisher_does(tmp_path: Path, mean: str, absent: str, figure: str) -> None:
    checked = one(tmp_path, published=figure, mean=mean, absent=absent)
    assert (checked.outcome, f"{checked.recomputed:.2f}") == ("met", figure)


def test_macro_f1_is_over_all_answers_that_are_right_or_given(tmp_path: Path) -> None:
    # A: 1; B: 0; C: 0 (given for B, wanted of 3); CC: 0; D: 1.
    assert f"{one(tmp_path, published='40.00', mean='macro_f1').recomputed:.2f}" == "40.00"


def test_a_figure_may_be_of_one_exam_or_class_and_a_share(tmp_path: Path) -> None:
    assert one(tmp_path, published="0.33", unit="share", exam="甲").outcome == "met"
    assert one(tmp_path, published="50.0", exam="甲", exam_class="一").outcome == "met"
    assert one(tmp_path, published="50.0", exam="丙").outcome == "not checkable here"


def test_ours_reads_letters_as_sets_and_leaves_out_what_is_absent(tmp_path: Path) -> None:
    checked = one(tmp_path, published="40.0", absent="wrong")
    assert (checked.items, f"{checked.ours:.2f}") == (5, "83.33")  # exams: (2/3 + 1) / 2
    assert list(checked.reasons) == [
        "counted otherwise by ours than by equality: 1 (3 (CC, by us C, right C))",
        "questions without an answer, wrong, by us left out: 1 (5)",
    ]


@pytest.mark.parametrize(
    ("published", "outcome"), [("33.3", "met"), ("33.33", "met"), ("33.4", "not met"), ("33", "met"), ("33%", "met")]
)
def test_a_figure_is_met_within_half_a_unit_of_its_last_place(tmp_path: Path, published: str, outcome: str) -> None:
    assert one(tmp_path, published=published, exam="甲").outcome == outcome


def test_a_figure_that_was_cut_off_is_told(tmp_path: Path) -> None:
    (why, *_) = one(tmp_path, published="66.6", mean="exams").reasons
    assert why == "recomputed it is 66.6667, which is the published figure where it is cut off"


def test_another_key_gives_another_figure_and_says_how_many_items_changed(tmp_path: Path) -> None:
    (tmp_path / "later.json").write_text(json.dumps([*KEY[1:], KEY[0] | {"answer": "B"}]), encoding="utf-8")
    answers = {"file": "said.json", "key": "key.json", "other_key": "later.json"}
    (checked,) = report(tmp_path, {"published": "50.0"}, answers=answers).checked
    assert "by the other key it is 25.00; answers that differ: 1" in checked.reasons


def test_the_answers_stand_in_a_named_column_and_the_right_ones_by_the_name_of_an_option(tmp_path: Path) -> None:
    rows = [
        {"id": "x", "opa": "发热", "opb": "咳嗽", "answer": "opb", "other": "A", "model-7b": "B"},
        {"id": "y", "opa": "发热", "opb": "咳嗽", "answer": "opa", "other": "A", "model-7b": None},
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    (checked,) = report(tmp_path, {"published": "50.0"}, answers={"file": "rows.json", "response": "model-7b"}).checked
    assert (checked.outcome, checked.items) == ("met", 2)


@pytest.mark.parametrize(
    ("published", "arithmetic", "outcome", "reasons"),
    [
        ("4.37%", {"equals": 4.73}, "not met", ["recomputed it is 4.7300"]),
        ("+8.15%", {"difference": [40.48, 32.33]}, "met", []),
        ("81.57", {"at_most": 81.57}, "met", []),
        ("81.58", {"at_most": 81.57}, "not met", ["it is above 81.57"]),
        ("falls", {"falls": [3, 2, 1]}, "met", []),
        ("falls", {"falls": [3, 3, 1]}, "not met", ["3 is not above 3"]),
    ],
)
def test_arithmetic_needs_no_answers(
    tmp_path: Path, published: str, arithmetic: dict[str, Any], outcome: str, reasons: list[str]
) -> None:
    (checked,) = report(tmp_path, {"published": published, "arithmetic": arithmetic}, answers={}).checked
    assert (checked.outcome, list(checked.reasons)) == (outcome, reasons)


class Host(LocalServer):
    """Serves the answers, and counts how often."""

    asked = 0

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        type(self).asked += 1
        body = json.dumps(SAID).encode() if request.path.endswith("said.json") else b""
        request.send_response(200 if body else 404)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


def test_answers_are_fetched_once_by_their_address_and_copies_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(Host, "asked", 0)
    with Host() as host:
        answers = {"file": f"{host.address}/o/r/said.json", "key": "key.json"}
        first = report(tmp_path, {"published": "50.0"}, answers=answers)
        again = report(tmp_path, {"published": "50.0"}, answers=answers, is_offline=True)
        copies = tmp_path / "copies" / "r"
        copies.mkdir(parents=True)
        (copies / "said.json").write_text("[]", encoding="utf-8")
        copied = report(tmp_path, {"published": "50.0"}, answers=answers, copies=copies.parent)
    assert Host.asked == 1
    assert first.read == again.read
    assert [each.checked[0].outcome for each in (first, again, copied)] == ["met", "met", "not checkable here"]


def test_what_cannot_be_had_is_named_and_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Host() as host:
        address = f"{host.address}/o/gone.json"
        found = [
            report(tmp_path, {"published": "1"}, answers={"file": address, "key": "key.json"}, is_offline=offline)
            for offline in (False, True)
        ]
    outcomes = [(each.checked[0].outcome, each.checked[0].reasons) for each in found]
    need = "or a copy called gone.json in a folder named by --data"
    assert outcomes == [
        ("not checkable here", (f"needs {address} (Not Found), {need}",)),
        ("not checkable here", (f"needs {address} (offline), {need}",)),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claims": []}, "claims: none is made"),
        ({"answers": None}, "claim 'c' has neither answers nor arithmetic to go by"),
        ({"sorce": {}}, "unknown key 'sorce'; did you mean 'source'?"),
        ({"claims": [{"name": "c", "published": "5", "mean": "exam"}]}, "did you mean 'exams'?"),
        ({"claims": [{"name": "c", "published": "five"}]}, "published: 'five' is no number"),
        ({"claims": [{"name": "c", "published": "5", "arithmetic": {}}]}, "say one of equals"),
        ({"answers": {"file": "none.json"}}, "none.json: no such file"),
        ({"answers": {"file": "ftp://a/b.json"}}, "only http and https addresses are fetched"),
    ],
)
def test_a_faulty_claim_file_is_refused_in_a_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    spec = {"title": "t", "source": {"repository": "r"}, "answers": {"file": "a.json"}}
    spec |= {"claims": [{"name": "c", "published": "5"}]} | change
    (tmp_path / "claim.yml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    with pytest.raises(OpenbookError) as refused:
        check(read_validations([tmp_path])[0][1], Files(tmp_path))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_bundled_claims_are_met_but_for_those_known_not_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/nonexistent")
    found = [
        (path.stem, each.claim.name, each.outcome)
        for path, validation in read_validations([ROOT / "validations"])
        for each in check(validation, Files(path.parent, is_offline=True)).checked
    ]
    assert [(file, name) for file, name, outcome in found if outcome == "not met"] == [
        ("paper", "section 4.2, HuatuoGPT-II, against table 2"),
        ("paper", "table 4, Qwen1.5-1.8B falls with the medical share"),
        ("paper", "table 4, Qwen1.5-4B falls with the medical share"),
        ("paper", "table 5 rises with the number of pairs"),
    ]
    assert {file for file, _, outcome in found if outcome == "met"} == {
        "cmb_baichuan2_53b", "cmb_rule", "lm_eval_0.4.13", "lm_eval_0.4.9", "paper", "read_otherwise"
    }  # fmt: skip


def test_the_page_has_a_view_of_claims_and_texts_from_files_are_escaped(tmp_path: Path) -> None:
    app = typer.Typer()
    leaderboard_cli.register(app)
    report(tmp_path, {"name": "<b>c</b>", "published": "50.0"})
    result = CliRunner().invoke(app, ["validate", str(tmp_path / "claim.yml"), "--html", str(tmp_path / "page")])
    assert result.exit_code == 0
    view = (tmp_path / "page" / "pages" / "validation.html").read_text(encoding="utf-8")
    assert '<th scope="row"><bdi>&lt;b&gt;c&lt;/b&gt;</bdi></th>' in view
    assert "<td><bdi>met</bdi></td>" in view
    assert "<b>c" not in view
    assert 'href="pages/validation.html"' in (tmp_path / "page" / "index.html").read_text(encoding="utf-8")


def test_the_command_exits_with_1_where_a_claim_is_not_met(tmp_path: Path) -> None:
    app = typer.Typer()
    leaderboard_cli.register(app)

    def run(claim: dict[str, Any]) -> tuple[int, str]:
        report(tmp_path, claim)
        result = CliRunner().invoke(app, ["validate", str(tmp_path / "claim.yml")])
        return result.exit_code, result.output.splitlines()[-1]

    assert run({"published": "50.0"}) == (0, "met: 1, not met: 0, not checkable here: 0")
    assert run({"published": "51.0"}) == (1, "met: 0, not met: 1, not checkable here: 0")

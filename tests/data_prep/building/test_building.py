"""A whole build: what stands in the folders, the same bytes every time, and nothing half done."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from data_prep.building import Order, build, pipeline, pool
from data_prep.building.pipeline import Built
from data_prep.verifying import verify
from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from tests.data_prep.building.raw import contents, copied_row, row, spec, write_data, write_jsonl, write_spec

MIXES = {
    "mix11": {"size": 40, "ratio": "1:1"},
    "mix91": {"size": 40, "ratio": "9:1"},
    "med": {"size": 60, "ratio": {"medical": 1}},
}
COMMAND = [sys.executable, "-c", "from data_prep.cli import main; main()"]


def _build(tmp_path: Path, name: str = "out", **changes: Any) -> Built:
    data = tmp_path / "data"
    if not data.exists():
        write_data(data)
    settings: dict[str, Any] = {"spec": spec(MIXES), "data": data, "out": tmp_path / name, "processes": 1, **changes}
    return build(Order(**settings))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_mix_has_its_exact_size_and_its_manifest_holds(tmp_path: Path) -> None:
    built = _build(tmp_path)
    assert verify(tmp_path / "out") == []
    assert {name: len(_lines(tmp_path / "out" / name / "train.jsonl")) for name in MIXES} == {
        "mix11": 40,
        "mix91": 40,
        "med": 60,
    }
    sizes = {domain: part.rows for domain, part in built.mixes["mix91"].domains.items()}
    assert sizes == {"general": 36, "tcm": 2, "western": 2}


def test_a_line_is_a_row_of_its_source(tmp_path: Path) -> None:
    _build(tmp_path)
    lines = _lines(tmp_path / "out" / "med" / "train.jsonl")
    wanted = [*(row(number, voice) for number in range(100) for voice in ("中医", "门诊")), copied_row()]
    pairs = {(each["instruction"], each["output"]) for each in wanted}
    assert {(line["messages"][0]["content"], line["messages"][1]["content"]) for line in lines} <= pairs
    assert all([message["role"] for message in line["messages"]] == ["user", "assistant"] for line in lines)


def test_what_became_of_every_row_is_counted(tmp_path: Path) -> None:
    built = _build(tmp_path)
    read, exact = (sum(getattr(flow, name) for flow in built.sources.values()) for name in ("read", "exact"))
    # Of four equal rows in three sources one stays.
    assert (read, exact) == (309, 3)
    assert [flow.contaminated for flow in built.sources.values()] == [1, 1, 1]
    assert [dict(flow.dropped) for flow in built.sources.values()] == [{"empty": 1}] * 3
    assert sum(flow.kept for flow in built.sources.values()) == 300


def test_dropped_rows_are_kept_aside_with_the_reason(tmp_path: Path) -> None:
    _build(tmp_path)
    dropped = [
        line
        for name in ("alpaca", "huatuo", "zhongyi")
        for line in _lines(tmp_path / "out" / "dropped" / f"{name}.jsonl")
    ]
    assert sorted(line["reason"] for line in dropped) == ["contaminated"] * 3 + ["duplicate"] * 3 + ["empty"] * 3
    (copy, *_) = [line for line in dropped if line["reason"] == "duplicate"]
    assert set(copy["of"]) == {"source", "file", "row"}
    assert copy["messages"][0]["content"] == row(0, "读者")["instruction"]
    (item, *_) = [line for line in dropped if line["reason"] == "contaminated"]
    assert (item["exam_item"]["exam"], item["exam_item"]["id"]) == ("mini", load_exam("mini").questions[0].id)


def test_the_report_names_each_row_with_the_exam_item_it_holds(tmp_path: Path) -> None:
    built = _build(tmp_path)
    found = _lines(tmp_path / "out" / "contamination.jsonl")
    assert [(line["source"], line["file"], line["row"], line["exam"]) for line in found] == [
        (name, f"{name}.jsonl", 103, "mini") for name in ("alpaca", "huatuo", "zhongyi")
    ]
    contamination = built.mixes["med"].build.contamination
    assert contamination is not None
    assert (contamination.rows, contamination.report) == (3, "contamination.jsonl")


def test_processes_and_the_order_of_sources_change_no_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "LEAST", 1)
    _build(tmp_path, "one")
    other = spec(MIXES, sources=spec(MIXES).model_dump()["sources"][::-1])
    _build(tmp_path, "two", spec=other, processes=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 13


def test_alike_rows_of_two_sources_stand_once(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    long = {**row(1), "output": "".join(row(number)["output"] for number in range(8))}
    for name, end in (("alpaca", ""), ("huatuo", "祝好")):
        rows = [row(number, name) for number in range(50)]
        write_jsonl(tmp_path / "data" / f"{name}.jsonl", [*rows, {**long, "output": long["output"] + end}])
    built = _build(tmp_path, spec=spec(MIXES, deduplicate={"near": 0.9}))
    assert built.sources["alpaca"].near + built.sources["huatuo"].near == 1
    dropped = [line for name in ("alpaca", "huatuo") for line in _lines(tmp_path / "out" / "dropped" / f"{name}.jsonl")]
    assert [line["reason"] for line in dropped if "of" in line] == ["near_duplicate"]


def test_a_source_too_small_is_told_and_what_was_left_out_can_be_looked_up(tmp_path: Path) -> None:
    big = spec({"mix": {"size": 1000, "ratio": {"tcm": 1}}})
    with pytest.raises(OpenbookError, match=r"mix mix: tcm has 10[01] rows and 1,000 are wanted, (900|899) too few"):
        _build(tmp_path, spec=big)
    assert not (tmp_path / "out" / "mix").exists()
    assert (tmp_path / "out" / "dropped" / "zhongyi.jsonl").exists()


def test_rows_are_repeated_where_that_is_allowed(tmp_path: Path) -> None:
    built = _build(tmp_path, spec=spec({"mix": {"size": 250, "ratio": {"tcm": 1}, "allow_repeat": True}}))
    lines = (tmp_path / "out" / "mix" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    kept = built.sources["zhongyi"].kept
    assert (len(lines), len(set(lines))) == (250, kept)
    assert built.mixes["mix"].domains["tcm"].repeats == 250 - kept


def test_a_source_of_dirt_alone_leaves_nothing_and_stops_nothing(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    write_jsonl(tmp_path / "data" / "huatuo.jsonl", [{**row(1), "output": ""}] * 3)
    built = _build(tmp_path, spec=spec({"mix": {"size": 10, "ratio": {"tcm": 1}}}))
    assert (built.sources["huatuo"].read, built.sources["huatuo"].kept) == (3, 0)


def test_broken_rows_and_breaks_of_a_file_are_told_with_their_place(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    rows = [json.dumps(row(number, "中医"), ensure_ascii=False) for number in range(30)]
    broken = f'[{",".join(rows[:20])}, {{"instruction": ,{",".join(rows[20:])},]'
    (tmp_path / "data" / "zhongyi.jsonl").write_text(broken, encoding="utf-8")
    declared = spec({"mix": {"size": 10, "ratio": {"tcm": 1}}}).model_dump()
    salvaged = [{**source, "broken": "salvage"} for source in declared["sources"]]
    built = _build(tmp_path, spec=spec(declared["mixes"], sources=salvaged))
    flow = built.sources["zhongyi"]
    assert (flow.broken, flow.kept) == (1, 30)
    dropped = _lines(tmp_path / "out" / "dropped" / "zhongyi.jsonl")
    (told,) = [line for line in dropped if line["reason"] == "broken"]
    assert set(told) == {"file", "row", "reason", "fault", "text"}
    assert [line["reason"] for line in dropped].count("break") == len(built.breaks["zhongyi"]) > 0


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    """A tokenizer that knows single characters only: a text has as many tokens as characters."""
    pytest.importorskip("transformers")
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    PreTrainedTokenizerFast(tokenizer_object=made).save_pretrained(tmp_path / "tokenizer")
    return str(tmp_path / "tokenizer")


def test_tokens_are_counted_where_a_tokenizer_is_named(tmp_path: Path, tokenizer: str) -> None:
    built = _build(tmp_path, spec=spec(MIXES, tokenizer=tokenizer))
    messages = [line["messages"] for line in _lines(tmp_path / "out" / "med" / "train.jsonl")]
    characters = sum(len(message["content"]) for row in messages for message in row)
    assert sum(part.tokens for part in built.mixes["med"].domains.values()) == characters
    assert built.mixes["med"].build.tokens == "counted"
    assert verify(tmp_path / "out") == []


def test_a_mix_over_tokens_is_chosen_by_the_tokens_that_are_counted(tmp_path: Path, tokenizer: str) -> None:
    mixes = {"mix": {"size": 2000, "ratio": {"tcm": 1, "western": 1}, "over": "tokens"}}
    built = _build(tmp_path, spec=spec(mixes, tokenizer=tokenizer))
    longest = max(len(text) for number in range(100) for text in ["".join(row(number, "读者").values())])
    for part in built.mixes["mix"].domains.values():
        assert 1000 - longest < part.tokens <= 1000
    assert verify(tmp_path / "out") == []


@pytest.mark.parametrize("name", ["dropped", "contamination.jsonl"])
def test_a_mix_is_not_called_as_other_files_of_a_build(tmp_path: Path, name: str) -> None:
    with pytest.raises(OpenbookError, match=f"mix {name}: the build has something else of that name"):
        _build(tmp_path, spec=spec({name: {"size": 10, "ratio": {"tcm": 1}}}))


def test_the_work_folder_is_kept_on_demand_and_spares_reading_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _build(tmp_path, keep=True)
    monkeypatch.setattr(pool, "examine", None)
    _build(tmp_path, spec=spec({"other": {"size": 20, "ratio": "1:1"}}, seed=5))
    assert len(_lines(tmp_path / "out" / "other" / "train.jsonl")) == 20
    assert list((tmp_path / "out").glob(".*")) == []


def test_what_was_read_of_a_file_that_changed_is_not_used(tmp_path: Path) -> None:
    _build(tmp_path, keep=True)
    write_jsonl(tmp_path / "data" / "zhongyi.jsonl", [row(number, "新") for number in range(100)])
    _build(tmp_path)
    lines = _lines(tmp_path / "out" / "med" / "train.jsonl")
    assert sum(line["messages"][0]["content"].startswith("新来信") for line in lines) == 30


def _command(tmp_path: Path, *more: str) -> list[str]:
    declared = write_spec(tmp_path / "spec.yml", MIXES)
    return [*COMMAND, "build", str(declared), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), *more]


def test_a_build_that_was_killed_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    _build(tmp_path, "whole")
    process = subprocess.Popen(_command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "out").glob(".work-*/00000")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "med" / "train.jsonl").exists()
    subprocess.run(_command(tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def _small_files(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.parametrize("limit", [1_000, 8_000, 20_000])
def test_a_full_disk_ends_in_one_line_and_leaves_no_half_file(tmp_path: Path, limit: int) -> None:
    write_data(tmp_path / "data")
    result = subprocess.run(
        _command(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: _small_files(limit),
    )
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert "out: cannot be written (File too large" in result.stderr
    assert [
        file.name for file in (tmp_path / "out").rglob("*") if file.name in ("train.jsonl", "train.jsonl.part")
    ] == []
    subprocess.run(_command(tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert verify(tmp_path / "out") == []

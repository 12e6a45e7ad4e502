"""A whole build: what stands in the folders, the same bytes every time, and nothing half done."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from data_prep import build as module
from data_prep.build import build, load_exams
from data_prep.manifest import Flow, Manifest, verify
from data_prep.read import Chunk, Part, read
from data_prep.spec import Spec, read_spec
from openbook_eval.errors import ExamError, OpenbookError
from openbook_eval.exams import load_exam
from tests.data_prep.raw import contents, copied_row, row, spec, write_data, write_jsonl, write_spec

MIXES = {
    "mix11": {"size": 40, "ratio": "1:1"},
    "mix91": {"size": 40, "ratio": "9:1"},
    "med": {"size": 60, "ratio": {"medical": 1}},
}
NAMES = ("alpaca", "huatuo", "zhongyi")
COMMAND = [sys.executable, "-c", "from data_prep.cli import main; main()"]


def run(tmp_path: Path, name: str = "out", declared: Spec | None = None, **changes: Any) -> dict[str, Manifest]:
    data = tmp_path / "data"
    if not data.exists():
        write_data(data)
    return build(declared or spec(MIXES), data, tmp_path / name, **changes)


def flows_of(built: dict[str, Manifest]) -> dict[str, Flow]:
    (found,) = {json.dumps(mix.build.model_dump()): mix.build.sources for mix in built.values()}.values()
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def dropped(out: Path) -> list[dict[str, Any]]:
    return [line for name in NAMES for line in read_lines(out / "dropped" / f"{name}.jsonl")]


def test_every_mix_has_its_exact_size_and_a_line_is_a_row_of_its_source(tmp_path: Path) -> None:
    built = run(tmp_path)
    assert verify(tmp_path / "out") == []
    lines = {name: read_lines(tmp_path / "out" / name / "train.jsonl") for name in MIXES}
    assert {name: len(some) for name, some in lines.items()} == {"mix11": 40, "mix91": 40, "med": 60}
    shares = {domain: part.rows for domain, part in built["mix91"].domains.items()}
    assert shares == {"general": 36, "tcm": 2, "western": 2}
    wanted = [*(row(number, voice) for number in range(100) for voice in ("中医", "门诊")), copied_row()]
    pairs = {(each["instruction"], each["output"]) for each in wanted}
    messages = [[tuple(message.items()) for message in line["messages"]] for line in lines["med"]]
    for (role, question), (other, answer) in messages:
        assert (role, other) == (("role", "user"), ("role", "assistant"))
        assert (question[1], answer[1]) in pairs


def test_what_became_of_every_row_and_of_every_file_is_said(tmp_path: Path) -> None:
    built = run(tmp_path)
    flows = flows_of(built).values()
    # Of four equal rows in three sources one stays.
    assert [sum(getattr(flow, name) for flow in flows) for name in ("read", "exact", "kept")] == [309, 3, 300]
    assert [(flow.contaminated, dict(flow.dropped)) for flow in flows] == [(1, {"empty": 1})] * 3
    found = {each.file: (each.source, each.bytes, each.sha256) for each in built["med"].build.inputs}
    content = (tmp_path / "data" / "alpaca.jsonl").read_bytes()
    assert found["alpaca.jsonl"] == ("alpaca", len(content), sha256(content).hexdigest())
    assert set(found) == {f"{name}.jsonl" for name in NAMES}


def test_dropped_rows_are_kept_with_the_reason_and_exam_items_are_reported(tmp_path: Path) -> None:
    built = run(tmp_path)
    lines = dropped(tmp_path / "out")
    assert sorted(line["reason"] for line in lines) == ["contaminated"] * 3 + ["duplicate"] * 3 + ["empty"] * 3
    (copy, *_) = [line for line in lines if line["reason"] == "duplicate"]
    assert set(copy) == {"file", "row", "reason", "of", "messages"}
    assert set(copy["of"]) == {"source", "file", "row"}
    assert copy["messages"][0]["content"] == row(0, "读者")["instruction"]
    (item, *_) = [line for line in lines if line["reason"] == "contaminated"]
    assert (item["exam_item"]["exam"], item["exam_item"]["id"]) == ("mini", load_exam("mini").questions[0].id)
    found = read_lines(tmp_path / "out" / "contamination.jsonl")
    assert [[line[name] for name in ("source", "file", "row", "exam")] for line in found] == [
        [name, f"{name}.jsonl", 103, "mini"] for name in NAMES
    ]
    contamination = built["med"].build.contamination
    assert contamination is not None
    assert (contamination.rows, contamination.report) == (3, "contamination.jsonl")


def test_threads_chunks_and_the_order_of_sources_and_mixes_change_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, "one")
    monkeypatch.setattr(module, "_THREADS", 1)
    monkeypatch.setattr(module, "_ROWS", 7)
    other = spec(dict(reversed(MIXES.items())), sources=spec(MIXES).model_dump()["sources"][::-1])
    # A name that looks like a pattern is a name.
    run(tmp_path, "two ?*[2] {x}\u202e", other)
    assert contents(tmp_path / "one") == contents(tmp_path / "two ?*[2] {x}\u202e")
    assert len(contents(tmp_path / "one")) == 16
    assert verify(tmp_path / "two ?*[2] {x}\u202e") == []


SHIPPED = Path(module.__file__).parent / "specs"
# sha256 of train.jsonl.
SAMPLE = "95a95733b7e425424f238398fa4d379828e6d809ad339b8262d7add581411b71"


def test_the_mix_of_all_sample_files_is_the_same_bytes_everywhere(tmp_path: Path, real_exams: Path) -> None:
    declared = read_spec(SHIPPED / "samples.yml")
    built = build(declared, real_exams.parent, tmp_path)
    assert built["sample"].outputs["train.jsonl"].sha256 == SAMPLE


def test_alike_rows_of_two_sources_stand_once(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    long = {**row(1), "output": "".join(row(number)["output"] for number in range(8))}
    for name, end in (("alpaca", ""), ("huatuo", "祝好")):
        rows = [row(number, name) for number in range(50)]
        write_jsonl(tmp_path / "data" / f"{name}.jsonl", [*rows, {**long, "output": long["output"] + end}])
    built = run(tmp_path, declared=spec(MIXES, deduplicate={"near": 0.9}))
    flows = flows_of(built)
    assert flows["alpaca"].near + flows["huatuo"].near == 1
    gone = [line for line in dropped(tmp_path / "out") if line["reason"] == "near_duplicate" and "祝好" in str(line)]
    assert len(gone) + flows["alpaca"].near == 1


@pytest.mark.parametrize(
    ("size", "without", "fault", "left_out"),
    [
        (1000, None, r"tcm has 10[01] rows \(103 read; .* and 1,000 are wanted, (900|899) too few", 9),
        (10, b"[]", r"tcm has 0 rows \(0 read\) and 10 are wanted, 10 too few", 0),
        (10, b'{"instruction": "", "output": ""}\n' * 3, r"tcm has 0 rows \(3 read; 3 empty\) and 10 are wanted", 9),
    ],
)
def test_sources_too_small_are_an_error_and_what_was_left_out_can_be_looked_up(
    tmp_path: Path, size: int, without: bytes | None, fault: str, left_out: int
) -> None:
    write_data(tmp_path / "data")
    for name in NAMES if without else ():
        (tmp_path / "data" / f"{name}.jsonl").write_bytes(without or b"")
    with pytest.raises(OpenbookError, match=f"mix mix: {fault}"):
        run(tmp_path, declared=spec({"mix": {"size": size, "ratio": {"tcm": 1}}}))
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["contamination.jsonl", "dropped"]
    assert len(dropped(tmp_path / "out")) == left_out


def test_broken_rows_and_breaks_of_a_file_are_kept_with_their_place(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    rows = [json.dumps(row(number, "中医"), ensure_ascii=False) for number in range(30)]
    broken = f'[{",".join(rows[:20])}, {{"instruction": ,{",".join(rows[20:])},]'
    (tmp_path / "data" / "zhongyi.jsonl").write_text(broken, encoding="utf-8")
    declared = spec({"mix": {"size": 10, "ratio": {"tcm": 1}}}).model_dump()
    salvaged = [{**source, "broken": "salvage"} for source in declared["sources"]]
    built = run(tmp_path, declared=spec(declared["mixes"], sources=salvaged))
    flow = flows_of(built)["zhongyi"]
    assert (flow.broken, flow.kept) == (1, 30)
    lines = read_lines(tmp_path / "out" / "dropped" / "zhongyi.jsonl")
    (found,) = [line for line in lines if line["reason"] == "broken"]
    assert set(found) == {"file", "row", "reason", "fault", "text"}
    assert "break" not in [line["reason"] for line in lines]


def test_a_break_that_costs_no_row_is_kept_and_said(tmp_path: Path) -> None:
    rows = ",".join(json.dumps(row(number, "中医"), ensure_ascii=False) for number in range(30))
    (write_data(tmp_path / "data") / "zhongyi.jsonl").write_text(f"[{rows},]", encoding="utf-8")
    declared, said = spec({"mix": {"size": 30, "ratio": {"tcm": 1}}}).model_dump(), list[str]()
    declared["sources"][1]["broken"] = "salvage"
    run(tmp_path, declared=Spec.model_validate(declared), notify=said.append)
    fault = "is no array of JSON (trailing comma is not allowed, at line 1)"
    assert said == [f"source zhongyi: zhongyi.jsonl: {fault}"]
    assert read_lines(tmp_path / "out" / "dropped" / "zhongyi.jsonl") == [
        {"file": "zhongyi.jsonl", "reason": "break", "fault": fault}
    ]


def test_lines_of_gb18030_are_counted_and_said_with_the_number_of_the_first(tmp_path: Path) -> None:
    file = write_data(tmp_path / "data") / "zhongyi.jsonl"
    lines = file.read_bytes().split(b"\n")
    for place in (6, 20):
        lines[place] = lines[place].decode().encode("gb18030")
    file.write_bytes(b"\n".join(lines))
    said = list[str]()
    built = run(tmp_path, notify=said.append)
    assert said == ["source zhongyi: zhongyi.jsonl: lines that were read as gb18030: 2, from line 7 on"]
    inputs = {each.file: (each.foreign_lines, each.first_foreign) for each in built["med"].build.inputs}
    assert inputs == {"alpaca.jsonl": (0, None), "zhongyi.jsonl": (2, 7), "huatuo.jsonl": (0, None)}


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
    repeated = {"size": 250, "ratio": {"tcm": 1}, "allow_repeat": True}
    built = run(tmp_path, declared=spec({**MIXES, "repeated": repeated}, tokenizer=tokenizer))
    for name in ("med", "repeated"):
        messages = [line["messages"] for line in read_lines(tmp_path / "out" / name / "train.jsonl")]
        assert built[name].tokens == sum(len(message["content"]) for each in messages for message in each)
    assert built["med"].build.tokens == "counted"
    over = {"size": 2000, "ratio": {"tcm": 1, "western": 1}, "over": "tokens"}
    parts = run(tmp_path, "over", spec({"mix": over}, tokenizer=tokenizer))["mix"].domains.values()
    longest = max(len("".join(row(number, "读者").values())) for number in range(100))
    assert all(1000 - longest < part.tokens <= 1000 for part in parts)
    assert verify(tmp_path / "out") == verify(tmp_path / "over") == []
    # What is counted changes no choice.
    run(tmp_path, "estimated")
    trains = [(tmp_path / name / "med" / "train.jsonl").read_bytes() for name in ("out", "estimated")]
    assert trains[0] == trains[1]


@pytest.mark.parametrize("name", ["dropped", "contamination.jsonl"])
def test_a_mix_is_not_called_as_other_files_of_a_build(tmp_path: Path, name: str) -> None:
    with pytest.raises(OpenbookError, match=f"mix {name}: the build has something else of that name"):
        run(tmp_path, declared=spec({name: {"size": 10, "ratio": {"tcm": 1}}}))


@pytest.mark.parametrize("folder", ["med", "dropped"])
def test_a_folder_that_holds_what_no_build_wrote_is_not_replaced(tmp_path: Path, folder: str) -> None:
    run(tmp_path)
    (tmp_path / "out" / folder / "notes.md").write_text("mine")
    with pytest.raises(OpenbookError, match=f"out/{folder}: holds notes.md, which no build wrote"):
        run(tmp_path)
    assert (tmp_path / "out" / folder / "notes.md").read_text() == "mine"


# Exams that cannot be had are named, never passed over in silence.


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own client, without a way to it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nowhere")


@pytest.mark.usefixtures("no_hub")
def test_an_exam_that_the_user_asks_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ExamError, match="cannot be fetched"):
        run(tmp_path, exams=["cmb"])
    with pytest.raises(ExamError, match=r"no such file, folder or known exam"):
        load_exams(["mini", "exams/none.jsonl"], required=False, notify=print)
    mini = load_exam("mini")
    assert load_exams(["mini", "mini"], required=True, notify=print) == ([mini], [mini.provenance])


@pytest.mark.usefixtures("no_hub")
def test_where_no_exam_is_checked_nothing_of_an_earlier_build_is_left(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "out" / "dropped" / "old.jsonl").write_bytes(b"")
    built = run(tmp_path, declared=spec(MIXES, decontaminate={"exams": ["cmb"]}))
    contamination = built["med"].build.contamination
    assert contamination is not None
    assert (contamination.rows, contamination.report) == (0, None)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["dropped", *sorted(MIXES)]
    assert sorted(file.stem for file in (tmp_path / "out" / "dropped").iterdir()) == sorted(NAMES)
    fault = "not checked against cmb, which could not be fetched; build it again, or allow that by --allow-unchecked"
    assert verify(tmp_path / "out") == [f"{name}: {fault}" for name in sorted(MIXES)]
    assert verify(tmp_path / "out", unchecked=True) == []


def test_a_domain_that_is_too_small_says_what_became_of_its_rows(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    english = [{**row(number), "instruction": "What helps?", "output": f"Rest {number} days."} for number in range(5)]
    write_jsonl(tmp_path / "data" / "huatuo.jsonl", [*english, *[row(8)] * 3])
    message = r"western has 1 rows \(8 read; 5 not_chinese; 2 duplicate\) and 30 are wanted, 29 too few"
    with pytest.raises(OpenbookError, match=message):
        run(tmp_path)


# Nothing half done.


@pytest.mark.parametrize("more", [b"\n", b""], ids=["longer", "of the same length"])
def test_a_file_that_changes_while_it_is_read_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    def reading(part: Part) -> Iterator[Chunk]:
        part.file.write_bytes(part.file.read_bytes() + more)
        return read(part)

    monkeypatch.setattr(module, "read", reading)
    with pytest.raises(OpenbookError, match=r"jsonl: was changed while it was read; run again"):
        run(tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_second_build_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out" / ".work").mkdir(parents=True)
    handle = os.open(tmp_path / "out", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(OpenbookError, match="out: another build is writing there"):
        run(tmp_path)
    assert (tmp_path / "out" / ".work").exists()
    os.close(handle)
    (tmp_path / "file").write_text("")
    with pytest.raises(OpenbookError, match=r"file: cannot be made or opened as a folder \(File exists\)"):
        run(tmp_path, "file")


def command(tmp_path: Path, *more: str) -> list[str]:
    declared = write_spec(tmp_path / "spec.yml", MIXES)
    return [*COMMAND, "build", str(declared), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), *more]


def test_a_build_that_was_killed_leaves_no_mix_and_the_next_one_starts_anew(tmp_path: Path) -> None:
    run(tmp_path, "whole")
    process = subprocess.Popen(command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / ".work").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "out").glob("*/train.jsonl"))
    (tmp_path / "out" / ".work" / "train.jsonl").write_bytes(b"half")
    subprocess.run(command(tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_mix_that_cannot_be_replaced_whole_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path)
    before = contents(tmp_path / "out" / "med")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_manifest", full)
    with pytest.raises(OpenbookError, match=r"out: cannot be written \(No space left on device\); fix that"):
        run(tmp_path)
    assert contents(tmp_path / "out" / "med") == before
    assert not (tmp_path / "out" / ".work").exists()


@pytest.mark.parametrize("limit", [1_000, 12_000])
def test_a_full_disk_ends_in_one_line_and_leaves_no_half_file(tmp_path: Path, limit: int) -> None:
    write_data(tmp_path / "data")
    result = subprocess.run(
        command(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert "out: cannot be written (File too large" in result.stderr
    assert not list((tmp_path / "out").rglob("train.jsonl*"))
    subprocess.run(command(tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert verify(tmp_path / "out") == []

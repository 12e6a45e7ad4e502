"""`openbook-eval run --model api-openbook` from end to end: results, scores, exit codes, kills, and no key anywhere."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chat_server import Answer, ChatServer, completion, fault
from tests.conftest import cmb_row, write
from tests.models.conftest import BIN, KEY, quiet_environment

TASK = "cmed_openbook_nursing"


@pytest.fixture(autouse=True)
def _sure(chat: ChatServer) -> None:
    chat.reply = lambda *_: completion("B")


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    """Two questions an exam; the right answer is B."""
    return write(tmp_path / "CMB-val-merge.json", [cmb_row(n, answer="B") for n in range(1, 13)])


def command(chat: ChatServer, exam: Path, *more: str, tasks: str = "cmed_openbook") -> list[str]:
    endpoint = f"base_url={chat.url},model=m,retry_seconds=0.001,key_variable=EXAM_KEY,num_concurrent=4"
    line = [str(BIN / "openbook-eval"), "run", "--model", "api-openbook", "--tasks", tasks, "--model_args", endpoint]
    return [*line, "--metadata", json.dumps({"exam": str(exam)}), *more]


def output(line: list[str], exam: Path) -> list[str]:
    return [*line, "--log_samples", "--output_path", str(exam.parent / "out")]


def environment(exam: Path) -> dict[str, str]:
    """Responses lie where they do by themselves."""
    return {key: value for key, value in quiet_environment(exam.parent).items() if key != "OPENBOOK_CACHE"}


def run(chat: ChatServer, exam: Path, *more: str, tasks: str = "cmed_openbook") -> subprocess.CompletedProcess[str]:
    """Runs it; whatever it says and writes, it is not the key."""
    line = output(command(chat, exam, *more, tasks=tasks), exam)
    result = subprocess.run(line, env=environment(exam), capture_output=True, text=True, check=False)
    assert KEY not in result.stdout + result.stderr
    written = [file for file in exam.parent.rglob("*") if file.is_file()]
    assert not [file for file in written if KEY.encode() in file.read_bytes()]
    assert "Traceback" not in result.stderr
    return result


def results(exam: Path) -> dict[str, Any]:
    file = max((exam.parent / "out").rglob("results_*.json"))
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


@pytest.mark.engine
def test_failures_are_counted_and_never_scored(chat: ChatServer, exam: Path) -> None:
    # Questions 2 and 8 are those of nursing: the one fails; of 3 and 9, the pharmacist's, both do.
    broken = {"第8题": fault(500, f"down {KEY}"), "第3题": fault(400, f"filter {KEY}"), "第9题": fault(400, "filter")}

    def reply(_: int, prompt: str) -> Answer:
        return next((answer for name, answer in broken.items() if f"{name}的正确说法是( )" in prompt), completion("B"))

    chat.reply = reply
    result = run(chat, exam)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1] == (
        "openbook-eval: 3 of 12 questions are not answered (2 refused, 1 server error) and left out of the scores; "
        "the same command asks only these again"
    )
    found = results(exam)
    assert found["results"][TASK]["correct,choice"] == 1.0
    assert found["results"][TASK]["answered,choice"] == 1.0
    assert found["openbook"]["api"]["failures"] == {"refused": 2, "server_error": 1}
    scores = subprocess.run(
        [BIN / "openbook-eval", "scores", exam.parent / "out"], capture_output=True, text=True, check=False
    )
    told = " ".join(scores.stdout.split())
    missing = "3 of 12 questions of the run not answered (2 refused, 1 server error) and not scored: "
    assert f"{missing}the endpoint would refuse the refused again, the same command asks the rest again" in told

    # Run again, only what failed is asked, and the results are those of a run without failures.
    chat.reply = lambda *_: completion("B")
    chat.bodies.clear()
    assert run(chat, exam).returncode == 0
    assert len(chat.bodies) == 3
    again = results(exam)
    assert again["openbook"]["api"]["failures"] == {}
    assert {row["correct,choice"] for row in again["results"].values() if "correct,choice" in row} == {1.0}


def call(*line: str | Path) -> str:
    found = subprocess.run([BIN / "openbook-eval", *line], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return " ".join(found.stdout.split())


@pytest.mark.engine
def test_a_run_with_a_forbidden_question_ends_and_is_read_and_stands_without_a_rank(
    chat: ChatServer, exam: Path
) -> None:
    write(exam, [cmb_row(n, answer="B") for n in range(1, 25)])
    chat.reply = lambda _, prompt: fault(403, "flagged") if "第8题的" in prompt else completion("B")
    ours = run(chat, exam, "--model_args", "num_concurrent=1")
    assert ours.returncode == 0, ours.stderr
    assert "\n23 of 24 questions answered; not answered: 1 refused, such as 403: flagged; " in ours.stdout
    chat.reply = lambda _, prompt: completion("A" if "第3题的" in prompt else "B")
    assert run(chat, exam, "--model_args", "model=other").returncode == 0
    out = exam.parent / "out"
    board = call("leaderboard", out)
    assert "m: 1 of 24 items have no response (1 of 24 questions of the run not answered (1 refused)" in board
    assert "--limit" not in board
    assert re.findall(r"(\S+) (other|m \(INCOMPLETE\)) (?=[\d-])", board)[:2] == [
        ("1", "other"),
        ("-", "m (INCOMPLETE)"),
    ]
    files = sorted(out.rglob("results_*.json"))
    assert "1 items have no score in one of them" in call("compare", *files)
    assert "the endpoint would refuse the refused again, asking again changes nothing" in call("scores", files[0])


@pytest.mark.engine
def test_a_run_that_is_killed_goes_on_and_ends_as_one_that_was_not(chat: ChatServer, exam: Path) -> None:
    chat.delay = 0.3
    kept_in = exam.parent / "out" / "responses"
    started = subprocess.Popen(
        output(command(chat, exam), exam), env=environment(exam), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(chat.bodies) < 6:
        assert started.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(started.pid, signal.SIGKILL)
    started.wait()
    kept = (next(kept_in.glob("*.jsonl"))).read_bytes().count(b'"content"')
    assert 0 < kept < 12
    chat.delay = 0
    chat.bodies.clear()
    assert run(chat, exam).returncode == 0
    assert len(chat.bodies) == 12 - kept
    whole = results(exam)
    (file,) = kept_in.glob("*.jsonl")
    file.unlink()
    assert run(chat, exam).returncode == 0
    other = results(exam)
    assert [each["openbook"]["api"].pop("kept") for each in (whole, other)] == [kept, 0]
    assert min(each["openbook"]["api"].pop("seconds") for each in (whole, other)) > 0
    # What was on its way when the run was killed is paid for.
    assert [each["openbook"]["api"].pop("lost_tokens") > 0 for each in (whole, other)] == [True, False]
    assert (whole["results"], whole["openbook"]) == (other["results"], other["openbook"])
    assert whole["results"][TASK]["correct,choice"] == 1.0
    found = whole["openbook"]["api"]
    assert min(found.pop("prompt_tokens"), found.pop("completion_tokens")) > 0
    who: dict[str, Any] = {"model": "m", "host": "127.0.0.1", "cost": None, "currency": "USD", "prices": {}}
    none = ("unended_thinking", "only_reasoning", "empty", "cut_off", "thinking_tokens")
    assert found == {**who, "questions": 12, "answered": 12, "failures": {}, "said": {}, **dict.fromkeys(none, 0)}
    assert {header["authorization"] for header in chat.headers} == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--model_args", f"api_key={KEY}"], "--model_args api_key: a key does not belong there"),
        (["--model_args", "profil=deepseek"], "--model_args: unknown key 'profil'; did you mean 'profile'?"),
        (["--use_cache", "c"], "--use_cache: lm-eval keeps answers without the name of their model"),
        (["--model", "vllm", "--dry-run"], "--dry-run is for --model api-openbook"),
    ],
)
def test_a_mistake_in_the_command_is_told_before_anything_is_read(
    chat: ChatServer, exam: Path, more: list[str], message: str
) -> None:
    result = run(chat, exam, *more)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(f"openbook-eval: {message}")
    assert chat.bodies == []


@pytest.mark.engine
def test_a_dry_run_asks_nothing(chat: ChatServer, exam: Path) -> None:
    result = run(chat, exam, "--dry-run")
    assert result.returncode == 0, result.stderr[-3000:]
    assert "12 requests to m at 127.0.0.1\n" in result.stdout
    assert (chat.bodies, list((exam.parent / "out").rglob("results_*.json"))) == ([], [])

"""vLLM's own server with the tiny model, and a proxy in front on which everything fails at first."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.models.conftest import BIN, KEY, quiet_environment
from tests.models.proxy import EVERY, FaultyProxy

pytestmark = pytest.mark.engine
QUESTIONS = 18


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 300
    while True:
        assert server.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < until, log.read_text()[-3000:]
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except OSError:
            time.sleep(0.5)


def environment(folder: Path) -> dict[str, str]:
    own = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    return quiet_environment(folder, **own)


@pytest.fixture
def server(tmp_path: Path, tiny_model: str) -> Iterator[str]:
    """The address of a server that takes no other key than ours."""
    port = str(free_port())
    line = [str(BIN / "vllm"), "serve", tiny_model, "--served-model-name", "tiny-model", "--dtype", "float32"]
    settings = ["--max-model-len", "1024", "--enforce-eager", "--api-key", KEY, "--host", "127.0.0.1", "--port", port]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([*line, *settings], env=environment(tmp_path), stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health", process, tmp_path / "log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def sit(url: str, folder: Path, out: str, **changes: Any) -> subprocess.CompletedProcess[str]:
    arguments = {"base_url": url, "model": "tiny-model", "key_variable": "EXAM_KEY", "retry_seconds": 0.01} | changes
    line = ["run", "--model", "api-openbook", "--tasks", "cmed_openbook", "--limit", "3", "--log_samples"]
    settings = [
        "--model_args",
        json.dumps(arguments),
        "--metadata",
        '{"exam": "mini"}',
        "--gen_kwargs",
        "max_gen_toks=16",
    ]
    return subprocess.run(
        [BIN / "openbook-eval", *line, *settings, "--output_path", str(folder / out)],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )


def results(folder: Path) -> dict[str, Any]:
    (file,) = folder.rglob("results_*.json")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def responses(folder: Path) -> dict[str, str]:
    samples = [json.loads(line) for path in folder.rglob("samples_*.jsonl") for line in path.read_text().splitlines()]
    return {sample["doc"]["id"]: sample["resps"][0][0] for sample in samples}


def test_faults_on_the_way_lose_no_answer_and_change_none(server: str, tmp_path: Path) -> None:
    with FaultyProxy(server, met=2, slow=6) as proxy:
        faulty = sit(proxy.url, tmp_path, "faulty", timeout=5)
        assert faulty.returncode == 0, faulty.stderr[-3000:]
    assert set(proxy.happened) == set(EVERY)
    assert set(proxy.delivered.values()) == {1}
    assert len(proxy.delivered) == QUESTIONS
    found = results(tmp_path / "faulty")["openbook"]["api"]
    assert (found["questions"], found["answered"], found["failures"]) == (QUESTIONS, QUESTIONS, {})
    assert found["completion_tokens"] <= QUESTIONS * 16
    # A run that asks the server itself hears the same.
    plain = sit(server, tmp_path, "plain")
    assert plain.returncode == 0, plain.stderr[-3000:]
    assert responses(tmp_path / "faulty") == responses(tmp_path / "plain")
    told = [results(tmp_path / name)["openbook"] for name in ("plain", "faulty")]
    # What was lost on the way is counted where something was.
    lost = [each["api"].pop("lost_tokens") for each in told]
    assert lost[0] == 0 < lost[1]
    assert min(each["api"].pop("seconds") for each in told) > 0
    assert told[0] == told[1]
    kept = sit(server, tmp_path, "kept")
    assert f"; {QUESTIONS} answers taken from {tmp_path / 'cache'}/" in kept.stdout
    assert responses(tmp_path / "kept") == responses(tmp_path / "plain")
    refused = sit(server, tmp_path, "refused", key_variable="WRONG_KEY", seed=1)
    assert refused.returncode == 2
    assert "the endpoint refuses the key in WRONG_KEY (401: Unauthorized)" in refused.stderr.splitlines()[-1]
    for file in (file for file in tmp_path.rglob("*") if file.is_file() and file.name != "log"):
        assert KEY.encode() not in file.read_bytes()
    assert KEY not in faulty.stdout + faulty.stderr + plain.stdout + plain.stderr

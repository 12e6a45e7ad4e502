"""The real hub client against a hub on this machine, in processes of their own: it reads HF_ENDPOINT when imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.data_prep.sources.raw import QUESTIONS, ROWS, json_lines
from tests.hub_server import HubServer

_PROGRAM = """
import json, sys
from pathlib import Path
from data_prep.sources import parts, read
from data_prep.spec import Source
from openbook_eval.errors import OpenbookError
source = Source.model_validate({"name": "some", "domain": "tcm", "licence": "MIT", **json.loads(sys.argv[1])})
try:
    found = parts(source, Path(sys.argv[2]))
    frames = [chunk.frame for part in found for chunk in read(part)]
except OpenbookError as error:
    sys.exit(str(error))
print(json.dumps([[part.label for part in found], [q for frame in frames for q in frame["question"]]]))
"""

Fetch = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    folder = tmp_path / "served"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.jsonl").write_bytes(json_lines(ROWS))
    (folder / "dataset_infos.json").write_bytes(b"{}")
    (folder / "README.md").write_bytes(b"#")
    (folder / "model.bin").write_bytes(b"x")
    with HubServer() as server:
        server.datasets["owner/pairs"] = folder
        yield server


@pytest.fixture
def fetch(hub: HubServer, tmp_path: Path) -> Fetch:
    """Reads a source with a client that knows our hub only and starts with an empty cache."""

    def run(declared: dict[str, str], **settings: str) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment = {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), **settings}
        command = [sys.executable, "-c", _PROGRAM, json.dumps(declared), str(tmp_path)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_the_rows_of_a_data_set_are_read_and_nothing_else_is_fetched(hub: HubServer, fetch: Fetch) -> None:
    assert json.loads(fetch({"hub": "owner/pairs"}).stdout) == [["owner/pairs/data/train.jsonl"], QUESTIONS]
    files = [request for request in hub.requests if "/resolve/" in request]
    assert all("train.jsonl" in request for request in files)
    assert files


def test_what_was_fetched_once_is_read_without_the_hub(hub: HubServer, fetch: Fetch) -> None:
    first = fetch({"hub": "owner/pairs"})
    hub.requests.clear()
    assert fetch({"hub": "owner/pairs"}, HF_HUB_OFFLINE="1").stdout == first.stdout
    assert hub.requests == []


def test_files_of_a_data_set_can_be_chosen_by_a_pattern(hub: HubServer, fetch: Fetch) -> None:
    (hub.datasets["owner/pairs"] / "data" / "test.jsonl").write_bytes(json_lines(ROWS))
    assert len(json.loads(fetch({"hub": "owner/pairs"}).stdout)[0]) == 2
    # The other file is in the cache by now, and still not read.
    labels, _ = json.loads(fetch({"hub": "owner/pairs/data/train*"}).stdout)
    assert labels == ["owner/pairs/data/train.jsonl"]


def test_files_that_are_there_are_taken_before_the_hub(hub: HubServer, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "here.jsonl").write_bytes(json_lines(ROWS[:1]))
    labels, _ = json.loads(fetch({"hub": "owner/pairs", "path": "here.jsonl"}).stdout)
    assert (labels, hub.requests) == (["here.jsonl"], [])
    labels, _ = json.loads(fetch({"hub": "owner/pairs", "path": "absent.jsonl"}).stdout)
    assert labels == ["owner/pairs/data/train.jsonl"]


@pytest.mark.parametrize(
    ("declared", "settings", "message"),
    [
        ({"hub": "no/such"}, {}, "hub data set no/such: cannot be fetched ("),
        ({"hub": "owner/pairs"}, {"HF_HUB_OFFLINE": "1"}, "hub data set owner/pairs: cannot be fetched ("),
        # Port 9 (discard) answers nobody.
        (
            {"hub": "owner/pairs"},
            {"HF_ENDPOINT": "http://127.0.0.1:9"},
            "hub data set owner/pairs: cannot be fetched (",
        ),
        ({"hub": "owner/pairs", "format": "csv"}, {}, "hub data set owner/pairs: has no file that matches"),
    ],
)
def test_a_data_set_that_cannot_be_had_is_told_in_one_line(
    fetch: Fetch, declared: dict[str, str], settings: dict[str, str], message: str
) -> None:
    result = fetch(declared, **settings)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith(f"source some: {message}")

"""The real hub client against a hub on this machine, in processes of their own: it reads HF_ENDPOINT when imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.data_prep.files import QUESTIONS, ROWS, json_lines
from tests.hub_server import HubServer

_PROGRAM = """
import json, sys
from pathlib import Path
from data_prep.read import parts, read
from data_prep.spec import Source
from openbook_eval.errors import OpenbookError
for declared in json.loads(sys.argv[1]):
    source = Source.model_validate({"name": "some", "domain": "tcm", "licence": "MIT", **declared})
    try:
        found = parts([source], Path(sys.argv[2]))
        frames = [chunk.frame for part in found for chunk in read(part)]
        print(json.dumps([[part.label for part in found], [q for frame in frames for q in frame["question"]]]))
    except OpenbookError as error:
        print(json.dumps(str(error)))
"""
Fetch = Callable[..., list[object]]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    folder = tmp_path / "served"
    (folder / "data").mkdir(parents=True)
    for name in ("train", "test"):
        (folder / "data" / f"{name}.jsonl").write_bytes(json_lines(ROWS))
    (folder / "dataset_infos.json").write_bytes(b"{}")
    (folder / "model.bin").write_bytes(b"x")
    with HubServer() as server:
        server.datasets["owner/pairs"] = folder
        yield server


@pytest.fixture
def fetch(hub: HubServer, tmp_path: Path) -> Fetch:
    """Reads sources one after the other with a client that knows our hub only and starts with an empty cache."""

    def run(*declared: dict[str, str], **settings: str) -> list[object]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment = {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), **settings}
        command = [sys.executable, "-c", _PROGRAM, json.dumps(declared), str(tmp_path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_rows_are_fetched_where_no_file_is_there_and_nothing_else_is(
    hub: HubServer, fetch: Fetch, tmp_path: Path
) -> None:
    (tmp_path / "here.jsonl").write_bytes(json_lines(ROWS[:1]))
    here = {"hub": "owner/pairs", "path": "here.jsonl"}
    some = {"hub": "owner/pairs/data/train*", "path": "absent.jsonl"}
    both = [["owner/pairs/data/test.jsonl", "owner/pairs/data/train.jsonl"], QUESTIONS * 2]
    train = [["owner/pairs/data/train.jsonl"], QUESTIONS]
    # The other file is in the cache by then, and still not read.
    assert fetch({"hub": "owner/pairs"}, some, here) == [both, train, [["here.jsonl"], QUESTIONS[:1]]]
    files = [request for request in hub.requests if "/resolve/" in request]
    assert files
    assert all(".jsonl" in request for request in files)
    hub.requests.clear()
    assert fetch({"hub": "owner/pairs"}, HF_HUB_OFFLINE="1") == [both]
    assert hub.requests == []


def test_a_data_set_that_cannot_be_had_is_an_error_of_one_line(fetch: Fetch) -> None:
    missing, none_such = fetch({"hub": "no/such"}, {"hub": "owner/pairs", "format": "csv"})
    # Port 9 (discard) answers nobody.
    (unreachable,) = fetch({"hub": "owner/pairs"}, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_CACHE="/nowhere")
    assert str(missing).startswith("source some: hub data set no/such: cannot be fetched (")
    assert str(none_such).startswith("source some: hub data set owner/pairs: has no file that matches")
    assert str(unreachable).startswith("source some: hub data set owner/pairs: cannot be fetched (")
    assert not any("\n" in str(error) for error in (missing, none_such, unreachable))

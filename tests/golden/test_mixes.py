"""The mixes of the spec `tiny`: the rows themselves, the manifest, and what was left out."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden import adapter
from tests.golden.golden import same


@pytest.fixture(scope="module")
def mixes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter.build_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("mix", ["tiny", "tiny41"])
def test_the_rows_of_a_mix(mixes: Path, mix: str) -> None:
    train = (mixes / mix / "train.jsonl").read_bytes()
    first = [json.loads(line) for line in train.splitlines()[:3]]
    same(f"{mix}_rows.json", {"sha256": hashlib.sha256(train).hexdigest(), "first": first})


@pytest.mark.parametrize("mix", ["tiny", "tiny41"])
def test_the_manifest_of_a_mix(mixes: Path, mix: str) -> None:
    manifest: dict[str, Any] = json.loads((mixes / mix / "manifest.json").read_bytes())
    # These name versions of libraries, hash what such a version writes, or hash what is pinned in full.
    del manifest["build"]["versions"], manifest["outputs"]["rows.parquet"]
    del manifest["checksum"], manifest["keys_sha256"], manifest["build"]["spec_sha256"]
    same(f"{mix}_manifest.json", manifest["build"] | {key: value for key, value in manifest.items() if key != "build"})


def test_what_was_left_out_and_why(mixes: Path) -> None:
    files = [mixes / "contamination.jsonl", *sorted((mixes / "dropped").glob("*.jsonl"))]
    assert len(files) == 4
    same("tiny_left_out.json", {file.name: [json.loads(line) for line in file.open("rb")] for file in files})
    adapter.data_prep("verify", mixes)

"""What makes a model another one, and what does not."""

import os
from pathlib import Path

import pytest

from openbook_eval.backend.identity import files_digest, run_identity


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"w" * (2 << 20))
    return folder


def test_a_copy_is_the_same_model_and_a_changed_weight_is_not(model: Path, tmp_path: Path) -> None:
    digest = files_digest(str(model), None)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert files_digest(str(copy), None) == digest
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[12345] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    os.utime(copy / "model.safetensors", ns=(1, 1))
    assert files_digest(str(copy), None) != digest


def test_notes_beside_a_model_change_nothing(model: Path) -> None:
    digest = files_digest(str(model), None)
    for name in ("README.md", "trained_on.json", "optimizer.pt"):
        (model / name).write_text("x")
    assert files_digest(str(model), None) == digest
    (model / "generation_config.json").write_text("{}")
    assert files_digest(str(model), None) != digest


def test_large_files_are_hashed_once(model: Path, tmp_path: Path) -> None:
    digest = files_digest(str(model), None)
    (hashes,) = (tmp_path / "cache").rglob("file-hashes.jsonl")
    assert hashes.read_bytes().count(b"\n") == 1
    assert files_digest(str(model), None) == digest
    assert hashes.read_bytes().count(b"\n") == 1
    hashes.write_bytes(b"{torn\n[1]\n\n")
    assert files_digest(str(model), None) == digest


def test_a_name_on_the_hub_that_is_not_here_stands_for_itself() -> None:
    assert files_digest("some/model", "v2") == "some/model@v2"
    assert files_digest("some/model", None) == "some/model@main"


def test_speed_and_memory_are_not_of_the_identity_and_all_else_is(model: Path) -> None:
    arguments = {"model": str(model), "tokenizer": None, "max_model_len": 2048, "quantization": None}
    identity = run_identity(arguments, None, "torch.float32")
    assert identity["settings"] == {"max_model_len": 2048, "dtype": "torch.float32"}
    fast = {**arguments, "gpu_memory_utilization": 0.5, "max_num_seqs": 4, "tensor_parallel_size": 2}
    assert run_identity(fast, None, "torch.float32") == identity
    for other in (
        run_identity({**arguments, "quantization": "awq"}, None, "torch.float32"),
        run_identity(arguments, None, "torch.bfloat16"),
        run_identity(arguments, str(model), "torch.float32"),
        run_identity({**arguments, "max_model_len": 4096}, None, "torch.float32"),
    ):
        assert other != identity

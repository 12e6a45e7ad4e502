"""What tests of models share: a chat server, the tiny model, a response cache and an environment of their own."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbook_eval.tiny_model import tiny_model_dir
from tests.chat_server import ChatServer

KEY = "sk-very-secret-0123456789"
BIN = Path(sys.executable).parent


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENBOOK_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with ChatServer() as server:
        yield server


@pytest.fixture(scope="session")
def tiny_model() -> str:
    return str(tiny_model_dir())


def quiet_environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a program whose response cache is in `folder`, without settings of whoever runs the tests."""
    dropped = ("VLLM_", "OPENBOOK_", "HF_", "OPENAI_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    kept = {key: value for key, value in kept.items() if not key.lower().endswith("_proxy")}
    own = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "EXAM_KEY": KEY, "OPENBOOK_CACHE": str(folder / "cache")}
    return {**kept, **own, **more}

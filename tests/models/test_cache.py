"""The cache loses no response that was kept, and gives none to another model, prompt or setting."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.models.cache import ResponseCache, content_of, engine_identity

IDENTITY = {"weights": "a", "settings": {"dtype": "float32"}}


def test_records_come_back_as_they_were_kept_and_the_first_of_a_key_counts() -> None:
    cache = ResponseCache(IDENTITY)
    assert cache.records() == {}
    kept = {"text": '两行\n\u2028 "引号" 🫀', "finish": "stop", "logprobs": [[-0.5]]}
    cache.append("a", kept)
    cache.append("a", {"text": "later"})
    assert ResponseCache(dict(reversed(IDENTITY.items()))).records() == {"a": {"key": "a", **kept}}
    assert cache.path
    # The first line says whose responses these are.
    assert json.loads(cache.path.read_bytes().splitlines()[0]) == {"identity": IDENTITY}
    for other in ({**IDENTITY, "weights": "b"}, {**IDENTITY, "settings": {}}, {**IDENTITY, "adapter": "x"}):
        assert ResponseCache(other).records() == {}
    # What is no record is passed over.
    cache.path.write_bytes(b'null\n[]\n{"text":"a"}\n\xff\xfe\n{"key":1}\n' + cache.path.read_bytes())
    assert list(cache.records()) == ["a"]


def test_a_line_that_was_changed_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    cache = ResponseCache(IDENTITY)
    for key in ("a", "b"):
        cache.append(key, {"text": f"答案{key}", "logprobs": [[-0.5]]})
    assert cache.path
    whole = cache.path.read_bytes()
    cache.path.write_bytes(whole.replace("答案a".encode(), "答案b".encode()))
    assert list(ResponseCache(IDENTITY).records()) == ["b"]
    assert f"{cache.path}: 1 lines are not as they were written, and are asked again" in caplog.text
    # Neither is one that lost its checksum.
    cache.path.write_bytes(re.sub(rb',"checksum":"[0-9a-f]{16}"', b"", whole))
    assert ResponseCache(IDENTITY).records() == {}


def test_responses_lie_beside_the_results_unless_the_environment_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ResponseCache(IDENTITY, tmp_path / "out").path
    monkeypatch.delenv("OPENBOOK_CACHE")
    beside = ResponseCache(IDENTITY, tmp_path / "out").path
    assert named
    assert beside
    assert (named.parent, beside.parent) == (tmp_path / "cache", tmp_path / "out")


@given(texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=4), data=st.data())
def test_a_file_cut_anywhere_has_a_beginning_of_its_records_and_takes_more(
    texts: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPENBOOK_CACHE", str(tmp_path_factory.mktemp("cut")))
        cache = ResponseCache(IDENTITY)
    assert cache.path
    for number, text in enumerate(texts):
        cache.append(str(number), {"text": text})
    whole = cache.path.read_bytes() if texts else b""
    cache.path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    left = [record["text"] for record in cache.records().values()]
    assert left == texts[: len(left)]
    # The line of the identity is one of them.
    assert len(left) >= cache.path.read_bytes().count(b"\n") - 1
    cache.append("new", {"text": "新"})
    assert [record["text"] for record in cache.records().values()] == [*left, "新"]


def test_a_file_that_cannot_be_read_or_written_says_so_in_one_line(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "file").write_text("where a folder is due")
    monkeypatch.setenv("OPENBOOK_CACHE", str(tmp_path / "file"))
    message = r"jsonl: cannot be written \([^\n]+\); name another folder in OPENBOOK_CACHE$"
    with pytest.raises(OpenbookError, match=message):
        ResponseCache(IDENTITY).append("a", {})
    monkeypatch.setenv("OPENBOOK_CACHE", str(tmp_path))
    cache = ResponseCache(IDENTITY)
    assert cache.path
    cache.path.mkdir()
    with pytest.raises(OpenbookError, match=r"cannot be read \(Is a directory\)"):
        cache.records()
    # Without a file nothing is kept beyond the process.
    monkeypatch.setenv("OPENBOOK_CACHE", "none")
    cache = ResponseCache(IDENTITY)
    cache.append("a", {"text": "甲"})
    assert (cache.records(), ResponseCache(IDENTITY).records()) == ({"a": {"key": "a", "text": "甲"}}, {})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"w" * (2 << 20))
    return folder


def test_a_copy_is_the_same_model_and_a_changed_weight_is_not(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert content_of(str(copy), None) == content_of(str(model), None)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[12345] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    os.utime(copy / "model.safetensors", ns=(1, 1))
    assert content_of(str(copy), None) != content_of(str(model), None)


def test_notes_beside_a_model_change_nothing_and_a_name_on_the_hub_stands_for_itself(model: Path) -> None:
    assert content_of("some/model", "v2") == "some/model@v2"
    assert content_of("some/model", None) == "some/model@main"
    before = content_of(str(model), None)
    for name in ("README.md", "trained_on.json", "optimizer.pt"):
        (model / name).write_text("x")
    assert content_of(str(model), None) == before
    (model / "generation_config.json").write_text("{}")
    assert content_of(str(model), None) != before


def test_speed_and_memory_are_not_of_the_identity_and_all_else_is(model: Path) -> None:
    arguments = {"model": str(model), "tokenizer": None, "max_model_len": 2048, "quantization": None}
    identity = engine_identity(arguments, None, "torch.float32")
    assert identity["settings"] == {"max_model_len": "2048", "dtype": "torch.float32"}
    fast = {**arguments, "gpu_memory_utilization": 0.5, "max_num_seqs": 4, "tensor_parallel_size": 2}
    assert engine_identity(fast, None, "torch.float32") == identity
    for other in (
        engine_identity({**arguments, "quantization": "awq"}, None, "torch.float32"),
        engine_identity(arguments, None, "torch.bfloat16"),
        engine_identity(arguments, str(model), "torch.float32"),
        engine_identity({**arguments, "max_model_len": 4096}, None, "torch.float32"),
    ):
        assert other != identity

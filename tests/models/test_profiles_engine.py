"""Profile and engine go together: tiny random models of the architectures that vLLM has, asked through a profile."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from openbook_eval.models.profiles import profile
from openbook_eval.tiny_model import tiny_model_dir
from tests.models.conftest import BIN, quiet_environment


def bloom(folder: Path) -> Path:
    """A BLOOM of random weights, PULSE's architecture, with the tiny model's words."""
    import torch
    from transformers import AutoTokenizer, BloomConfig, BloomForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir())
    torch.manual_seed(0)
    config = BloomConfig(
        vocab_size=len(tokenizer), hidden_size=128, n_layer=2, n_head=4, eos_token_id=tokenizer.eos_token_id
    )
    BloomForCausalLM(config).save_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    return folder


def qwen2(folder: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir(), folder))


@pytest.mark.engine
@pytest.mark.parametrize(
    ("name", "make", "begin", "end"),
    [
        ("pulse-7b", bloom, "Instructions: You are Helper, a large language model full of intelligence.", "Helper"),
        ("qwen1.5-chat-7b", qwen2, "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n", "assistant\n"),
    ],
)
def test_a_model_sits_the_exam_in_the_format_of_its_profile(
    name: str, make: Callable[[Path], Path], begin: str, end: str, tmp_path: Path
) -> None:
    model = make(tmp_path / "model")
    settings = f"pretrained={model},max_model_len=2048,enforce_eager=True,dtype=float32"
    asked: list[str | Path] = [BIN / "openbook-eval", "run", "--profile", name, "--tasks", "cmed_openbook_nursing"]
    asked += ["--limit", "2", "--log_samples", "--output_path", tmp_path / "out", "--model_args", settings]
    own = {"OPENBOOK_EXAM": "mini", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_LOGGING_LEVEL": "WARNING"}
    done = subprocess.run(asked, env=quiet_environment(tmp_path, **own), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    lines = [orjson.loads(line) for line in samples.read_bytes().splitlines()]
    assert len(lines) == 2
    for line in lines:
        prompt = line["arguments"]["gen_args_0"]["arg_0"]
        assert prompt.startswith(begin)
        assert prompt.endswith(end)
        assert not any(stop in line["resps"][0][0] for stop in profile(name.rpartition("-")[0]).stop)

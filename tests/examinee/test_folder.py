"""The embedded examinee loads in transformers, takes every text, and is copied whole or not at all."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.examinee import copy_examinee, examinee_dir
from openbook_eval.exams import load_exam
from openbook_eval.prompt import render
from openbook_eval.types import Book

# transformers and torch warn of their own affairs.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def folder() -> Path:
    return examinee_dir()


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def files(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_it_is_a_qwen2_model_of_a_few_megabytes(folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.model_type == "qwen2"
    assert model.config.max_position_embeddings == 32768
    assert sum(file.stat().st_size for file in folder.iterdir()) < 12_000_000


def test_it_generates(folder: Path, tokenizer: Any) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    inputs = tokenizer("答案：", return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert output.shape[1] > inputs["input_ids"].shape[1]


def test_its_tokenizer_gives_every_prompt_back(tokenizer: Any) -> None:
    for question in load_exam("mini").questions:
        text = render(question, Book.of(question))
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_its_tokenizer_splits_as_it_was_trained_to(folder: Path, tokenizer: Any) -> None:
    """transformers puts Qwen2's own splitting into whatever it loads; trained with another, ids would change."""
    from tokenizers import Tokenizer

    saved = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text in ("【要求】\n请回答。", "pH 7.35 的 Na+ 100 mmol/L", "A. 甲\nB. 乙"):
        assert tokenizer(text)["input_ids"] == saved.encode(text).ids


def test_it_speaks_chatml(tokenizer: Any) -> None:
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "你好"}], tokenize=False, add_generation_prompt=True
    )
    assert chat == "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n"
    assert [tokenizer.decode([i]) for i in tokenizer(chat)["input_ids"]].count("<|im_start|>") == 2
    assert tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_a_copy_is_the_same_model_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    out = tmp_path / "models" / "examinee"
    assert copy_examinee(out) == out
    assert files(out) == files(examinee_dir())
    assert [path.name for path in out.parent.iterdir()] == ["examinee"]


def test_a_copy_that_is_there_already_stays_as_it_is(tmp_path: Path) -> None:
    copy_examinee(tmp_path / "copy")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "copy").iterdir()}
    assert copy_examinee(tmp_path / "copy") == tmp_path / "copy"
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "copy").iterdir()} == before


@pytest.mark.parametrize("other", ["empty", "another model", "a file", "less than a copy"])
def test_something_else_is_not_written_over(tmp_path: Path, other: str) -> None:
    out = tmp_path / "out"
    if other == "a file":
        out.write_text("mine")
    else:
        shutil.copytree(examinee_dir(), out)
    if other == "another model":
        # As large and as old as that of the examinee.
        weights, time = (out / "model.safetensors"), (out / "model.safetensors").stat().st_mtime_ns
        weights.write_bytes(weights.read_bytes()[:-1] + b"x")
        os.utime(weights, ns=(time, time))
    elif other == "less than a copy":
        (out / "tokenizer.json").unlink()
    elif other == "empty":
        shutil.rmtree(out)
        out.mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(
        OpenbookError, match=r"out: is there already, and is not the examinee; remove it, or name anoth"
    ):
        copy_examinee(out)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OpenbookError, match=r"file/models/out: cannot be written \(Not a directory\); name another folder with"
    ):
        copy_examinee(tmp_path / "file" / "models" / "out")

"""The bundled tiny model loads, reads the bundled exam, and is copied whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from openbook_eval.matching import match_choice
from openbook_eval.prompt import build_prompt
from openbook_eval.tiny_model import copy_tiny_model, tiny_model_dir
from openbook_eval.types import Book, Entry, Question

# transformers and torch give warnings of their own.
pytestmark = pytest.mark.filterwarnings("ignore")

# The model's card and figures are of these weights.
WEIGHTS = "21c14c6efa0d4dcc649481e9baff2c111dbff0b7bee4c640c8555cd6ff9984eb"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model_dir())


def hashes(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_the_weights_are_those_of_the_card() -> None:
    assert hashes(tiny_model_dir())["model.safetensors"] == WEIGHTS
    assert sum(file.stat().st_size for file in tiny_model_dir().iterdir()) < 12_000_000


def test_the_tokenizer_gives_every_prompt_back_and_splits_as_it_was_trained_to(tokenizer: Any) -> None:
    """transformers puts Qwen2's own splitting into whatever it loads; trained with another, ids would change."""
    from tokenizers import Tokenizer

    saved = Tokenizer.from_file(str(tiny_model_dir() / "tokenizer.json"))
    prompts = [build_prompt(question, Book.of(question)) for question in load_exam("mini").questions]
    assert len(prompts) == 258
    for text in (*prompts, "pH 7.35 的 Na+ 100 mmol/L", "燀䓬🩺"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
        assert tokenizer(text)["input_ids"] == saved.encode(text).ids
    asked = [{"role": "user", "content": "你好"}]
    chat = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert chat == "<|im_start|>user\n你好<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_it_follows_the_whole_book_and_nothing_else(tokenizer: Any) -> None:
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(tiny_model_dir())
    questions = [question for question in load_exam("mini").questions if question.qtype == "single"][::3]

    def answer(question: Question, book: Book) -> str:
        tokens = tokenizer(build_prompt(question, book), return_tensors="pt")
        said = model.generate(**tokens, max_new_tokens=4, do_sample=False)[0, tokens["input_ids"].shape[1] :]
        return match_choice(tokenizer.decode(said, skip_special_tokens=True), question.options, "single").letters

    def share_right(book: Callable[[Question], Book]) -> float:
        return sum(answer(question, book(question)) == question.answer for question in questions) / len(questions)

    def cut_before_the_answer(question: Question) -> Book:
        (right,) = question.right_texts
        return Book((Entry(question.id, Book.of(question).text.partition(right)[0] or "。", "given"),))

    assert share_right(Book.of) >= 0.9
    assert share_right(lambda _: Book()) <= 0.4
    assert share_right(cut_before_the_answer) <= 0.5


def test_a_copy_is_the_same_model_and_is_not_copied_again(tmp_path: Path) -> None:
    out = tmp_path / "models" / "tiny"
    assert copy_tiny_model(out) == out
    assert hashes(out) == hashes(tiny_model_dir())
    assert [path.name for path in out.parent.iterdir()] == ["tiny"]
    before = {file: file.stat().st_mtime_ns for file in out.iterdir()}
    assert copy_tiny_model(out) == out
    assert {file: file.stat().st_mtime_ns for file in out.iterdir()} == before


def other_weights(copy: Path) -> None:
    # As large and as old as those of the tiny model.
    weights = copy / "model.safetensors"
    time = weights.stat().st_mtime_ns
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    os.utime(weights, ns=(time, time))


@pytest.mark.parametrize("spoil", [shutil.rmtree, other_weights, lambda copy: (copy / "tokenizer.json").unlink()])
def test_something_else_is_not_overwritten(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    out = shutil.copytree(tiny_model_dir(), tmp_path / "out")
    spoil(out)
    out.mkdir(exist_ok=True)
    before = hashes(out)
    with pytest.raises(OpenbookError, match=r"out: exists and is not the tiny model; remove it, or name another"):
        copy_tiny_model(out)
    assert hashes(out) == before
    (tmp_path / "file").touch()
    with pytest.raises(
        OpenbookError, match=r"file/models/tiny: cannot be written \(Not a directory: .*\); name another"
    ):
        copy_tiny_model(tmp_path / "file" / "models" / "tiny")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file", out]

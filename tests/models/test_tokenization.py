"""Ids put together are those of the whole text, whatever the tokenizer; a book that prompts share is read once."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbook_eval.models.scheduling import encode
from openbook_eval.prompt import build_prompt
from openbook_eval.tiny_model import tiny_model_dir
from tests.books.exams import ask, make_exam, material

# Where cutting is hard: blanks and line ends of all kinds, signs that combine, names of special tokens, digits.
_WORDS = [
    "头痛发热",
    "脉浮",
    "。",
    "，",
    "【要求】",
    "A. ",
    "the book's end",
    "12.5",
    "é",
    "e\u0301",
    "ﬀ",
    "\u0301",
    "😀",
]
_BLANKS = ["\n", "\n\n", "\r\n", " \n", "\n ", "  ", "\t", "\u3000", "\u2028"]
_PIECES = [*_WORDS, *_BLANKS, "<|im_end|>", "<|im_start|>", "[SEP]"]
TEXTS = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)
# Long enough to be cut, though never where a letter word runs on through all of it.
HEADS = st.tuples(TEXTS, st.sampled_from(_PIECES), TEXTS).map(lambda parts: (parts[0] + parts[1] * 3) * 25 + parts[2])

# Two thousand characters in lines, as an entry a line makes a book.
BOOK = "\n".join(f"{number}、发热{'头痛脉浮' * (number % 9)}，the {number}th line。" for number in range(90))
OPENING = "你是一名医生，" * 120 + "\n"


class Reads:
    """A tokenizer that counts the characters it is given."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.backend_tokenizer, self.characters = tokenizer, tokenizer.backend_tokenizer, 0

    def __call__(self, texts: list[str], **settings: Any) -> Any:
        self.characters += sum(map(len, texts))
        return self.tokenizer(texts, **settings)


def trained(name: str) -> Any:
    """A tokenizer of some family, which has seen the project's own kind of text only."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[UNK]", "[CLS]", "[SEP]", "<|im_start|>", "<|im_end|>"]
    common: dict[str, Any] = {"special_tokens": special, "show_progress": False}
    texts = prompts("open")[:60]
    if name in ("sentencepiece", "across lines"):
        # No words: any neighbours are joined, and a text begins as if after a blank.
        made = Tokenizer(models.BPE(unk_token="[UNK]", byte_fallback=True))  # noqa: S106
        made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        special += [f"<0x{byte:02X}>" for byte in range(256)]
        trainer: Any = trainers.BpeTrainer(vocab_size=2000, **common)
        if name == "sentencepiece":
            texts = [line for text in texts for line in text.splitlines()]
    elif name == "gpt2":
        made = Tokenizer(models.BPE())
        made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=1500, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **common)
    elif name == "bert":
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=1500, **common)
    elif name == "two lines a word":
        made = Tokenizer(models.BPE(unk_token="[UNK]"))  # noqa: S106
        made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[^\n]*\n?[^\n]*\n?"), "isolated")
        trainer = trainers.BpeTrainer(vocab_size=1500, **common)
    else:
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=1500, unk_token="[UNK]", **common)  # noqa: S106
    made.train_from_iterator(texts, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made)


@cache
def prompts(condition: str, questions: int = 450) -> list[str]:
    """Prompts of a made-up exam, a fourth of them multiple choice, as the task asks them."""
    made = material(*make_exam(questions))
    return [build_prompt(item.question, item.book, "reading") for item in ask(made, "nursing", condition)]


@pytest.fixture(
    scope="module",
    params=["sentencepiece", "across lines", "two lines a word", "gpt2", "bert", "unigram", "tiny_model", "qwen2"],
)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    from transformers import AutoTokenizer

    if request.param == "tiny_model":
        return AutoTokenizer.from_pretrained(tiny_model_dir())
    if request.param == "qwen2":
        exams: Path = request.getfixturevalue("real_exams")
        return AutoTokenizer.from_pretrained(exams.parent / "tokenizer" / "qwen2")
    return trained(request.param)


def wholes(texts: Sequence[str], tokenizer: Any, add_special_tokens: bool) -> list[list[int]]:
    return [tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"] for text in texts]


def lists(found: Sequence[Any]) -> list[list[int]]:
    return [ids.tolist() for ids in found]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(heads=st.lists(HEADS, min_size=1, max_size=2), tails=st.lists(TEXTS, max_size=4), add=st.booleans())
def test_ids_are_those_of_each_text_alone(tokenizer: Any, heads: list[str], tails: list[str], add: bool) -> None:
    texts = [head + tail for head in heads for tail in tails]
    assert lists(encode(texts, tokenizer, first=None, special=add)) == wholes(texts, tokenizer, add)


@pytest.mark.parametrize("condition", ["library_4k", "counterfactual", "closed"])
def test_so_they_are_of_every_prompt_of_the_exam(tokenizer: Any, condition: str) -> None:
    texts = prompts(condition)
    found = encode(texts, tokenizer, first=None, special=True)
    assert lists(found[::3]) == wholes(texts[::3], tokenizer, True)


@pytest.mark.parametrize("opening", ["", "<|im_start|>user\n", OPENING])
def test_a_book_that_prompts_share_is_read_once(opening: str) -> None:
    texts = [opening + text for text in prompts("library_16k", 1000)]
    read = Reads(trained("gpt2"))
    found = encode(texts, read, first=None, special=False)
    assert lists(found[::50]) == wholes(texts[::50], read.tokenizer, False)
    books = {text.partition("【要求】")[0] for text in texts}
    assert len(books) > 1
    unique = sum(map(len, books)) + sum(len(text.partition("【要求】")[2]) for text in texts)
    assert read.characters < 1.1 * unique + 400 * len(texts)
    assert read.characters < sum(map(len, texts)) / 10


@pytest.mark.parametrize("name", ["unigram", "across lines"])
def test_where_equality_cannot_be_shown_texts_are_tokenised_whole(name: str) -> None:
    texts = prompts("library_4k")
    read = Reads(trained(name))
    assert lists(encode(texts, read, first=None, special=True)) == wholes(texts, read.tokenizer, True)
    assert read.characters > sum(map(len, texts)) / 2

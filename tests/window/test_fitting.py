"""Token arithmetic with real tokenizers: one that merges across words and punctuation, trained on the bundled exam."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.models.utils import normalize_gen_kwargs
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import Prepend, Replace
from tokenizers.normalizers import Sequence as Steps
from tokenizers.trainers import BpeTrainer

from openbook_eval.exams import load_exam
from openbook_eval.prompt import render
from openbook_eval.types import Book
from openbook_eval.window.fitting import MARGIN, SEAM, Fit, answer_tokens, fit, merged, misfit, token_counts

QUESTIONS = load_exam("mini").questions
PROMPTS = [render(question, Book.of(question)) for question in QUESTIONS]
TEXTS = st.lists(
    st.sampled_from([SEAM, "。\n\n", "要求】", "【", " ", "第二题", "abc", "①", "\x00", "🙂", *PROMPTS[:5]])
)


def _merging() -> Any:
    """As SentencePiece has it: no splitting before pairs are merged, spaces as letters, bytes for what is unknown."""
    tokenizer = Tokenizer(BPE(byte_fallback=True))
    tokenizer.normalizer = Steps([Prepend("▁"), Replace(" ", "▁")])
    trainer = BpeTrainer(vocab_size=3000, max_token_length=8, show_progress=False)
    tokenizer.train_from_iterator(["▁" + prompt for prompt in PROMPTS], trainer)
    return tokenizer


MERGING = _merging()


def count(texts: Sequence[str]) -> list[int]:
    return [len(encoding.ids) for encoding in MERGING.encode_batch(list(texts))]


def shared_prompts(seed: int, books: int, questions: int) -> list[str]:
    draw = random.Random(seed)  # noqa: S311
    shelves = ["".join(draw.choices([question.stem for question in QUESTIONS], k=8)) for _ in range(books)]
    tails = [prompt[prompt.index(SEAM) :] for prompt in PROMPTS]
    return [f"【材料】\n{draw.choice(shelves)}\n\n{draw.choice(tails)}" for _ in range(questions)]


def test_the_seam_stands_in_every_prompt_between_book_and_rule() -> None:
    assert PROMPTS[0].index(QUESTIONS[0].knowledge or "") < PROMPTS[0].index(SEAM) < PROMPTS[0].index("【题目】")


def test_merges_across_the_seam_happen_and_stay_within_the_margin() -> None:
    parts = [prompt.rpartition(SEAM) for prompt in PROMPTS]
    sums = [sum(count([head, seam + tail])) for head, seam, tail in parts]
    differences = {abs(whole - total) for whole, total in zip(count(PROMPTS), sums, strict=True)}
    assert 0 < max(differences) <= MARGIN // 4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 60), st.data())
def test_who_is_cut_and_the_longest_are_as_if_all_were_counted_whole(
    seed: int, books: int, questions: int, data: st.DataObject
) -> None:
    prompts = shared_prompts(seed, books, questions)
    whole = count(prompts)
    room = data.draw(st.integers(-5, 700) | st.sampled_from(whole or [0]))
    expected = Fit("t", questions, sum(tokens > room for tokens in whole), max(whole, default=0), room)
    assert fit("t", iter(prompts), count, room) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS.map("".join), max_size=12), st.integers(0, 300))
def test_hostile_text_decides_nothing(prompts: list[str], room: int) -> None:
    whole = count(prompts)
    found = fit("t", prompts, count, room)
    assert (found.cut, found.longest) == (sum(tokens > room for tokens in whole), max(whole, default=0))


def test_a_shared_book_is_counted_once() -> None:
    prompts = ["书" * 5000 + prompt[prompt.index(SEAM) :] for prompt in PROMPTS]
    seen: list[str] = []

    def watched(texts: Sequence[str]) -> list[int]:
        seen.extend(texts)
        return count(texts)

    counts = token_counts(prompts, watched, 10**6)
    # The book, and whole prompts only for those that could be the longest.
    books = sum(text.startswith("书") for text in seen)
    assert 2 <= books < len(prompts) / 4
    assert max(counts) == max(count(prompts))


def test_a_tokenizer_that_cannot_be_added_up_counts_all_whole() -> None:
    prompts = shared_prompts(1, 2, 50)

    def squares(texts: Sequence[str]) -> list[int]:
        return [len(text) ** 2 for text in texts]

    assert token_counts(prompts, squares, 1000) == squares(prompts)


def test_the_longest_may_be_one_whose_parts_sum_up_to_less() -> None:
    def merging(texts: Sequence[str]) -> list[int]:
        # A text with both sides of the seam and 末 in it has four more tokens than its parts.
        return [len(text) + (4 if "末" in text and not text.startswith(SEAM) else 0) for text in texts]

    prompts = [f"书{SEAM}题题题" for _ in range(40)] + [f"书{SEAM}末题"]
    assert max(token_counts(prompts, merging, 10**6)) == 11


def test_several_tasks_as_one() -> None:
    both = merged("both", [Fit("a", 10, 0, 50, 60), Fit("b", 5, 2, 70, 40)])
    assert both == Fit("both", 15, 2, 70, 40)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens", "temperature"]),
        st.none() | st.integers(0, 5000) | st.just("64"),
    ),
    st.integers(1, 512),
)
def test_the_answers_length_is_what_lm_eval_takes(generation: dict[str, Any], default: int) -> None:
    generation = {name: value for name, value in generation.items() if name != "temperature"}
    assert answer_tokens(generation, default) == normalize_gen_kwargs(generation, default)["max_gen_toks"]


FITTING = Fit("cmed_openbook", 258, 0, 400, 32256)
TIGHT = Fit("cmed_openbook", 258, 12, 40000, 32256)
LONG = Fit("cmed_reading_library_64k", 600, 600, 42117, 32256)


@pytest.mark.parametrize(
    ("fits", "most", "advice"),
    [
        (
            [LONG, TIGHT],
            131072,
            "600 of 600 prompts of cmed_reading_library_64k and 12 of 258 prompts of cmed_openbook do not fit: the "
            "longest has 42,117 tokens and 512 are kept for the answer, but max_model_len is 32,768; set "
            "max_model_len=42629 in --model_args",
        ),
        (
            [LONG, FITTING],
            32768,
            "600 of 600 prompts of cmed_reading_library_64k do not fit: the longest has 42,117 tokens and 512 are kept "
            "for the answer, but max_model_len is 32,768; the model holds 32,768 at most: leave out "
            "cmed_reading_library_64k, or take a model with a longer context (rope scaling in vLLM's hf_overrides "
            "lengthens some)",
        ),
        (
            [LONG, TIGHT],
            41000,
            "600 of 600 prompts of cmed_reading_library_64k and 12 of 258 prompts of cmed_openbook do not fit: the "
            "longest has 42,117 tokens and 512 are kept for the answer, but max_model_len is 32,768; the model holds "
            "41,000 at most: leave out cmed_reading_library_64k and set max_model_len=40512 in --model_args, or take a "
            "model with a longer context (rope scaling in vLLM's hf_overrides lengthens some)",
        ),
        (
            [TIGHT],
            None,
            "12 of 258 prompts of cmed_openbook do not fit: the longest has 40,000 tokens and 512 are kept for the "
            "answer, but max_model_len is 32,768; set max_model_len=40512 in --model_args",
        ),
    ],
)
def test_the_error_names_what_does_not_fit_and_what_to_set(fits: list[Fit], most: int | None, advice: str) -> None:
    assert misfit(fits, 32768, most, "max_model_len") == advice

"""Samples of the tiny model's curriculum can be answered from their book alone; its training learns and resumes."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.types import ABSTENTION
from tools import train_tiny_model as training
from tools.tiny_model_samples import STAGES, Stage, TrainingSample, make_sample, samples
from tools.train_tiny_model import Position, TinyModelTrainer

# transformers and torch give warnings of their own.
pytestmark = pytest.mark.filterwarnings("ignore")

RANDOM = st.integers(0, 2**32).map(random.Random)


def book_and_options(made: TrainingSample) -> tuple[str, dict[str, str]]:
    """Return the book of a sample, and its options by letter, as the prompt has them."""
    head, _, question = made.prompt.rpartition("【题目】\n") if "【题目】" in made.prompt else ("", "", made.prompt)
    book = head.partition("【材料】\n")[2].partition("\n\n【要求】")[0] if head else made.prompt.partition("\n")[0]
    lines = [line for line in question.splitlines() if line[1:3] == ". " and line[0] in "ABCDE"]
    return book, {line[0]: line[3:] for line in lines}


@given(RANDOM, st.integers(2, 5), st.sampled_from([0.0, 1.0]))
def test_right_options_stand_in_the_book_and_no_others_do(draws: random.Random, options: int, multiple: float) -> None:
    made = make_sample(draws, Stage(1, 30, options, 3, half=0.5, multiple=multiple))
    book, texts = book_and_options(made)
    assert "".join(letter for letter, text in texts.items() if text in book) == made.answer
    assert 2 <= len(made.answer) < len(texts) if multiple else len(made.answer) == 1
    made = make_sample(draws, Stage(1, 30, options, 3, unanswerable=1.0))
    book, texts = book_and_options(made)
    assert (made.answer, bool(book), [text for text in texts.values() if text in book]) == (ABSTENTION, True, [])
    closed = make_sample(draws, Stage(1, 30, options, 3, closed=1.0))
    assert ("【材料】" in closed.prompt, closed.spans) == (False, ())
    copied = make_sample(draws, Stage(1, 30, options, 3, copy=1.0))
    assert copied.answer in copied.prompt


@given(RANDOM, st.sampled_from(STAGES))
def test_spans_are_the_places_of_options_and_every_character_is_a_token(draws: random.Random, stage: Stage) -> None:
    made = make_sample(draws, stage)
    if made.spans:
        book, texts = book_and_options(made)
        places = [(made.prompt[start:end], is_stated) for start, end, is_stated in made.spans]
        assert places == [(text, text in book) for text in texts.values()]
    assert len(training.tokenizer()(made.prompt + made.answer)["input_ids"]) == len(made.prompt + made.answer)


def test_the_samples_of_a_seed_have_not_changed() -> None:
    made = samples("0 0 0", STAGES[0], 1)[0][0]
    assert made.prompt == (
        "胰岛素与湛题由揽的IN，脑谴及脑蚜于胶囊。\n焕有筛拯泥泥焕泥中脑谴及脑蚜于（ ）。\nA. 乃者\nB. 胶囊\n答案："
    )
    assert made.answer == "B"


def test_a_batch_predicts_every_token_of_an_answer_where_the_one_before_it_stands() -> None:
    made = TrainingSample("single", "甲乙\n答案：", "AB", ((0, 1, True), (1, 2, False)))
    tensors = training.make_batch([(made, False), (TrainingSample("copy", "丙", "丁"), True)])
    known = training.tokenizer().convert_tokens_to_ids
    end, start = known("<|im_end|>"), known("<|im_start|>")
    a, b, d = (training.tokenizer()(text)["input_ids"][0] for text in "AB丁")
    assert tensors["rows"].tolist() == [0, 0, 0, 1, 1]
    assert tensors["answers"].tolist() == [a, b, end, d, end]
    assert tensors["firsts"].tolist() == [True, False, False, True, False]
    assert tensors["tokens"][0, tensors["places"][1:3]].tolist() == [a, b]
    assert (tensors["span_places"].tolist(), tensors["stated"].tolist()) == ([0, 1], [1.0, 0.0])
    assert tensors["tokens"][1, 0] == start


def test_a_stage_ends_when_it_is_mastered_or_its_share_is_used_up() -> None:
    cases = ((0, 100, 0.94, 1), (0, 100, 0.93, 0), (0, 99, 0.94, 0), (2, 150, 0.5, 3), (5, 900, 0.99, 5))
    for stage, since, right, after in cases:
        position = Position(step=300, stage=stage, since=since, right=right)
        position.advance(right, 0.5, steps=1000)
        assert position.stage == after


def test_a_new_model_attends_to_like_tokens_and_learns_what_it_is_shown_again() -> None:
    trainer, batch = TinyModelTrainer(100), training.make_batch(samples("0 0 0", STAGES[0], 8))
    layers = [layer.self_attn for layer in trainer.model.model.layers]
    assert [bool((each.q_proj.weight == each.k_proj.weight).all()) for each in layers] == [True, True, False, False]
    losses = [trainer.step(batch, 1e-3) for _ in range(12)]
    assert losses[-1] < losses[0] / 2
    assert trainer.at.step == 12


def test_a_run_that_was_cut_off_ends_as_one_that_was_not_with_any_number_of_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "STAGES", tuple(each._replace(batch=4) for each in STAGES))
    monkeypatch.setattr(TinyModelTrainer, "save_steps", 2)
    monkeypatch.setattr(TinyModelTrainer, "logging_steps", 1)

    def cut_off(at: Position, _: float) -> None:
        if at.step == 5:
            raise KeyboardInterrupt

    straight, cut = TinyModelTrainer(6).train(tmp_path / "straight.pt").state_dict(), tmp_path / "cut.pt"
    with pytest.raises(KeyboardInterrupt):
        TinyModelTrainer(6).train(cut, log=cut_off)
    steps: list[int] = []
    resumed = TinyModelTrainer(6).train(cut, workers=1, log=lambda at, _: steps.append(at.step)).state_dict()
    assert steps == [5, 6]
    assert all(weights.equal(straight[name]) for name, weights in resumed.items())
    message = r"cut.pt: is of another run \(steps 6, seed 0, times 1\); resume that, remove it, or name another"
    for other in (TinyModelTrainer(8), TinyModelTrainer(6, seed=1), TinyModelTrainer(6, times=2)):
        with pytest.raises(OpenbookError, match=message):
            other.train(cut)
    cut.write_bytes(b"half")
    with pytest.raises(OpenbookError, match=r"cut.pt: cannot be resumed from \(.+\); remove it"):
        TinyModelTrainer(6).train(cut)


def test_the_bundled_model_answers_samples_that_it_never_saw() -> None:
    from transformers import AutoModelForCausalLM

    found = training.scores(AutoModelForCausalLM.from_pretrained(tiny_model_dir()), count=160)
    kinds = ("single, plain", "single, chat", "multiple, plain", "multiple, chat", "unanswerable, plain")
    assert min(found[kind] for kind in kinds) > 0.8
    assert found["closed, plain"] < 0.5

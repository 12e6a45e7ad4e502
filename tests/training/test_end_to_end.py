"""What the shipped recipes trained sits the exam: the adapter, base and adapter in one, and the whole model."""

import json
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.scores import read_runs
from openbook_eval.training.record import read_record
from openbook_eval.types import SIX_EXAMS
from tests.test_engine import read, sit
from tests.training.conftest import Trained, training_environment
from tests.training.test_merging import answers

pytestmark = [pytest.mark.engine, pytest.mark.training]

# Questions of each exam that are asked, and tokens of an answer.
ASKED, TOKENS = 10, 16
QUIET = {"OPENBOOK_EXAM": "mini", "HF_HUB_OFFLINE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_NUM_THREADS": "1"}
SATS = ("adapter", "merged", "full")

Sat = Callable[[str], Path]


@pytest.fixture(scope="module")
def adapter(trained: Trained) -> Path:
    return trained("tiny_lora")


@pytest.fixture(scope="module")
def full(trained: Trained) -> Path:
    return trained("tiny_full")


@pytest.fixture(scope="module")
def merged(adapter: Path, train_folder: Path, train_python: Path) -> Path:
    """What the last command in the head of the recipe makes of the adapter."""
    command = [str(train_python.parent / "openbook-eval"), "recipes", "merge", "checkpoints/tiny_lora"]
    done = subprocess.run(command, cwd=train_folder, env=training_environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "checkpoints/tiny_lora/merged\n"), done.stderr[-3000:]
    return adapter / "merged"


@pytest.fixture(scope="module")
def sat(examinee: Path, adapter: Path, merged: Path, full: Path, tmp_path_factory: pytest.TempPathFactory) -> Sat:
    """The output of an exam that a trained model sat on vLLM; each sits once."""
    loaded = {
        "adapter": f"pretrained={examinee},enable_lora=True,lora_local_path={adapter}",
        "merged": f"pretrained={merged}",
        "full": f"pretrained={full}",
    }

    @cache
    def run(name: str) -> Path:
        output = tmp_path_factory.mktemp(name)
        model = [
            "--model",
            "vllm",
            "--model_args",
            f"{loaded[name]},dtype=float32,max_model_len=2048,enforce_eager=True",
        ]
        asked = ["--tasks", "cmed_openbook", "--limit", str(ASKED), "--gen_kwargs", f"max_gen_toks={TOKENS}"]
        sit("openbook-eval", "run", *model, *asked, "--apply_chat_template", output=output, **QUIET)
        return output

    return run


def rows(output: Path) -> Mapping[str, list[dict[str, Any]]]:
    return read(output)[1]


def responses(output: Path) -> dict[str, str]:
    return {row["doc"]["id"]: row["resps"][0][0] for task in rows(output).values() for row in task}


def test_in_transformers_the_merged_model_answers_as_base_and_adapter_do_and_not_as_the_base(
    examinee: Path, adapter: Path, merged: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    of_base = answers(AutoModelForCausalLM.from_pretrained(examinee), examinee)
    of_both = answers(PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(examinee), adapter), adapter)
    assert answers(AutoModelForCausalLM.from_pretrained(merged), merged) == of_both != of_base


def test_in_transformers_the_whole_model_answers_otherwise_than_its_base(examinee: Path, full: Path) -> None:
    from transformers import AutoModelForCausalLM

    of_full = answers(AutoModelForCausalLM.from_pretrained(full), full)
    assert of_full != answers(AutoModelForCausalLM.from_pretrained(examinee), examinee)
    assert all(of_full)


def test_the_merged_model_says_what_it_was_trained_on(adapter: Path, merged: Path) -> None:
    found = read_record(merged)
    assert found == read_record(adapter)
    assert found is not None
    assert (found.recipe, found.adapter, found.finished) == ("tiny_lora.yml", "lora", True)


@pytest.mark.parametrize("name", SATS)
def test_on_vllm_a_trained_model_sits_the_exam_and_every_answer_is_read(name: str, sat: Sat) -> None:
    results, samples = read(sat(name))
    assert {task: len(found) for task, found in samples.items()} == {
        f"cmed_openbook_{exam}": ASKED for exam in SIX_EXAMS
    }
    for task, found in samples.items():
        choices = [json.loads(row["filtered_resps"][0]) for row in found]
        assert all(choice["rule"] for choice in choices)
        assert results["results"][task]["answered,choice"] == sum(map(bool, (c["letters"] for c in choices))) / ASKED
    (scores,) = read_runs(sat(name))[0]
    assert [(score.exam, score.questions) for score in scores.exams] == [(exam, ASKED) for exam in SIX_EXAMS]


def test_on_vllm_the_merged_model_answers_as_base_and_adapter_do(sat: Sat) -> None:
    merged = responses(sat("merged"))
    assert len(merged) == ASKED * len(SIX_EXAMS)
    assert len(set(merged.values())) > 1
    assert merged == responses(sat("adapter"))


def test_on_vllm_the_models_of_two_trainings_answer_otherwise(sat: Sat) -> None:
    assert responses(sat("full")) != responses(sat("merged"))

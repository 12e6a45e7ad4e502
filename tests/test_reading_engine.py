"""The reading exam with the real engine: every condition, the longest books too, through vLLM."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.results import read_runs
from openbook_eval.results.metrics import LIBRARIES
from openbook_eval.results.runs import READING
from openbook_eval.tiny_model import tiny_model_dir
from tests.test_engine import read, sit

# transformers and torch warn of their own affairs.
pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore")]

_CLAUSES = (
    "请只根据上面的材料回答下面的单项选择题，",
    "请只根据上面的材料回答下面的多项选择题，",
    "不做任何分析和解释，",
)


def write_exam(folder: Path, count: int = 900) -> Path:
    """Questions of nursing with entries of some 300 characters: enough for the longest book."""
    rows = []
    for n in range(count):
        options = {"A": f"甲{n}", "B": f"乙{n}", "C": f"丙{n}"}
        knowledge = f"{n}，" + "".join(_CLAUSES[(n + k) % 3] for k in range(18)) + options["ABC"[n % 3]] + "。"
        rows.append(
            {
                "id": f"q{n}",
                "exam": "nursing",
                "stem": f"{n}是",
                "options": options,
                "answer": "ABC"[n % 3],
                "knowledge": knowledge,
            }
        )
    path = folder / "long.jsonl"
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def skimming(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a token for each clause: 256,000 characters of them fit into its 32,768 positions."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("skimming")
    model = AutoModelForCausalLM.from_pretrained(tiny_model_dir())
    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir())
    tokenizer.add_tokens(list(_CLAUSES))
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sat(skimming: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run of ours: two questions of nursing under each of the eight conditions."""
    folder = tmp_path_factory.mktemp("reading")
    tasks = ",".join(f"cmed_{name}_nursing" for name in READING)
    model_args = f"pretrained={skimming},max_model_len=32768,enforce_eager=True"
    metadata = json.dumps({"exam": str(write_exam(folder))})
    asked = ["--tasks", tasks, "--metadata", metadata, "--limit", "2", "--gen_kwargs", "max_gen_toks=4"]
    asked += ["--model", "vllm", "--model_args", model_args]
    sit("openbook-eval", "run", *asked, output=folder / "out", VLLM_ENABLE_V1_MULTIPROCESSING="0")
    return folder / "out"


def samples(sat: Path, name: str) -> list[dict[str, Any]]:
    return read(sat)[1][f"cmed_{name}_nursing"]


@pytest.mark.parametrize("name", READING)
def test_each_condition_is_asked_and_its_items_carry_how(sat: Path, name: str) -> None:
    for sample in samples(sat, name):
        doc, prompt = sample["doc"], sample["arguments"]["gen_args_0"]["arg_0"]
        assert (doc["condition"], doc["entry"]["provider"]) == (name, "given")
        assert prompt.startswith("【材料】" if CONDITIONS[name].has_book else "【要求】")
        assert (doc["entry"]["text"] in prompt) == (name not in ("reading_closed", "reading_unanswerable"))
        assert isinstance(sample["resps"][0][0], str)
        if length := doc["book_length"]:
            assert length - 320 < doc["length"] <= 1.01 * length
            assert doc["group"] == f"nursing-{length}-0"


def test_all_conditions_ask_the_same_items(sat: Path) -> None:
    asked = {name: [sample["doc"]["id"] for sample in samples(sat, name)] for name in READING}
    assert len(asked["reading_open"]) == 2
    assert all(ids == asked["reading_open"] for ids in asked.values())


def test_the_results_hold_the_measures_and_that_nothing_was_cut(sat: Path) -> None:
    results, _ = read(sat)
    part = results["openbook"]
    asked = {name: shares["items"] for name, shares in part["reading"]["conditions"].items()}
    assert asked == dict.fromkeys(READING, 2)
    assert part["reading"]["context_gain"]["items"] == 2
    assert set(part["reading"]["retention"]) == set(LIBRARIES)
    assert (part["truncation"]["checked"], part["truncation"]["cut"], part["truncation"]["prompts"]) == (True, 0, 16)
    assert 20_000 < part["truncation"]["longest"] <= part["truncation"]["room"] == 32_764


def test_the_runs_are_read_with_their_entries_and_exam(sat: Path) -> None:
    results, _ = read(sat)
    used = results["configs"]["cmed_reading_library_256k_nursing"]["metadata"]["entries_used"]
    assert used["providers"] == [{"provider": "given", "entries": 900}]
    runs = read_runs(sat).runs
    assert [run.condition for run in runs] == list(READING)
    assert {run.exam.name for run in runs} == {"long.jsonl"}
    assert all(run.limited and run.has_texts for run in runs)

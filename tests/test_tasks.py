"""The task files as lm-eval sees them; an unreadable one would vanish without a word."""

import re
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from openbook_eval import prompt
from openbook_eval.exams import load_exam
from openbook_eval.linking import tasks_dir
from openbook_eval.question import SIX_EXAMS

TASKS = tasks_dir()
README = (TASKS / "README.md").read_text(encoding="utf-8")
LEAVES = [f"cmed_{condition}_{exam}" for condition in ("openbook", "closedbook") for exam in (*SIX_EXAMS, "other")]
GROUPS = ["cmed_openbook", "cmed_closedbook"]


def manager(**metadata: Any) -> TaskManager:
    return TaskManager(include_path=str(TASKS), include_defaults=False, metadata={"exam": "mini", **metadata})


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    return dict(manager(pretrained="some/model").load(list(GROUPS)))


def test_every_task_file_is_indexed() -> None:
    files = sorted(TASKS.rglob("*.yaml"))
    indexed = sorted(Path(entry.yaml_path) for entry in manager().task_index.values() if entry.yaml_path)
    assert len(files) == 16
    assert indexed == files


def test_the_names_are_those_of_the_readme() -> None:
    assert sorted(manager().all_tasks) == sorted(LEAVES + GROUPS)
    assert sorted(set(re.findall(r"`(cmed_\w+)`", README))) == sorted(LEAVES + GROUPS)


@pytest.mark.parametrize("name", GROUPS)
def test_a_group_holds_the_six_exams_and_not_other(loaded: dict[str, Any], name: str) -> None:
    names = [task.task_name for task in loaded["groups"][name].get_all_tasks()]
    assert names == [f"{name}_{exam}" for exam in SIX_EXAMS]


def test_each_task_asks_its_own_exams_questions(loaded: dict[str, Any]) -> None:
    for exam in SIX_EXAMS:
        asked = [doc["id"] for doc in loaded["tasks"][f"cmed_openbook_{exam}"].eval_docs]
        assert asked == [question.id for question in load_exam("mini").questions if question.exam == exam]


def test_the_control_asks_the_same_items(loaded: dict[str, Any]) -> None:
    for exam in SIX_EXAMS:
        docs = [list(loaded["tasks"][f"cmed_{c}_{exam}"].eval_docs) for c in ("openbook", "closedbook")]
        assert docs[0] == docs[1]


def test_the_open_prompt_holds_the_passage_and_the_closed_one_does_not(loaded: dict[str, Any]) -> None:
    doc = loaded["tasks"]["cmed_openbook_nursing"].eval_docs[0]
    opened, closed = (loaded["tasks"][f"cmed_{c}_nursing"].doc_to_text(doc) for c in ("openbook", "closedbook"))
    assert opened.startswith(f"【材料】\n{doc['knowledge']}\n\n【要求】\n请只根据上面的材料回答")
    assert doc["knowledge"] not in closed
    assert closed.startswith("【要求】\n请回答下面的")
    assert opened.partition("【题目】")[2] == closed.partition("【题目】")[2]


def test_the_completion_version_is_the_prompt_and_the_chat_version_wraps_it(loaded: dict[str, Any]) -> None:
    task = loaded["tasks"]["cmed_openbook_nursing"]
    doc = task.eval_docs[0]
    text = task.doc_to_text(doc)

    def template(messages: list[dict[str, str]], add_generation_prompt: bool) -> str:
        return f"{messages} {add_generation_prompt}"

    assert task.fewshot_context(doc, 0) == text
    chat = task.fewshot_context(doc, 0, apply_chat_template=True, fewshot_as_multiturn=True, chat_template=template)
    assert chat == f"{[{'role': 'user', 'content': text}]} True"


def test_no_stop_sequence_can_stand_in_an_answer(loaded: dict[str, Any]) -> None:
    for task in loaded["tasks"].values():
        assert task.config.generation_kwargs == {
            "do_sample": False,
            "temperature": 0.0,
            "max_gen_toks": 512,
            "until": ["<|im_end|>", "<|endoftext|>"],
        }


def test_shots_are_fixed_at_none_since_they_would_be_exam_questions(loaded: dict[str, Any]) -> None:
    assert {task.config.num_fewshot for task in loaded["tasks"].values()} == {0}


def test_versions_are_one_and_the_changelog_knows_it(loaded: dict[str, Any]) -> None:
    versions = {str(task.VERSION) for task in loaded["tasks"].values()}
    versions |= {group.version for group in loaded["groups"].values()}
    assert versions == {prompt.VERSION}
    assert f"- **{prompt.VERSION}**" in README


def test_the_task_names_the_exam_it_was_taken_on(loaded: dict[str, Any]) -> None:
    exam = load_exam("mini")
    for task in loaded["tasks"].values():
        assert task.dump_config()["metadata"]["exam_file"] == exam.provenance
        assert task.eval_docs[0]["exam_file"] == exam.provenance


class Reader(LM):  # type: ignore[misc]
    """Answers a question right where its exam is in `knows`, and with a wrong letter or nothing elsewhere."""

    def __init__(self, knows: set[str]) -> None:
        super().__init__()
        self._knows = knows

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:  # noqa: ARG002
        return [self._answer(request.doc) for request in requests]

    def _answer(self, doc: dict[str, Any]) -> str:
        if doc["exam"] in self._knows:
            return f"答案：{'、'.join(doc['answer'])}。"
        return str(doc["answer"])[0] if doc["qtype"] == "multi" else "不知道"

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    outcome = simple_evaluate(
        Reader({"physician", "nursing", "pharmacist"}),
        tasks=["cmed_openbook"],
        task_manager=manager(),
        bootstrap_iters=0,
    )
    assert outcome is not None
    return dict(outcome)


def test_marks_of_an_exam(results: dict[str, Any]) -> None:
    known, unknown = (results["results"][f"cmed_openbook_{exam}"] for exam in ("nursing", "technician"))
    assert (known["correct,choice"], known["answered,choice"], known["partial_credit,choice"]) == (1.0, 1.0, 1.0)
    # 12 of 43 questions are multiple choice; five have 2 right letters, five 3, two 4, and one letter was named.
    assert (unknown["correct,choice"], unknown["answered,choice"]) == (0.0, 12 / 43)
    assert unknown["partial_credit,choice"] == pytest.approx((5 / 2 + 5 / 3 + 2 / 4) / 12)


def test_the_average_is_the_plain_mean_of_the_six_exams(results: dict[str, Any]) -> None:
    assert results["groups"]["cmed_openbook"]["correct,choice"] == pytest.approx(0.5)


def test_the_averages_differ_where_the_exams_differ_in_size(tmp_path: Path) -> None:
    lines = (Path(tasks_dir()).parent / "openbook_eval/exams/mini/mini.jsonl").read_text(encoding="utf-8").splitlines()
    # All of nursing, one question each of the others.
    kept = [line for line in lines if '"exam": "nursing"' in line]
    kept += [next(line for line in lines if f'"exam": "{exam}"' in line) for exam in SIX_EXAMS if exam != "nursing"]
    (tmp_path / "small.jsonl").write_text("\n".join(kept), encoding="utf-8")
    outcome = simple_evaluate(
        Reader({"nursing"}),
        tasks=["cmed_openbook"],
        task_manager=manager(exam=str(tmp_path / "small.jsonl")),
        bootstrap_iters=0,
    )
    assert outcome is not None
    assert outcome["groups"]["cmed_openbook"]["correct,choice"] == pytest.approx(1 / 6)
    assert outcome["groups"]["cmed_openbook::by_size"]["correct,choice"] == pytest.approx(43 / 48)


def test_samples_show_what_was_read_and_by_which_rule(results: dict[str, Any]) -> None:
    sample = results["samples"]["cmed_openbook_nursing"][0]
    answer = sample["doc"]["answer"]
    assert sample["filtered_resps"] == [f'{{"letters":"{answer}","state":"stated","rule":"dressed_letters"}}']
    assert (sample["correct"], sample["answered"], sample["partial_credit"]) == (1.0, 1.0, None)

"""The task files as lm-eval sees them; an unreadable one would vanish without a word."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.evaluator import simple_evaluate
from lm_eval.tasks import TaskManager

from openbook_eval import prompt
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.exams import load_exam
from openbook_eval.install import tasks_dir
from openbook_eval.types import SIX_EXAMS
from tools import generate_tasks

TASKS = tasks_dir()
README = (TASKS / "README.md").read_text(encoding="utf-8")
RANKED = "cmed_openbook_ranked"
GROUPS = [f"cmed_{name}" for name in CONDITIONS]
READING_GROUPS = [f"cmed_{name}" for name, condition in CONDITIONS.items() if condition.frame == "reading"]
PAPER_GROUPS = [group for group in GROUPS if group not in READING_GROUPS]
FAMILIES = ["cmed_reading", "cmed_reading_other"]
LEAVES = [f"{group}_{exam}" for group in GROUPS for exam in (*SIX_EXAMS, "other")]
# The bundled exam's entries do not fill longer books.
ASKED = [group for group in GROUPS if not group.endswith(("64k", "256k"))]


def manager(**metadata: Any) -> TaskManager:
    return TaskManager(include_path=str(TASKS), include_defaults=False, metadata={"exam": "mini", **metadata})


@pytest.fixture(scope="module")
def loaded() -> dict[str, Any]:
    return dict(manager(pretrained="some/model").load(list(ASKED)))


def test_every_task_file_is_indexed() -> None:
    files = sorted(TASKS.rglob("*.yaml"))
    indexed = sorted(Path(entry.yaml_path) for entry in manager().task_index.values() if entry.yaml_path)
    assert len(files) == 90
    assert indexed == files


def test_the_names_are_those_of_the_readme() -> None:
    assert sorted(manager().all_tasks) == sorted(LEAVES + GROUPS + FAMILIES)
    named = set(re.findall(r"`(cmed_\w+)`", README))
    assert named <= set(manager().all_tasks)
    # The reading exam's tasks of single exams are told by example.
    assert {name for name in LEAVES if "reading" not in name} | {*GROUPS, *FAMILIES} <= named


@pytest.mark.parametrize("name", ASKED)
def test_a_group_holds_the_six_exams_and_not_other(loaded: dict[str, Any], name: str) -> None:
    names = [task.task_name for task in loaded["groups"][name].get_all_tasks()]
    assert names == [f"{name}_{exam}" for exam in SIX_EXAMS]


def test_the_tree_is_what_the_registries_generate() -> None:
    files = generate_tasks.task_files()
    assert len(files) == 102
    assert generate_tasks.differences(files) == []


def test_tasks_of_an_exam_ask_its_questions_each_frames_in_one_order(loaded: dict[str, Any]) -> None:
    for exam in SIX_EXAMS:
        ids = {group: [doc["id"] for doc in loaded["tasks"][f"{group}_{exam}"].eval_docs] for group in ASKED}
        in_file = [question.id for question in load_exam("mini").questions if question.exam == exam]
        assert [group for group in PAPER_GROUPS if ids[group] != in_file] == []
        orders = [order for group, order in ids.items() if group in READING_GROUPS]
        assert len(orders) == 6
        assert all(order == orders[0] and sorted(order) == sorted(in_file) for order in orders)


def test_prompts_of_a_group_stand_together_and_share_all_that_stands_before_the_rule(loaded: dict[str, Any]) -> None:
    task = loaded["tasks"]["cmed_reading_library_4k_nursing"]
    fronts = [(doc["group"], task.doc_to_text(doc).partition("【要求】")[0]) for doc in task.eval_docs]
    assert [group for (group, _), _ in itertools.groupby(fronts)] == ["nursing-4000-0", "nursing-4000-1"]


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
    assert {task.config.num_fewshot for task in loaded["tasks"].values()} == {0}  # they would be exam questions
    for name, task in loaded["tasks"].items():
        if name.startswith(RANKED):
            continue
        assert task.config.generation_kwargs == {
            "do_sample": False,
            "temperature": 0.0,
            "max_gen_toks": 512,
            "until": ["<|im_end|>", "<|endoftext|>"],
        }


def test_versions_are_one_and_the_changelog_knows_it(loaded: dict[str, Any]) -> None:
    frames: dict[prompt.Frame, list[str]] = {"paper": PAPER_GROUPS, "reading": READING_GROUPS}
    for frame, part in frames.items():
        groups = [group for name, group in loaded["groups"].items() if name.split("::")[0] in part]
        assert groups
        versions = {str(task.VERSION) for group in groups for task in group.get_all_tasks()}
        versions |= {group.version for group in groups}
        assert versions == {prompt.VERSIONS[frame]}
        assert f"- **{frame} {prompt.VERSIONS[frame]}**" in README


def test_the_task_names_the_exam_it_was_taken_on(loaded: dict[str, Any]) -> None:
    exam = load_exam("mini")
    for task in loaded["tasks"].values():
        assert task.dump_config()["metadata"]["exam_file"] == exam.record


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


def evaluated(knows: set[str], tasks: list[str], **metadata: Any) -> dict[str, Any]:
    """Return what lm-eval makes of a reader who knows some exams."""
    found = simple_evaluate(Reader(knows), tasks=tasks, task_manager=manager(**metadata), bootstrap_iters=0)
    assert found is not None
    return dict(found)


def test_scores_of_an_exam_and_their_plain_mean() -> None:
    results = evaluated({"physician", "nursing", "pharmacist"}, ["cmed_openbook"])
    known, unknown = (results["results"][f"cmed_openbook_{exam}"] for exam in ("nursing", "technician"))
    assert (known["correct,choice"], known["answered,choice"], known["partial_credit,choice"]) == (1.0, 1.0, 1.0)
    # 12 of 43 questions are multiple choice; five have 2 right letters, five 3, two 4, and one letter was named.
    assert (unknown["correct,choice"], unknown["answered,choice"]) == (0.0, 12 / 43)
    assert unknown["partial_credit,choice"] == pytest.approx((5 / 2 + 5 / 3 + 2 / 4) / 12)
    assert results["groups"]["cmed_openbook"]["correct,choice"] == pytest.approx(0.5)


def test_the_averages_differ_where_the_exams_differ_in_size(tmp_path: Path) -> None:
    lines = (Path(tasks_dir()).parent / "openbook_eval/exams/mini/mini.jsonl").read_text(encoding="utf-8").splitlines()
    # All of nursing, one question each of the others.
    kept = [line for line in lines if '"exam": "nursing"' in line]
    kept += [next(line for line in lines if f'"exam": "{exam}"' in line) for exam in SIX_EXAMS if exam != "nursing"]
    (tmp_path / "small.jsonl").write_text("\n".join(kept), encoding="utf-8")
    groups = evaluated({"nursing"}, ["cmed_openbook"], exam=str(tmp_path / "small.jsonl"))["groups"]
    assert groups["cmed_openbook"]["correct,choice"] == pytest.approx(1 / 6)
    assert groups["cmed_openbook::by_size"]["correct,choice"] == pytest.approx(43 / 48)


def test_who_answers_from_memory_follows_no_counterfactual_book_and_only_its_task_tells() -> None:
    read = evaluated({"nursing"}, ["cmed_reading_counterfactual", "cmed_reading_unanswerable_nursing"])
    nursing = read["results"]["cmed_reading_counterfactual_nursing"]
    names = "correct", "follows_context", "follows_memory"
    assert [nursing[f"{name},choice"] for name in names] == [0, 0, 1]
    assert read["groups"]["cmed_reading_counterfactual"]["follows_memory,choice"] == pytest.approx(1 / 6)
    unanswerable = read["results"]["cmed_reading_unanswerable_nursing"]
    assert [unanswerable[f"{name},choice"] for name in ("correct", "abstained", "answered")] == [0, 0, 1]
    assert not [name for name in unanswerable if name.startswith("follows")]
    used = read["configs"]["cmed_reading_counterfactual_nursing"]["metadata"]["entries_used"]
    assert (used["book_seed"], used["providers"]) == (0, [{"provider": "given", "entries": 258}])

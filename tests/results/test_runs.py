"""Which runs may be compared, and in what words it is said why others may not."""

import json
from pathlib import Path

import pytest

from openbook_eval.models.context_window import Truncation
from openbook_eval.results import ITEMS, Run, Runs, comparable, comparable_groups, read_runs, why_not_comparable
from openbook_eval.results.runs import AskedExam, short_places
from tests.results.lm_eval_output import DATE, invented, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, questions=60)
    return read_runs(folder).runs[0]


def changed(run: Run, **fields: object) -> Run:
    return run.model_copy(update={"id": "f" * 16, **fields})


def test_runs_of_other_models_days_and_versions_may_be_compared(run: Run) -> None:
    other = changed(run, model="other/model", date="2027", versions={}, cost={})
    assert comparable(run, other)
    assert why_not_comparable(run, other) == []
    assert [len(group.runs) for group in comparable_groups([run, other])] == [2]


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        (
            {"exam": AskedExam(name="cmb", version="2", sha256="c" * 64), "items_sha256": "0"},
            [f"asks another exam file: cmb 2 ({'c' * 12}) instead of invented 1.0 ({'e' * 12})"],
        ),
        ({"entries_sha256": "c", "items_sha256": "0"}, ["its books have other entries (see the setting `entries`)"]),
        ({"system_instruction": "c" * 64}, ["has another system instruction (--system_instruction)"]),
        (
            {"settings": {"engine": "hf", "chat_template": "none", "temperature": "0", "max_gen_toks": "512"}},
            ["engine hf instead of vllm-openbook", "until not set instead of '<|im_end|>'"],
        ),
        ({"items_sha256": "0"}, ["asks other questions, or lays their books in another way"]),
        (
            {"variant": "options A to D"},
            ["has options A to D instead of the prompt of its task (see the settings `options` and `prompt`)"],
        ),
        (
            {"condition": "closedbook", "shots": 5, "task_version": "2.0"},
            [
                "closedbook instead of openbook",
                "task version 2.0 instead of 1.0",
                "shows 5 examples instead of 0 (--num_fewshot)",
            ],
        ),
    ],
)
def test_all_that_differs_is_said(run: Run, fields: dict[str, object], reasons: list[str]) -> None:
    other = changed(run, **fields)
    assert not comparable(run, other)
    assert why_not_comparable(run, other) == reasons
    assert len(comparable_groups([run, other])) == 2


@pytest.mark.parametrize(("exact", "about"), [(True, ""), (False, "about ")])
def test_answers_that_were_cut_off_and_stops_of_completions_are_said(tmp_path: Path, exact: bool, about: str) -> None:
    parts = {"cut_off": {"exact": exact, "answers": 1200}, "completions": {"stops": ["\n\n"]}}
    write_run(tmp_path, questions=6, openbook=parts)
    (run,) = read_runs(tmp_path).runs
    said = f"{about}1,200 answers of the run were cut off at their limit of tokens (max_gen_toks)"
    assert run.caveats()["at limit"] == said
    assert run.settings["until"] == r"'<|im_end|>' '\n\n'"


def test_figures_of_a_truncation_that_was_not_checked_say_nothing(run: Run) -> None:
    known = changed(run, truncation=Truncation(False, "no tokenizer", 60, 7)).caveats()
    assert known == {"unchecked": "not checked for truncation (no tokenizer)"}


ENDPOINT = {"base_url": "http://localhost:1/v1", "model": "m"}


@pytest.mark.parametrize(
    ("arguments", "generation", "settings"),
    [
        ({}, {}, {}),
        ({"num_concurrent": 2, "max_cost": None, "timeout": 9.0}, {"do_sample": True}, {}),
        # An endpoint is told a temperature, and not whether to draw.
        ({}, {"temperature": 0.7, "top_p": 0.9}, {"temperature": "0.7", "top_p": "0.9"}),
        ({}, {"repetition_penalty": 1.1}, {"repetition_penalty": "1.1"}),
        ({}, {"max_gen_toks": 16, "until": ["a", "b"]}, {"max_gen_toks": "16", "until": "'a' 'b'"}),
        ({"extra": {"temperature": 0.7, "stop": ["x"]}}, {}, {"temperature": "0.7", "until": "'x'"}),
        ({"omit": ["temperature", "stop"]}, {}, {"temperature": None, "until": None}),
        ({"max_tokens_name": "max_completion_tokens"}, {}, {}),
        ({"max_tokens_name": "max_completion_tokens", "omit": ["max_completion_tokens"]}, {}, {"max_gen_toks": None}),
        ({"thinking_budget": 99, "think_end_token": "</t>"}, {}, {"thinking_budget": "99", "think_end_token": "</t>"}),
        # A profile says it as the arguments would.
        ({"profile": "glm-4"}, {}, {"temperature": None, "until": None, "do_sample": "False"}),
    ],
)
def test_how_an_endpoint_is_asked_is_told_by_what_is_sent(
    tmp_path: Path, arguments: dict[str, object], generation: dict[str, object], settings: dict[str, str | None]
) -> None:
    own: dict[str, object] = {"do_sample": False, "temperature": 0.0, "max_gen_toks": 512, "until": ["<|im_end|>"]}
    ended = {"model": "api-openbook", "model_args": {**ENDPOINT, **arguments}}
    write_run(tmp_path, questions=6, config={"generation_kwargs": {**own, **generation}})
    (file,) = tmp_path.rglob("results_*.json")
    results = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(results | {"config": results["config"] | ended}), encoding="utf-8")
    usual = {"engine": "api-openbook", "chat_template": "none", "temperature": "0", "max_gen_toks": "512"}
    wanted = {**usual, "until": "'<|im_end|>'", **settings}
    assert read_runs(tmp_path).runs[0].settings == {name: value for name, value in wanted.items() if value}


def test_runs_across_settings_share_a_group_and_their_names_tell_these_apart(run: Run) -> None:
    warm = changed(run, settings={**run.settings, "temperature": "0.7"})
    titles = {group.title for group in comparable_groups([run, warm])}
    assert titles == {"invented 1.0, temperature 0", "invented 1.0, temperature 0.7"}
    both = Runs((run, warm), ITEMS.to_frame()).across_settings()
    (group,) = comparable_groups(both.runs)
    assert [each.model for each in group.runs] == ["some/model (temperature 0)", "some/model (temperature 0.7)"]
    assert group.title == "invented 1.0"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"peft": "/x/y/adapter"}, "some/model + y/adapter"),
        ({"lora_local_path": "out/adapter"}, "some/model + out/adapter"),
        ({"delta": "owner/delta", "revision": "v2"}, "some/model + owner/delta (revision v2)"),
        ({"revision": "main", "dtype": "auto", "load_in_4bit": False}, "some/model"),
        ({"quantization": "awq", "dtype": "float16"}, "some/model (quantization awq, dtype float16)"),
        ({"load_in_4bit": True}, "some/model (load_in_4bit)"),
        ({"base_url": "http://localhost:1/v1"}, "some/model (base url http://localhost:1/v1)"),
    ],
)
def test_all_that_changes_the_weights_is_part_of_a_name(
    tmp_path: Path, arguments: dict[str, object], name: str
) -> None:
    write_run(tmp_path, questions=6, model_args=arguments)
    write_run(tmp_path, questions=6, date=DATE.replace("01-02", "01-03"))
    found = read_runs(tmp_path)
    assert [run.model for run in found.runs] == sorted({name, "some/model"})
    assert len(found.refused) == (name == "some/model")


def test_folders_that_end_alike_get_the_shortest_names_that_tell_them_apart() -> None:
    places = ("/a/x/merged", "/b/x/merged", "/c/d/merged", "owner/model", "/srv/owner/model", "./z/own", "/q", "a/b/c")
    assert list(short_places(places).values()) == [
        "a/x/merged", "b/x/merged", "d/merged", "owner/model", "srv/owner/model", "z/own", "q", "a/b/c"
    ]  # fmt: skip


def test_a_limit_and_other_exams_are_said_from_both_sides(tmp_path: Path) -> None:
    for day, (exams, limit) in enumerate(((["nursing"], None), (["nursing"], 2), (["nursing", "other"], None)), 1):
        date = DATE.replace("01-02", f"01-0{day}")
        write_run(tmp_path, questions=invented(20, exams), limit=limit, date=date)  # type: ignore[arg-type]
    whole, short, two = sorted(read_runs(tmp_path).runs, key=lambda run: run.date)
    assert why_not_comparable(whole, short) == ["asks 2 of 20 questions (--limit)"]
    assert why_not_comparable(short, whole) == ["asks 20 questions instead of 2 (--limit)"]
    assert why_not_comparable(whole, two) == ["asks nursing, other instead of nursing"]


def test_groups_come_in_the_order_of_conditions_and_the_largest_first(run: Run) -> None:
    closed, lone = changed(run, condition="closedbook"), changed(run, shots=5)
    groups = comparable_groups([closed, lone, run, changed(run, model="other/model")])
    assert [(group.condition, len(group.runs)) for group in groups] == [
        ("openbook", 2), ("openbook", 1), ("closedbook", 1)
    ]  # fmt: skip
    assert {group.title for group in groups} == {"invented 1.0"}
    assert len({group.key for group in groups}) == 3
    assert comparable_groups([run])[0].key == groups[0].key

"""The graph of a study: its steps, what they need, and the keys that say what has to be done anew."""

import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.models.endpoints import endpoints
from openbook_eval.models.profiles import named
from openbook_eval.study import hashing
from openbook_eval.study.file.study_file import read_study
from openbook_eval.study.file.yaml_files import read_yaml
from openbook_eval.study.hashing import Hashes
from openbook_eval.study.planning.graphs import graph_of
from openbook_eval.study.steps import Graph, Resources, done
from tests.study.folders import RAW, SPEC, graph, step, write, write_recipe

PAPER = Path(__file__).parents[3] / "studies" / "paper.yml"


def keys(found: Graph) -> dict[str, str]:
    return {f"{each.kind}/{each.name}": each.key for each in found.steps}


def changed(before: Graph, after: Graph) -> set[str]:
    old, new = keys(before), keys(after)
    assert old.keys() == new.keys()
    return {name for name in old if old[name] != new[name]}


def test_a_trained_cell_has_a_mix_a_base_a_training_a_merge_and_an_exam(tmp_path: Path) -> None:
    found = graph(write(tmp_path))
    assert Counter(each.kind for each in found.steps) == {"mix": 2, "base": 1, "train": 4, "merge": 4, "exam": 5}
    mix, base, train, merge, exam = (step(found, kind) for kind in ("mix", "base", "train", "merge", "exam"))
    assert (mix.needs, base.needs) == ((), ())
    assert train.needs == (mix.id, base.id)
    assert merge.needs == (train.id,)
    assert exam.needs == (merge.id,)
    assert re.fullmatch(r"train/own_mix91-seed1-[0-9a-f]{12}", train.id)
    assert mix.cells == ("own_mix91-seed1", "own_mix91-seed2")


def test_what_is_needed_stands_before_what_needs_it() -> None:
    met: set[str] = set()
    for each in graph(PAPER).steps:
        assert met.issuperset(each.needs)
        met.add(each.id)


def test_the_recipe_of_a_step_has_its_seed_and_no_paths(tmp_path: Path) -> None:
    recipe = step(graph(write(tmp_path)), "train", "own_mix11-seed2").what["recipe"]
    assert (recipe["seed"], recipe["base_model"]) == (2, "{base}")
    assert recipe["datasets"][0]["path"] == "{mix}/train.jsonl"
    assert not {"output_dir", "dataset_prepared_path"} & recipe.keys()


def test_an_exam_knows_its_tasks_its_model_and_its_exam(tmp_path: Path) -> None:
    what = step(graph(write(tmp_path, conditions=["openbook", "reading_open"])), "exam").what
    assert what["tasks"] == ["cmed_openbook", "cmed_reading_open"]
    assert what["task_versions"] == {"cmed_openbook": "1.0", "cmed_reading_open": "1.0"}
    assert (what["exam"], what["subject"], what["name"]) == ("mini", "merged", "models/tiny")
    assert (what["model"], what["chat_template"], what["batch_size"]) == ("vllm-openbook", True, "auto")
    assert len(what["exam_digest"]) == 64


def test_where_all_weights_are_trained_there_is_nothing_to_merge(tmp_path: Path) -> None:
    found = graph(write(tmp_path, groups=[{"recipes": ["tiny_full"], "mixes": ["mix91"]}]))
    assert not [each for each in found.steps if each.kind == "merge"]
    exam = step(found, "exam", "tiny_full_mix91-seed1")
    assert exam.needs == (step(found, "train", "tiny_full_mix91-seed1").id,)
    assert exam.what["subject"] == "merged"


def test_an_adapter_is_examined_with_its_base_where_nothing_is_merged(tmp_path: Path) -> None:
    found = graph(write(tmp_path, examine="adapter"))
    assert not [each for each in found.steps if each.kind == "merge"]
    exam = step(found, "exam")
    assert exam.needs == (step(found, "train").id, step(found, "base").id)
    assert exam.what["subject"] == "adapter"


def test_models_as_they_are_need_nothing_but_the_examinee_its_base(tmp_path: Path) -> None:
    models = [{"model": "models/tiny"}, {"model": "a/b"}, {"profile": "pulse-7b"}, {"endpoint": "glm-4"}]
    found = graph(write(tmp_path, models=models, groups=[]))
    exams = {name: step(found, "exam", name) for name in ("models-tiny", "a-b", "pulse-7b", "glm-4")}
    assert [(each.what["subject"], len(each.needs)) for each in exams.values()] == [
        ("base", 1), ("hub", 0), ("profile", 0), ("endpoint", 0),
    ]  # fmt: skip
    assert (exams["glm-4"].what["model"], exams["glm-4"].what["model_args"]) == ("api-openbook", {"profile": "glm-4"})
    assert exams["glm-4"].resources.gpus == 0
    assert exams["pulse-7b"].resources.gpus == 1


def test_two_recipes_that_come_to_the_same_are_trained_once(tmp_path: Path) -> None:
    groups = [
        {"table": table, "recipes": [name], "mixes": ["mix91"]} for table, name in ((4, "own.yml"), (5, "twin.yml"))
    ]
    path = write(tmp_path, models=[], groups=groups)
    write_recipe(tmp_path / "twin.yml", output_dir="elsewhere", logging_steps=7)
    found = graph(path)
    assert Counter(each.kind for each in found.steps) == {"mix": 1, "base": 1, "train": 2, "merge": 2, "exam": 2}
    assert step(found, "exam").cells == ("own_mix91-seed1", "twin_mix91-seed1")


def test_one_training_under_two_names_in_a_table_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, models=[], groups=[{"recipes": ["own.yml", "twin.yml"], "mixes": ["mix91"]}])
    write_recipe(tmp_path / "twin.yml")
    with pytest.raises(OpenbookError, match="own_mix91-seed1 and twin_mix91-seed1 are the same training; leave one"):
        graph(path)


def test_a_graph_comes_back_from_its_json(tmp_path: Path) -> None:
    for path in (write(tmp_path), PAPER):
        found = graph(path)
        assert Graph.from_json(found.to_json()) == found
        assert Graph.from_json(found.to_json().encode()) == found


@pytest.mark.parametrize("text", ["", "3", "{}", '{"study": "a", "title": "b", "cells": [1], "steps": []}', "[" * 9999])
def test_what_is_no_graph_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(OpenbookError, match="not a graph of a study") as caught:
        Graph.from_json(text)
    assert "\n" not in str(caught.value)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_order_of_keys_and_comments_change_no_key(tmp_path: Path, seed: int) -> None:
    before = keys(graph(write(tmp_path)))
    draw = random.Random(seed)  # noqa: S311
    for name in ("mine.yml", "spec.yml", "own.yml"):
        path = tmp_path / name
        # As texts: YAML would make a number of 9:1.
        content = _shuffled(read_yaml(path, texts=name == "spec.yml"), draw)
        path.write_text(f"# a comment\n{json.dumps(content)}\n# another", encoding="utf-8")
    assert keys(graph(tmp_path / "mine.yml")) == before


def _shuffled(value: Any, draw: random.Random) -> Any:
    if isinstance(value, list):
        return [_shuffled(each, draw) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: _shuffled(value[key], draw) for key in draw.sample(list(value), len(value))}


def test_another_folder_of_the_same_files_changes_no_key(tmp_path: Path) -> None:
    assert keys(graph(write(tmp_path / "a"))) == keys(graph(write(tmp_path / "b" / "c")))


def _in(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


OF_91 = {f"{kind}/own_mix91-seed{seed}" for kind in ("train", "merge", "exam") for seed in (1, 2)}
OF_11 = {name.replace("mix91", "mix11") for name in OF_91}
EXAMS = {name for name in OF_91 | OF_11 if name.startswith("exam")} | {"exam/models-tiny"}


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (_in("spec.yml", "mix91: {size: 40", "mix91: {size: 41"), {"mix/mix91", *OF_91}),
        (_in("spec.yml", "ratio: 1:1", "ratio: 1:2"), {"mix/mix11", *OF_11}),
        (_in("spec.yml", "mixes:", "seed: 3\nmixes:"), {"mix/mix91", "mix/mix11", *OF_91, *OF_11}),
        (_in("raw/general.jsonl", "general.jsonl.", "general.jsonL."), {"mix/mix91", "mix/mix11", *OF_91, *OF_11}),
        (_in("own.yml", "learning_rate: 0.003", "learning_rate: 0.002"), OF_91 | OF_11),
        (_in("own.yml", "output_dir: checkpoints/tiny_lora", "output_dir: elsewhere"), set()),
        (_in("own.yml", "seed: 42", "seed: 43"), set()),
        (_in("mine.yml", "title: In miniature", "title: Otherwise"), set()),
        (_in("mine.yml", "exam: mini", "exam: cmb"), EXAMS),
        (_in("mine.yml", "exam: mini", "exam: mini\nconditions: [openbook]"), EXAMS),
        (_in("mine.yml", "exam: mini", "exam: mini\nengine: {chat_template: false}"), EXAMS),
    ],
)
def test_only_what_depends_on_a_change_is_done_anew(
    tmp_path: Path, change: Callable[[Path], None], anew: set[str]
) -> None:
    path = write(tmp_path)
    before = graph(path)
    change(tmp_path)
    assert changed(before, graph(path)) == anew


def test_another_seed_is_another_training_on_the_same_mix(tmp_path: Path) -> None:
    before, after = graph(write(tmp_path, seeds=[1])), graph(write(tmp_path, seeds=[2]))
    assert step(before, "mix").key == step(after, "mix", "own_mix91-seed2").key
    for kind in ("train", "merge", "exam"):
        assert step(before, kind).key != step(after, kind, "own_mix91-seed2").key


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(RAW), place=st.integers(0, 30), byte=st.integers(0, 255))
def test_any_byte_of_a_raw_file_counts(tmp_path: Path, name: str, place: int, byte: int) -> None:
    path = write(tmp_path)
    before = graph(path)
    content = bytearray((tmp_path / "raw" / name).read_bytes())
    same = content[place] == byte
    content[place] = byte
    (tmp_path / "raw" / name).write_bytes(content)
    assert changed(before, graph(path)) == (set() if same else {"mix/mix91", "mix/mix11", *OF_91, *OF_11})


def test_a_new_raw_file_counts(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = graph(path)
    (tmp_path / "raw" / "tcm" / "c.jsonl").write_text("{}\n", encoding="utf-8")
    assert "mix/mix91" in changed(before, graph(path))


def test_an_exam_file_counts_by_what_it_holds_and_not_by_its_name(tmp_path: Path) -> None:
    row = '{"id": "1", "exam": "nursing", "stem": "甲？", "options": {"A": "一", "B": "二"}, "answer": "A"}\n'
    (tmp_path / "a.jsonl").write_text(row, encoding="utf-8")
    (tmp_path / "b.jsonl").write_text(row, encoding="utf-8")
    (tmp_path / "c.jsonl").write_text(row.replace('"A"}', '"B"}'), encoding="utf-8")
    a, b, c = (step(graph(write(tmp_path, exam=f"{name}.jsonl")), "exam") for name in "abc")
    assert a.key == b.key != c.key
    assert a.what["exam"] == str(tmp_path / "a.jsonl")


def test_a_models_folder_counts_by_what_it_holds(tmp_path: Path) -> None:
    def keys_with(text: str) -> set[str]:
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / "config.json").write_text(text, encoding="utf-8")
        path = write(
            tmp_path, seeds=[1], models=[{"model": "mine"}], groups=[{"recipes": ["on.yml"], "mixes": ["mix91"]}]
        )
        write_recipe(tmp_path / "on.yml", base_model="mine")
        found = graph_of(read_study(path))
        assert step(found, "train", "on_mix91-seed1").what["recipe"]["base_model"] == str(tmp_path / "mine")
        return {each.key for each in found.steps if each.kind != "mix"}

    assert keys_with("{}") == keys_with("{}")
    assert not keys_with("{}") & keys_with("{ }")


def test_a_models_folder_counts_as_the_same_wherever_it_lies(tmp_path: Path) -> None:
    def exam(folder: Path) -> str:
        (folder / "mine").mkdir(parents=True)
        (folder / "mine" / "config.json").write_text("{}", encoding="utf-8")
        found = graph(write(folder, models=[{"model": "mine"}], groups=[]))
        (one,) = found.steps
        assert one.what["name"] == str(folder / "mine")
        return one.key

    assert exam(tmp_path / "a") == exam(tmp_path / "b")


def test_hashes_are_kept_and_read_again_where_a_file_has_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "_SETTLED_NS", -1)
    file, long_ago = tmp_path / "a", time.time() - 100
    file.write_text("one", encoding="utf-8")
    _set_time(file, long_ago)
    hashes = Hashes(tmp_path)
    first = hashes.of(file)
    hashes.save()
    assert list(json.loads((tmp_path / "hashes.json").read_bytes())) == [str(file)]
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("read again"))
    assert Hashes(tmp_path).of(file) == first
    monkeypatch.undo()
    # Same size and time of the last write: as `cp -p` and `rsync -t` leave it.
    file.write_text("two", encoding="utf-8")
    _set_time(file, long_ago)
    assert Hashes(tmp_path).of(file) != first


def _set_time(file: Path, at: float) -> None:
    os.utime(file, (at, at))


def test_the_hash_of_a_file_that_was_written_just_now_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one", encoding="utf-8")
    hashes = Hashes(tmp_path)
    hashes.of(file)
    hashes.save()
    assert not (tmp_path / "hashes.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "3", '{"a": 3}', '{"a": [1, 2]}', "{"])
def test_broken_hashes_count_for_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "hashes.json").write_text(text, encoding="utf-8")
    file = tmp_path / "a"
    file.write_text("one", encoding="utf-8")
    assert Hashes(tmp_path).of(file) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"


def test_a_step_is_done_where_its_receipt_lies(tmp_path: Path) -> None:
    mix = step(graph(write(tmp_path)), "mix")
    assert not done(mix, tmp_path)
    (tmp_path / mix.id).mkdir(parents=True)
    assert not done(mix, tmp_path)
    (tmp_path / mix.id / "receipt.json").write_text("{}", encoding="utf-8")
    assert done(mix, tmp_path)


def test_what_is_asked_of_a_machine_is_more_than_what_is_expected() -> None:
    # Half as much again as 2.3 hours of an A100 (recipes/qwen7b_mix11.yml), and a quarter of an hour.
    train = step(graph(PAPER), "train", "qwen7b_mix11-seed1").resources
    assert train == Resources(gpus=1, memory_mb=35164, minutes=226, disk_mb=252)
    merge = step(graph(PAPER), "merge", "qwen7b_mix11-seed1").resources
    assert merge.disk_mb == 23164  # 1.5 times 2 bytes a parameter


def test_what_no_card_trains_asks_for_none(tmp_path: Path) -> None:
    found = graph(write(tmp_path))
    assert {each.resources.gpus for each in found.steps} == {0}


def test_the_engines_cards_are_those_of_an_exam(tmp_path: Path) -> None:
    arguments = {"tensor_parallel_size": 2, "data_parallel_size": 2}
    models = [{"model": "Qwen/Qwen1.5-14B"}]
    told = graph(write(tmp_path, models=models, groups=[], engine={"model_args": arguments}))
    assert step(told, "exam", "Qwen-Qwen1.5-14B").resources.gpus == 4
    said = graph(write(tmp_path, models=models, groups=[], engine={"model_args": arguments, "gpus": 0}))
    assert step(said, "exam", "Qwen-Qwen1.5-14B").resources.gpus == 0


def test_the_spec_is_hashed_without_the_other_mixes(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = graph(path)
    (tmp_path / "spec.yml").write_text(f"{SPEC}  more: {{size: 3, ratio: 1:1}}\n", encoding="utf-8")
    assert changed(before, graph(path)) == set()


def test_a_mix_of_another_name_is_the_same_mix(tmp_path: Path) -> None:
    renamed = SPEC.replace("mix91", "nine_to_one")
    found = graph(write(tmp_path, models=[], groups=[{"recipes": ["own.yml"], "mixes": ["mix91"]}]))
    path = write(tmp_path, models=[], groups=[{"recipes": ["own.yml"], "mixes": ["nine_to_one"]}])
    (tmp_path / "spec.yml").write_text(renamed, encoding="utf-8")
    assert [each.key for each in graph(path).steps] == [each.key for each in found.steps]


def test_the_content_of_a_file_that_a_recipe_names_counts(tmp_path: Path) -> None:
    path, template = write(tmp_path), tmp_path / "template.jinja"
    template.write_text("{{ messages }}", encoding="utf-8")
    write_recipe(tmp_path / "own.yml", chat_template="jinja", chat_template_jinja=str(template))
    before = keys(graph(path))
    template.write_text("{{ messages[1:] }}", encoding="utf-8")
    changed = {name for name, each in keys(graph(path)).items() if before[name] != each}
    assert changed == {name for name in before if name.startswith(("train/", "merge/", "exam/own_"))}


def _with_template(folder: Path, **more: Any) -> Path:
    path = write(folder)
    (folder / "chat.jinja").write_text("{{ messages }}", encoding="utf-8")
    write_recipe(folder / "own.yml", chat_template_jinja="chat.jinja", **more)
    return path


def test_a_file_beside_the_study_is_told_in_full_and_counts_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    one, other = (graph(_with_template(tmp_path / name)) for name in "ab")
    assert step(one, "train").what["recipe"]["chat_template_jinja"] == str(tmp_path / "a" / "chat.jinja")
    assert keys(one) == keys(other)


def test_a_file_that_happens_to_be_called_as_a_setting_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys(graph(write(tmp_path)))
    for name in ("lora", "jinja", "cosine", "chat_template"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert keys(graph(write(tmp_path))) == before


def test_a_folder_of_a_tokenizer_counts_by_its_content(tmp_path: Path) -> None:
    path = write(tmp_path)
    write_recipe(tmp_path / "own.yml", tokenizer_config="tokens")
    (tmp_path / "tokens").mkdir()
    made = []
    for text in ("{}", "{ }", "{}"):
        (tmp_path / "tokens" / "tokenizer.json").write_text(text, encoding="utf-8")
        made.append(step(graph(path), "train").key)
    assert made[0] == made[2] != made[1]


def test_what_is_saved_on_the_way_counts_where_the_best_of_it_is_taken(tmp_path: Path) -> None:
    found = []
    for times in (1, 2):
        path = write(tmp_path)
        write_recipe(tmp_path / "own.yml", load_best_model_at_end=True, saves_per_epoch=times)
        found.append(step(graph(path), "train").key)
    assert found[0] != found[1]


def test_what_is_written_on_the_way_does_not_count(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = keys(graph(path))
    write_recipe(tmp_path / "own.yml", logging_steps=3, save_total_limit=9, saves_per_epoch=7)
    assert keys(graph(path)) == before


def test_the_order_of_conditions_does_not_count(tmp_path: Path) -> None:
    both = ["openbook", "closedbook"]
    assert keys(graph(write(tmp_path, conditions=both))) == keys(graph(write(tmp_path, conditions=both[::-1])))


@pytest.mark.parametrize("kind", ["profile", "endpoint"])
def test_how_a_model_is_asked_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    name = {"profile": "pulse-7b", "endpoint": "glm-4"}[kind]
    path = write(tmp_path, models=[{kind: name}], groups=[])
    before = keys(graph(path))
    if kind == "endpoint":
        monkeypatch.setattr(
            "openbook_eval.study.planning.graphs.endpoints", lambda: {name: {**endpoints()[name], "model": "another"}}
        )
    else:
        profile, size = named(name)
        other = profile.model_copy(update={"template": "another"})
        monkeypatch.setattr("openbook_eval.study.planning.graphs.named", lambda _: (other, size))
    assert keys(graph(path)) != before


def test_a_part_of_an_exam_that_a_mix_must_not_contain_counts_by_its_file(tmp_path: Path) -> None:
    path, exam = write(tmp_path), tmp_path / "exam.jsonl"
    spec = {**read_yaml(tmp_path / "spec.yml", texts=True), "decontaminate": {"exams": [f"{exam}#part"]}}
    (tmp_path / "spec.yml").write_text(json.dumps(spec), encoding="utf-8")
    exam.write_text("one", encoding="utf-8")
    before = keys(graph(path))
    exam.write_text("two", encoding="utf-8")
    assert keys(graph(path)) != before

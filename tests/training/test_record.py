"""A training begins when its needs are met, its record is what was trained, and it resumes what is complete."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data_prep.manifest import MANIFEST, TRAIN
from openbook_eval.errors import OpenbookError
from openbook_eval.tiny_model import tiny_model_dir
from openbook_eval.training.record import (
    RECORD,
    MixTrainedOn,
    TrainedOn,
    checkpoints,
    mix_folder,
    read_record,
    ready,
    recipe_digest,
    tokens_in,
    training_mix,
    write_record,
)

Config = dict[str, Any]


def record(**changes: Any) -> TrainedOn:
    """Return the record of a small training, with changes."""
    mix = MixTrainedOn(folder="mixes/tiny", sha256="b" * 64, manifest_sha256="c" * 64, rows=192, tokens=3907)
    fields: dict[str, Any] = {
        "recipe": "tiny_lora.yml", "recipe_sha256": "a" * 64, "base_model": "models/tiny", "adapter": "lora",
        "mix": mix, "versions": {"python": "3.11.7"}, "device": "cpu", "devices": 1, "seed": 42,
        "started": "2024-07-26T08:00:00+00:00", "wall_seconds": 3.5, "tokens": 19468, "steps": 24, "sessions": 1,
        "tokens_per_second": 5562.3, "parameters": 922752, "trainable_parameters": 28672, "mfu": None,
        "loss_first": 8.25, "loss_last": 8.0, "finished": False,
    }  # fmt: skip
    return TrainedOn(**{**fields, **changes})


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / "run", record(steps=8))
    write_record(tmp_path / "run", record())
    assert read_record(tmp_path / "run") == record()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [RECORD]
    assert (read_record(tmp_path), read_record(tmp_path / "gone")) == (None, None)


def test_what_is_no_record_is_one_line(tmp_path: Path) -> None:
    whole = record().model_dump_json()
    for content, fault in (
        ("", "the line: invalid JSON"),
        ("{}", "key 'recipe' is missing; "),
        (whole.replace('"steps":24', '"steps":"24"'), "steps: input should be a valid"),
        (whole.replace('"version":1', '"version":2'), "version: input should be 1"),
        (whole.replace('"steps":24', '"steps":24,"x":1'), "unknown key 'x'; "),
    ):
        (tmp_path / RECORD).write_text(content)
        with pytest.raises(OpenbookError) as caught:
            read_record(tmp_path)
        assert str(caught.value).startswith(f"{tmp_path / RECORD}: not a record of a training ({fault}")
        assert "\n" not in str(caught.value)


KEYS = st.dictionaries(st.text(min_size=1), st.none() | st.booleans() | st.integers() | st.text(), min_size=1)


@given(KEYS, KEYS)
def test_a_digest_follows_what_a_recipe_says_and_not_where_it_lies(one: Config, other: Config) -> None:
    place = {"axolotl_config_path": "recipes/a.yml", "resume_from_checkpoint": "b", "seed": None}
    assert recipe_digest({**one, **place}) == recipe_digest({**dict(reversed(one.items())), **dict.fromkeys(place)})
    # As text: True == 1 in Python, and in a recipe they are two things.
    said = [sorted(f"{key!r}: {value!r}" for key, value in each.items() if value is not None) for each in (one, other)]
    assert (recipe_digest(one) == recipe_digest(other)) == (said[0] == said[1])


def test_a_digest_is_pinned() -> None:
    # sha256sum of {"base_model":"Qwen/Qwen1.5-7B","datasets":[{"path":"mixes/mix41/train.jsonl"}],"seed":42}
    config = {"base_model": "Qwen/Qwen1.5-7B", "datasets": [{"path": "mixes/mix41/train.jsonl"}], "seed": 42}
    assert recipe_digest(config) == "8e1595004f46f3b60e258883a665c5fff1539b773c13b2f39d92dba30026bb6d"


def test_a_recipe_trains_on_one_mix() -> None:
    one = {"path": "mixes/mix41/train.jsonl"}
    assert mix_folder({"datasets": [one]}) == Path("mixes/mix41")
    for datasets in (None, [], ["train.jsonl"], [{"path": "owner/data"}], one, "a", [one, one]):
        with pytest.raises(OpenbookError, match=r"^datasets: a recipe trains on the train\.jsonl of one mix; write"):
            mix_folder({"datasets": datasets})


# A sample may end with the token that pads.
@example([[5, 6, 0], [7, 0]], 3)
@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=6), st.integers(0, 4))
def test_tokens_are_counted_without_padding_however_a_batch_marks_it(samples: list[list[int]], padding: int) -> None:
    import torch

    ids = torch.tensor([[*(token for sample in samples for token in sample), *[0] * padding]])
    positions = torch.tensor([[*(place for sample in samples for place in range(len(sample))), *range(padding)]])
    numbers = [number + 1 for number, sample in enumerate(samples) for _ in sample]
    mask = torch.tensor([[*numbers, *[0] * padding]])
    expected = sum(map(len, samples))
    assert int(tokens_in({"input_ids": ids, "attention_mask": mask}, 0)) == expected
    assert int(tokens_in({"input_ids": ids, "position_ids": positions}, 0)) == expected
    assert int(tokens_in({"input_ids": ids}, 0)) == expected - sum(sample.count(0) for sample in samples)
    assert int(tokens_in({"input_ids": ids}, None)) == expected + padding


@pytest.fixture
def config(tiny_mix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return a recipe as it was read, in a folder where all that it needs is in place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    shutil.copytree(tiny_mix, tmp_path / "mixes" / "tiny")
    return {
        "base_model": str(tiny_model_dir()), "adapter": "lora", "attn_implementation": "sdpa", "bf16": False,
        "datasets": [{"path": "mixes/tiny/train.jsonl"}], "dataset_prepared_path": "prepared/tiny",
        "output_dir": "checkpoints/run", "auto_resume_from_checkpoints": True,
        "axolotl_config_path": "recipes/tiny_lora.yml",
    }  # fmt: skip


def fault(config: Config) -> str:
    with pytest.raises(OpenbookError) as caught:
        ready(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def of(config: Config, **changes: Any) -> TrainedOn:
    """Return the record of this recipe's own training."""
    own = {"base_model": config["base_model"], "recipe_sha256": recipe_digest(config)}
    return record(**{**own, "mix": training_mix(Path("mixes/tiny")), **changes})


def checkpoint(step: int, kept: TrainedOn | None = None) -> Path:
    """Write a checkpoint, complete where it has a record."""
    folder = Path("checkpoints/run") / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    if kept:
        write_record(folder, kept)
    return folder


def test_a_training_whose_needs_are_in_place_can_begin(config: Config) -> None:
    run, mix = ready(config), training_mix(Path("mixes/tiny"))
    found = run.training
    assert (found.recipe, found.recipe_sha256) == ("tiny_lora.yml", recipe_digest(config))
    assert (found.base_model, found.adapter, found.mix) == (str(tiny_model_dir()), "lora", mix)
    assert (run.prepared, run.output) == (f"prepared/tiny-{mix.sha256[:16]}", Path("checkpoints/run"))
    assert (run.before, run.resume) == (None, None)
    for prepared in (None, "prepared/tiny/", run.prepared):
        assert ready({**config, "dataset_prepared_path": prepared}).prepared == run.prepared
    # The driver of a Ray cluster needs no GPU.
    assert ready({**config, "bf16": True, "use_ray": True}).output == run.output


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"base_model": None}, "base_model None: cannot be loaded ("),
        ({"attn_implementation": "flash_attention_2"}, "this recipe needs a GPU (flash_attention_2), and torch "),
        ({"attn_implementation": None, "flash_attention": True}, "this recipe needs a GPU (flash_attention), and "),
        ({"bf16": True}, "this recipe needs a GPU (bf16: true), and torch "),
        ({"base_model": "models/none"}, "base_model models/none: cannot be loaded ("),
        ({"base_model": "mixes"}, "base_model mixes: cannot be loaded ("),
        ({"output_dir": 5}, "output_dir: must be a path, not 5"),
        ({"resume_from_checkpoint": "a"}, "resume_from_checkpoint: a holds no trained_on.json: it is no checkpoint"),
    ],
)
def test_what_is_not_in_place_is_one_line(config: Config, change: Config, said: str) -> None:
    assert fault({**config, **change}).startswith(said)


def test_a_gpu_without_flash_attention_is_one_line(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert fault({**config, "attn_implementation": "flash_attention_2"}).startswith("this recipe needs the package fla")
    assert ready({**config, "bf16": True}).training.adapter == "lora"


def test_code_that_comes_with_a_model_is_not_run_unasked(config: Config) -> None:
    Path("coded").mkdir()
    auto = {"AutoConfig": "configuration.Config"}
    Path("coded/config.json").write_text(json.dumps({"model_type": "coded", "auto_map": auto}))
    Path("coded/configuration.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    assert fault({**config, "base_model": "coded"}).startswith("base_model coded: cannot be loaded (")
    assert not Path("ran").exists()


def test_a_mix_that_is_gone_changed_or_broken_is_one_line(config: Config) -> None:
    train, manifest = Path("mixes/tiny", TRAIN), Path("mixes/tiny", MANIFEST)
    content, told = train.read_bytes(), manifest.read_bytes()
    build = "data-prep invent --out data && data-prep build tiny --data data --out mixes --mix tiny"
    for changed in (content + b"\n", content[:-1], content.replace(content[9:10], b"~", 1)):
        train.write_bytes(changed)
        assert fault(config) == f"{train}: was changed after the build; build the mix with: {build}"
    train.write_bytes(content)
    assert ready(config).training.mix.tokens > 192
    for broken in (b"", b"[]", b"{}", b"\xff"):
        manifest.write_bytes(broken)
        assert "manifest.json: not a manifest of data-prep (" in fault(config)
    manifest.write_bytes(told.replace(b'"format": "axolotl"', b'"format": "llamafactory"'))
    assert fault(config) == f"{train}: is in the format of llamafactory, not Axolotl's; build the mix with: {build}"
    manifest.write_bytes(told)
    for gone in (manifest, train):
        gone.rename("kept")
        assert fault(config) == f"{gone}: does not exist; build the mix with: {build}"
        Path("kept").rename(gone)
    build = "build the mix with: data-prep build paper --out mixes --mix mix41"
    other = {**config, "datasets": [{"path": "mixes/mix41/train.jsonl"}]}
    assert fault(other) == f"mixes/mix41: does not exist; {build}"


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"base_model": "models/other"}, "base model models/other"),
        ({"mix": record().mix}, "mix mixes/tiny-bbbbbbbbbbbbbbbb"),
        ({"recipe_sha256": "d" * 64}, "recipe (of tiny_lora.yml, which was changed since)"),
    ],
)
@pytest.mark.parametrize("where", ["checkpoints/run", "checkpoints/run/checkpoint-8"])
def test_a_folder_with_the_training_of_something_else_is_refused(
    config: Config, change: Config, other: str, where: str
) -> None:
    write_record(Path("checkpoints/run"), of(config))
    write_record(Path(where), of(config, **change))
    assert fault(config) == f"{where}: holds the training of another {other}; remove it, or name another output_dir"


def test_a_training_resumes_from_its_last_complete_checkpoint(config: Config) -> None:
    half = checkpoint(16)
    assert fault(config).startswith("checkpoints/run: holds checkpoints and no trained_on.json that says of what; ")
    write_record(Path("checkpoints/run"), of(config, sessions=2))
    assert ready(config).resume is None
    (Path("checkpoints/run") / "checkpoint-last").mkdir()
    named = checkpoint(4, of(config, steps=4))
    last = checkpoint(8, of(config, steps=8))
    run = ready(config)
    assert (run.resume, run.before) == (last, of(config, sessions=2))
    assert checkpoints(Path("checkpoints/run")) == [named, last, half]
    assert ready({**config, "resume_from_checkpoint": str(named)}).resume == named
    anew = {**config, "auto_resume_from_checkpoints": False}
    for folder in (Path("checkpoints/run"), named, last):
        write_record(folder, of(anew))
    assert ready(anew).resume is None

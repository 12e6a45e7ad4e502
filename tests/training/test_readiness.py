"""What is not in place is told in one line before a training begins, and a training goes on from what is whole."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.training.mixes import TRAIN, training_mix
from openbook_eval.training.readiness import checkpoints, ready
from openbook_eval.training.record import MixTrainedOn, TrainedOn, recipe_digest, write_record
from tests.training.records import record

Config = dict[str, Any]


@pytest.fixture
def config(tiny_mix: Path, examinee: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A recipe as it was read, in a folder where all that it needs is in place."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    shutil.copytree(tiny_mix, tmp_path / "mixes" / "tiny")
    return {
        "base_model": str(examinee),
        "datasets": [{"path": "mixes/tiny/train.jsonl", "type": "chat_template"}],
        "dataset_prepared_path": "prepared/tiny",
        "output_dir": "checkpoints/run",
        "adapter": "lora",
        "attn_implementation": "sdpa",
        "bf16": False,
        "auto_resume_from_checkpoints": True,
        "axolotl_config_path": "recipes/tiny_lora.yml",
    }


def fault(config: Config) -> str:
    with pytest.raises(OpenbookError) as caught:
        ready(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def of(config: Config, **changes: Any) -> TrainedOn:
    """The record of this recipe's own training."""
    mix = training_mix(Path("mixes/tiny"))
    trained = MixTrainedOn(
        folder=str(mix.folder),
        sha256=mix.sha256,
        manifest_sha256=mix.manifest_sha256,
        rows=mix.rows,
        tokens=mix.tokens,
    )
    own = {"base_model": config["base_model"], "recipe_sha256": recipe_digest(config), "mix": trained}
    return record(**{**own, **changes})


def checkpoint(step: int, kept: TrainedOn | None = None) -> Path:
    """A checkpoint, whole where it has a record."""
    folder = Path("checkpoints/run") / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text("{}")
    if kept:
        write_record(folder, kept)
    return folder


def test_a_training_whose_needs_are_in_place_is_told(config: Config, examinee: Path) -> None:
    run = ready(config)
    mix = training_mix(Path("mixes/tiny"))
    assert (run.recipe, run.recipe_sha256) == ("tiny_lora.yml", recipe_digest(config))
    assert (run.base_model, run.adapter, run.mix) == (str(examinee), "lora", mix)
    assert (run.prepared, run.output) == (f"prepared/tiny-{mix.hash}", Path("checkpoints/run"))
    assert (run.before, run.resume) == (None, None)


def test_a_recipe_that_names_no_place_for_its_rows_gets_one_of_the_mix(config: Config) -> None:
    del config["dataset_prepared_path"]
    assert ready(config).prepared == f"prepared/tiny-{training_mix(Path('mixes/tiny')).hash}"


def test_a_recipe_without_a_base_model_is_told(config: Config) -> None:
    assert fault({**config, "base_model": None}).startswith("base_model: is missing")


def test_a_missing_mix_is_told(config: Config) -> None:
    shutil.rmtree("mixes/tiny")
    assert fault(config).startswith("mixes/tiny: there is no mix; build it with: ")


def test_a_changed_mix_is_told(config: Config) -> None:
    with Path("mixes/tiny", TRAIN).open("a") as file:
        file.write("{}\n")
    assert fault(config).startswith("mixes/tiny/train.jsonl: was changed after the build; ")


@pytest.mark.parametrize(
    ("change", "asks"),
    [
        ({"attn_implementation": "flash_attention_2", "bf16": True}, "flash_attention_2"),
        ({"attn_implementation": "flash_attention_3"}, "flash_attention_3"),
        ({"attn_implementation": None, "flash_attention": True}, "flash_attention"),
        ({"bf16": True}, "bf16: true"),
    ],
)
def test_a_recipe_for_a_gpu_is_told_where_there_is_none(config: Config, change: Config, asks: str) -> None:
    assert fault({**config, **change}).startswith(f"this recipe needs a GPU ({asks}), and torch ")


def test_the_driver_of_a_cluster_needs_no_gpu(config: Config) -> None:
    assert ready({**config, "bf16": True, "use_ray": True}).adapter == "lora"


def test_a_gpu_without_flash_attention_is_told(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    flash = {**config, "attn_implementation": "flash_attention_2"}
    assert fault(flash).startswith("this recipe needs the package flash_attn, which is not installed: pip install")
    assert ready({**config, "bf16": True}).adapter == "lora"


def test_a_base_model_that_is_not_there_is_told(config: Config) -> None:
    assert fault({**config, "base_model": "models/none"}).startswith("base_model models/none: cannot be loaded (")


@pytest.mark.parametrize("name", ["./none", "../none", "/none", "~/none"])
def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(config: Config, name: str) -> None:
    assert fault({**config, "base_model": name}).startswith(f"base_model {name}: no such folder; ")


@pytest.mark.parametrize(
    ("key", "value"), [("output_dir", 5), ("dataset_prepared_path", True), ("resume_from_checkpoint", ["a"])]
)
def test_what_is_no_path_is_told(config: Config, key: str, value: object) -> None:
    assert fault({**config, key: value}) == f"{key}: must be a path, not {value!r}"


@pytest.mark.parametrize("content", ["", "{}", '{"model_type": "unheard"}', "[]"])
def test_a_base_model_that_is_broken_is_told(config: Config, content: str) -> None:
    Path("broken").mkdir()
    Path("broken/config.json").write_text(content)
    assert fault({**config, "base_model": "broken"}).startswith("base_model broken: cannot be loaded (")


def test_code_that_comes_with_a_model_is_not_run_unasked(config: Config) -> None:
    Path("coded").mkdir()
    auto = {"AutoConfig": "configuration.Config"}
    Path("coded/config.json").write_text(json.dumps({"model_type": "coded", "auto_map": auto}))
    Path("coded/configuration.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    assert fault({**config, "base_model": "coded"}).startswith("base_model coded: cannot be loaded (")
    assert not Path("ran").exists()


OTHER_MIX = MixTrainedOn(folder="mixes/mix41", sha256="b" * 64, manifest_sha256="c" * 64, rows=1, tokens=1)


@pytest.mark.parametrize(
    ("change", "other"),
    [
        ({"base_model": "models/other"}, "base model models/other"),
        ({"mix": OTHER_MIX}, "mix mixes/mix41-bbbbbbbbbbbbbbbb"),
        ({"recipe_sha256": "d" * 64}, "recipe (of tiny_lora.yml, which was changed since)"),
    ],
)
@pytest.mark.parametrize("where", ["checkpoints/run", "checkpoints/run/checkpoint-8"])
def test_a_folder_with_the_training_of_something_else_is_told(
    config: Config, change: Config, other: str, where: str
) -> None:
    write_record(Path("checkpoints/run"), of(config))
    write_record(Path(where), of(config, **change))
    assert fault(config) == f"{where}: holds the training of another {other}; remove it, or name another output_dir"


def test_checkpoints_of_nobody_knows_what_are_told(config: Config) -> None:
    checkpoint(8)
    assert fault(config).startswith("checkpoints/run: holds checkpoints and no trained_on.json that says of what; ")


def test_a_training_goes_on_from_its_last_checkpoint(config: Config) -> None:
    write_record(Path("checkpoints/run"), of(config, sessions=2))
    for step in (8, 16, 104):
        checkpoint(step, of(config, steps=step))
    run = ready(config)
    assert run.resume == Path("checkpoints/run/checkpoint-104")
    assert run.before == of(config, sessions=2)


def test_a_checkpoint_that_was_not_written_to_its_end_is_passed_over(config: Config) -> None:
    write_record(Path("checkpoints/run"), of(config))
    half = checkpoint(16)
    assert ready(config).resume is None
    whole = checkpoint(8, of(config, steps=8))
    assert ready(config).resume == whole
    assert checkpoints(Path("checkpoints/run")) == [whole, half]


def test_a_training_that_is_not_to_go_on_begins_anew(config: Config) -> None:
    own = {**config, "auto_resume_from_checkpoints": False}
    write_record(Path("checkpoints/run"), of(own))
    checkpoint(8, of(own))
    assert ready(own).resume is None


def test_a_checkpoint_that_is_named_is_taken(config: Config) -> None:
    write_record(Path("checkpoints/run"), of(config))
    named = checkpoint(8, of(config))
    checkpoint(16, of(config))
    assert ready({**config, "resume_from_checkpoint": str(named)}).resume == named


def test_a_named_checkpoint_that_is_none_is_told(config: Config) -> None:
    named = {**config, "resume_from_checkpoint": "elsewhere"}
    assert fault(named).startswith("resume_from_checkpoint: elsewhere holds no trained_on.json: it is no checkpoint")


@pytest.mark.parametrize("name", ["checkpoint-last", "checkpoint-", "runs"])
def test_other_folders_are_no_checkpoints(config: Config, name: str) -> None:
    (Path("checkpoints/run") / name).mkdir(parents=True)
    assert ready(config).resume is None

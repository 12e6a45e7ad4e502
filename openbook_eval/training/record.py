"""What a training needs and what it leaves: its mix, whether it can begin or resume, and `trained_on.json`.

Nothing here imports torch or Axolotl before a training is about to begin.
"""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from data_prep.manifest import MANIFEST, TRAIN, FileContent, read_manifest
from data_prep.outputs import FORMATS, MESSAGES
from openbook_eval.errors import OpenbookError, first_line, parsed
from openbook_eval.files import read_text, sha256, sha256_file, write_atomic

RECORD = "trained_on.json"
# Where Axolotl puts a model of a recipe that does not say where.
OUTPUT = "./model-out"
# What a recipe says of where it lies and of where to resume, not of what it trains.
_NOT_OF_THE_RECIPE = {"axolotl_config_path", "resume_from_checkpoint"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MixTrainedOn(_Strict):
    """The mix that a model was trained on; `tokens` are those that data-prep counted, without a chat template."""

    folder: str
    sha256: str
    manifest_sha256: str
    rows: int
    tokens: int

    @property
    def hash(self) -> str:
        """Return what names this content and no other: the first 16 hex digits of the sha256 of train.jsonl."""
        return self.sha256[:16]


class Training(_Strict):
    """What is trained on what."""

    version: Literal[1] = 1
    recipe: str
    recipe_sha256: str  # recipe_digest
    base_model: str
    adapter: str | None
    mix: MixTrainedOn


class TrainedOn(Training):
    """The content of trained_on.json; work that was lost when a run was cut off counts for nothing."""

    versions: dict[str, str]
    device: str  # the GPU's name, or "cpu"
    devices: int
    seed: int
    started: str
    wall_seconds: float  # of training, evaluation and saving
    tokens: int  # that went through the model, without padding, each as often as it did
    steps: int
    tokens_per_second: float
    parameters: int
    trainable_parameters: int
    mfu: float | None  # openbook_eval.training.recipes.utilisation
    loss_first: float | None
    loss_last: float | None
    finished: bool
    sessions: int  # all starts


def recipe_digest(config: Mapping[str, Any]) -> str:
    """Return the sha256 of a recipe as it was read, in any order; a key without a value does not count."""
    said = {key: value for key, value in config.items() if value is not None and key not in _NOT_OF_THE_RECIPE}
    return sha256(json.dumps(said, sort_keys=True, separators=(",", ":"), default=str))


def write_record(folder: Path, record: TrainedOn) -> None:
    """Write trained_on.json, whole or not at all; make the folder where there is none."""
    # A loss may be NaN, of which pydantic's own JSON makes null.
    write_atomic(folder / RECORD, json.dumps(record.model_dump(), ensure_ascii=False, indent=2) + "\n")


def read_record(folder: Path) -> TrainedOn | None:
    """Return the record in a model's folder, or None."""
    path = folder / RECORD
    found = parsed(TrainedOn, read_text(path)) if path.exists() else None
    if isinstance(found, str):
        raise OpenbookError(f"{path}: not a record of a training ({found}); remove it, or name another folder")
    return found


def tokens_in(inputs: Mapping[str, Any], pad_token_id: int | None) -> Any:
    """Return the tokens of a batch without padding, as a tensor of no dimension where it would have to be waited for.

    `inputs` are tensors of shape (batch, length), as Axolotl's collators make them.
    """
    ids = inputs["input_ids"]
    # Masks of packed samples number the samples 1, 2, ...: their sum means nothing.
    if (mask := inputs.get("attention_mask")) is not None:
        return (mask != 0).sum()
    if pad_token_id is None:
        return ids.numel()
    padding = ids == pad_token_id
    # Without a mask padding is the last sample of its row: from position 0 on nothing but padding.
    if (positions := inputs.get("position_ids")) is not None:
        # A sample before it may end with the token that pads.
        at_the_end = (~padding).flip(-1).cumsum(-1).flip(-1) == 0
        padding = at_the_end & ((at_the_end & (positions == 0)).cumsum(-1) > 0)
    return ids.numel() - padding.sum()


def mix_folder(config: Mapping[str, Any]) -> Path:
    """Return the folder of the one mix that a recipe trains on."""
    match config.get("datasets"):
        case [{"path": str(path)}] if Path(path).name == TRAIN:
            return Path(path).parent
    raise OpenbookError(
        f"datasets: a recipe trains on the {TRAIN} of one mix; write one entry, with path: mixes/NAME/{TRAIN}"
    )


def training_mix(folder: Path) -> MixTrainedOn:
    """Return the mix in a folder. Raises OpenbookError where it is not there whole, or was changed after the build."""
    # A mix that is not there does not say which spec builds it, but ours are two.
    spec = "invent --out data && data-prep build tiny --data data" if folder.name.startswith("tiny") else "build paper"
    build = f"build the mix with: data-prep {spec} --out {folder.parent} --mix {folder.name}"
    for needed in (folder, folder / MANIFEST, folder / TRAIN):
        if not needed.exists():
            raise OpenbookError(f"{needed}: does not exist; {build}")
    manifest, content = read_manifest(folder), FileContent.of(folder / TRAIN)
    if content != manifest.outputs.get(TRAIN):
        raise OpenbookError(f"{folder / TRAIN}: was changed after the build; {build}")
    if FORMATS[manifest.build.format] != MESSAGES:
        raise OpenbookError(f"{folder / TRAIN}: is in the format of {manifest.build.format}, not Axolotl's; {build}")
    return MixTrainedOn(
        folder=str(folder),
        sha256=content.sha256,
        manifest_sha256=sha256_file(folder / MANIFEST),
        rows=manifest.rows,
        tokens=manifest.tokens,
    )


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A training that can begin."""

    training: Training
    prepared: str  # where Axolotl keeps the tokenised rows
    output: Path
    before: TrainedOn | None  # of earlier starts
    resume: Path | None  # the checkpoint


def ready(config: Mapping[str, Any]) -> TrainingRun:
    """Return what a recipe, as it was read, is about to train, if all is in place; nothing big is read."""
    paths = {key: config.get(key) or "" for key in ("base_model", "output_dir", "dataset_prepared_path")}
    if odd := [key for key, path in paths.items() if not isinstance(path, str)]:
        raise OpenbookError(f"{odd[0]}: must be a path, not {paths[odd[0]]!r}")
    mix = training_mix(mix_folder(config))
    training = Training(
        recipe=Path(config.get("axolotl_config_path") or "").name,
        recipe_sha256=recipe_digest(config),
        base_model=paths["base_model"],
        adapter=config.get("adapter"),
        mix=mix,
    )
    output = Path(paths["output_dir"] or OUTPUT)
    before, resume = _record_of_same(output, training), _resume(config, output)
    if resume is not None:
        _record_of_same(resume, training)
    _check_device(config)
    _check_base_model(config)
    # Axolotl's own key of this cache leaves out the content of the file: a new mix would be given the old one's rows.
    prepared = paths["dataset_prepared_path"] or f"prepared/{Path(mix.folder).name}"
    prepared = f"{prepared.removesuffix(f'-{mix.hash}').rstrip('/')}-{mix.hash}"
    return TrainingRun(training, prepared, output, before, resume)


def checkpoints(output: Path) -> list[Path]:
    """Return the checkpoints of an output_dir in order of their steps, complete or not."""
    numbered = {path: path.name.rpartition("-")[2] for path in output.glob("checkpoint-*")}
    return sorted((path for path, step in numbered.items() if step.isdigit()), key=lambda path: int(numbered[path]))


def is_complete(checkpoint: Path) -> bool:
    """Return whether a checkpoint was written to its end: its record is written last."""
    return (checkpoint / RECORD).is_file()


def _resume(config: Mapping[str, Any], output: Path) -> Path | None:
    if named := config.get("resume_from_checkpoint"):
        if is_complete(Path(str(named))):
            return Path(named)
        raise OpenbookError(
            f"resume_from_checkpoint: {named} holds no {RECORD}: it is no checkpoint, or was not written to its end"
        )
    # Axolotl itself would take the last one, complete or not, and fail on half a file.
    found = reversed(checkpoints(output)) if config.get("auto_resume_from_checkpoints") else ()
    return next(filter(is_complete, found), None)


def _record_of_same(folder: Path, training: Training) -> TrainedOn | None:
    record, other = read_record(folder), ""
    if record is None:
        other = f"checkpoints and no {RECORD} that says of what" if checkpoints(folder) else ""
    elif record.base_model != training.base_model:
        other = f"the training of another base model {record.base_model}"
    elif record.mix.sha256 != training.mix.sha256:
        other = f"the training of another mix {record.mix.folder}-{record.mix.hash}"
    elif record.recipe_sha256 != training.recipe_sha256:
        other = f"the training of another recipe (of {record.recipe}, which was changed since)"
    if other:
        raise OpenbookError(f"{folder}: holds {other}; remove it, or name another output_dir")
    return record


def _check_device(config: Mapping[str, Any]) -> None:
    import torch

    attention = str(config.get("attn_implementation") or "flash_attention" * (config.get("flash_attention") is True))
    needs = attention if attention.startswith("flash_attention") else "bf16: true" * (config.get("bf16") is True)
    # Ray's driver has no GPU; its workers do.
    if not needs or config.get("use_ray"):
        return
    if not torch.cuda.is_available():
        raise OpenbookError(
            f"this recipe needs a GPU ({needs}), and torch {torch.__version__} finds none; train it on a machine with "
            "one, or try recipes/tiny_lora.yml here"
        )
    if needs in ("flash_attention", "flash_attention_2") and importlib.util.find_spec("flash_attn") is None:
        raise OpenbookError(
            "this recipe needs the package flash_attn, which is not installed: install openbook-eval[train,flash], or "
            "set attn_implementation: sdpa and sample_packing: false"
        )


def _check_base_model(config: Mapping[str, Any]) -> None:
    from transformers import AutoConfig

    try:
        AutoConfig.from_pretrained(
            config.get("base_model_config") or config["base_model"],
            trust_remote_code=bool(config.get("trust_remote_code")),
            revision=config.get("revision_of_model") or "main",
        )
    except Exception as error:  # of a dozen kinds: no such model, no network, broken JSON, an architecture unknown
        raise OpenbookError(
            f"base_model {config.get('base_model')}: cannot be loaded ({first_line(error).rstrip('.')}); give a "
            "model's folder, or OWNER/MODEL on the hub"
        ) from error

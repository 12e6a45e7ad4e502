"""What must be in place before a recipe is trained: its mix, its model, a device, and a folder that is free for it.

All of it is looked at before anything big is read, and every fault is one line that says what to do.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.training.mixes import TrainingMix, mix_folder, prepared_path, training_mix
from openbook_eval.training.record import RECORD, TrainedOn, read_record, recipe_digest

# Axolotl's own default.
_OUTPUT = "./model-out"


@dataclass(frozen=True, slots=True)
class Run:
    """A training that can begin.

    `prepared` is where Axolotl keeps the tokenised rows, `before` the record of earlier starts, `resume` the checkpoint
    to go on from.
    """

    recipe: str
    recipe_sha256: str
    base_model: str
    adapter: str | None
    mix: TrainingMix
    prepared: str
    output: Path
    before: TrainedOn | None
    resume: Path | None


def ready(config: Mapping[str, Any]) -> Run:
    """What a recipe, as it was read, is about to train; raises OpenbookError where something is not in place."""
    base_model = config.get("base_model")
    if not isinstance(base_model, str) or not base_model:
        raise OpenbookError("base_model: is missing; name a folder, or OWNER/MODEL on the hub")
    mix = training_mix(mix_folder(config))
    output = Path(_path(config, "output_dir") or _OUTPUT)
    digest = recipe_digest(config)
    run = Run(
        recipe=Path(config.get("axolotl_config_path") or "").name,
        recipe_sha256=digest,
        base_model=base_model,
        adapter=config.get("adapter"),
        mix=mix,
        prepared=prepared_path(_path(config, "dataset_prepared_path") or f"prepared/{mix.folder.name}", mix),
        output=output,
        before=_record_of_same(output, base_model, mix, digest),
        resume=_resume(config, output),
    )
    if run.resume is not None:
        _record_of_same(run.resume, base_model, mix, digest)
    _check_device(config)
    _check_base_model(base_model, config)
    return run


def checkpoints(output: Path) -> list[Path]:
    """The checkpoints of an output_dir, in order of their steps, whole or not."""
    numbered = {path: path.name.rpartition("-")[2] for path in output.glob("checkpoint-*")}
    return sorted((path for path, step in numbered.items() if step.isdigit()), key=lambda path: int(numbered[path]))


def whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: its record is written last."""
    return (checkpoint / RECORD).is_file()


def _path(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    if value is not None and not isinstance(value, str):
        raise OpenbookError(f"{key}: must be a path, not {value!r}")
    return value or ""


def _resume(config: Mapping[str, Any], output: Path) -> Path | None:
    if named := _path(config, "resume_from_checkpoint"):
        if not whole(Path(named)):
            raise OpenbookError(
                f"resume_from_checkpoint: {named} holds no {RECORD}: it is no checkpoint, or was not written to its end"
            )
        return Path(named)
    if not config.get("auto_resume_from_checkpoints"):
        return None
    # Axolotl itself would take the last one, whole or not, and fail on half a file.
    return next((path for path in reversed(checkpoints(output)) if whole(path)), None)


def _record_of_same(folder: Path, base_model: str, mix: TrainingMix, digest: str) -> TrainedOn | None:
    """The record in a folder, None where there is none; raises OpenbookError where it is of another training."""
    record = read_record(folder)
    if record is None:
        if checkpoints(folder):
            raise OpenbookError(
                f"{folder}: holds checkpoints and no {RECORD} that says of what; remove it, or name another output_dir"
            )
        return None
    others = (
        (record.base_model != base_model, f"base model {record.base_model}"),
        (record.mix.sha256 != mix.sha256, f"mix {record.mix.folder}-{record.mix.sha256[:16]}"),
        (record.recipe_sha256 != digest, f"recipe (of {record.recipe}, which was changed since)"),
    )
    for differs, other in others:
        if differs:
            raise OpenbookError(
                f"{folder}: holds the training of another {other}; remove it, or name another output_dir"
            )
    return record


def _check_device(config: Mapping[str, Any]) -> None:
    """Raises OpenbookError where a recipe asks for a card, or for a package for cards, and there is none."""
    import torch

    # Ray's driver has no card; its workers do.
    if config.get("use_ray"):
        return
    attention = str(config.get("attn_implementation") or "")
    flash = attention.startswith("flash_attention") or config.get("flash_attention") is True
    if (flash or config.get("bf16") is True) and not torch.cuda.is_available():
        asks = attention if flash and attention else "flash_attention" if flash else "bf16: true"
        raise OpenbookError(
            f"this recipe needs a GPU ({asks}), and torch {torch.__version__} finds none; "
            "train it on a machine with one, or try recipes/tiny_lora.yml here"
        )
    if attention in ("", "flash_attention_2") and flash and importlib.util.find_spec("flash_attn") is None:
        raise OpenbookError(
            "this recipe needs the package flash_attn, which is not installed: pip install 'axolotl[flash-attn]', or "
            "set attn_implementation: sdpa and sample_packing: false"
        )


def _check_base_model(name: str, config: Mapping[str, Any]) -> None:
    """Raises OpenbookError where not even the configuration of a model can be read, here or on the hub."""
    from transformers import AutoConfig

    if name.startswith((".", "/", "~")) and not Path(name).is_dir():
        raise OpenbookError(f"base_model {name}: no such folder; give a model's folder, or OWNER/MODEL on the hub")
    try:
        AutoConfig.from_pretrained(
            config.get("base_model_config") or name,
            trust_remote_code=bool(config.get("trust_remote_code")),
            revision=config.get("revision_of_model") or "main",
        )
    except Exception as error:  # of a dozen kinds: no such model, no network, broken JSON, an architecture unknown
        reason = first_line(error).rstrip(".")
        raise OpenbookError(
            f"base_model {name}: cannot be loaded ({reason}); give a model's folder, or OWNER/MODEL on the hub"
        ) from error

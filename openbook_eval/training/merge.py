"""Merge the adapter of a LoRA run into its base model, by peft, on the CPU and in the base's own number format."""

import json
import shutil
from pathlib import Path
from typing import Any

from openbook_eval.errors import OpenbookError, first_line, some
from openbook_eval.files import replace_folder
from openbook_eval.training.record import RECORD, checkpoints, is_complete

_WEIGHTS, _GENERATION = "adapter_model.safetensors", "generation_config.json"
# Files of a tokenizer, which saving would rewrite, and the record.
_KEPT = ("tokenizer*", "chat_template*", "*.tiktoken", "*.model", "*.py", "vocab.json", RECORD)


def merge(run: Path, out: Path | None = None, base: str | None = None, trust_remote_code: bool = False) -> Path:
    """Write the whole model of a run's adapter to `out`, by default `run`/merged, and return that folder.

    transformers and vLLM load it like any model; tokenizer, chat template and trained_on.json are the run's. `base` is
    the base model where it has moved since.
    """
    out = out or run / "merged"
    name, revision = _base_of(run)
    if out.exists():
        raise OpenbookError(f"{out}: exists; remove it, or name another folder by --out")
    if base is not None:
        name, revision = base, None
    model = _with_adapter(_base_model(name, revision, trust_remote_code), run)
    with replace_folder(out, "name another folder by --out") as folder:
        _save(model, run, name, revision, folder)
    return out


def _base_of(run: Path) -> tuple[str, str | None]:
    # With its revision.
    if not run.is_dir():
        raise OpenbookError(f"{run}: no such folder; name the output_dir of a recipe")
    if not (run / _WEIGHTS).is_file():
        complete = [each for each in checkpoints(run) if is_complete(each)]
        fix = f"finish its training, or merge {complete[-1]}" if complete else "name the output_dir of a recipe of LoRA"
        raise OpenbookError(f"{run}: holds no adapter, {_WEIGHTS} is missing; {fix}")
    try:
        adapter = json.loads((run / "adapter_config.json").read_bytes())
        if adapter["peft_type"] != "LORA" or not adapter["base_model_name_or_path"]:
            raise ValueError("not of a LoRA adapter with a base model")
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OpenbookError(f"{run}: adapter_config.json cannot be used ({_reason(error)}); train again") from error
    return str(adapter["base_model_name_or_path"]), adapter.get("revision")


def _base_model(name: str, revision: str | None, trust_remote_code: bool) -> Any:
    try:
        from transformers import AutoModelForCausalLM

        model, found = AutoModelForCausalLM.from_pretrained(
            name, revision=revision, trust_remote_code=trust_remote_code, dtype="auto", output_loading_info=True
        )
    except Exception as error:  # of a dozen kinds: no such model, no network, broken weights, code not trusted
        code = "trust_remote_code" in str(error)
        advice = "read its code, then give --trust-remote-code" if code else "name its folder or hub name by --base"
        raise OpenbookError(f"base model {name}: cannot be loaded ({_reason(error)}); {advice}") from error
    # transformers only warns, and fills them with random numbers.
    if lacking := sorted(found["missing_keys"]):
        raise OpenbookError(f"base model {name}: weights are missing ({some(lacking)}); fetch it again")
    return model


def _with_adapter(model: Any, run: Path) -> Any:
    """Return the model with the run's adapter added to its weights, in place."""
    try:
        from peft import PeftModel, get_peft_model_state_dict
        from safetensors import safe_open

        with safe_open(run / _WEIGHTS, framework="pt") as file:
            held = set(file.keys())
        adapted = PeftModel.from_pretrained(model, run, torch_device="cpu")
        # peft only warns, and leaves out what is on one side alone.
        if odd := held ^ set(get_peft_model_state_dict(adapted, save_embedding_layers=False)):
            raise ValueError(f"it does not fit at {some(sorted(odd))}")
        return adapted.merge_and_unload(safe_merge=True)
    except ImportError as error:
        raise OpenbookError(f"merging needs peft ({error}); install openbook-eval[train]") from error
    except Exception as error:  # of many kinds: a file cut off, shapes of another model, NaN
        raise OpenbookError(
            f"{run}: its adapter is broken, or of another base model ({_reason(error)}); name its own by --base"
        ) from error


def _save(model: Any, run: Path, base: str, revision: str | None, folder: Path) -> None:
    from transformers import AutoTokenizer, GenerationConfig
    from transformers.utils import cached_file

    # transformers reads settings of generation that it refuses to save: the base's file is copied as it is.
    generation = cached_file(base, _GENERATION, revision=revision, _raise_exceptions_for_missing_entries=False)
    if generation:
        model.generation_config = GenerationConfig()
    model.save_pretrained(folder)
    if generation:
        shutil.copyfile(generation, folder / _GENERATION)
    if not any(run.glob("tokenizer*")):
        AutoTokenizer.from_pretrained(base, revision=revision).save_pretrained(folder)
    for path in {path for pattern in _KEPT for path in run.glob(pattern) if path.is_file()}:
        shutil.copyfile(path, folder / path.name)


def _reason(error: Exception) -> str:
    return first_line(error).rstrip(".:")

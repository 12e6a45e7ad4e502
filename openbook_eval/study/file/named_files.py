"""Files that a recipe names beside its mix and its base model, such as a chat template: what they hold counts."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# What names a folder, or may be a name without an ending; any other text must look like a path.
_FOLDERS = ("tokenizer_config", "processor_config", "base_model_config", "lora_model_dir")
_APART = ("base_model", "dataset_prepared_path", "output_dir", "resume_from_checkpoint")


def named_files(config: Mapping[str, Any], *places: Path) -> dict[str, Path]:
    """What a recipe names that is there, by the text that names it; in full, in the first of `places` that has it."""
    found = ((text, path) for key, text in _texts(config, "") if (path := _found(key, text, places)))
    return dict(found)


def replaced(value: Any, by: Mapping[str, str]) -> Any:
    """A plain value with other texts in place of those that are keys of `by`; keys stay as they are."""
    if isinstance(value, Mapping):
        return {key: replaced(each, by) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, by) for each in value]
    return by.get(value, value) if isinstance(value, str) else value


def _texts(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name not in _APART:
                yield from _texts(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, key)
    elif isinstance(value, str):
        yield key, value


def _found(key: str, text: str, places: tuple[Path, ...]) -> Path | None:
    # `adapter: lora` means no file, whatever lies here.
    if not (key in _FOLDERS or "/" in text or Path(text).suffix):
        return None
    wanted = os.path.exists if key in _FOLDERS else os.path.isfile
    # Not by Path, which raises for a name that is too long: any text may stand here.
    return next((path.absolute() for place in places if wanted(path := place / text)), None)

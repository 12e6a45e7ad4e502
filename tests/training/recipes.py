"""Recipes that train the embedded examinee, whole and by LoRA."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

EPOCHS, SAVED = 3, 6

BASE: dict[str, Any] = {
    "base_model": "models/examinee",
    "plugins": ["openbook_eval.training.plugin.OpenbookPlugin"],
    "datasets": [
        {"path": "mixes/tiny/train.jsonl", "ds_type": "json", "type": "chat_template", "field_messages": "messages"}
    ],
    "chat_template": "tokenizer_default",
    "dataset_prepared_path": "prepared/tiny",
    "sequence_len": 256,
    "sample_packing": False,
    "micro_batch_size": 8,
    "gradient_accumulation_steps": 2,
    "num_epochs": EPOCHS,
    "optimizer": "adamw_torch",
    "lr_scheduler": "cosine",
    "attn_implementation": "sdpa",
    "bf16": False,
    "fp16": False,
    "logging_steps": 1,
    "save_steps": SAVED,
    "save_total_limit": 10,
    "auto_resume_from_checkpoints": True,
}
FULL: dict[str, Any] = {**BASE, "learning_rate": 0.003}
LORA: dict[str, Any] = {
    **BASE,
    "seed": 7,
    "learning_rate": 0.02,
    "adapter": "lora",
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_dropout": 0.05,
    "lora_target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    **{f"lora_{part}_kernel": False for part in ("mlp", "qkv", "o", "embedding")},
}
RECIPES = {"full": FULL, "lora": LORA}


def write(folder: Path, name: str, recipe: Mapping[str, Any], **changes: Any) -> str:
    """Writes a recipe that trains into checkpoints/<name>; the name of its file."""
    file = f"{name}.yml"
    (folder / file).write_text(yaml.safe_dump({**recipe, "output_dir": f"checkpoints/{name}", **changes}))
    return file

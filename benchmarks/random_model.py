"""Models of random weights for `benchmarks.training`: how fast a model trains does not depend on what it knows."""

import multiprocessing
from pathlib import Path
from typing import Any

from openbook_eval.models.profiles import profile
from openbook_eval.tiny_model import copy_tiny_model, tiny_model_dir

FAMILY = "qwen1.5-chat"
_SHAPES = "qwen1.5-"
_SEED = 20240726
# Widths of the feed-forward layers, from the config.json of Qwen/Qwen1.5-*-Chat.
_INTERMEDIATE = {"1.8b": 5504, "4b": 6912, "7b": 11008, "14b": 13696}
# Some three times the tiny model's weights, and as many tokens.
_SMALL = {
    "vocab_size": 8064,
    "hidden_size": 256,
    "intermediate_size": 704,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": True,
}


def size_of(name: str) -> str | None:
    """Return the size of the family that `qwen1.5-SIZE` names, None for any other name."""
    size = name.removeprefix(_SHAPES)
    return size if name.startswith(_SHAPES) and size in profile(FAMILY).sizes else None


def shape(name: str) -> dict[str, Any] | None:
    """Return the arguments of a Qwen2Config for `small` or qwen1.5-SIZE, None for any other name."""
    if name == "small":
        return dict(_SMALL)
    if (of := size_of(name)) is None:
        return None
    size = profile(FAMILY).sizes[of]
    return {
        "vocab_size": size.vocabulary,
        "hidden_size": size.hidden,
        "intermediate_size": _INTERMEDIATE[of],
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "max_position_embeddings": size.context,
        "tie_word_embeddings": size.tied_embeddings,
    }


def lay_model(name: str, tokenizer: Path | None, folder: Path) -> None:
    """Put a model into `folder`: the tiny model, one of a shape, or that of a folder.

    The tokenizer of a shape is that of the folder `tokenizer`, else the tiny model's. Ends the program at an unknown
    name.
    """
    if name == "tiny":
        copy_tiny_model(folder)
    elif figures := shape(name):
        # In a process of its own, which leaves nothing behind on the GPU.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.apply(_make, (figures, str(tokenizer or tiny_model_dir()), str(folder)))
    elif Path(name).is_dir():
        folder.parent.mkdir(parents=True)
        folder.symlink_to(Path(name).resolve())
    else:
        raise SystemExit(f"{name}: no folder, and no shape; known are tiny, small, qwen1.5-7b and its other sizes")


def _make(figures: dict[str, Any], tokenizer: str, folder: str) -> None:
    """Make the model, in bfloat16 and on the GPU, where there is one."""
    import torch
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    words = AutoTokenizer.from_pretrained(tokenizer)
    if len(words) > figures["vocab_size"]:
        raise ValueError(f"{tokenizer}: has {len(words):,} words, and the model takes {figures['vocab_size']:,}")
    on_gpu = torch.cuda.is_available()
    config = Qwen2Config(**figures, eos_token_id=words.eos_token_id, pad_token_id=words.pad_token_id)
    torch.manual_seed(_SEED)
    torch.set_default_dtype(torch.bfloat16 if on_gpu else torch.float32)
    with torch.device("cuda" if on_gpu else "cpu"):
        model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    words.save_pretrained(folder)

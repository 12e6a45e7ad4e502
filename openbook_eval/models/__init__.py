"""Models under test: vLLM's engine and chat endpoints, what they are asked, what they answered, what that cost."""

import os
from pathlib import Path
from typing import Any

VLLM, API = "vllm-openbook", "api-openbook"
HF = ("hf", "hf-auto", "huggingface")

_CPU_CACHE_GIB = "2"

# What the model of this process has spent and counted, by the name of its part of a results file, for whoever writes
# that: lm-eval hands no model out.
reports: dict[str, Any] = {}
# Where `openbook-eval run` keeps responses: beside its results. None is the user's cache.
responses: Path | None = None
# Whether what no rule decides is put to the model again; a field of the documents would make them other documents.
ask_again = False


def is_vllm(model: str) -> bool:
    """Return whether that is lm-eval's vLLM model for text, or one built on it."""
    return model == "vllm" or (model.startswith("vllm-") and model != "vllm-vlm")


def register() -> None:
    """Make our models known to lm-eval, by name: a module is imported, and vLLM with it, only where it is asked for."""
    import lm_eval.models  # noqa: F401 - fills the registry
    from lm_eval.api.registry import model_registry

    for name, target in ((VLLM, "vllm:VllmOpenbook"), (API, "api:ApiOpenbook")):
        if name not in model_registry:
            model_registry.register(name, target=f"openbook_eval.models.{target}")


def set_modest_cpu_cache() -> None:
    """Give vLLM's cache 2 GiB on a CPU where the user has set nothing, so that plain lm_eval starts on any machine.

    It is a plugin of vLLM's (entry point group `vllm.general_plugins`) and stands here because vLLM's processes need
    nothing else of ours. Left to itself vLLM claims 92 % of the memory, and does not start where files in the page
    cache hold some of it.
    """
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", _CPU_CACHE_GIB)

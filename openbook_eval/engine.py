"""A plugin of vLLM's (entry point group `vllm.general_plugins`) that lets a plain lm_eval start on any CPU machine."""

import os

_VARIABLE = "VLLM_CPU_KVCACHE_SPACE"
_GIB = "2"


def modest_cpu_cache() -> None:
    """Gives vLLM's cache 2 GiB on a CPU where the user has set nothing; a GPU is left alone.

    Left to itself vLLM claims 92 % of the memory and does not start where files in the page cache hold some of it.
    """
    from vllm.platforms import current_platform

    if current_platform.is_cpu():
        os.environ.setdefault(_VARIABLE, _GIB)

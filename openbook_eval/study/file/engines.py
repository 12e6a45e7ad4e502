"""What can be told of an engine before it starts: whether lm-eval knows it."""

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Registered when the exam starts.
_OURS = ("vllm-openbook", "api-openbook")
# They take a model and an adapter to it at once, as the exam names them.
WITH_ADAPTERS = ("vllm-openbook", "vllm")


@cache
def known() -> tuple[str, ...]:
    """What `--model` may be: ours, and what lm-eval lists; none at all where its list is not found.

    The list is read as text, for lm-eval takes seconds to import.
    """
    package = find_spec("lm_eval")
    folders = list(package.submodule_search_locations or ()) if package else []
    for folder in folders:
        file = Path(folder) / "models" / "__init__.py"
        if file.is_file() and (names := _listed(file.read_text("utf-8"))):
            return (*_OURS, *names)
    return ()


def _listed(text: str) -> list[str]:
    """The keys of MODEL_MAPPING in lm-eval's list of models."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if names == ["MODEL_MAPPING"]:
                return [str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)]
    return []

"""Does fine-tuning on medical data cost a language model its ability to read? The public functions of the exam."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openbook_eval.exams import load_exam
    from openbook_eval.leaderboard.board import compare
    from openbook_eval.matching import match_choice
    from openbook_eval.prompt import build_prompt
    from openbook_eval.results import read_runs
    from openbook_eval.scoring import score

__version__ = "0.1.0"
__all__ = ["__version__", "build_prompt", "compare", "load_exam", "match_choice", "read_runs", "score"]

_ROOMS = {
    "build_prompt": "prompt",
    "compare": "leaderboard.board",
    "load_exam": "exams",
    "match_choice": "matching",
    "read_runs": "results",
    "score": "scoring",
}


def __getattr__(name: str) -> Any:
    """Import a public function when it is first asked for: the command line must not wait for polars."""
    if name in _ROOMS:
        return getattr(import_module(f"openbook_eval.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What a run with an API examinee needs around lm-eval: its model found, its settings checked, its gaps told."""

from typing import Any

from openbook_eval.api.settings import read_settings
from openbook_eval.api.tally import Tally, reasons
from openbook_eval.errors import OpenbookError

NAME = "api-openbook"
_MODEL = "openbook_eval.api.model:ApiOpenbook"


def register() -> None:
    """Makes the model known to lm-eval, which imports it when it is asked for."""
    from lm_eval.api.registry import model_registry

    if NAME not in model_registry:
        model_registry.register(NAME, target=_MODEL)


def checked(config: Any, *, dry_run: bool) -> dict[str, Any]:
    """The model's arguments in lm-eval's `config`, with `dry_run` among them where it is asked for.

    They are checked here since lm-eval prints them before the model sees them. Raises OpenbookError.
    """
    arguments: dict[str, Any] = config.model_args
    if config.model != NAME:
        if dry_run:
            raise OpenbookError(f"--dry-run is for --model {NAME}; other models cost nothing to ask")
        return arguments
    if config.use_cache:
        raise OpenbookError(f"--use_cache with --model {NAME}: leave it out; answers are kept without it")
    arguments = arguments | ({"dry_run": True} if dry_run else {})
    read_settings(arguments)
    return arguments


def refuse_gaps(found: Tally | None) -> None:
    """Raises OpenbookError where questions got no answer that asking again may bring.

    Questions that the endpoint refuses, as content filters do, it would refuse again: they do not fail a run.
    """
    if found and found.again:
        raise OpenbookError(
            f"{found.questions - found.answered} of {found.questions} questions are not answered "
            f"({reasons(found.failures)}) and left out of the scores; the same command asks only these again"
        )

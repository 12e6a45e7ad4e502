"""lm-eval's own command line, with our tasks found and the user's mistakes told before the engine starts."""

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from openbook_eval import install, models, outcome, provenance
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.models import context_window, profiles, replies, scheduling
from openbook_eval.models.context_window import Fit, Truncation
from openbook_eval.models.endpoints import checked


def run(arguments: list[str]) -> None:
    """Runs `lm_eval run` with `arguments`. Raises OpenbookError for a mistake in them or in the exam."""
    # A hospital's questions are nobody else's business: engines report their use unless told not to.
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    harness = _harness()
    flags, others = _own_flags(arguments)
    sys.argv = ["openbook-eval", "run", *others]
    namespace, config = _parsed(harness)
    _check_model(config)
    if flags.profile:
        config.model_args = profiles.model_arguments(flags.profile, config.model_args)
    namespace.model_args = config.model_args = checked(config, dry_run=flags.dry_run)
    tasks = _check_tasks(config)
    fits = context_window.check(tasks, config)
    before = _results(config)
    if config.output_path and any(task.task_name.startswith("cmed_reading_") for task in tasks):
        # Gains and losses are paired by item: they are found in the samples.
        namespace.log_samples = True
    if not install.is_linked():
        namespace.include_path = [str(install.tasks_dir()), *([config.include_path] if config.include_path else [])]
    _execute(harness, namespace)
    _complete(_results(config) - before, fits)


def _own_flags(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The flags that lm-eval does not know, and all others; a profile brings our model and its own chat format."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--profile")
    try:
        flags, others = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise OpenbookError(f"{error}; name a profile such as --profile qwen1.5-chat-7b") from error
    if flags.profile:
        profiles.named(flags.profile)
        if any(other.partition("=")[0] in ("--model", "-M") for other in others):
            raise OpenbookError(f"--profile {flags.profile}: is for our own model; leave out --model")
        others += ["--model", models.VLLM, "--apply_chat_template"]
    return flags, others


def _parsed(harness: Any) -> tuple[argparse.Namespace, Any]:
    try:
        namespace = harness.parse_args()
    except ValueError as error:
        raise OpenbookError(f"{first_line(error)} (see openbook-eval run --help)") from error
    return namespace, _config(namespace)


def _execute(harness: Any, namespace: argparse.Namespace) -> None:
    try:
        harness.execute(namespace)
    except ValueError as error:
        if not str(error).startswith("Tasks not found"):
            raise
        raise OpenbookError(f"{error}; lm-eval ls tasks lists what there is") from error


def _complete(files: Iterable[Path], fits: Sequence[Fit]) -> None:
    """Adds what is known of the run to its results, and says what it cost. Raises OpenbookError where answers lack."""
    spent, asked = scheduling.spent(), replies.taken()
    parts = {
        "api": asked and asked.to_json(),
        "cost": spent and spent.to_json(),
        # Known from before the run; the samples need not be counted again.
        "truncation": asdict(Truncation.of(fits)) if fits else None,
        "versions": provenance.versions(),
    }
    for file in files:
        for name, part in parts.items():
            if part:
                outcome.record(file, name, part)
        outcome.complete(file)
    if spent:
        print(spent.line())
    replies.refuse_gaps(asked)


def _results(config: Any) -> set[Path]:
    """The results files there are where this run writes its own."""
    return set(outcome.written_to(Path(config.output_path))) if config.output_path else set()


def _harness() -> Any:
    try:
        from lm_eval._cli import HarnessCLI
        from lm_eval.utils import setup_logging
    except ImportError as error:
        raise OpenbookError(f"lm-eval cannot be imported ({error}); install openbook-eval[cpu] or [gpu]") from error
    setup_logging()
    return HarnessCLI()


def _config(namespace: argparse.Namespace) -> Any:
    """The arguments as lm-eval understands them, together with its --config file."""
    from lm_eval.config.evaluate_config import EvaluatorConfig

    try:
        config = EvaluatorConfig.from_cli(argparse.Namespace(**vars(namespace)))
    except (ValueError, TypeError, OSError) as error:
        raise OpenbookError(f"{first_line(error)} (see openbook-eval run --help)") from error
    names = config.tasks.split(",") if isinstance(config.tasks, str) else config.tasks
    config.tasks = namespace.tasks = [name.strip() for name in map(str, names or ()) if name.strip()]
    if not config.tasks:
        raise OpenbookError("no tasks; say which, such as --tasks cmed_openbook")
    return config


def _check_model(config: Any) -> None:
    from lm_eval.api.registry import model_registry

    models.register()
    if config.model not in model_registry:
        raise OpenbookError(f"--model {config.model}: lm-eval has no such model; ours is --model {models.VLLM}")
    name = str(config.model_args.get("pretrained", ""))
    # "Qwen/Qwen1.5-7B-Chat" is the hub's; what begins like a path must be there.
    if name.startswith((".", "/", "~")) and not Path(name).is_dir():
        raise OpenbookError(f"pretrained={name}: no such folder; give a model's folder or its name on the hub")


def _check_tasks(config: Any) -> list[Any]:
    """Builds those tasks that are ours, so that a faulty exam is told at once and not after the engine has loaded.

    Returns them as lm-eval's objects. Raises OpenbookError for one that is not there, or is asked for twice.
    """
    from lm_eval.tasks import TaskManager

    ours = TaskManager(include_path=str(install.tasks_dir()), include_defaults=False, metadata=config.metadata)
    names: dict[str, None] = {}
    for name in config.tasks:
        if found := ours.match_tasks([name]):
            names.update(dict.fromkeys(found))
        elif name.startswith("cmed"):
            raise OpenbookError(f"no task {name!r}; {_nearest(name, ours)}")
    try:
        return list(ours.load(list(names))["tasks"].values()) if names else []
    except ValueError as error:
        if not str(error).startswith("Duplicate task"):
            raise
        raise OpenbookError(f"--tasks {' '.join(config.tasks)}: {first_line(error)}; name it once") from error


def _nearest(name: str, ours: Any) -> str:
    """A hint for a name that is no task: one that it nearly is, or our groups."""
    close = difflib.get_close_matches(name, ours.all_tasks, n=1, cutoff=0.85)
    return f"did you mean {close[0]!r}?" if close else f"groups of ours are {', '.join(ours.all_groups)}"

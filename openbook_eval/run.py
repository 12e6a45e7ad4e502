"""Run an evaluation: lm-eval's own command line, with our tasks found, checks before it and findings added after it.

The terminal is kept quiet meanwhile: all that lm-eval, engines and libraries write goes to a log file, but for one
progress bar.
"""

import argparse
import io
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from openbook_eval import install, models
from openbook_eval.errors import OpenbookError, did_you_mean, first_line
from openbook_eval.models import context_window, profiles
from openbook_eval.models.completions import STOPS, are_completions, ending
from openbook_eval.models.context_window import Truncation
from openbook_eval.models.endpoints import checked, endpoints, settings_help
from openbook_eval.models.settings import refuse, refuse_loggers
from openbook_eval.results.reader import annotate, results_files, versions

# Of all that a run writes, the bars of lm-eval's requests and of our own models.
_BAR = re.compile(r"Running \w+ requests|Questions answered")
# What a results folder must have room for before a run begins, in bytes.
_ROOM = 16 * 2**20
# lm-eval's loggers, and the flag of each.
_LOGGERS = {
    "EvaluationTracker": "--hf_hub_log_args",
    "WandbLogger": "--wandb_args",
    "TrackioLogger": "--trackio_args",
}
_log = logging.getLogger(__name__)
# Shows the results files that a run has written.
Show = Callable[[Sequence[Path]], None]


def run(arguments: list[str], show: Show) -> None:
    """Run `lm_eval run` with `arguments`; logs go to a file, and `show` is called with the results of our tasks.

    Raises OpenbookError for a mistake in the arguments or in the exam, and where answers are missing that asking again
    may bring.
    """
    # A hospital's questions are nobody else's business: engines report their use unless told not to.
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    try:
        from lm_eval._cli import HarnessCLI
        from lm_eval.utils import setup_logging
    except ImportError as error:
        raise OpenbookError(f"lm-eval cannot be imported ({error}); install openbook-eval[cpu] or [gpu]") from error
    harness = HarnessCLI()
    flags, others = _own_flags(arguments)
    if flags.help:
        _print_help(harness)
        return
    sys.argv = ["openbook-eval", "run", *others]
    namespace, config = _parsed(harness)
    _check_model(config)
    refuse_loggers(config)
    if flags.profile:
        config.model_args = profiles.model_arguments(flags.profile, config.model_args)
    namespace.model_args = config.model_args = checked(config, dry_run=flags.dry_run)
    # lm-eval gives its warnings of tasks again when it runs them.
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    tasks, only_ours = _check_tasks(config)
    if tasks:
        refuse(config, [task.OUTPUT_TYPE for task in tasks])
    fits = context_window.check(tasks, config)
    setup_logging()
    completed = bool(tasks) and are_completions(config)
    known = _known(tasks, fits, completed)
    namespace.include_path = [str(install.tasks_dir()), *([config.include_path] if config.include_path else [])]
    # Everything that is said of a run beyond its averages comes from its samples.
    namespace.log_samples = getattr(namespace, "log_samples", False) or bool(tasks)
    log = None if flags.dry_run else _log_file(config.output_path)
    # Not for the models that write entries: these are the same whatever a run's results are called.
    models.responses = _folder(config.output_path) / "responses" if config.output_path else None
    with tempfile.TemporaryDirectory(prefix="openbook-eval-") as gone_after:
        namespace.output_path = config.output_path or gone_after
        printed, files = _execute(harness, namespace, log, only_ours, config.model, completed)
        shown = _say_unscored if config.predict_only else show
        _finish(files, known, shown if tasks else None, "" if files and only_ours else printed)
        if log and not files:
            raise OpenbookError(f"{namespace.output_path}: the results could not be written; {log} says why")


def _known(tasks: Sequence[Any], fits: Sequence[context_window.Fit], completed: bool) -> dict[str, object]:
    """Return the parts of a results file that are known before a run."""
    exam = tasks[0].config.metadata["exam_file"] if tasks else None
    truncation = asdict(Truncation.of(fits)) if fits else None
    completions = {"stops": list(STOPS)} if completed else None
    return {"exam": exam, "truncation": truncation, "completions": completions, "versions": versions()}


def _say_unscored(files: Sequence[Path]) -> None:
    print(f"{files[0].parent}: responses are kept there and not scored (--predict_only)")


def _finish(files: Sequence[Path], known: Mapping[str, object], show: Show | None, printed: str) -> None:
    """Add what is known of a run to its results; show what lm-eval `printed` and the scores of our tasks, if any are.

    Raises OpenbookError where answers are missing.
    """
    reports = dict(models.reports)
    models.reports.clear()
    parts = {name: report.to_json() for name, report in reports.items()}
    exact = [part["cut_off"] for part in parts.values() if "cut_off" in part]
    known = {**known, **parts, "cut_off": {"exact": True, "answers": sum(exact)} if exact else None}
    for file in files:
        annotate(file, known)
    if printed:
        print(printed)
    if files and show:
        show(files)
    for report in reports.values():
        print(report.line())
    if "api" in reports:
        reports["api"].refuse_gaps()


def _execute(
    harness: Any, namespace: argparse.Namespace, log: Path | None, only_ours: bool, model: str, completed: bool
) -> tuple[str, list[Path]]:
    """Let lm-eval run, with its logs in a file or where there is none on the terminal.

    `completed` is whether prompts are completions. Returns what lm-eval prints, and the results file that it has
    written: others may stand beside it, of a run at the same time as well.
    """
    import lm_eval.loggers
    import lm_eval.tasks

    logs: AbstractContextManager[list[str]] = quiet(log) if log else nullcontext([])
    made: dict[str, Any] = {}
    begun = {name: partial(_begin, getattr(lm_eval.loggers, name), flag, made) for name, flag in _LOGGERS.items()}
    # This saves the seconds in which lm-eval indexes some 14,000 task files of its own.
    found = {"TaskManager": partial(lm_eval.tasks.TaskManager, include_defaults=False)} if only_ours else {}
    try:
        with (
            logs as printed,
            _replaced(lm_eval.loggers, begun),
            _replaced(lm_eval.tasks, found),
            _replaced(*ending(model if completed else "")),
            _replaced(*_loading(model, made)),
        ):
            harness.execute(namespace)
    except ValueError as error:
        if not str(error).startswith("Tasks not found"):
            raise
        raise OpenbookError(f"{error}; lm-eval ls tasks lists what there is") from error
    written = getattr(made.get("--hf_hub_log_args"), "date_id", None)
    return "".join(printed), [
        file for file in results_files(Path(namespace.output_path)) if written and file.stem.endswith(written)
    ]


@contextmanager
def _replaced(owner: object, others: Mapping[str, object]) -> Iterator[None]:
    """Let others stand for some names of a module or class."""
    whole = {name: getattr(owner, name) for name in others}
    try:
        for name, other in others.items():
            setattr(owner, name, other)
        yield
    finally:
        for name, own in whole.items():
            setattr(owner, name, own)


def _loading(model: str, made: dict[str, Any]) -> tuple[type, dict[str, object]]:
    """Return the class of a model of lm-eval's, and what loads it or says in one line why it cannot."""
    from lm_eval.api.registry import get_model

    kind = get_model(model)
    load = partial(_begin, kind.create_from_arg_obj, f"--model {model} --model_args", made)
    return kind, {"create_from_arg_obj": staticmethod(load)}


def _begin(make: Callable[..., Any], flag: str, begun: dict[str, Any], *values: Any, **settings: Any) -> Any:
    """Make lm-eval's model or one of its loggers, and keep it in `begun`. Raises OpenbookError where it cannot be."""
    try:
        begun[flag] = make(*values, **settings)
    except OpenbookError:
        raise
    except Exception as error:  # in as many ways as there are models and services
        _log.exception("%s", flag)
        raise OpenbookError(f"{flag}: {first_line(error).rstrip('.')}; mend that, or leave it out") from error
    return begun[flag]


def _folder(output: str) -> Path:
    """Return the folder of an --output_path, which may name a folder or a file."""
    return Path(output).parent if output.endswith(".json") else Path(output)


def _log_file(output: str | None) -> Path:
    """Return where the logs go: beside the results. Raises OpenbookError where results could not be written there."""
    folder = _folder(output) if output else Path(tempfile.gettempdir())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_ROOM))
    except OSError as error:
        raise OpenbookError(
            f"{folder}: results cannot be written there ({error.strerror}; {_ROOM >> 20} MB are wanted); name another "
            "folder as --output_path"
        ) from error
    return folder / f"run_{datetime.now():%Y-%m-%dT%H-%M-%S}.log"


def _own_flags(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the flags that lm-eval does not know, and all others; a profile brings our model and its chat format."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--help", "-h", action="store_true")
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


def _print_help(harness: Any) -> None:
    """Print lm-eval's flags below our own, and what our models take."""
    parser = harness._subparsers.choices["run"]
    parser.usage = "openbook-eval run --model MODEL --model_args KEY=VALUE,... --tasks TASK,... [flags]"
    parser.description = "Ask a model the exams, and score its answers. The flags of lm-eval are taken as they are."
    own = parser.add_argument_group("openbook-eval's own")
    own.add_argument(
        "--profile", metavar="<name>", help="a model of the paper, asked in its own format: qwen1.5-chat-7b"
    )
    own.add_argument(
        "--dry-run", action="store_true", help=f"with {models.API}: print requests, tokens and cost, and ask nothing"
    )
    parser.epilog = (
        f"openbook-eval's own models:\n  {models.VLLM}: vLLM, shared books computed once; takes what vllm takes\n"
        f"  {models.API}: a chat endpoint; takes profile= ({', '.join(endpoints())}) and, lists and\n"
        f'  objects as JSON (--model_args \'{{"model": "m", "omit": ["stop"], ...}}\'):\n{settings_help()}'
    )
    parser.print_help()


def _parsed(harness: Any) -> tuple[argparse.Namespace, Any]:
    """Return the arguments as lm-eval parses them, and as it understands them together with its --config file."""
    from lm_eval.config.evaluate_config import EvaluatorConfig

    try:
        namespace = harness.parse_args()
        config = EvaluatorConfig.from_cli(argparse.Namespace(**vars(namespace)))
    except (ValueError, TypeError, OSError) as error:
        raise OpenbookError(f"{first_line(error)} (see openbook-eval run --help)") from error
    names = config.tasks.split(",") if isinstance(config.tasks, str) else config.tasks
    config.tasks = namespace.tasks = [name.strip() for name in map(str, names or ()) if name.strip()]
    if not config.tasks:
        raise OpenbookError("no tasks; say which, such as --tasks cmed_openbook")
    return namespace, config


def _check_model(config: Any) -> None:
    from lm_eval.api.registry import model_registry

    models.register()
    if config.model not in model_registry:
        raise OpenbookError(f"--model {config.model}: lm-eval has no such model; ours is --model {models.VLLM}")
    for setting in ("pretrained", "tokenizer", "lora_local_path", "peft", "delta"):
        name = str(config.model_args.get(setting, ""))
        # "Qwen/Qwen1.5-7B-Chat" is the hub's; what begins like a path must be there.
        if name.startswith((".", "/", "~")) and not Path(name).is_dir():
            raise OpenbookError(f"{setting}={name}: no such folder; give a model's folder or its name on the hub")


def _check_tasks(config: Any) -> tuple[list[Any], bool]:
    """Build the tasks that are ours, so that a faulty exam is reported at once and not after the engine has loaded.

    Returns them as lm-eval's objects, and whether there are no others. Raises OpenbookError for one that is not there,
    or is asked for twice.
    """
    from lm_eval.tasks import TaskManager

    ours = TaskManager(include_path=str(install.tasks_dir()), include_defaults=False, metadata=config.metadata)
    names: dict[str, None] = {}
    only_ours = True
    for name in config.tasks:
        if found := ours.match_tasks([name]):
            names.update(dict.fromkeys(found))
        elif name.startswith("cmed"):
            raise OpenbookError(f"no task {name!r}; {did_you_mean(name, ours.all_tasks)}")
        else:
            only_ours = False
    try:
        return (list(ours.load(list(names))["tasks"].values()) if names else []), only_ours
    except ValueError as error:
        if not str(error).startswith("Duplicate task"):
            raise
        raise OpenbookError(f"--tasks {' '.join(config.tasks)}: {first_line(error)}; name it once") from error


@contextmanager
def quiet(log: Path) -> Iterator[list[str]]:
    """Name `log` in one line and send everything there; give what is printed to standard output, piece by piece.

    Folders are created. Raises OpenbookError of the last line where the program ends itself with an error.
    """
    print(f"log: {log}", flush=True)
    printed: list[str] = []
    log.parent.mkdir(parents=True, exist_ok=True)
    streams, saved = (sys.stdout, sys.stderr), [os.dup(number) for number in (1, 2)]
    with (
        log.open("a", encoding="utf-8", errors="backslashreplace", buffering=1) as file,
        os.fdopen(os.dup(saved[1]), "w", encoding="utf-8", errors="replace") as terminal,
    ):
        # Engines write past Python, and so do their processes.
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        sys.stdout = _Logged(file, printed.append)
        sys.stderr = _Logged(file, _Bar(terminal).tell, shown=terminal.isatty())
        try:
            yield printed
        except SystemExit as error:
            if not error.code:
                raise
            last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise OpenbookError(last.removeprefix("openbook-eval: ")) from error
        finally:
            sys.stdout, sys.stderr = streams
            for number, kept in zip((1, 2), saved, strict=True):
                os.dup2(kept, number)
                os.close(kept)


class _Logged(io.TextIOBase):
    """A standard stream of which all goes to the log, and to `tell` as well."""

    def __init__(self, log: IO[str], tell: Callable[[str], None], *, shown: bool = False) -> None:
        self._log, self._tell, self._shown = log, tell, shown

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._shown

    def fileno(self) -> int:
        return self._log.fileno()

    def write(self, text: str) -> int:
        self._tell(text)
        return self._log.write(text)

    def flush(self) -> None:
        self._log.flush()


class _Bar:
    """Shows a bar out of all that is written: on a terminal as it grows, elsewhere as it ends."""

    def __init__(self, terminal: IO[str]) -> None:
        self._terminal, self._last, self._next = terminal, "", 0.0

    def tell(self, text: str) -> None:
        grows = self._terminal.isatty()
        if _BAR.search(text):
            self._last = text
            self._terminal.write(text if grows else "")
            if not grows and "sent again" in text and time.monotonic() > self._next:
                # Where nobody watches it grow, the log of a scheduler says each minute why a run waits.
                self._terminal.write(f"{text.strip()}\n")
                self._next = time.monotonic() + 60
        elif text == "\n" and "100%" in self._last:
            self._terminal.write("\n" if grows else f"{self._last.strip()}\n")
            self._last = ""
        self._terminal.flush()

"""What of a study is to be done: print the plan of it, or have Snakemake do it, here or on a cluster."""

import fcntl
import getpass
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from data_prep.manifest import MANIFEST
from openbook_eval.console import line, table
from openbook_eval.errors import OpenbookError, did_you_mean, some
from openbook_eval.files import load_yaml, write_atomic
from openbook_eval.models.profiles import size_of
from openbook_eval.study import jobs
from openbook_eval.study.jobs import State, read_json
from openbook_eval.study.spec import Cell, Study, StudyModel
from openbook_eval.study.workflow import Step, Workflow
from openbook_eval.training.recipes import TINY_MODEL

SNAKEFILE = Path(__file__).with_name("Snakefile")
PROFILES = Path(__file__).with_name("profiles")
# Seconds between two looks at the steps.
_LOOK = 0.5
_COLUMNS = ("table", "model", "mix", "ratio", "rows", "seeds", "steps", "GPU h", "disk")
_MEANING = (
    "steps: done of wanted. GPU hours (of an A100) and disk: of what is not done, in the first row that wants it; "
    "estimates, by the formulas in openbook_eval/study/workflow.py"
)


def plan_report(study: Study, workflow: Workflow, work: Path) -> Iterator[Table | Text]:
    """Yield the table of a plan, its sums, what failed, and what should be known before it is run."""
    states = {step.id: step.state(work) for step in workflow.steps.values()}
    left = [step for step in workflow.steps.values() if not states[step.id].done]
    failed = ((step.id, states[step.id]) for step in left)
    yield table(_COLUMNS, _rows(workflow, states), study.title, names=3)
    yield line(_MEANING)
    yield from map(line, _sums(workflow, left, work))
    yield from (line(f"failed: {at}: {each.reason} (log: {work / each.log})") for at, each in failed if each.reason)
    notices = (*_data_notices(study, left), *unchecked(workflow, work), *_model_notices(study, workflow, left))
    yield from map(line, notices)


def _rows(workflow: Workflow, states: Mapping[str, State]) -> Iterator[Sequence[str]]:
    arms: dict[object, list[Cell]] = {}
    for cell in workflow.cells:
        arms.setdefault(cell.arm, []).append(cell)
    counted = set[str]()
    for cells in arms.values():
        steps = {step.id: step for cell in cells for step in workflow.needed_by(workflow.evaluation(cell))}
        mix = cells[0].mix
        shape = (mix.name, mix.ratio, f"{mix.rows:,}", str(len(cells))) if mix else ["-"] * 4
        failed = sum(bool(states[name].reason) for name in steps)
        done = f"{failed} failed" if failed else f"{sum(states[name].done for name in steps)}/{len(steps)}"
        needs = [step.need for name, step in steps.items() if not states[name].done and name not in counted]
        counted |= steps.keys()
        hours = [need.hours for need in needs if need.gpus]
        gpu = _sum(hours, "{:,.1f}".format) if hours else "-"
        disk = _sum([need.kept for need in needs], lambda count: decimal(round(count)))
        yield str(cells[0].table or "-"), cells[0].title, *shape, done, gpu, disk


def _sum(amounts: Sequence[float | None], form: Callable[[float], str]) -> str:
    if None not in amounts or any(amounts):
        return form(sum(filter(None, amounts))) + " + ?" * (None in amounts)
    return "unknown"


def _sums(workflow: Workflow, left: Sequence[Step], work: Path) -> Iterator[str]:
    total = len(workflow.steps)
    yield f"{len(workflow.cells)} cells, {total} steps, of which {total - len(left)} are done"
    hours = [step.need.hours for step in left if step.need.gpus]
    besides = f", and {unknown} steps of unknown time" if (unknown := hours.count(None)) else ""
    yield f"left: {sum(filter(None, hours)):,.1f} GPU-hours{besides}"
    kept, scratch = sum(step.need.kept or 0 for step in left), max((step.need.scratch for step in left), default=0)
    free = shutil.disk_usage(next(place for place in (work, *work.absolute().parents) if os.path.exists(place))).free  # noqa: PTH110
    hint = "" if kept + scratch <= free else "; name another disk by --work, or set evaluate: adapter"
    stays, passes, there = (decimal(round(count)) for count in (kept, scratch, free))
    yield f"disk: {stays} to stay, {passes} for a while; {there} are free{hint}"


def _data_notices(study: Study, left: Sequence[Step]) -> Iterator[str]:
    if (data := study.data) is None or not study.groups:
        return
    if any(step.kind == "mix" for step in left):
        if data.folder is None:
            yield "there is no folder of raw files; name it by data: {folder: ...} or OPENBOOK_DATA"
        for source in (each for each in data.spec.declared.sources if data.folder and not data.raw_files(each)):
            fetched = f"fetched from the hub: {source.hub}" if source.hub else "its rows are missing"
            yield f"source {source.name}: no file {source.path or 'is named'}; {fetched}"
    known = {*data.exams, *(str(path.resolve()) for path in data.other_files())}
    if known.isdisjoint({study.exam.name, study.exam.name.partition("#")[0]}):
        yield f"exam {study.exam.name}: the mixes are not checked against it; name it in the spec, decontaminate: exams"


def unchecked(workflow: Workflow, work: Path) -> Iterator[str]:
    """Yield the mixes that could not be checked against an exam when they were built, a line for each exam."""
    found: dict[str, list[str]] = {}
    for step in workflow.steps.values():
        if step.kind == "mix" and step.state(work).done:
            build = read_json(work / step.id / step.name / MANIFEST).get("build") or {}
            for exam in (build.get("contamination") or {}).get("exams", ()):
                if "not_checked" in exam:
                    found.setdefault(exam["name"], []).append(step.name)
    for exam, mixes in found.items():
        yield f"exam {exam}: could not be fetched, so that rows of it were not looked for in {some(mixes)}"


def _model_notices(study: Study, workflow: Workflow, left: Sequence[Step]) -> Iterator[str]:
    sources = {cell.base: cell.source for cell in workflow.cells if workflow.evaluation(cell) in left}
    asked = [base for base, each in sources.items() if isinstance(each, StudyModel) and each.endpoint]
    models = sorted(name for name in sources.keys() - {*asked, TINY_MODEL} if not Path(name).is_absolute())
    sizes = {name: size for name in models if (size := size_of(name))}
    if models:
        known = sum(2.0 * size.parameters for size in sizes.values()) / 1e9
        unknown = f" and {len(models) - len(sizes)} of unknown size" if len(sizes) < len(models) else ""
        yield f"{len(models)} models come from the hub, unless cached: {some(models)}; {known:,.0f} GB{unknown}"
    code = [name for name, size in sizes.items() if size.trust_remote_code]
    if code and not study.engine.model_args.get("trust_remote_code"):
        yield (
            f"{some(code)}: run code of their authors; their evaluations fail until you have read it and set "
            "engine: {model_args: {trust_remote_code: true}}"
        )
    if asked:
        yield f"{some(asked)}: asked through an API, which costs money; how much, openbook-eval run --dry-run says"


def find_profile(name: str) -> tuple[Path, str | None]:
    """Return the folder of a profile, which may be a shipped one, and the executor it names."""
    known = sorted(path.name for path in PROFILES.iterdir())
    folder = PROFILES / name if name in known else Path(name).absolute()
    if not (file := folder / "config.yaml").is_file():
        raise OpenbookError(f"--profile {name}: no folder with a config.yaml; {did_you_mean(name, known)}")
    return folder, load_yaml(file).get("executor")


def show(workflow: Workflow, work: Path, flag: str, profile: str | None = None) -> None:
    """Have Snakemake print its --dry-run or its --summary, whichever `flag` says."""
    command, environment = _prepare(workflow, work.absolute(), None, profile)
    if code := subprocess.run([*command, flag], env=environment, check=False).returncode:  # noqa: S603
        raise OpenbookError(f"Snakemake ended with exit code {code}; see above")


def run(workflow: Workflow, work: Path, at_once: int | None = None, profile: str | None = None) -> int:
    """Do what is not done, `at_once` steps at a time, and return how many failed; these stop no others."""
    work, console = work.absolute(), Console(highlight=False, soft_wrap=True)
    with _alone(work):
        todo = workflow.to_do(work)
        command, environment = _prepare(workflow, work, at_once, profile)
        # That of an image cannot be seen from here.
        if any(step.kind == "train" for step in todo) and not (profile and find_profile(profile)[1] == "kubernetes"):
            jobs.accelerate()
        for step in todo:
            (work / step.id / jobs.FAILURE).unlink(missing_ok=True)
        log = work / "logs" / f"{time.strftime('%Y%m%d-%H%M%S')}.log"
        log.parent.mkdir(exist_ok=True)
        console.print(f"{len(todo)} of {len(workflow.steps)} steps to do; log: {log}", markup=False)
        # Nothing is ever said to it: its standard input ends with this process, however that ends, and tells the jobs
        # on this machine to end, and Snakemake with them.
        with log.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603
                command, env=environment, stdin=subprocess.PIPE, stdout=file, stderr=file, start_new_session=True
            )
        _follow(process, todo, work, console)
        undone = [step for step in todo if not step.state(work).done]
        failed = [step for step in undone if all(workflow.steps[need].state(work).done for need in step.needs)]
        for step in (each for each in failed if not each.state(work).reason):
            console.print(line(f"{step.kind} {step.name}: failed: ended without a word; see {log}"))
        if not_begun := len(undone) - len(failed):
            console.print(f"{not_begun} not begun, for what they need has failed")
        return len(failed)


def _prepare(
    workflow: Workflow, work: Path, at_once: int | None, profile: str | None
) -> tuple[list[str], dict[str, str]]:
    if find_spec("snakemake") is None:
        raise OpenbookError("studies need Snakemake, which is not installed: pip install 'openbook-eval[study]'")
    folder, executor = find_profile(profile) if profile else (None, None)
    config = workflow.config(work, executor)
    # The plugin of Slurm reads USER, which containers may not set.
    environment = {"USER": getpass.getuser(), **os.environ}
    if place := environment.get(jobs.TRAINING_ENV):
        environment[jobs.TRAINING_ENV] = str(Path(place).absolute())
    if folder:
        environment.pop(jobs.GPUS, None)
        where = ["--profile", str(folder), *(["--jobs", str(at_once)] if at_once else [])]
    else:
        gpus = jobs.visible_gpus()
        _fit(config["steps"], len(gpus))
        environment[jobs.GPUS] = ",".join(gpus)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
        where = ["--profile", "none", "--cores", str(at_once or len(os.sched_getaffinity(0)))]
        where += ["--resources", f"gpu={len(gpus)}", f"mem_mb={memory}"]
    write_atomic(work / jobs.CONFIG, json.dumps(config, ensure_ascii=False, indent=1, sort_keys=True))
    command = [
        *(sys.executable, "-P", "-m", "openbook_eval.study.runner" if executor == "kubernetes" else "snakemake"),
        *("--snakefile", str(SNAKEFILE), "--directory", str(work), "--configfile", str(work / jobs.CONFIG)),
        # Params hold what a result is made of; times of files say nothing. A lock would survive a kill.
        *("--keep-going", "--rerun-triggers", "params", "input", "--rerun-incomplete", "--nolock"),
        *("--scheduler", "greedy", "--workflow-profile", "none", "--nocolor"),
    ]
    return [*command, *where], environment


def _fit(steps: Mapping[str, dict[str, Any]], gpus: int) -> None:
    # Most engines do not start without a GPU where there is one.
    for name, step in steps.items():
        if gpus and name.startswith("evaluate/") and "api-openbook" not in step["task"]["command"]:
            step["gpus"] = step["resources"]["gpu"] = max(1, step["gpus"])
        if step["gpus"] > gpus:
            raise OpenbookError(
                f"{name.replace('/', ' ')} needs {step['gpus']} GPUs, and this machine has {gpus or 'none'}; "
                "run it where there are as many, or on a cluster: --profile slurm"
            )


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    # The lock ends with the process, however that ends.
    try:
        work.mkdir(parents=True, exist_ok=True)
        file = (work / ".lock").open("w")
    except OSError as error:
        raise OpenbookError(f"{work}: cannot be written to ({error.strerror}); name another folder: --work") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OpenbookError(f"{work}: another run is at work there; wait for it, or end it") from error
        yield


def _follow(process: "subprocess.Popen[bytes]", todo: Sequence[Step], work: Path, console: Console) -> None:
    waiting, over = list(todo), False
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("steps"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        progress = bar.add_task("", total=len(todo))
        try:
            while not over:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK)
                over = process.poll() is not None
                for step in list(waiting):
                    if not ((state := step.state(work)).done or state.reason):
                        continue
                    waiting.remove(step)
                    count = f"{len(todo) - len(waiting):>{len(str(len(todo)))}} of {len(todo)}"
                    became = f"done in {state.seconds:.1f} s" if state.done else f"failed: {state.reason}"
                    console.print(line(f"{count}  {step.kind} {step.name}: {became}"))
                    bar.advance(progress)
        finally:
            # Ctrl-C: jobs on a cluster are taken back.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                process.communicate()


def _snakemake_on_a_shared_volume(arguments: Sequence[str]) -> None:
    # The plugin takes it that pods share nothing: it would fetch and store every file, and install a storage plugin in
    # every pod. A study needs a volume that they share.
    settings: Any = import_module("snakemake_executor_plugin_kubernetes").common_settings
    settings.implies_no_shared_fs = False
    settings.job_deploy_sources = False
    settings.auto_deploy_default_storage_provider = False
    import_module("snakemake.cli").main(list(arguments))


if __name__ == "__main__":
    _snakemake_on_a_shared_volume(sys.argv[1:])

"""Print the plan of a study: every arm, what of it is there, what the rest needs, and what stands in the way."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.errors import some, visible
from openbook_eval.models.profiles import named
from openbook_eval.study.inputs import raw_files
from openbook_eval.study.needs import size_of
from openbook_eval.study.spec import Cell, Study, StudyModel
from openbook_eval.study.workflow import Step, StepState, Workflow, state_of
from openbook_eval.training.recipes import TINY_MODEL

_MEANING = (
    "steps: done of wanted. GPU hours (of an A100) and disk: of what is not done and\n"
    "this row alone wants; estimates, by the formulas in openbook_eval/study/needs.py"
)


def plan_report(study: Study, workflow: Workflow, work: Path) -> Iterator[Table | Text]:
    """Yield the table of a plan, its sums, what failed, and what should be known before it is run."""
    states = {step.id: state_of(step, work) for step in workflow.steps.values()}
    todo = [step for step in workflow.steps.values() if not states[step.id].done]
    yield Text(f"\n{visible(study.title)}", "bold")
    yield _table(workflow, states)
    yield Text(_MEANING, "table.caption")
    yield from _sums(workflow, todo, work)
    for step in todo:
        if state := states[step.id] if states[step.id].reason else None:
            yield Text(visible(f"failed: {step.id}: {state.reason} (log: {work / state.log})"), "bold red")
    for notice in _notices(study, workflow, todo):
        yield Text(visible(notice))


def _table(workflow: Workflow, states: Mapping[str, StepState]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("table", justify="right", no_wrap=True)
    table.add_column("model", overflow="fold")
    table.add_column("mix", overflow="fold")
    for head in ("ratio", "rows", "seeds", "steps", "GPU h", "disk"):
        table.add_column(head, justify="right", no_wrap=True)
    arms: dict[object, list[Cell]] = {}
    for cell in workflow.cells:
        arms.setdefault(cell.arm, []).append(cell)
    for cells in arms.values():
        names = {cell.name for cell in cells}
        steps = [step for step in workflow.steps.values() if names.intersection(step.cells)]
        own = [step for step in steps if not states[step.id].done and names.issuperset(step.cells)]
        table.add_row(*_named(cells), _done(steps, states), _gpu_hours(own), _disk(own))
    return table


def _named(cells: list[Cell]) -> Iterator[str | Text]:
    first = cells[0]
    yield str(first.table or "-")
    # The owner of a model on the hub would fill the column.
    yield Text(visible(first.model.rpartition("/")[2]))
    mix = first.mix
    if mix is None:
        yield from ("-", "-", "-", "-")
    else:
        yield from (Text(visible(mix.name)), f"{mix.general}:{mix.medical}", f"{mix.rows:,}", str(len(cells)))


def _done(steps: Iterable[Step], states: Mapping[str, StepState]) -> Text:
    found = [states[step.id] for step in steps]
    if failed := sum(bool(state.reason) and not state.done for state in found):
        return Text(f"{failed} failed", "bold red")
    done = sum(state.done for state in found)
    return Text(f"{done}/{len(found)}", "green" if done == len(found) else "")


def _gpu_hours(steps: Iterable[Step]) -> str:
    hours = [step.need.hours for step in steps if step.need.gpus]
    return _sum(hours, f"{sum(filter(None, hours)):,.1f}") if hours else "-"


def _disk(steps: Iterable[Step]) -> str:
    kept = [step.need.kept for step in steps]
    return _sum(kept, size_text(sum(filter(None, kept))))


def _sum(amounts: list[float | None], known: str) -> str:
    if None not in amounts:
        return known
    return f"{known} + ?" if any(amounts) else "unknown"


def size_text(count: float) -> str:
    """Return bytes as people read them, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _sums(workflow: Workflow, todo: list[Step], work: Path) -> Iterator[Text]:
    total = len(workflow.steps)
    yield Text(f"{len(workflow.cells)} cells, {total} steps, of which {total - len(todo)} are done")
    gpu = [step for step in todo if step.need.gpus]
    unknown = sum(step.need.hours is None for step in gpu)
    besides = f", and {unknown} steps of unknown time" if unknown else ""
    yield Text(f"left: {sum(step.need.hours or 0 for step in gpu):,.1f} GPU-hours{besides}")
    kept, scratch = sum(step.need.kept or 0 for step in todo), max((step.need.scratch for step in todo), default=0)
    free = shutil.disk_usage(next(place for place in (work, *work.absolute().parents) if place.exists())).free
    wanted = f"disk: {size_text(kept)} to stay, {size_text(scratch)} for a while; {size_text(free)} are free"
    enough = kept + scratch <= free
    hint = "" if enough else "; name another disk by --work, or set evaluate: adapter"
    yield Text(wanted + hint, "" if enough else "bold red")


def _notices(study: Study, workflow: Workflow, todo: list[Step]) -> Iterator[str]:
    """Yield what the steps that are left lean on: raw files, the hub, code of others, providers that want money."""
    if study.data and any(step.kind == "mix" for step in todo):
        if study.data.folder is None:
            yield "there is no folder of raw files; name it by data: {folder: ...} or OPENBOOK_DATA"
        for source in study.data.spec.spec.sources:
            if not raw_files(source, study.data.folder):
                fetched = f"fetched from the hub: {source.hub}" if source.hub else "its rows are missing"
                yield f"source {source.name}: no file {source.path or 'is named'}; {fetched}"
    if study.exam.digest is None and any(step.kind == "evaluate" for step in todo):
        yield f"exam {study.exam.name}: read from the hub when it is run; whether it can be was not looked up"
    wanted = {name for step in todo for name in step.cells if step.kind != "mix"}
    sources = {cell.model: cell.source for cell in workflow.cells if cell.name in wanted}
    as_they_are = {name: each for name, each in sources.items() if isinstance(each, StudyModel)}
    profiles = {name: named(name)[1].hub for name, each in as_they_are.items() if each.profile}
    asked = [name for name, each in as_they_are.items() if each.endpoint]
    models = {profiles.get(name, name) for name in sources.keys() - asked if not Path(name).is_absolute()}
    yield from _hub_notices(study, sorted(models - {TINY_MODEL}))
    if asked:
        yield f"{some(asked)}: asked through an API, which costs money; how much, openbook-eval run --dry-run says"


def _hub_notices(study: Study, models: list[str]) -> Iterator[str]:
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

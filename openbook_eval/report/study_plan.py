"""The plan of a study laid out for the terminal: a row for all seeds of a setting, sums, and what stands in the way."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.report.cells import line
from openbook_eval.study.steps import KINDS

if TYPE_CHECKING:
    from openbook_eval.study.cells import Cell
    from openbook_eval.study.planning.plan import Amount, Left, Plan, Row, Stage

_MEANING = (
    "steps by kind: done of wanted; GPU-hours and disk: of what is not done and this row alone wants; estimates by the "
    "formulas in openbook_eval/study/planning/costs.py, or as long as alike steps took"
)


def plan_report(plan: "Plan") -> Iterator[Table | Text]:
    """The table of a plan, its sums, and its notices."""
    yield Text(f"\n{line(plan.title)}", "bold")
    yield _table(plan)
    yield Text(_MEANING, "table.caption")
    yield from _sums(plan)
    for failure in plan.failures:
        log = f" (log: {plan.work / failure.log})" if failure.log else ""
        yield Text(f"failed: {line(f'{failure.step}: {failure.reason}{log}')}", "bold red")
    for notice in plan.notices:
        yield line(notice)


def _table(plan: "Plan") -> Table:
    # One blank between columns: names shall stand on one line of 80 signs where they can.
    table = Table(box=box.SIMPLE, pad_edge=False, padding=0)
    table.add_column("table", justify="right")
    table.add_column("model", overflow="fold")
    table.add_column("trained on", overflow="fold")
    table.add_column("seeds", justify="right")
    kinds = [kind for kind in KINDS if any(kind in row.stages for row in plan.rows)]
    for head in (*kinds, "GPU-hours", "disk"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in plan.rows:
        stages = [_stage(row.stages.get(kind)) for kind in kinds]
        table.add_row(*_named(row), *stages, _hours(row.left), _disk(row.left.disk))
    return table


def _named(row: "Row") -> tuple[str | Text, ...]:
    cell = row.first
    seeds = len(row.cells) if cell.recipe else "-"
    # The owner of a model on the hub would fill the column.
    model = cell.model.rpartition("/")[2]
    return str(cell.table or "-"), line(model), line(_trained(cell)), str(seeds)


def _trained(cell: "Cell") -> str:
    if cell.mix is None:
        return "-"
    return f"{cell.mix.name}: {cell.mix.general}:{cell.mix.medical}, {cell.mix.rows:,}"


def _stage(stage: "Stage | None") -> Text:
    if stage is None:
        return Text("-")
    if stage.failed:
        return Text(f"{stage.failed} failed", "bold red")
    return Text(f"{stage.done}/{stage.steps}", "green" if stage.done == stage.steps else "")


def _hours(left: "Left") -> str:
    if not left.gpu_hours.known and not left.gpu_hours.unknown:
        return "-"
    return _amount(left.gpu_hours, f"{left.gpu_hours.known:,.1f}")


def _disk(amount: "Amount") -> str:
    return _amount(amount, size(amount.known))


def _amount(amount: "Amount", known: str) -> str:
    if not amount.unknown:
        return known
    return f"{known} + ?" if amount.known else "unknown"


def size(count: float) -> str:
    """Bytes as people read them, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _sums(plan: "Plan") -> Iterator[Text]:
    left = plan.left
    cells = sum(len(row.cells) for row in plan.rows)
    yield Text(f"{cells} cells, {plan.steps} steps, of which {plan.steps - left.steps} are done")
    yield Text(f"left: {left.gpu_hours.known:,.1f} GPU-hours of an A100{_besides(left.gpu_hours)}")
    yield Text(f"without a card: {left.cpu_hours.known:,.1f} hours{_besides(left.cpu_hours)}")
    wanted = f"disk: {size(left.disk.known)} to stay{_besides(left.disk)}, {size(plan.scratch)} for a while"
    free = "how much is free is not known" if plan.free is None else f"{size(plan.free)} are free"
    where = line(str(plan.work))
    if plan.enough:
        yield Text(f"{wanted}; {free} at {where}")
    else:
        yield Text(f"{wanted}; only {free} at {where}: name another disk by --work, or examine: adapter", "bold red")


def _besides(amount: "Amount") -> str:
    if not amount.unknown:
        return ""
    return f", and {amount.unknown} {'step' if amount.unknown == 1 else 'steps'} of which nothing is known yet"

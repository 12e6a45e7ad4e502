"""A fit laid out for the terminal: laws, predictions, the best ratio and the next cell, and what cannot be told."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from openbook_eval.console import line, percent
from openbook_eval.errors import visible

if TYPE_CHECKING:
    from openbook_eval.leaderboard.stats import Interval
    from openbook_eval.study.fitting.values import Candidate, Condition, Fit, Group, Next, Optimum, Place, Trend

_SURE, _LEAST = 0.05, 0.001
_MEANING = (
    "percent and points; error: the mean square, in squared points, of predicting a setting from all others, with its "
    "standard error; chosen: the simplest law within one standard error of the best; drawn: how often the bootstrap "
    "chose it; intervals: 95 %, of the mean over trainings, the choice of the law included"
)


def fit_report(fit: "Fit") -> Iterator[Table | Text]:
    """All groups of a fit, what could not be fitted, and what the figures mean."""
    for group in fit.groups:
        yield from _group(group, fit.weight)
    for reason in fit.left_out:
        yield line(f"not fitted: {reason}")
    yield Text(f"\n{_MEANING}; {fit.draws:,} draws, seed {fit.seed}", "table.caption")


def _group(group: "Group", weight: float) -> Iterator[Table | Text]:
    source = f"{group.source}, table {group.table}" if group.table else group.source
    each = ", each with a level of its own" if len(group.models) > 1 else ""
    title = visible(f"{', '.join(group.models)}{each}: accuracy by {group.varies.value} ({source})")
    yield Text(f"\n{title}", "bold")
    for condition in (group.reading, group.knowledge):
        if condition:
            yield from _condition(condition)
    if group.optimum:
        yield from map(Text, _best(group, group.optimum, weight))
    yield from map(line, _next(group.next))


def _condition(condition: "Condition") -> Iterator[Table | Text]:
    yield line(
        f"{condition.name}: {_counted(condition.settings, 'setting')}, {_counted(condition.trainings, 'training')}"
    )
    yield from _laws(condition)
    yield Text(_scatter(condition))
    yield from map(Text, map(_trend, condition.trends))
    yield _predictions(condition)


def _laws(condition: "Condition") -> Iterator[Table | Text]:
    table = _table("", "law", "error = 1 - accuracy", right=("parameters", "error", "drawn"))
    # A narrow terminal breaks the formula into lines, and cuts nothing.
    table.columns[2].no_wrap = False
    for law in condition.tried:
        if law.error is not None and law.spread is not None:
            error = f"{1e4 * law.error:.2f} ± {1e4 * law.spread:.2f}"
            chosen = "chosen" if law is condition.chosen else ""
            table.add_row(chosen, law.name, law.formula, str(law.parameters), error, f"{law.drawn:.0%}")
    yield table
    if _nothing_but_constant(condition):
        yield Text("so few settings allow nothing but a constant: that nothing changes is not found, but all there is")
    yield from (Text(f"not tried: {law.name}, {law.formula}: {law.reason}") for law in condition.tried if law.reason)


def _nothing_but_constant(condition: "Condition") -> bool:
    return [law.name for law in condition.tried if law.error is not None] == ["constant"]


def _scatter(condition: "Condition") -> str:
    freedom = f"{_counted(condition.freedom, 'degree')} of freedom"
    items = f"other questions would move all alike, by {percent(condition.items)}"
    if condition.mixes is None:
        return (
            f"trainings scatter around the law by {percent(condition.scatter)} points ({freedom}; none was repeated, "
            f"so that the scatter between seeds is not known); {items}"
        )
    return (
        f"seeds scatter by {percent(condition.scatter)} points ({freedom}), mixes around the law by "
        f"{percent(condition.mixes)} more; {items}"
    )


def _trend(trend: "Trend") -> str:
    by = "from no medical data to nothing else" if trend.by.value == "ratio" else "for twice the rows"
    p = f"p {trend.p:.3f}" if trend.p >= _LEAST else f"p below {_LEAST}"
    told = f"along a straight line, {by}: {_signed(trend.slope)} points ({_reach(trend.interval)}), {p}"
    if trend.p < _SURE:
        return told
    if trend.least >= _SURE:
        return f"{told}: too few unlike settings for this test, in which p cannot be less than {trend.least:.3f}"
    found = f"4 of 5 such studies would find one of {percent(trend.detectable)} points"
    return f"{told}: not to be told from none; {found}"


def _predictions(condition: "Condition") -> Table:
    table = _table("mix", right=("observed", "predicted", "95 % interval"))
    for each in condition.predicted:
        table.add_row(_mix(each.place), percent(each.observed), percent(each.share), _reach(each.interval))
    return table


def _best(group: "Group", best: "Optimum", weight: float) -> Iterator[str]:
    wanted = f"{weight:g} x reading + {1 - weight:g} x knowledge" if group.knowledge else "reading alone"
    rows = f" with {best.rows:,} rows" if group.varies.value == "ratio and size" else ""
    if best.medical is None:
        yield f"best ratio for {wanted}{rows}: none is better than another by the chosen law"
    else:
        value = f"{percent(best.value)} ({_reach(best.value_interval)})"
        yield f"best ratio for {wanted}{rows}: {_share(best.medical)} medical ({_shares(best.interval)}), value {value}"
    if group.knowledge is None:
        why = f"closed-book runs are not fitted ({visible(group.lacking)})" if group.lacking else "no closed-book runs"
        yield f"{why}: what knowledge is gained, and so the trade-off, cannot be told"
    if best.untold:
        yield "the interval is all of what a ratio can be: these points do not tell a best ratio"
    elif best.undecided >= _SURE:
        yield f"{best.undecided:.0%} of the draws prefer no ratio at all"
    if best.at_edge:
        yield f"the best is an edge, no mix: {'medical' if best.medical else 'general'} data alone{_bends(group)}"
    if best.extrapolated:
        yield f"no mix was trained there: {_shares(best.trained)} medical were, and beyond that the law is stretched"


def _bends(group: "Group") -> str:
    """Where nothing but straight and steadily rising or falling laws were tried, an edge is all that could come out."""
    tried = [law for law in group.reading.tried if law.error is not None]
    if group.knowledge or any(law.name == "D-CPT" for law in tried):
        return ""
    return "; every law that so few settings allow rises or falls all the way, so that nothing else could come out"


def _next(after: "Next") -> Iterator[str]:
    if after.target is None:
        what, unit = "the interval of the best ratio's medical share", _width_of_share
    else:
        what, unit = f"the interval of the prediction at {_mix(after.target)}", _width_of_accuracy
    yield f"{what} is {unit(after.width)} wide; expected after one more training"
    for number, cell in enumerate(after.untrained, 1):
        yield f"  {number}. {_cell(cell)}: {unit(cell.width)}"
    if not after.untrained:
        yield "  every cell of the study and of the paper's tables is trained"
    if after.again:
        yield f"  another seed of {_cell(after.again)}: {unit(after.again.width)}"
    if after.untrained and after.width:
        enough = f"{_counted(after.halving, 'seed')}" if after.halving else f"more than {after.most} seeds"
        yield f"to halve it takes {enough} of the first"


def _cell(cell: "Candidate") -> str:
    return _mix(cell.place) if cell.place.model is None else f"{cell.place.model} on {_mix(cell.place)}"


def _mix(place: "Place") -> str:
    return f"{place.ratio}, {place.rows:,} rows" if place.rows else place.ratio


def _width_of_share(width: float) -> str:
    return f"{width:.2f}"


def _width_of_accuracy(width: float) -> str:
    return f"{percent(width)} points"


def _share(share: float) -> str:
    return f"{share:.0%}"


def _shares(interval: "Interval") -> str:
    return f"{_share(interval.low)} to {_share(interval.high)}"


def _reach(interval: "Interval") -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"


def _signed(share: float) -> str:
    return f"{100 * share:+.2f}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _table(*left: str, right: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for name in left:
        table.add_column(name, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table

"""Compare what each of the paper's claims is about, and draw the conclusion that a study's own arms allow.

Differences are tested over questions and seeds (`results.contrast`), p corrected by Holm's method over the claims that
a study can test. Only arms that are alike in all but what the claim is about are compared, and only directions: the
level of a study's averages is that of its own models, exam and prompt.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Any, Literal

import polars as pl

from openbook_eval.files import load_yaml
from openbook_eval.leaderboard.stats import ALPHA, Interval, holm
from openbook_eval.study.results import CLOSED, OPEN, Arm, Contrast, contrast, under

Conclusion = Literal["replicates", "contradicts", "undecided"]
_Arms = Sequence[Arm]

# An average is no worse than another where it is lower by less, a share of 1. The paper's 9:1 and 4:1 differ by 0.007
# at most.
MARGIN = 0.01
_TEST = "t over questions and seeds"
_TOO_FEW = "undecided, for chance in training is not known: each arm needs two seeds, one that is trained alone three"
_UNLIKE_ROWS = "no medical data alone have as many rows as a mix: the difference is one of rows as well"
_GUESSING = "closed-book averages at or below guessing tell of answering in form, not of knowledge"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A difference of averages, a share of 1, and what it says of a claim."""

    value: float
    interval: Interval | None  # of 95 %; None, and p NaN, where nothing is known of chance
    p: float  # NaN where seeds are too few as well
    test: str
    seeds: int = 0  # the fewest of a trained arm
    by_model: tuple[tuple[str, float], ...] = ()
    note: str = ""
    adjusted: float = nan  # p by Holm's method
    conclusion: Conclusion = "undecided"


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper as claims.yml tells it, and what its figures say where they are published."""

    key: str
    where: str
    text: str
    expected: Literal[-1, 0, 1]
    compared: str
    needs: str
    paper: Evidence | None


def judge(arms: _Arms) -> list[tuple[Claim, Evidence | None]]:
    """Return every claim with what the arms of a study say of it."""
    books = under(arms, OPEN), under(arms, CLOSED)
    expected = [claim.expected for claim in claims()]
    own = _judged([COMPARISONS[claim.key](*books) for claim in claims()], expected)
    return list(zip(claims(), own, strict=True))


@cache
def claims() -> list[Claim]:
    """Return the claims in the order of their file, with what the published figures say of each."""
    stored = load_yaml(Path(__file__).with_name("claims.yml"))
    paper = _judged(
        [_published(each.get("paper")) for each in stored.values()], [each["expected"] for each in stored.values()]
    )
    return [Claim(key, **{**each, "paper": found}) for (key, each), found in zip(stored.items(), paper, strict=True)]


def _published(stored: Mapping[str, Any] | None) -> Evidence | None:
    if stored is None:
        return None
    note = "one training a setting: what chance does in training is not published"
    ends, models = Interval(stored["low"], stored["high"]), tuple(stored.get("models", {}).items())
    return Evidence(stored["value"], ends, stored["p"], stored["test"], 0, models, note)


def _judged(found: Sequence[Evidence | None], expected: Sequence[int]) -> list[Evidence | None]:
    adjusted = holm([each.p if each else nan for each in found]).tolist()
    every = zip(found, adjusted, expected, strict=True)
    return [
        replace(each, adjusted=p, conclusion=_conclusion(each.value, p, sign)) if each else None
        for each, p, sign in every
    ]


def _conclusion(value: float, p: float, expected: int) -> Conclusion:
    if isnan(p) or p >= ALPHA:
        return "undecided"
    holds = value * expected > 0 if expected else value > -MARGIN
    return "replicates" if holds else "contradicts"


def _evidence(
    arms: _Arms, weighed: pl.DataFrame, p: Callable[[Contrast], float] = Contrast.p, test: str = _TEST, note: str = ""
) -> Evidence | None:
    """Return the mean over models of what is compared, arms by their weights; None where nothing is."""
    rows = weighed.filter(pl.col("weight") != 0).sort("model", "arm").select("model", "weight", "arm").rows()
    models = {name: [(weight, arms[arm]) for own, weight, arm in rows if own == name] for name, _, _ in rows}
    parts = [(weight / len(models), arm) for own in models.values() for weight, arm in own]
    if not parts:
        return None
    seeds = [len(arm.scores) for _, arm in parts if arm.cell.mix]
    fewest = min(seeds, default=0)
    try:
        whole = contrast(parts)
    except ValueError as error:
        return Evidence(nan, None, nan, test, fewest, note=_joined(str(error), note))
    titles = {arm.cell.base: arm.cell.title for _, arm in parts}
    by_model = tuple((titles[name], contrast(own).value) for name, own in models.items() if name)
    # The t of a single degree of freedom finds differences of nothing far more than 5 times in 100.
    if 1 in seeds or seeds == [2]:
        return Evidence(whole.value, whole.interval, nan, test, fewest, by_model, _joined(_TOO_FEW, note))
    return Evidence(whole.value, whole.interval, p(whole), test, fewest, by_model, note)


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


_TABLE, _MEDICAL, _ROWS = pl.col("table"), pl.col("medical"), pl.col("rows")
_AS_IT_IS, _ALONE, _MIXED = _MEDICAL.is_null(), _MEDICAL == 1, _MEDICAL.is_between(0, 1, closed="none")


def _framed(arms: _Arms) -> pl.DataFrame:
    cells = [arm.cell for arm in arms]
    shapes = [(float(cell.mix.medical_share), cell.mix.rows) if cell.mix else (None, None) for cell in cells]
    schema = {"arm": pl.Int64, "model": pl.String, "table": pl.Int64, "medical": pl.Float64, "rows": pl.Int64}
    return pl.DataFrame(
        [(at, cell.base, cell.table, *shapes[at]) for at, cell in enumerate(cells)], schema, orient="row"
    )


def _less(arms: pl.DataFrame, one: pl.Expr, other: pl.Expr, *alike: str) -> pl.DataFrame:
    """Weigh arms for the mean of one kind less that of another, by model, over all in which they are alike."""
    own = arms.with_columns(weight=pl.when(one).then(1.0).when(other).then(-1.0)).drop_nulls("weight")
    own = own.filter(pl.col("weight").n_unique().over("model", *alike) == 2)
    groups = pl.struct("model", *alike).n_unique().over("model")
    return own.with_columns(weight=pl.col("weight") / pl.len().over("model", *alike, "weight") / groups)


def _trend(arms: pl.DataFrame, table: int) -> pl.DataFrame:
    """Weigh arms for the change from first to last share (or rows, table 5), by least squares through them in order."""
    level, alike = ("medical", "rows") if table == 4 else ("rows", "medical")
    levels = pl.col(level).n_unique().over("model", alike).cast(pl.Float64)
    own = arms.filter(table == _TABLE, ~_AS_IT_IS).filter(levels > 1)
    # The squares of n ranks around their mean add up to n (n^2 - 1) / 12.
    rank = pl.col(level).rank("dense").over("model", alike) - (levels + 1) / 2
    shared = pl.len().over("model", alike, level) * pl.col(alike).n_unique().over("model")
    return own.with_columns(weight=rank * 12 / (levels * (levels + 1)) / shared)


def _four_to_one(own: _Arms) -> Evidence | None:
    # One-sided where it lies above -MARGIN (D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987), 657-680).
    found = _less(_framed(own).filter(_TABLE == 4), _MEDICAL == 0.2, _MEDICAL == 0.1, "rows")

    def p(whole: Contrast) -> float:
        return whole.p(-MARGIN) / (2 if whole.value > -MARGIN else 1)

    return _evidence(own, found, p, f"one-sided {_TEST}")


def _alone_less_mixes(own: _Arms) -> Evidence | None:
    # Of equal rows where any model has such, else all.
    equal = _evidence(own, _less(_framed(own), _ALONE, _MIXED, "rows"))
    return equal or _evidence(own, _less(_framed(own), _ALONE, _MIXED), note=_UNLIKE_ROWS)


def _medical_less_general_models(own: _Arms) -> Evidence | None:
    models = _framed(own).filter(_AS_IT_IS)
    if min(models.filter(table=table)["model"].n_unique() for table in (1, 2)) < 2:
        return None
    found = _less(models.with_columns(model=pl.lit("")), _TABLE == 2, _TABLE == 1)
    return _evidence(own, found, note="of these models, not of others")


def _knowledge_by_ratio(own: _Arms, closed: _Arms) -> Evidence | None:
    # Where neither end surely reads worse, nothing is decided: what was lost is not known then.
    read, known = _trend(_framed(own), 4), _trend(_framed(closed), 4)
    reading = _evidence(own, read.join(known, on="model", how="semi"))
    side = -1.0 if reading and reading.value > 0 else 1.0
    known = known.join(read, on="model", how="semi").with_columns(pl.col("weight") * side)
    found = _evidence(closed, known)
    if reading is None or found is None:
        return None
    sure = reading.p < ALPHA
    worse = f"with the book the most {'general' if side < 0 else 'medical'} mix reads worse"
    note = worse if sure else f"{worse}, but not surely: whether reading was lost is not known"
    return replace(found, p=found.p if sure else nan, note=_joined(found.note, note, _GUESSING))


# By claim, what is compared of the arms with an open and with a closed book, all of one condition each.
COMPARISONS: Mapping[str, Callable[[_Arms, _Arms], Evidence | None]] = {
    "ratio": lambda own, _: _evidence(own, _trend(_framed(own), 4)),
    "four-to-one": lambda own, _: _four_to_one(own),
    "alone-mixes": lambda own, _: _alone_less_mixes(own),
    "alone-base": lambda own, _: _evidence(own, _less(_framed(own), _ALONE, _AS_IT_IS)),
    "size": lambda own, _: _evidence(own, _trend(_framed(own), 5)),
    "restored": lambda own, _: _evidence(own, _less(_framed(own), (_TABLE == 3) & (_MEDICAL == 0), _AS_IT_IS)),
    "kinds": lambda own, _: _medical_less_general_models(own),
    "trade-off": _knowledge_by_ratio,
}

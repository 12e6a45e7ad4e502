"""What a study found as tables to be read: cells by the paper's tables, claims, and what is not there."""

from collections.abc import Iterator, Sequence

from openbook_eval.leaderboard.export import NONE, Sheet, between, p_value, percent, percents, points
from openbook_eval.study.findings.claims import Judgement, Outcome, Verdict
from openbook_eval.study.findings.evidence import Evidence
from openbook_eval.study.findings.results import Undone
from openbook_eval.study.findings.settings import Setting

_HEADS = ("model", "mix", "condition", "rows", "seeds", "mean", "95 % interval", "answered", "format")
_CLAIM_HEADS = ("claim", "the paper's own figures", "this study", "difference", "95 % interval", "p (Holm)", "seeds")
LEVELS = (
    "Only directions are compared with the paper: the level of an average is that of its models, its exam, its prompt "
    "and how answers are read, and these are others here."
)
INTERVALS = (
    "Means are over seeds, of the plain means of the six exams, in percent. Intervals take in the choice of questions "
    "and of seeds; with three seeds they are wide where seeds differ, and with one they are of questions alone."
)
_HOLM = (
    "p is corrected by Holm's method over the claims that can be tested; a claim is decided where it is below 0.05 and "
    "no setting has one seed only. How often that errs was checked for 3 and 5 seeds."
)
_PAPER_WORDS: dict[Verdict, str] = {
    "replicates": "bear it out",
    "contradicts": "speak against it",
    "undecided": "cannot tell",
    "not in this study": "none are published",
}


def count_sheet(title: str, cells: int, unread: int, undone: Sequence[Undone]) -> Sheet:
    """How far a study is; the exams of `unread` cells are done, and nothing of them can be read."""
    failed = sum(each.failed for each in undone)
    counts = (cells, cells - len(undone) - unread, unread, failed, len(undone) - failed)
    return Sheet(title, ("cells", "examined", "unreadable", "failed", "to be done"), [list(map(str, counts))], texts=0)


def refused_sheet(refused: Sequence[str]) -> Sheet:
    """A row a run that is in no figure."""
    return Sheet("Runs that are in no figure", ("why",), [[line] for line in refused])


def setting_sheets(settings: Sequence[Setting]) -> Iterator[Sheet]:
    """A table for each of the paper's tables that a study has settings of; those of none come last."""
    numbers = sorted({setting.table for setting in settings}, key=lambda number: number or 99)
    for number in numbers:
        rows = [_setting(setting) for setting in settings if setting.table == number]
        yield Sheet(f"Table {number}" if number else "Of none of the paper's tables", _HEADS, rows, texts=3)


def _setting(setting: Setting) -> list[str]:
    return [
        setting.model,
        setting.ratio,
        setting.condition,
        f"{setting.rows:,}" if setting.rows else NONE,
        str(len(setting.seeds)) if setting.trained else NONE,
        percent(setting.share),
        percents(setting.interval),
        percent(setting.answered),
        percent(setting.format_followed),
    ]


def claim_sheet(outcomes: Sequence[Outcome]) -> Sheet:
    """A row a claim: what the published figures say of it, what the study does, and by which figures."""
    rows = [
        [outcome.claim.text, _paper(outcome), outcome.study.verdict, *_figures(outcome.study)] for outcome in outcomes
    ]
    return Sheet("The paper's claims", _CLAIM_HEADS, rows, (LEVELS, _HOLM), texts=3)


def _figures(judgement: Judgement) -> list[str]:
    found = judgement.found
    if found is None:
        return [NONE] * 4
    return [
        points(found.value),
        between(found.interval),
        p_value(judgement.adjusted),
        str(found.seeds) if found.seeds else NONE,
    ]


def outcome_sheet(outcome: Outcome) -> Sheet:
    """One claim in full: the figures of either side, what was compared, and how each model fares."""
    claim = outcome.claim
    sides = (("this study", outcome.study, outcome.study.verdict), ("the paper", outcome.paper, _paper(outcome)))
    rows = [
        [side, verdict, judgement.found.test if judgement.found else NONE, *_figures(judgement)]
        for side, judgement, verdict in sides
    ]
    notes = [f"{claim.where}. Compared: {claim.compared}"]
    if outcome.study.found is None:
        notes.append(f"a study needs {claim.needs}")
    for side, judgement, _ in sides:
        notes += [f"{side}: {told}" for told in _told(judgement.found)]
    heads = ("figures of", "say", "test", "difference", "95 % interval", "p (Holm)", "seeds")
    return Sheet(claim.text, heads, rows, notes, texts=3)


def _paper(outcome: Outcome) -> str:
    return _PAPER_WORDS[outcome.paper.verdict]


def _told(found: Evidence | None) -> Iterator[str]:
    if found and found.by_model:
        yield ", ".join(f"{model} {points(value)}" for model, value in found.by_model)
    if found and found.note:
        yield found.note


def undone_sheet(undone: Sequence[Undone]) -> Sheet:
    """A row a cell that has no exam, failed ones first."""
    rows = [
        [each.cell, "failed" if each.failed else "to be done", each.step, each.reason, each.log or NONE]
        for each in sorted(undone, key=lambda one: not one.failed)
    ]
    return Sheet("Cells without a result", ("cell", "state", "step", "reason", "log"), rows, texts=5)

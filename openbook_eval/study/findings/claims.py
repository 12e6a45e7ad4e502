"""What the paper claims, and what a study's own trainings say of each claim.

A claim is a difference with a direction. It is tested over questions and seeds (`contrasts`), p corrected by Holm's
method over the claims that a study can test. Only directions are compared: the level of a study's averages is that of
its own models, exam and prompt.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan
from typing import Literal

from openbook_eval.leaderboard.stats import LEVEL, holm
from openbook_eval.study.findings import comparisons, published_claims
from openbook_eval.study.findings.evidence import MARGIN, Evidence
from openbook_eval.study.findings.settings import Setting

Verdict = Literal["replicates", "contradicts", "undecided", "not in this study"]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the paper in our words, and where it stands there.

    `expected` is the sign of the difference that `compared` names; 0 says that it is not below `-MARGIN`, None
    that there is some. `needs` says what a study must have for it. `of_paper` is None where the paper has no figures.
    """

    key: str
    where: str
    text: str
    expected: Literal[-1, 0, 1] | None
    compared: str
    needs: str
    of_study: Callable[[Sequence[Setting]], Evidence | None]
    of_paper: Callable[[], Evidence] | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What some figures say of a claim; `adjusted` is p by Holm's method, NaN where there is none."""

    verdict: Verdict
    found: Evidence | None
    adjusted: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """A claim, what a study says of it, and what the published figures themselves say."""

    claim: Claim
    study: Judgement
    paper: Judgement


CLAIMS = (
    Claim(
        key="ratio",
        where="section 4.4, table 4",
        text="The more of the data is medical, the worse the fine-tuned model reads",
        expected=-1,
        compared="open book: the most medical mix less the most general one, by the line through ratios of equal rows",
        needs="trainings of table 4 at two ratios or more, with equal rows",
        of_study=comparisons.by_ratio,
        of_paper=published_claims.by_ratio,
    ),
    Claim(
        key="four-to-one",
        where="section 4.4, table 4",
        # The paper advises to keep "a certain proportion" of general data; which one is read from its table.
        text=f"A fifth of medical data costs nothing yet: 4:1 reads at most {100 * MARGIN:.0f} point worse than 9:1",
        expected=0,
        compared="open book: 4:1 less 9:1, of equal rows; to be better is no contradiction",
        needs="trainings of table 4 at 4:1 and at 9:1, with equal rows",
        of_study=comparisons.four_to_one,
        of_paper=published_claims.four_to_one,
    ),
    Claim(
        key="alone-mixes",
        where="section 4.5, tables 4 and 5",
        text="Trained on medical data alone, a model reads worse than trained on any mix",
        expected=-1,
        compared="open book: medical data alone less mixes with general data, of equal rows where there are any",
        needs="trainings of one model on medical data alone and on mixes",
        of_study=comparisons.medical_alone_less_mixes,
        of_paper=published_claims.medical_alone_less_mixes,
    ),
    Claim(
        key="alone-base",
        where="section 4.2",
        text="Training on medical data alone costs reading that the model had before",
        expected=-1,
        compared="open book: medical data alone less the model before training",
        needs="trainings on medical data alone, and the same model examined as it is",
        of_study=comparisons.medical_alone_less_base,
        of_paper=None,
    ),
    Claim(
        key="size",
        where="section 4.5, table 5",
        text="With more medical data, reading improves steadily",
        expected=1,
        compared="open book: the most rows less the fewest, by the line through sizes of one ratio in their order",
        needs="trainings of table 5 at two sizes or more, with one ratio",
        of_study=comparisons.by_size,
        of_paper=published_claims.by_size,
    ),
    Claim(
        key="small-sizes",
        where="section 4.5, table 5",
        text="While data are few, another amount of them makes a difference",
        expected=None,
        compared="open book: of the smaller half of the sizes the neighbours that differ most surely",
        needs="trainings of table 5 at two sizes or more, with one ratio",
        of_study=comparisons.neighbouring_sizes,
        of_paper=published_claims.neighbouring_sizes,
    ),
    Claim(
        key="restored",
        where="section 4.3, table 3",
        text="General data give a medical model some of its reading back",
        expected=1,
        compared="open book: medical models after training on general data alone less before",
        needs="trainings of table 3 on general data alone, and the same models examined as they are",
        of_study=comparisons.general_after_medical,
        of_paper=published_claims.general_after_medical,
    ),
    Claim(
        key="kinds",
        where="sections 4.1 and 4.2, tables 1 and 2",
        text="Medical models read worse than general ones",
        expected=-1,
        compared="open book: the models of table 2 less those of table 1",
        needs="two models or more of table 1 and of table 2",
        of_study=comparisons.medical_less_general_models,
        of_paper=published_claims.medical_less_general_models,
    ),
    Claim(
        key="trade-off",
        where="section 4.2",
        text="What a model loses in reading it gains in knowledge",
        expected=1,
        compared="closed book: the end of the line through all ratios that reads worse less the end that reads better",
        needs="trainings of table 4 at two ratios or more, with equal rows, examined with and without the book",
        of_study=comparisons.knowledge_by_ratio,
        of_paper=None,
    ),
)


def judge(settings: Sequence[Setting]) -> tuple[Outcome, ...]:
    """The outcome of every claim, for a study's settings of all conditions."""
    own = _judged([claim.of_study(settings) for claim in CLAIMS])
    paper = _judged([claim.of_paper() if claim.of_paper else None for claim in CLAIMS])
    return tuple(Outcome(*each) for each in zip(CLAIMS, own, paper, strict=True))


def _judged(found: Sequence[Evidence | None]) -> list[Judgement]:
    adjusted = holm([each.p if each else nan for each in found])
    return [
        Judgement(_verdict(claim, each, float(p)), each, float(p))
        for claim, each, p in zip(CLAIMS, found, adjusted, strict=True)
    ]


def _verdict(claim: Claim, found: Evidence | None, p: float) -> Verdict:
    if found is None:
        return "not in this study"
    if isnan(p) or p >= 1 - LEVEL:
        return "undecided"
    if claim.expected is None:
        return "replicates"
    if claim.expected == 0:
        return "replicates" if found.value > -MARGIN else "contradicts"
    return "replicates" if found.value * claim.expected > 0 else "contradicts"

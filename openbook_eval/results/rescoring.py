"""Score written responses again by every matcher, ours and those of others, and tell what they read differently."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.table import Table
from rich.text import Text

from openbook_eval.console import line, percent, table
from openbook_eval.errors import OpenbookError
from openbook_eval.matching import match_choice
from openbook_eval.matching.others import MATCHERS, OURS, Matcher
from openbook_eval.results.responses import WrittenResponse
from openbook_eval.types import ABSTENTION

_EXCERPT = 100


@dataclass(frozen=True, slots=True)
class Rescored:
    """Scores by matcher and model, and `differences`: responses with the letters that each matcher reads in them.

    A matcher has scores over the responses that it applies to, and none of a model where it applies to nothing;
    `applied` counts the responses of those that do not apply to all.
    """

    asked: str
    scores: Mapping[str, Mapping[str, float]]
    differences: tuple[tuple[WrittenResponse, Mapping[str, str]], ...]
    responses: int
    applied: Mapping[Matcher, int]

    @property
    def ranks(self) -> dict[str, dict[str, int]]:
        """Return the rank of each model by each matcher: 1 is best, equals share one."""
        return {
            name: {model: 1 + sum(other > score for other in scores.values()) for model, score in scores.items()}
            for name, scores in self.scores.items()
        }

    @property
    def order_depends_on_matcher(self) -> bool:
        """Return whether two matchers rank the models differently."""
        first, *others = self.ranks.values()
        return any(ranks and ranks != first for ranks in others)

    def report(self, shown: int) -> Iterator[Table | Text]:
        """Lay out score and rank of each model by each matcher, and the first responses that are read differently."""
        models = next(iter(self.scores.values()))
        both = [(scores, self.ranks[name]) for name, scores in self.scores.items()]
        rows = [[m, *(f"{percent(s[m], 2)} ({r[m]})" if m in s else "n/a" for s, r in both)] for m in models]
        counts = ", ".join(f"{each.name} to {count:,} ({each.limit})" for each, count in self.applied.items())
        notes = [f"of {self.responses:,} responses apply: {counts}"] if counts else []
        yield table(["model", *self.scores], rows, f"{self.asked}: correct in percent (rank)", notes)
        if self.order_depends_on_matcher:
            yield Text("warning: the order of the models depends on the matcher", style="bold")
        yield Text(f"{len(self.differences)} of {self.responses} responses are not read the same by all")
        for response, read in self.differences[:shown]:
            letters = ", ".join(f"{name} {found or '-'}" for name, found in read.items())
            excerpt = " ".join(response.text.split())
            excerpt = excerpt if len(excerpt) <= _EXCERPT else f"{excerpt[:50]} ... {excerpt[-45:]}"
            yield line(f"{response.id} (answer {response.answer}): {letters} | {excerpt}")


def rescore(responses: Iterable[WrittenResponse], matchers: Sequence[Matcher] = MATCHERS) -> list[Rescored]:
    """Score responses by every matcher, each condition or task by itself. Raises OpenbookError where there are none."""
    together: dict[str, list[WrittenResponse]] = {}
    for each in responses:
        together.setdefault(each.asked, []).append(each)
    if not together:
        raise OpenbookError("no response to a choice question was written in these files")
    return [_rescored(asked, own, matchers) for asked, own in together.items()]


def _rescored(asked: str, responses: Sequence[WrittenResponse], matchers: Sequence[Matcher]) -> Rescored:
    read: list[dict[str, str]] = [{} for _ in responses]
    scores: dict[str, dict[str, float]] = {}
    applied = {}
    for each in matchers:
        letters = [_read(each, response) for response in responses]
        # Where a matcher finds nothing at all, a model's responses do not have the form that it reads.
        understood = {
            response.model for response, found in zip(responses, letters, strict=True) if found or each is OURS
        }
        own: dict[str, list[tuple[WrittenResponse, str]]] = {}
        for response, found, by_name in zip(responses, letters, read, strict=True):
            if found is not None and response.model in understood:
                by_name[each.name] = found
                own.setdefault(response.model, []).append((response, found))
        scores[each.name] = {model: _score(of_model, each) for model, of_model in own.items()}
        applied[each] = sum(map(len, own.values()))
    differences = (pair for pair in zip(responses, read, strict=True) if len(set(map(frozenset, pair[1].values()))) > 1)
    not_to_all = {each: count for each, count in applied.items() if count < len(responses)}
    return Rescored(asked, scores, tuple(differences), len(responses), not_to_all)


def _read(matcher: Matcher, response: WrittenResponse) -> str | None:
    """Return the letters that a matcher reads, ABSTENTION where ours reads that; None where it does not apply."""
    if matcher is OURS:
        choice = match_choice(response.text, response.options, response.qtype)
        return response.ranked or (ABSTENTION if choice.abstained else choice.letters)
    if response.ranked or response.answer == ABSTENTION or not matcher.applies(response.options, response.qtype):
        return None
    return matcher.read(response.text, response.options, response.qtype)


def _score(read: Sequence[tuple[WrittenResponse, str]], matcher: Matcher) -> float:
    """Return the share of right responses; CMB averages the classes of an exam, and then the exams."""
    right: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for response, letters in read:
        exam, _, its_class = response.exam_class.partition(" ") if matcher.name == "cmb" else ("", "", "")
        right[exam][its_class].append(matcher.is_right(letters, response.answer))
    return fmean(fmean(map(fmean, classes.values())) for classes in right.values())

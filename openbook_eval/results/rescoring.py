"""Score written responses again by every matcher, ours and those of others, and tell what they read differently."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from string import ascii_uppercase
from typing import Any, get_args

from rich.table import Table
from rich.text import Text

from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.console import line, percent, table
from openbook_eval.errors import OpenbookError
from openbook_eval.matching.others import MATCHERS, Matcher
from openbook_eval.results.reader import read_runs, samples_files, task_of
from openbook_eval.results.samples import each_sample
from openbook_eval.types import QType, sorted_letters

_EXCERPT = 100


@dataclass(frozen=True, slots=True)
class WrittenResponse:
    """A written response of `model` to a question; `asked` is the title of our condition, or the name of a task."""

    asked: str
    model: str
    id: str
    exam_class: str
    qtype: QType
    options: Mapping[str, str]
    answer: str
    text: str


@dataclass(frozen=True, slots=True)
class Rescored:
    """Scores by matcher and model, and `differences`: responses with the letters that each matcher reads in them."""

    asked: str
    scores: Mapping[str, Mapping[str, float]]
    differences: tuple[tuple[WrittenResponse, Mapping[str, str]], ...]
    responses: int

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
        return any(ranks != first for ranks in others)

    def report(self, shown: int) -> Iterator[Table | Text]:
        """Lay out score and rank of each model by each matcher, and the first responses that are read differently."""
        ranks, models = self.ranks, next(iter(self.scores.values()))
        rows = [
            [model, *(f"{percent(scores[model], 2)} ({ranks[name][model]})" for name, scores in self.scores.items())]
            for model in models
        ]
        yield table(["model", *self.scores], rows, f"{self.asked}: correct in percent (rank)")
        if self.order_depends_on_matcher:
            yield Text("warning: the order of the models depends on the matcher", style="bold")
        yield Text(f"{len(self.differences)} of {self.responses} responses are not read the same by all")
        for response, read in self.differences[:shown]:
            letters = ", ".join(f"{name} {found or '-'}" for name, found in read.items())
            excerpt = " ".join(response.text.split())
            excerpt = excerpt if len(excerpt) <= _EXCERPT else f"{excerpt[:50]} ... {excerpt[-45:]}"
            yield line(f"{response.id} (answer {response.answer}): {letters} | {excerpt}")


def read_responses(paths: Sequence[Path]) -> Iterator[WrittenResponse]:
    """Read the written responses of our runs in `paths`, and of all other tasks of choice whose samples lie there.

    A samples file may be named itself. Another task's model is called by the folder; its newest samples there stand.
    """
    others = {(file.parent, task_of(file)): file for path in paths for file in _other_samples(path)}
    try:
        runs = read_runs([path for path in paths if path.suffix != ".jsonl"]).runs
    except OpenbookError:
        if not others or not all(path.exists() for path in paths):
            raise
        runs = ()
    for run in runs:
        for file in run.samples:
            yield from _responses(Path(file.path), CONDITIONS[run.condition].title, run.model)
    for (folder, task), path in others.items():
        yield from _responses(path, task, folder.resolve().name)


def _other_samples(path: Path) -> list[Path]:
    if path.suffix == ".jsonl":
        return [path]
    files = sorted(path.rglob("samples_*.jsonl")) if path.is_dir() else samples_files(path).values()
    return [file for file in files if not file.name.startswith("samples_cmed_")]


def _responses(path: Path, asked: str, model: str) -> Iterator[WrittenResponse]:
    """Read one samples file. Each document counts once: lm-eval writes a line for every filter of a task."""
    seen = set()

    def read(sample: Any) -> WrittenResponse | None:
        doc, number, text = sample["doc"], sample["doc_id"], sample["resps"][0][0]
        # Letters that were ranked have pairs, our filter says what has no answer, abstaining has no letter.
        is_written = isinstance(text, str) and not str(sample.get("filtered_resps")).startswith('[\'{"unanswered":')
        if number in seen or not is_written or doc.get("expected") == "":
            return None
        seen.add(number)
        options, answer = _options_and_answer(doc, str(doc.get("expected", sample["target"])).strip())
        guessed: QType = "multi" if answer[1:] else "single"
        return WrittenResponse(
            asked=asked,
            model=model,
            id=str(doc.get("id", number)),
            exam_class=f"{doc.get('exam', '')} {doc.get('exam_class', '')}",
            qtype=doc["qtype"] if doc.get("qtype") in get_args(QType) else guessed,
            options=options,
            answer=answer,
            text=text,
        )

    return each_sample(path, read)


def _options_and_answer(doc: Mapping[str, Any], target: str) -> tuple[dict[str, str], str]:
    """Return the options by letter, and the letters that are right.

    Options are the document's `options` or `choices`: texts, texts by letter, our letters and texts, or ARC's labels
    and texts, which get letters by their place. `target` has letters, a label, a place from 0, or an option's text.
    """
    found = doc["options"] if "options" in doc else doc["choices"]
    if isinstance(found, dict):
        labels, texts = (found["label"], found["text"]) if "text" in found else (list(found), list(found.values()))
    elif isinstance(found[0], dict):
        labels, texts = ([option[key] for option in found] for key in ("letter", "text"))
    else:
        labels, texts = list(ascii_uppercase[: len(found)]), found
    letters = labels if set(labels) <= set(ascii_uppercase) else list(ascii_uppercase[: len(labels)])
    options = dict(zip(letters, texts, strict=True))
    named = [letter for letter, label in zip(letters, labels, strict=True) if label == target]
    if target.isdigit() and int(target) < len(letters):
        named.append(letters[int(target)])
    named += [letter for letter, text in options.items() if text.strip() == target]
    answer = named[0] if named else sorted_letters(target)
    if not answer or not set(answer) <= set(letters):
        raise ValueError(f"target {target!r} names no option")
    return options, answer


def rescore(responses: Iterable[WrittenResponse], matchers: Sequence[Matcher] = MATCHERS) -> list[Rescored]:
    """Score responses by every matcher, each condition or task by itself. Raises OpenbookError where there are none."""
    together: dict[str, list[WrittenResponse]] = {}
    for each in responses:
        together.setdefault(each.asked, []).append(each)
    if not together:
        raise OpenbookError("no response was written in these runs (letters ranked, or nothing answered)")
    return [_rescored(asked, own, matchers) for asked, own in together.items()]


def _rescored(asked: str, responses: Sequence[WrittenResponse], matchers: Sequence[Matcher]) -> Rescored:
    differences = []
    # Whether a response is right, by matcher, model and class of the exam.
    right: dict[str, dict[str, dict[str, list[bool]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for response in responses:
        read = {each.name: each.read(response.text, response.options, response.qtype) for each in matchers}
        for each in matchers:
            is_right = each.is_right(read[each.name], response.answer)
            right[each.name][response.model][response.exam_class].append(is_right)
        if len({frozenset(letters) for letters in read.values()}) > 1:
            differences.append((response, read))
    scores = {
        name: {model: _share(classes.values(), by_class=name == "cmb") for model, classes in models.items()}
        for name, models in right.items()
    }
    return Rescored(asked, scores, tuple(differences), len(responses))


def _share(classes: Iterable[Sequence[bool]], *, by_class: bool) -> float:
    """Return the share of right responses; CMB averages its subclasses, every one with equal weight."""
    return fmean(map(fmean, classes)) if by_class else fmean(right for own in classes for right in own)

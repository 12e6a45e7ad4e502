"""Runs: each a model under one condition, with the items that it was asked; their names, and which may be compared."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from openbook_eval import models
from openbook_eval.baselines import Reference
from openbook_eval.books.conditions import CONDITIONS
from openbook_eval.errors import OpenbookError
from openbook_eval.exams.exam_file import NOT_ASKED
from openbook_eval.files import sha256, sha256_file
from openbook_eval.models import profiles
from openbook_eval.models.context_window import Truncation
from openbook_eval.models.endpoints import EndpointSettings, read_settings
from openbook_eval.results.samples import ItemText, at_limit, item_texts
from openbook_eval.types import ExamName, Question

# In the order in which boards are shown.
ORDER = {name: place for place, name in enumerate(CONDITIONS)}
READING = tuple(name for name, condition in CONDITIONS.items() if condition.frame == "reading")

# Arguments that say what a model's weights are: folders and names that its own name has, what it has beside them, and
# what it has only where models would be called alike.
PLACES = ("model", "peft", "lora_local_path", "delta")
WORDS = ("revision", "subfolder", "gguf_file", "quantization", "load_in_8bit", "load_in_4bit", "bnb_4bit_quant_type",
         "gptqmodel", "autogptq", "dtype")  # fmt: skip
HIDDEN = ("base_url", "profile", "model_sha", "peft_sha", "delta_sha")

# Of generation: what matters only where answers are drawn, and what stands among a model's arguments.
_OF_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "seed")
_OF_GENERATION = ("enable_thinking", "think_end_token", "omit", "extra")

# Figures that no run can have would stop a whole board later.
_MOST = 2**53
Count = Annotated[int, Field(ge=0, le=_MOST)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, revalidate_instances="always")


class AskedExam(_Record):
    """The file that the questions came from, how many rows are not asked, by reason, and answers corrected."""

    name: str
    version: str
    sha256: str
    not_asked: Mapping[str, Count] = {}
    corrected: Count = 0

    @property
    def changes(self) -> str:
        """Say what differs from the file as it is published; "" where nothing does."""
        words = ", ".join(f"{count} {NOT_ASKED.get(reason, reason)}" for reason, count in self.not_asked.items())
        corrected = f"{self.corrected} answers corrected" if self.corrected else ""
        return "; ".join(filter(None, (corrected, f"not asked: {words}" if words else "")))


class SamplesFile(_Record):
    """The samples of one exam of a run, as lm-eval wrote them."""

    exam: ExamName
    path: str
    sha256: str
    items: Annotated[int, Field(gt=0)]


class TrainingRecord(_Record, extra="allow"):
    """What `trained_on.json` beside a model's weights says of its training; keys that are not named here are kept."""

    recipe: str
    started: str
    finished: bool


class Run(_Record, extra="forbid"):
    """A model under one condition, evaluated once.

    `id` is the first 16 digits of a sha256 over weights, condition, date and the digests of the samples. `model` is
    what it is called among the runs that were read with it, `weights` what tells it from all others. `date` is that of
    lm-eval's file names, YYYY-MM-DDTHH-MM-SS. `items_sha256` is over the sorted ids and document hashes: what was
    asked. `asked` counts all items, those without a response as well; `gaps` tells of these, "" where there are none,
    `at_limit` of answers as long as they may be, `cut_off` of responses that ended in mid-thought, and `asked_again` of
    those that were put to the model again.
    `system_instruction` and `chat_template` are lm-eval's digests of them. `variant` says how prompts differ from those
    of the task, "" where they do not. `settings` are how it was asked beside that: engine, chat template, and what was
    set for generation; a run `across` may stand beside runs of others. `cost`, `truncation`, `trained_on` and
    `reference`, what readers without understanding get, are parts of the results file's `openbook` block.
    """

    id: str
    model: str
    condition: str
    date: str
    exam: AskedExam
    entries_sha256: str | None
    task_version: str
    variant: str = ""
    items_sha256: str
    asked: Count
    limited: bool
    shots: Count
    system_instruction: str | None
    chat_template: str | None
    task_hashes: Mapping[str, str]
    truncation: Truncation
    gaps: str
    cut_off: str = ""
    asked_again: str = ""
    at_limit: Mapping[str, Any] | None = None
    cost: Mapping[str, Any] | None
    profile: str | None
    trained_on: TrainingRecord | None
    reference: Reference | None = None
    versions: Mapping[str, str]
    results: str
    samples: tuple[SamplesFile, ...]
    weights: Mapping[str, str] = {}
    settings: Mapping[str, str] = {}
    across: bool = False

    @model_validator(mode="after")
    def _refuse_impossible_truncation(self) -> Self:
        if not 0 <= self.truncation.cut <= self.truncation.prompts <= _MOST:
            raise ValueError("its truncation has figures that cannot be")
        return self

    @property
    def comparison(self) -> tuple[Any, ...]:
        """Return what two runs must have in common to be compared."""
        return (self.condition, self.items_sha256, *self.way)

    @property
    def way(self) -> tuple[Any, ...]:
        """Return what runs under two conditions must have in common to be set against each other."""
        settings = () if self.across else tuple(sorted(self.settings.items()))
        source = (self.exam.sha256, self.entries_sha256, self.task_version)
        return (*source, self.shots, self.system_instruction, settings, *filter(None, [self.variant]))

    @property
    def marked(self) -> str:
        """Return the model's name with what must stand wherever a figure of it does."""
        marks = {"TRUNCATED": self.truncation.cut, "INCOMPLETE": self.gaps}
        return self.model + "".join(f" ({mark})" for mark, has in marks.items() if has)

    def caveats(self) -> dict[str, str]:
        """Return what keeps the figures from being those of the whole exam: a word each, and a sentence."""
        cut, missing = self.truncation, "prompts did not reach the model whole"
        hidden = self.reference.cannot_be_right if self.reference else 0
        found = {
            "limited": "taken with --limit: not all questions were asked" if self.limited else "",
            "gaps": self.gaps,
            "cut off": self.cut_off,
            "asked again": self.asked_again,
            "ceiling": f"{hidden:,} of {self.asked:,} items cannot be right: letters not shown" if hidden else "",
            "at limit": at_limit(self.at_limit),
            "unchecked": "" if cut.checked else f"not checked for truncation ({cut.reason or 'no reason is given'})",
            "cut": f"TRUNCATED: {cut.cut:,} of {cut.prompts:,} {missing}" if cut.checked and cut.cut else "",
        }
        return {word: sentence for word, sentence in found.items() if sentence}

    @property
    def has_texts(self) -> bool:
        """Return whether the samples lie where they were read, unchanged."""
        return all(Path(own.path).is_file() and sha256_file(Path(own.path)) == own.sha256 for own in self.samples)

    def texts(self) -> Iterator[ItemText]:
        """Give the texts of the items in the order of the samples files. Raises OpenbookError where one is missing."""
        for file in self.samples:
            yield from item_texts(Path(file.path), CONDITIONS[self.condition])

    def read_reference(self) -> Reference | None:
        """Return the reference of the results, or find it in the texts; None where neither can be read."""
        if self.reference or not self.has_texts:
            return self.reference
        asked: list[Question] = []
        read: list[str] = []
        books: dict[str, str] = {}  # each is kept once, however many questions share it
        try:
            for text in self.texts():
                asked.append(replace(text.question, answer=text.expected))
                read.append(books.setdefault(text.book_sha256, text.book or "") if text.book_sha256 else text.entry)
        except OpenbookError:
            return None
        # A shared book that is not found in what was sent is "".
        return Reference.of(asked, read if CONDITIONS[self.condition].has_book and all(books.values()) else None)


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs with `items` of all of them, as `samples.ITEMS` has them; `refused` says of the rest why, a line each."""

    runs: tuple[Run, ...]
    items: pl.DataFrame
    refused: tuple[str, ...] = ()

    def items_of(self, run: Run) -> pl.DataFrame:
        """Return the items of one run."""
        return self.items.filter(pl.col("run") == run.id)

    def across_settings(self) -> "Runs":
        """Return the runs as such that may be compared whatever their settings, with names that tell these apart."""
        return replace(self, runs=told_apart([run.model_copy(update={"across": True}) for run in self.runs]))


def weights_of(results: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return all that says what a model's weights are: its name, what of its arguments changes them, and digests."""
    # An adapter stands in the arguments only; lm-eval's name is that of its base.
    known = {**arguments, **{name: results["config"].get(name) for name in HIDDEN if name.endswith("_sha")}}
    known["model"] = results.get("model_name") or "unknown"
    if "pretrained" in known:  # else a profile is an endpoint
        known["profile"] = None
    as_ever = {"", "None", "False", "auto", "main"}
    texts = {name: str(known[name]) for name in (*PLACES, *WORDS, *HIDDEN) if name in known}
    return {name: text.rstrip("/") or text for name, text in texts.items() if text not in as_ever}


def settings_of(results: Mapping[str, Any], tasks: Iterable[str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return how a model was asked: the engine, the chat template, a second question, what was set for generation."""
    engine, tasks = str(results["config"].get("model")), list(tasks)
    of_tasks = (results["configs"][task].get("generation_kwargs") or {} for task in tasks)
    asked = dict(the_one("way of generation", of_tasks))
    with suppress(OpenbookError):
        profile = profiles.profile(str(arguments.get("profile")))
        asked = {**profile.generation, **asked, "until": [*asked.get("until", ()), *profile.stop]}
    # lm-eval tells endpoints a temperature, 0 where none is set, and not whether to draw.
    is_endpoint = engine == models.API or engine.endswith("completions")
    draws = asked.pop("do_sample", True) or is_endpoint
    if asked and not (draws and asked.get("temperature", 0.0 if is_endpoint else 1.0)):
        asked = {name: value for name, value in asked.items() if name not in _OF_SAMPLING} | {"temperature": 0}
    asked |= {name: arguments[name] for name in _OF_GENERATION if name in arguments}
    if engine == models.API and asked:
        with suppress(OpenbookError):  # of another version: its arguments are compared as they stand
            asked = _of_endpoint(asked, read_settings(arguments))
    if "until" in asked:
        stops = [asked["until"]] if isinstance(asked["until"], str) else asked["until"]
        beside = (results.get("openbook", {}).get("completions") or {}).get("stops", ())
        asked["until"] = " ".join(sorted(map(repr, [*stops, *beside])))
    how = {"engine": engine, "chat_template": (results.get("chat_template_sha") or "none")[:8]}
    metadata = (results["configs"][task]["metadata"] for task in tasks)
    how["undecided"] = the_one("way with what no rule decides", (part.get("undecided") for part in metadata))
    return {name: str(value) for name, value in (how | asked).items() if value is not None}


def _of_endpoint(asked: Mapping[str, Any], endpoint: EndpointSettings) -> dict[str, Any]:
    """Return what is sent of the settings of generation, and what else is."""
    ours = {"stop": "until", endpoint.max_tokens_name: "max_gen_toks"}
    omitted = {"omit", "extra", *(ours.get(name, name) for name in endpoint.omit)}
    kept = {name: value for name, value in asked.items() if name not in omitted}
    thinking = {name: getattr(endpoint, name) for name in ("thinking_budget", "think_end_token")}
    return kept | {ours.get(name, name): value for name, value in endpoint.extra.items()} | thinking


def the_one(what: str, values: Iterable[Any]) -> Any:
    """Return the value that all tasks of a run share. Raises OpenbookError where they do not."""
    first, *others = values
    if any(other != first for other in others):
        raise OpenbookError(f"its tasks have more than one {what}; run them again together")
    return first


def model_name(weights: Mapping[str, str], short: Mapping[str, str] | None = None) -> str:
    """Return what a model is called by its weights, its folders by their `short` names."""
    words = ", ".join(_words(weights, WORDS))
    places = " + ".join((short or {}).get(weights[key], weights[key]) for key in PLACES if key in weights)
    return f"{places} ({words})" if words else places


def _words(values: Mapping[str, str], names: Iterable[str]) -> Iterator[str]:
    for name in (name for name in names if name in values):
        yield name if values[name] == "True" else f"{name.replace('_', ' ')} {values[name]}"


def short_places(places: Iterable[str]) -> dict[str, str]:
    """Return what folders are called: the last two names of a path, of those that end alike as many as tell them apart.

    A name on the hub and a path that begins here stay whole.
    """
    parts = {place: PurePosixPath(place).parts[place.startswith("/") :] for place in places}
    found = {}
    for place, own in parts.items():
        others, many = {each for each in parts.values() if each != own}, 2
        while many < len(own) and any(own[-many:] == each[-many:] for each in others):
            many += 1
        found[place] = "/".join(own[-many:]) if place.startswith(("/", ".", "~")) else place
    return found


def told_apart(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return runs by names that tell them apart: other weights, and of comparable ones other settings or other days."""
    short = short_places({run.weights[key] for run in runs for key in PLACES if key in run.weights})
    names = {run.id: model_name(run.weights, short) or run.model for run in runs}

    def tell(alike: Callable[[Run], object], told: Callable[[Run, Sequence[Run]], str]) -> None:
        groups: dict[object, list[Run]] = {}
        for run in runs:
            groups.setdefault((names[run.id], alike(run)), []).append(run)
        for group in groups.values():
            words = {run.id: told(run, group) for run in group}
            if len(set(words.values())) > 1:
                names.update({name: f"{names[name]} ({word})" for name, word in words.items() if word})

    tell(lambda _: None, lambda run, _: ", ".join(_words(run.weights, HIDDEN)))
    tell(lambda run: run.comparison, lambda run, group: ", ".join(_words(run.settings, differing(group))))
    tell(lambda run: run.comparison, lambda run, _: run.date)
    return tuple(run.model_copy(update={"model": names[run.id]}) for run in runs)


def differing(runs: Iterable[Run]) -> list[str]:
    """Return the names of the settings that are not the same in all runs."""
    known = [run.settings for run in runs]
    names = dict.fromkeys(name for settings in known for name in settings)
    return [name for name in names if len({settings.get(name) for settings in known}) > 1]


@dataclass(frozen=True, slots=True)
class ComparableGroup:
    """Runs that may be compared with each other; `key` is short and unique, `title` names exam and variant."""

    key: str
    condition: str
    title: str
    runs: tuple[Run, ...]


def comparable(one: Run, other: Run) -> bool:
    """Return whether two runs asked the same, in the same words, of the same version."""
    return one.comparison == other.comparison


def comparable_groups(runs: Iterable[Run]) -> list[ComparableGroup]:
    """Return the runs by what they asked: conditions in their order, of one condition the largest group first.

    The title tells the settings in which groups of one condition and exam differ.
    """
    found: dict[tuple[Any, ...], list[Run]] = {}
    beside: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault(run.comparison, []).append(run)
        beside.setdefault((run.condition, _title(run)), []).append(run)
    groups = []
    for asked, (first, *others) in found.items():
        apart = [] if first.across else differing(beside[first.condition, _title(first)])
        title = ", ".join([_title(first), *_words(first.settings, apart)])
        groups.append(ComparableGroup(sha256(repr(asked))[:12], first.condition, title, (first, *others)))
    return sorted(groups, key=lambda group: (ORDER[group.condition], -len(group.runs), group.key))


def _title(run: Run) -> str:
    return ", ".join(filter(None, [f"{run.exam.name} {run.exam.version}", run.variant]))


def why_not_comparable(one: Run, other: Run) -> list[str]:
    """Return why two runs may not be compared, in words; nothing where they may."""
    exam, theirs = (f"{run.exam.name} {run.exam.version} ({run.exam.sha256[:12]})" for run in (one, other))
    same_exam, same_entries = one.exam.sha256 == other.exam.sha256, one.entries_sha256 == other.entries_sha256
    differences = {
        f"{other.condition} instead of {one.condition}": one.condition != other.condition,
        f"asks another exam file: {theirs} instead of {exam}": not same_exam,
        "its books have other entries (see the setting `entries`)": same_exam and not same_entries,
        f"task version {other.task_version} instead of {one.task_version}": one.task_version != other.task_version,
        f"has {other.variant or 'the prompt of its task'} instead of {one.variant or 'the prompt of its task'} "
        "(see the settings `options` and `prompt`)": one.variant != other.variant,
        f"shows {other.shots} examples instead of {one.shots} (--num_fewshot)": one.shots != other.shots,
        "has another system instruction (--system_instruction)": one.system_instruction != other.system_instruction,
    }
    # Of another source all items differ.
    items = _other_items(one, other, same_source=same_exam and same_entries)
    settings = [] if one.across and other.across else differing([one, other])
    asked = (
        f"{name.replace('_', ' ')} {other.settings.get(name, 'not set')} instead of {one.settings.get(name, 'not set')}"
        for name in settings
    )
    return [*(reason for reason, differs in differences.items() if differs), *items, *asked]


def _other_items(one: Run, other: Run, *, same_source: bool) -> Iterator[str]:
    exams, theirs = ([file.exam for file in run.samples] for run in (one, other))
    if set(exams) != set(theirs):
        yield f"asks {', '.join(theirs)} instead of {', '.join(exams)}"
    elif other.asked < one.asked:
        yield f"asks {other.asked:,} of {one.asked:,} questions{' (--limit)' if other.limited else ''}"
    elif other.asked > one.asked:
        yield f"asks {other.asked:,} questions instead of {one.asked:,}{' (--limit)' if one.limited else ''}"
    elif same_source and one.items_sha256 != other.items_sha256:
        yield "asks other questions, or lays their books in another way"

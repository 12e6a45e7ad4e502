"""The samples of a run: its items as a polars frame, and the texts of one item after the other for the page."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import polars as pl

from openbook_eval.books.conditions import Condition
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.files import sha256
from openbook_eval.matching import rank_letters
from openbook_eval.matching.response import ends_thinking, without_thought
from openbook_eval.models import HF
from openbook_eval.models.context_window import ContextWindow, Truncation, UncheckedError
from openbook_eval.models.scheduling import encode
from openbook_eval.prompt import around_book
from openbook_eval.scoring import METRICS, Scope, score
from openbook_eval.types import Choice, ExamName, QType, Question, State, sorted_letters

T = TypeVar("T")
# Of an answer's limit: tokens that are counted again may be a few less than those that were written.
_NEARLY = 0.98
# What is raised where a file is not as lm-eval and we write it.
BROKEN = (
    ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError, pl.exceptions.PolarsError
)  # fmt: skip

# One row an item of a run, with a column for each metric; null where the run has no such metric or no response came.
ITEMS = pl.Schema(
    {
        "run": pl.String,
        "id": pl.String,
        "exam": pl.String,
        "exam_class": pl.String,
        "qtype": pl.String,  # single or multi
        "group": pl.String,  # names the questions that share a book; null where each has its own
        "depth": pl.Float64,  # where the entry begins in the book: 0 front, 1 back
        "book_length": pl.Int64,  # in characters
        "expected": pl.String,  # the letters that are right, or "" where abstaining is
        "letters": pl.String,  # what was read out of the response
        "state": pl.String,
        "rule": pl.String,
        "probability": pl.Float64,  # of the letters, where the model was asked again
        **{name: pl.Float64() if metric.graded else pl.Boolean() for name, metric in METRICS.items()},
    }
)

_OF_DOC = ("id", "exam", "exam_class", "qtype", "group", "depth", "book_length", "answer", "expected", "hidden")
_OPTIONS = pl.List(pl.Struct({"letter": pl.String}))
_LINE = pl.Schema(
    {
        "doc_hash": pl.String(),
        "filter": pl.String(),
        "doc": pl.Struct({**{name: ITEMS.get(name, pl.String()) for name in _OF_DOC}, "options": _OPTIONS}),
        "filtered_resps": pl.List(pl.String()),
        **dict.fromkeys(METRICS, pl.Float64()),
    }
)
_CHOICE = pl.Schema(
    {**dict.fromkeys(("letters", "state", "rule", "unanswered"), pl.String()), "probability": pl.Float64()}
)
# Our tasks have one filter; lm-eval writes a line for each.
_FILTER = "choice"
_FOLLOWING = [name for name, metric in METRICS.items() if metric.of_letters]


def read_items(path: Path, exam: ExamName, scope: Scope) -> pl.DataFrame:
    """Read the items of a samples file of our tasks: the columns of ITEMS but for `run`, and `doc_hash`.

    Raises OSError, or one of BROKEN where anything is not as lm-eval and our tasks write it, and where a metric does
    not follow from the letters that were read.
    """
    lines = _lines(path.read_bytes()).filter(pl.col("filter").fill_null(_FILTER) == _FILTER).unnest("doc")
    items = lines.hstack(_choices(path, lines["filtered_resps"].list.first()))
    faults = _faults(exam)
    found = items.select(rows.any().alias(fault) for fault, rows in faults.items())
    for fault, rows in faults.items():
        if found[fault][0]:
            raise ValueError(f"item {items.filter(rows)['id'][0]} {fault}")
    _check_scores(items, scope)
    columns = {name: pl.col(name).cast(dtype) for name, dtype in ITEMS.items() if name != "run"}
    return items.select(**columns | {"expected": pl.coalesce("expected", "answer")}, doc_hash="doc_hash")


def _lines(data: bytes) -> pl.DataFrame:
    # OSError stands for bytes that only begin as a compressed file does, which polars unpacks unasked.
    broken = (pl.exceptions.PolarsError, OSError)
    try:
        return pl.read_ndjson(data, schema=_LINE)
    except broken as error:
        for number, line in enumerate(data.splitlines(), 1):
            try:
                pl.read_ndjson(line, schema=_LINE)
            except broken as fault:
                raise ValueError(f"line {number} is broken ({first_line(fault)})") from fault
        raise ValueError(first_line(error)) from error


def _choices(path: Path, first: pl.Series) -> pl.DataFrame:
    """Return a row of _CHOICE for each line, from the JSON that our filter makes of its response, or from its ranks."""
    if first.str.starts_with("[").any():
        return pl.DataFrame(list(each_sample(path, _ranked)), schema=_CHOICE)
    # Few of them differ.
    texts = pl.DataFrame({"text": first})
    read = texts.unique().with_columns(choice=pl.col("text").str.json_decode(pl.Struct(_CHOICE)))
    return texts.join(read, on="text", how="left", maintain_order="left").select("choice").unnest("choice")


def _ranked(sample: Any) -> dict[str, Any] | None:
    """Choose as our tasks do from a log-probability for each option's letter, in order."""
    if not _is_ours(sample):
        return None
    letters = [option["letter"] for option in sample["doc"]["options"]]
    logprobs = [float(logprob) for logprob, _ in sample["filtered_resps"]]
    return asdict(rank_letters(dict(zip(letters, logprobs, strict=True)), sample["doc"]["qtype"]))


def _faults(exam: ExamName) -> dict[str, pl.Expr]:
    """Return what no item of a run can be, with the expression that is true of such items."""
    answered, lacks_choice = (
        pl.col("unanswered").is_null(),
        pl.any_horizontal(pl.col(*_CHOICE).exclude("unanswered", "probability").is_null()),
    )
    faults = {
        "has no id, class, answer or hash": pl.any_horizontal(
            pl.col("id", "exam_class", "answer", "doc_hash").is_null()
        ),
        "stands there twice": pl.col("id").is_duplicated(),
        f"is not of the exam {exam}": pl.col("exam").ne_missing(exam),
        "is neither single nor multiple choice": ~pl.col("qtype").is_in(get_args(QType), nulls_equal=True),
        "has an entry outside of its book": ~pl.col("depth").is_between(0, 1) | (pl.col("book_length") < 0),
        "has no choice": answered & (lacks_choice | ~pl.col("state").is_in(get_args(State))),
    }
    for name, metric in METRICS.items():
        value, has = pl.col(name), pl.col(name).is_not_null()
        is_possible = value.is_between(0, 1) if metric.graded else value.is_in([0.0, 1.0])
        faults[f"has an impossible metric {name}"] = ~is_possible
        faults[f"has the metric {name} without a response"] = has & ~answered
        # Where one item has it, all have it.
        if metric.averaged:
            faults[f"lacks the metric {name}"] = answered & ~has & (has.any() | (name == "correct"))
    return faults


def _check_scores(items: pl.DataFrame, scope: Scope) -> None:
    """Score again what differs among the items; few do. Raises ValueError for one whose metrics do not follow."""
    options = pl.col("options").list.eval(pl.element().struct.field("letter")).list.join("")
    given = ("qtype", "answer", "letters", "state", "rule", *_FOLLOWING)
    rows = items.filter(pl.col("unanswered").is_null()).select(
        "id", *given, pl.col("hidden").fill_null(""), options=options, expected=pl.coalesce("expected", "answer")
    )
    for row in rows.unique(rows.columns[1:], keep="first", maintain_order=True).to_dicts():
        letters, options = row["letters"], row["options"]
        key = {*row["expected"], *row["answer"]} - {*row["hidden"]}
        if sorted_letters(letters) != letters or not {*letters, *key} <= set(options or ""):
            raise ValueError(f"item {row['id']} has letters {letters!r} that its options or its key do not allow")
        question = Question(
            id="", stem="", options=dict.fromkeys(options, ""), qtype=row["qtype"], answer=row["answer"]
        )
        found = score(Choice(letters, row["state"], row["rule"]), question, scope, row["expected"])
        for name in _FOLLOWING:
            if row[name] is not None and (found.metrics.get(name) is None or abs(row[name] - found[name]) > 1e-6):
                raise ValueError(
                    f"item {row['id']} has {name} {row[name]:g}, which does not follow from the letters {letters!r} "
                    f"that were read where {row['expected'] or 'abstaining'!r} is right"
                )


def _is_ours(sample: Mapping[str, Any]) -> bool:
    return bool(sample.get("filter", _FILTER) == _FILTER)


def each_sample(path: Path, read: Callable[[Any], T | None]) -> Iterator[T]:
    """Give what `read` makes of each line of a samples file, or of each row of a .json, but for None.

    Raises OpenbookError where the file cannot be read or a line lacks what `read` takes.
    """
    number = 0
    try:
        for number, row in enumerate(_rows(path), 1):  # noqa: B007 (named where a line is broken)
            if row is not None and (found := read(row)) is not None:
                yield found
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror}); run again") from error
    except BROKEN as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise OpenbookError(f"{path}: line {number} is no sample of a choice task ({reason}); run again") from error


def _rows(path: Path) -> Iterator[Any]:
    """Give the lines of a file as JSON, None for blank ones; of a .json its list, or its objects with their names."""
    if path.suffix == ".json":
        whole = json.loads(path.read_bytes())
        yield from ({"id": name, **row} for name, row in whole.items()) if isinstance(whole, dict) else whole
        return
    with path.open("rb") as lines:
        for line in lines:
            yield json.loads(line) if line.strip() else None


def _logged(path: Path) -> list[tuple[str, Any]]:
    """Return the prompts and responses of a samples file, each question's once: lm-eval writes a line a filter."""

    def read(sample: Any) -> tuple[object, tuple[str, Any]]:
        prompt = sample["arguments"]["gen_args_0"]["arg_0"]
        if not isinstance(prompt, str):
            raise TypeError(f"a prompt is {prompt!r:.40}, not text")
        return sample["doc_id"], (prompt, sample["resps"][0][0])

    return list(dict(each_sample(path, read)).values())


def our_tasks(results: Mapping[str, Any]) -> list[str]:
    """Return the tasks of a results file that are ours: those that name a condition."""
    return [task for task, config in results["configs"].items() if (config.get("metadata") or {}).get("condition")]


def find_truncation(results: Mapping[str, Any], samples: Mapping[str, Path]) -> dict[str, Any]:
    """Find out from the samples file of each task whether prompts of a run were cut.

    A run is not checked where its model is none of vLLM's or transformers', its tokenizer cannot be loaded without
    running code of it, samples are missing or a file is broken; nothing is raised.
    """
    try:
        window, fits = _window(results), []
        for task in our_tasks(results):
            if task not in samples:
                raise UncheckedError(f"no samples of {task} beside the results")
            generation = results["configs"][task].get("generation_kwargs")
            prompts = [prompt for prompt, _ in _logged(samples[task])]
            fits.append(window.fit(task, prompts, generation, int(results["max_length"])))
        return asdict(Truncation.of(fits))
    except (UncheckedError, OpenbookError) as error:
        beside = next((f"{path.parent}/" for path in samples.values()), "")
        return asdict(Truncation.unchecked(str(error).removeprefix(beside)))
    except (OSError, ImportError, *BROKEN) as error:
        return asdict(
            Truncation.unchecked(
                f"the results are not as lm-eval writes them ({type(error).__name__}: {first_line(error)})"
            )
        )


def find_cut(results: Mapping[str, Any], samples: Mapping[str, Path]) -> dict[str, int] | None:
    """Estimate how many answers of a run reached their limit of tokens; None where that cannot be told.

    lm-eval's models do not say why an answer ended: its tokens are counted again, and may be a few less then. Nothing
    is fetched for that.
    """
    found = 0
    try:
        window = _window(results, local_files_only=True)
        for task in our_tasks(results):
            if generation := results["configs"][task].get("generation_kwargs"):
                texts = list(each_sample(samples[task], lambda row: row["resps"][0][0] if _is_ours(row) else None))
                limit = _NEARLY * window.answer_length(generation)
                found += sum(len(ids) >= limit for ids in encode(texts, window.tokenizer, first=None, special=False))
    except (UncheckedError, OpenbookError, OSError, ImportError, *BROKEN):
        return None
    return {"answers": found}


def at_limit(part: Mapping[str, Any] | None) -> str:
    """Say how many answers reached their limit of tokens: by our models' word, of others by an estimate."""
    if not (part and part.get("answers")):
        return ""
    about = "" if part.get("exact") else "about "
    return f"{about}{part['answers']:,} answers of the run were cut off at their limit of tokens (max_gen_toks)"


def _window(results: Mapping[str, Any], **loading: bool) -> ContextWindow:
    arguments = results["config"]["model_args"]
    if isinstance(arguments, str):
        from lm_eval.utils import simple_parse_args_string

        arguments = simple_parse_args_string(arguments)
    # The file is anybody's: the code of a tokenizer it names is not run.
    return ContextWindow(str(results["config"]["model"]), dict(arguments), **loading)


def find_thinking(results: Mapping[str, Any], samples: Mapping[str, Path]) -> dict[str, int] | None:
    """Estimate how many responses of lm-eval's own models ended in mid-thought and do not say so; None of others.

    These models hand on no reason why an answer ended. Told what ends thinking they leave out what stands before it:
    then tokens are counted again, and as many as there may be are an end in mid-thought. Else the prompt may end in
    the opening of thinking, and nothing ends it.
    """
    if results["config"]["model"] not in ("vllm", *HF):
        return None
    found = {"responses": 0, "cut_off": 0}
    try:
        window = _window(results) if "think_end_token" in results["config"]["model_args"] else None
        for task in our_tasks(results):
            generation = results["configs"][task].get("generation_kwargs")
            for prompt, text in _logged(samples[task]) if generation else ():
                found["responses"] += 1
                if window:
                    tokens = len(window.tokenizer(text)["input_ids"])
                    found["cut_off"] += tokens >= _NEARLY * window.answer_length(generation)
                else:
                    found["cut_off"] += without_thought(text) is not None and not ends_thinking(prompt, text)
    except (UncheckedError, OpenbookError, OSError, ImportError, *BROKEN):
        return None
    return found


@dataclass(frozen=True, slots=True)
class ItemText:
    """An item as text from outside, kept as it is, half characters and control characters too.

    `entry` is the question's own as it stands in the book, and `provider` who gave it. `book` and `book_sha256` are of
    a book that questions share; None where the book is the entry alone, none is there, or it is not what its hash says.
    `prompt_before` and `prompt_after` are the bare prompt around the book; without a book all of it stands in
    `prompt_after`. `template_before` and `template_after` are what the chat template put around the bare prompt, None
    where that is not found in what was sent. `response` is "" where letters were ranked or none came.
    """

    question: Question
    expected: str
    entry: str
    provider: str
    book_sha256: str | None
    book: str | None
    prompt_before: str
    prompt_after: str
    template_before: str | None
    template_after: str | None
    response: str


def item_texts(path: Path, condition: Condition) -> Iterator[ItemText]:
    """Give the texts of the samples file of a condition item by item. Raises OpenbookError where one is missing."""
    return each_sample(path, lambda sample: _texts(sample, condition) if _is_ours(sample) else None)


def _texts(sample: Mapping[str, Any], condition: Condition) -> ItemText:
    doc, response = sample["doc"], sample["resps"][0][0]
    question = Question.from_doc(doc)
    before, after = around_book(question, condition.has_book, doc.get("prompt") or condition.frame)
    earlier, sent = _sent(sample["arguments"]["gen_args_0"]["arg_0"])
    end = sent.rfind(after)
    start = end - doc["length"]
    begin = start - len(before)
    is_whole = begin >= 0 and sent.startswith(before, begin)
    shared, book = doc["book"] if doc.get("group") else None, sent[start:end]
    return ItemText(
        question=question,
        expected=doc["expected"],
        entry=doc["entry"]["text"],
        provider=doc["entry"]["provider"],
        book_sha256=shared,
        book=book if is_whole and sha256(book) == shared else None,
        prompt_before=before,
        prompt_after=after,
        template_before=earlier + sent[:begin] if is_whole else None,
        template_after=sent[end + len(after) :] if is_whole else None,
        response=response if isinstance(response, str) else "",
    )


def _sent(prompt: Any) -> tuple[str, str]:
    """Return what was sent in earlier messages, and the prompt; a chat for an endpoint stands as JSON in a list."""
    if isinstance(prompt, str):
        return "", prompt
    *others, last = json.loads(prompt[0])
    return "".join(f"{message['content']}\n" for message in others), last["content"]

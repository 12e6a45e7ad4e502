"""Write boards as a page: a folder that works from disk, the texts of items in pieces that are loaded on demand."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from openbook_eval import __version__
from openbook_eval.console import percent
from openbook_eval.errors import OpenbookError
from openbook_eval.files import replace_folder
from openbook_eval.leaderboard import published, svg
from openbook_eval.leaderboard.board import is_complete
from openbook_eval.leaderboard.export import percents, without_folders
from openbook_eval.leaderboard.plots import Shown, Trained, plots
from openbook_eval.leaderboard.stats import Estimate
from openbook_eval.results import ItemText, Run, Runs
from openbook_eval.types import CHINESE_NAMES

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Board

Progress = Callable[[str], None]

# All that a page consists of. A folder that holds anything else is not replaced.
_PARTS = frozenset({"index.html", "pages", "assets", "data"})
_CHUNK = 200  # items whose texts are loaded together
# The metrics that the page filters by and shows beside each item.
_METRICS = ("correct", "correct_strict", "format_followed", "answered", "abstained")
# What a run is told by, section by section; its board and average stand above.
_FACTS = {
    "Run": ("id", "model", "condition", "date", "asked", "limited", "gaps", "results"),
    "Exam": ("exam", "entries_sha256", "items_sha256"),
    "Prompt": ("task_version", "profile", "shots", "system_instruction", "chat_template", "task_hashes"),
    "Truncation": ("truncation",),
    "Training": ("trained_on",),
    "Cost": ("cost",),
    "Versions": ("versions",),
}
# What could end a script or a line of it early, or begin markup, as JSON's own escapes.
_ESCAPES = (
    (b"<", rb"\u003c"),
    (b">", rb"\u003e"),
    (b"&", rb"\u0026"),
    ("\u2028".encode(), rb"\u2028"),
    ("\u2029".encode(), rb"\u2029"),
    # As a key it would set the prototype in JavaScript's notation of an object, and be none of its entries.
    (b'{"__proto__":', b'{"proto":'),
    (b',"__proto__":', b',"proto":'),
)


def build(
    found: Runs,
    boards: "Sequence[Board]",
    out: Path,
    *,
    trained: Mapping[str, Trained] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the page of `boards` to the folder `out` and return its index.html; an older page there is replaced.

    The same input makes the same bytes: the page's date is that of the newest run. Runs whose texts are not at hand
    have scores but no texts. `trained` says of runs of a study what was trained, by their ids. Raises OpenbookError
    where `out` holds something else, or cannot be written.
    """
    tell = progress or (lambda _: None)
    runs = [row.run for board in boards for row in board.rows]
    items = {str(run): own for (run,), own in found.items.partition_by("run", as_dict=True).items()}
    out = out.resolve()
    refuse_other(out)
    with replace_folder(out) as new:
        for part in ("pages", "assets", "data"):
            (new / part).mkdir()
        texts = set()
        for number, board in enumerate(boards):
            texts |= _write_items(new / "data", number, board, items, runs, tell)
        tell("plots")
        write_piece(new / "data", "runs", _runs(boards, runs, texts))
        shown = Shown(boards, items, trained or {})
        _write_views(new, boards, runs, {"refused": found.refused, "plots": plots(shown)})
        for name in ("page.css", "plots.css", "page.js", "items.js", "item.js"):
            (new / "assets" / name).write_bytes((files("openbook_eval.leaderboard") / "static" / name).read_bytes())
    return out / "index.html"


# The folder.


def refuse_other(out: Path) -> None:
    """Raise OpenbookError where `out` is something else than a page, an empty folder or nothing."""
    if out.exists() and not out.is_dir():
        raise OpenbookError(f"{out}: not a folder; name one that the page may be written to")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if stray := sorted(names - _PARTS):
        raise OpenbookError(f"{out}: holds {stray[0]!r}, which is no part of a page; name another folder")
    if names and not (out / "data" / "runs.js").is_file():
        raise OpenbookError(f"{out}: is not a page of a leaderboard; name another folder")


# Data, as scripts: a page opened from disk may load `<script src>`, but no JSON.


def encoded(value: Any) -> bytes:
    """Return `value` as JSON that may stand anywhere in a script or in HTML.

    It holds no `<`, `>`, `&`, U+2028 or U+2029. Half a surrogate pair becomes U+FFFD, a key `__proto__` `proto`, a
    number that is none null. Raises TypeError for values that JSON has no word for.
    """
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError:
        # orjson refuses half a surrogate pair.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    for raw, escape in _ESCAPES:
        data = data.replace(raw, escape)
    return data


def write_piece(data: Path, name: str, value: Any) -> None:
    """Write the script that hands `value` to the page under `name`."""
    script = b"openbook.piece(" + encoded(name) + b"," + encoded(value) + b");\n"
    (data / f"{name}.js").write_bytes(script)


def _runs(boards: "Sequence[Board]", runs: Sequence[Run], texts: set[str]) -> Any:
    """Return what the view of items knows before it loads any: boards, and their runs by number."""
    own = [
        {
            "title": f"{board.group.condition.replace('_', ' ')}, {board.group.title}",
            "exams": {exam: CHINESE_NAMES[exam] for exam in board.exams},
            "runs": [
                {"id": run.id, "number": runs.index(run), "model": run.model, "texts": run.id in texts}
                for run in (row.run for row in board.rows)
            ],
        }
        for board in boards
    ]
    return without_folders({"chunk": _CHUNK, "boards": own})


def _write_items(
    data: Path, number: int, board: "Board", items: Mapping[str, pl.DataFrame], runs: Sequence[Run], tell: Progress
) -> set[str]:
    """Write items, scores and texts of a board; return the ids of the runs whose texts were at hand."""
    exam_place = pl.col("exam").replace_strict({exam: place for place, exam in enumerate(board.exams)})
    asked = items[board.rows[0].run.id].sort(exam_place, maintain_order=True)
    write_piece(data, f"items-{number}", item_columns(asked, board.exams))
    places = {key: place for place, key in enumerate(asked["id"])}
    texts: set[str] = set()
    for run in (row.run for row in board.rows):
        tell(f"{run.model}, {run.condition}")
        write_piece(data, f"scores-{runs.index(run)}", score_columns(items[run.id], asked["id"]))
        if run.samples and run.has_texts:
            # All runs of a board were asked the same in the same words: the first that has them tells them.
            _write_texts(data, run, runs.index(run), None if texts else number, places)
            texts.add(run.id)
    return texts


def item_columns(items: pl.DataFrame, exams: Sequence[str]) -> dict[str, Any]:
    """Return what was asked as columns, so that 11,200 items are filtered without a look at any text."""
    classes = sorted(items["exam_class"].unique())
    return {
        "ids": items["id"].to_list(),
        "exam": _codes(items["exam"], exams),
        "classes": classes,
        "class": _codes(items["exam_class"], classes),
        "multi": _digits(items["qtype"] == "multi"),
        "depth": items["depth"].round(4).to_list(),
        "expected": items["expected"].to_list(),
    }


def score_columns(items: pl.DataFrame, ids: pl.Series) -> dict[str, Any]:
    """Return the scores of a run's items as columns, in the order of `ids`: a digit a score, a dash for none."""
    own = pl.DataFrame({"id": ids}).join(items, on="id", how="left", maintain_order="left")
    rules = own["rule"].fill_null("")
    names = sorted(rules.unique())
    scores = {metric: _digits(own[metric]) for metric in _METRICS}
    return {**scores, "letters": own["letters"].fill_null("").to_list(), "rules": names, "rule": _codes(rules, names)}


def _codes(values: pl.Series, names: Sequence[str]) -> list[int]:
    return values.replace_strict(names, list(range(len(names))), return_dtype=pl.Int64).to_list()


def _digits(scores: pl.Series) -> str:
    return "".join(scores.cast(pl.Int8).cast(pl.String).fill_null("-"))


def _write_texts(data: Path, run: Run, number: int, board: int | None, places: Mapping[str, int]) -> None:
    """Write the responses of a run, and for the first of its `board` the questions and their books."""
    responses: list[Any] = [None] * len(places)
    questions = list(responses)
    for text in run.texts():
        place = places.get(text.question.id)
        if place is None or responses[place] is not None:
            continue
        responses[place] = _response(text)
        if board is not None:
            questions[place] = _question(text)
            if text.book is not None and not (data / f"{_book(text)}.js").exists():
                write_piece(data, _book(text), text.book)
    for name, rows in ((f"responses-{number}", responses), (f"questions-{board}", questions)):
        for start in range(0, len(rows), _CHUNK) if any(rows) else ():
            write_piece(data, f"{name}-{start // _CHUNK}", rows[start : start + _CHUNK])


def _book(text: ItemText) -> str:
    # Digests stand in files from outside; this one was found to be the book's.
    return f"book-{str(text.book_sha256)[:16]}"


def _question(text: ItemText) -> dict[str, Any]:
    question = text.question
    return {
        "id": question.id,
        "subject": question.subject,
        "stem": question.stem,
        "options": list(question.options.items()),
        "expected": text.expected,
        "entry": text.entry,
        "provider": text.provider,
        "book": _book(text) if text.book is not None else None,
        "before": text.prompt_before,
        "after": text.prompt_after,
    }


def _response(text: ItemText) -> dict[str, Any]:
    return {
        "response": text.response,
        "state": text.choice.state if text.choice else None,
        "before": text.template_before,
        "after": text.template_after,
    }


# Views, by the template.


def _write_views(new: Path, boards: "Sequence[Board]", runs: Sequence[Run], told: Mapping[str, Any]) -> None:
    made = max((run.date for run in runs), default="")[:10]
    addresses = ["index.html", *(f"pages/board-{number}.html" for number in range(1, len(boards)))]
    own: list[tuple[str, Board | None]] = list(zip(addresses, boards, strict=False))
    of_run = {run.id: f"pages/run-{number}.html" for number, run in enumerate(runs)}
    shared = {"boards": own, "of_run": of_run, "made": made, **told}

    def write(name: str, view: str, **values: Any) -> None:
        root = "../" if "/" in name else ""
        text = _template().render(shared | {"view": view, "root": root, **values}).lstrip()
        (new / name).write_text(text, encoding="utf-8", newline="\n")

    for name, board in own or [("index.html", None)]:
        write(name, "board", board=board)
        for row in board.rows if board else ():
            facts = row.run.model_dump(exclude={"samples": True, "truncation": {"tasks"}})
            others = [run for run in runs if run.model == row.run.model and run is not row.run]
            write(of_run[row.run.id], "run", board=board, back=name, row=row, facts=facts, others=others)
    openbook = [board for board in boards if board.group.condition == "openbook"]
    ranked = [(board, [row for row in board.rows if isfinite(row.averages.macro.value)]) for board in openbook]
    write("pages/paper.html", "paper", own=ranked)
    write("pages/plots.html", "plots")
    write("pages/items.html", "items")


@cache
def _template() -> Any:
    environment = svg.environment().overlay()
    environment.filters |= {
        "percent": lambda share: percent(share).replace("-", "–"),
        "range": lambda estimate: percents(estimate.interval).replace("-", "–"),
        "words": lambda name: re.sub("_?sha256$", " digest", name).replace("_", " ").strip(),
        "count": "{:,}".format,
        "estimate": lambda row: Estimate(row.share, row.interval, published.ITEMS),
    }
    environment.globals |= {
        "FACTS": _FACTS,
        "CHINESE_NAMES": CHINESE_NAMES,
        "version": __version__,
        "tables": published.tables(),
        "flags": _flags,
        "is_complete": is_complete,
        "scale_of": lambda estimates: svg.scale_of(end for each in estimates for end in each.ends),
    }
    return environment.get_template("page.html.jinja")


def _flags(run: Run) -> list[tuple[str, str]]:
    """Return what speaks against a run's figures: a word and the reason each."""
    cut = run.truncation
    found = {
        "cut": f"{cut.cut:,} prompts did not reach the model whole" if cut.checked and cut.cut else "",
        "unchecked": "" if cut.checked else f"whether prompts were cut is not known: {cut.reason}",
        "limited": "not all questions were asked" if run.limited else "",
        "gaps": run.gaps,
    }
    return [(word, why) for word, why in found.items() if why]

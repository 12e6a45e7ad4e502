"""Write boards as a page: a folder that works from disk, the texts of items in pieces that are loaded on demand."""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from openbook_eval import __version__
from openbook_eval.console import percent
from openbook_eval.errors import OpenbookError
from openbook_eval.files import check_place, replace_folder
from openbook_eval.leaderboard import published, svg
from openbook_eval.leaderboard.board import compare, is_complete
from openbook_eval.leaderboard.export import Sheet, comparison_sheet, percents, without_folders
from openbook_eval.leaderboard.plots import Shown, plots
from openbook_eval.results.runs import Run, Runs
from openbook_eval.results.samples import ItemText
from openbook_eval.types import CHINESE_NAMES

if TYPE_CHECKING:
    from openbook_eval.leaderboard.board import Board, Cluster

# All that a page consists of. A folder that holds anything else is not replaced.
_FOLDERS = ("pages", "assets", "data")
_ASSETS = ("page.css", "plots.css", "page.js", "items.js", "item.js")
_CHUNK = 200  # items whose texts are loaded together
# The metrics that the page filters by and shows beside each item.
_PAIRED = 10  # runs of a board, the best, of which each two are compared
_METRICS = ("correct", "correct_strict", "format_followed", "answered", "abstained")


def build(
    found: Runs,
    boards: "Sequence[Board]",
    out: Path,
    *,
    figures: Sequence[svg.Plot] = (),
    validations: Sequence[Sheet] = (),
    cluster: "Cluster" = "auto",
) -> Path:
    """Write the page of `boards` to the folder `out` and return its index.html; an older page there is replaced.

    The same input makes the same bytes: the page's date is that of the newest run. Runs whose texts are not at hand
    have scores but no texts. `figures` stand before the plots that every page has, `validations` in a view of their
    own. Raises OpenbookError where `out` holds something else, or cannot be written.
    """
    items = {str(run): own for (run,), own in found.items.partition_by("run", as_dict=True).items()}
    numbers = {row.run.id: number for number, row in enumerate(row for board in boards for row in board.rows)}
    out = out.resolve()
    refuse_other(out)
    with replace_folder(out) as new:
        for part in _FOLDERS:
            (new / part).mkdir()
        for name in _ASSETS:
            (new / "assets" / name).write_bytes((files("openbook_eval.leaderboard") / "static" / name).read_bytes())
        pieces = [_write_items(new / "data", number, board, items, numbers) for number, board in enumerate(boards)]
        for number, board in enumerate(boards):
            write_piece(new / "data", f"pairs-{number}", without_folders(_pairs(board, items, cluster)))
        write_piece(new / "data", "runs", without_folders({"chunk": _CHUNK, "boards": pieces}))
        shown = [*figures, *plots(Shown(boards, items))]
        _write_views(new, boards, numbers, {"refused": found.refused, "plots": shown, "validations": validations})
    return out / "index.html"


def refuse_other(out: Path) -> None:
    """Raise OpenbookError where `out` is something else than a page, an empty folder or nothing."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    stray = sorted(names - {"index.html", *_FOLDERS})
    if stray or (names and not (out / "data" / "runs.js").is_file()) or out.is_file():
        holds = f" (it holds {stray[0]!r})" if stray else ""
        raise OpenbookError(f"{out}: is something else than a page of a leaderboard{holds}; name another folder")
    check_place(out.resolve(), "name another folder")


def encoded(value: Any) -> bytes:
    """Return `value` as JSON that ends no script; half a surrogate pair becomes U+FFFD, a number that is none null.

    Raises TypeError for values that JSON has no word for.
    """
    try:
        data = orjson.dumps(value)
    except orjson.JSONEncodeError:
        # orjson refuses half a surrogate pair.
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        data = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return data.replace(b"<", rb"\u003c")


def write_piece(data: Path, name: str, value: Any) -> None:
    """Write the script that hands `value` to the page under `name`: a page from disk may load scripts, but no JSON."""
    (data / f"{name}.js").write_bytes(b"openbook.piece(" + encoded(name) + b"," + encoded(value) + b");\n")


def _write_items(
    data: Path, number: int, board: "Board", items: Mapping[str, pl.DataFrame], numbers: Mapping[str, int]
) -> dict[str, Any]:
    """Write items, scores and texts of a board; return what the view of items knows before it loads any."""
    exam_place = pl.col("exam").replace_strict({exam: place for place, exam in enumerate(board.exams)})
    asked = items[board.rows[0].run.id].sort(exam_place, maintain_order=True)
    write_piece(data, f"items-{number}", item_columns(asked, board.exams))
    places = {key: place for place, key in enumerate(asked["id"])}
    runs: list[dict[str, Any]] = []
    for run in (row.run for row in board.rows):
        write_piece(data, f"scores-{numbers[run.id]}", score_columns(items[run.id], asked["id"]))
        texts = bool(run.samples) and run.has_texts
        if texts:
            # All runs of a board were asked the same in the same words: the first that has them tells them.
            first = not any(earlier["texts"] for earlier in runs)
            again = pl.format("asked again with probability {}", pl.col("probability").round(3))
            states = dict(items[run.id].select("id", pl.coalesce(again, "state")).iter_rows())
            _write_texts(data, run, states, numbers[run.id], number if first else None, places)
        runs.append({"id": run.id, "number": numbers[run.id], "model": run.marked, "texts": texts})
    title = f"{board.group.condition.replace('_', ' ')}, {board.group.title}"
    return {"title": title, "exams": {exam: CHINESE_NAMES[exam] for exam in board.exams}, "runs": runs}


def _pairs(board: "Board", items: Mapping[str, pl.DataFrame], cluster: "Cluster") -> dict[str, Any]:
    """Return the comparison of each two of the best runs, as the terminal prints it, by their ids."""
    found = {}
    for a, b in permutations([row.run for row in board.rows[:_PAIRED]], 2):
        both = Runs((a, b), pl.concat([items[a.id], items[b.id]]))
        sheet = comparison_sheet(compare(both, a, b, cluster=cluster))
        found[f"{a.id} {b.id}"] = {"heads": sheet.heads, "rows": sheet.rows, "notes": sheet.notes}
    return found


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


def _write_texts(
    data: Path,
    run: Run,
    states: Mapping[str, str | None],
    number: int,
    board: int | None,
    places: Mapping[str, int],
) -> None:
    """Write the responses of a run, and for the first of its `board` the questions and their books."""
    responses: list[Any] = [None] * len(places)
    questions, stems = list(responses), [""] * len(places)
    for text in run.texts():
        place = places.get(text.question.id)
        if place is None or responses[place] is not None:
            continue
        around = {"before": text.template_before, "after": text.template_after}
        responses[place] = {"response": text.response, "state": states.get(text.question.id), **around}
        if board is not None:
            # Digests stand in files from outside; this one was found to be the book's.
            book = None if text.book is None else f"book-{str(text.book_sha256)[:16]}"
            questions[place], stems[place] = _question(text, book), text.question.stem
            if book and not (data / f"{book}.js").exists():
                write_piece(data, book, text.book)
    if board is not None:
        write_piece(data, f"stems-{board}", stems)
    for name, rows in ((f"responses-{number}", responses), (f"questions-{board}", questions)):
        for start in range(0, len(rows), _CHUNK) if any(rows) else ():
            write_piece(data, f"{name}-{start // _CHUNK}", rows[start : start + _CHUNK])


def _question(text: ItemText, book: str | None) -> dict[str, Any]:
    question = text.question
    return {
        "id": question.id,
        "subject": question.subject,
        "stem": question.stem,
        "options": list(question.options.items()),
        "expected": text.expected,
        "entry": text.entry,
        "provider": text.provider,
        "book": book,
        "before": text.prompt_before,
        "after": text.prompt_after,
    }


def _write_views(new: Path, boards: "Sequence[Board]", numbers: Mapping[str, int], extra: Mapping[str, Any]) -> None:
    rows = [row for board in boards for row in board.rows]
    addresses = ["index.html", *(f"pages/board-{number}.html" for number in range(1, len(boards)))]
    own: list[tuple[str, Board | None]] = list(zip(addresses, boards, strict=False))
    of_run = {run: f"pages/run-{number}.html" for run, number in numbers.items()}
    made = max((row.run.date for row in rows), default="")[:10]
    shared = {"boards": own, "of_run": of_run, "made": made, **extra}
    environment = svg.environment()
    environment.filters |= _FILTERS
    template = environment.get_template("page.html.jinja", globals=_GLOBALS)

    def write(name: str, view: str, **values: Any) -> None:
        root = "../" if "/" in name else ""
        text = template.render(shared | {"view": view, "root": root, **values}).lstrip()
        (new / name).write_text(text, encoding="utf-8", newline="\n")

    for name, board in own or [("index.html", None)]:
        write(name, "board", board=board)
        for row in board.rows if board else ():
            facts = row.run.model_dump(exclude={"samples": True, "weights": True, "truncation": {"tasks"}})
            others = [other.run for other in rows if other.run.model == row.run.model and other is not row]
            write(of_run[row.run.id], "run", board=board, back=name, row=row, facts=facts, others=others)
    for view in ("paper", "plots", "items", *(["validation"] if extra["validations"] else [])):
        write(f"pages/{view}.html", view)


_FILTERS = {
    "percent": lambda share: percent(share).replace("-", "–"),
    "range": lambda estimate: percents(estimate.interval).replace("-", "–"),
    "words": lambda name: name.replace("_sha256", " digest").replace("_", " "),
    "count": "{:,}".format,
}
_GLOBALS = {
    "CHINESE_NAMES": CHINESE_NAMES,
    "version": __version__,
    "tables": published.tables(),
    "ceiling": (published.CEILING, published.CEILING_NOTE),
    "is_complete": is_complete,
    "is_papers": published.is_papers,
    "scale_of": lambda estimates: svg.scale_of(end for each in estimates for end in each.ends),
}

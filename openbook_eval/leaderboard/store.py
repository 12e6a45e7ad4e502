"""A store of runs, to which others add theirs: a folder a run, with the run as JSON and its items as parquet."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from pydantic import ValidationError

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.export import without_folders
from openbook_eval.leaderboard.runs import ITEMS, Run
from openbook_eval.leaderboard.taken import Taken

RUN, ITEMS_FILE = "run.json", "items.parquet"
# Under this name the parquet file holds what seals it to its run.
_SEAL = "openbook_eval"


def add(store: Path, taken: Taken) -> int:
    """Adds the runs that the store has not; returns how many. Each is there whole or not at all.

    Folders of this machine are left out of what is written. Raises OpenbookError where the store cannot be written.
    """
    added = 0
    try:
        store.mkdir(parents=True, exist_ok=True)
        for run in taken.runs:
            if not (store / run.id).exists():
                _write(store, run, taken.items.filter(pl.col("run") == run.id))
                added += 1
    except OSError as error:
        raise OpenbookError(f"{store}: cannot be written ({error.strerror or error})") from error
    return added


def read(store: Path) -> Taken:
    """The runs of a store; broken ones are refused. Raises OpenbookError where there is no such folder."""
    if not store.is_dir():
        raise OpenbookError(f"{store}: no such folder; openbook-eval leaderboard RUN... --store {store} makes it")
    runs, refused = [], []
    for folder in folders(store):
        try:
            runs.append(read_run(folder))
        except OpenbookError as error:
            refused.append(str(error))
    return Taken.of(runs, refused)


def folders(path: Path) -> list[Path]:
    """The runs of a store, or `path` where it is one of them; what a program that was killed has left is none."""
    found = [file.parent for pattern in (RUN, f"*/{RUN}") for file in path.glob(pattern)]
    return sorted(folder for folder in found if not folder.name.startswith("."))


def read_run(folder: Path) -> tuple[Run, pl.DataFrame]:
    """One run of a store and its items. Raises OpenbookError where it is half-written or was changed.

    Whoever changes run and items and seals them anew is not found out, as long as both could be: that takes the
    samples. Where these lay is not told: they are none of the store's.
    """
    try:
        text = (folder / RUN).read_bytes()
        run = Run.model_validate_json(text)
        items = pl.read_parquet(folder / ITEMS_FILE)
        sealed = pl.read_parquet_metadata(folder / ITEMS_FILE).get(_SEAL)
    except (OSError, ValidationError, pl.exceptions.PolarsError) as error:
        fault = " ".join(str(error).split())[:120]
        raise OpenbookError(f"{folder}: half-written or not a run of a store ({fault}); add it again") from error
    if items.schema == ITEMS and (impossible := next(_impossible(items), None)):
        raise OpenbookError(f"{folder}: {impossible}; add it again from its results and samples")
    if items.schema != ITEMS or sealed != _seal(text, items) or _counts(run, items) or folder.name != run.id:
        raise OpenbookError(f"{folder}: was changed after it was written; add it again from its results and samples")
    files = tuple(file.model_copy(update={"path": ""}) for file in run.samples)
    return run.model_copy(update={"samples": files}), items


def _impossible(items: pl.DataFrame) -> Iterator[str]:
    """What no items that were read from samples can be."""
    if items.select("exam", "id").is_duplicated().any():
        yield "an item stands there twice"
    if lacking := [name for name in ("id", "exam", "exam_class", "qtype", "right") if items[name].null_count()]:
        yield f"an item has no {lacking[0]}"
    if not items["qtype"].is_in(["single", "multi"]).all():
        yield "an item is neither single nor multiple choice"
    if (items["correct"].is_null() != items["letters"].is_null()).any():
        yield "an item was read and not marked, or marked and not read"
    if not items["partial_credit"].drop_nulls().is_between(0, 1).all():
        yield "partial credit is a share"


def _counts(run: Run, items: pl.DataFrame) -> bool:
    """Whether items and run are at odds."""
    told = {file.exam: file.items for file in run.samples}
    return dict(items.group_by("exam").len().iter_rows()) != told or set(items["run"]) != {run.id}


def _write(store: Path, run: Run, items: pl.DataFrame) -> None:
    files = [file.model_dump(mode="json") | {"path": Path(file.path).name} for file in run.samples]
    told = run.model_dump(mode="json") | {"results": Path(run.results).name, "samples": files}
    content = without_folders(told)
    text = f"{json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True)}\n".encode("utf-8", "surrogatepass")
    aside = Path(tempfile.mkdtemp(prefix=f".{run.id}-", dir=store))
    try:
        (aside / RUN).write_bytes(text)
        items.write_parquet(aside / ITEMS_FILE, compression="zstd", metadata={_SEAL: _seal(text, items)})
        aside.chmod(0o755)
        aside.rename(store / run.id)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _seal(run: bytes, items: pl.DataFrame) -> str:
    return hashlib.sha256(run + items.write_ndjson().encode()).hexdigest()

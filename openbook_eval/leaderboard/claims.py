"""What others published, as files of claims: the source, the raw answers, and how each figure is defined."""

import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, model_validator

from openbook_eval.errors import OpenbookError, did_you_mean, some
from openbook_eval.files import load_model, sha256, write_atomic
from openbook_eval.matching.others import MATCHERS, Matcher

_LARGEST = 200_000_000  # bytes of a file that is fetched
_SECONDS = 20.0
# Letters as they stand: the publisher's program has read them already.
EQUALITY = Matcher("equality", "letters, compared as texts", lambda text, *_: text.strip(), as_sets=False)
READINGS = {each.name: each for each in (EQUALITY, *MATCHERS)}
# Columns of a frame of items: `right` is a share of 1.
ITEMS = pl.Schema(dict.fromkeys(("id", "exam", "class", "answer", "letters"), pl.String) | {"right": pl.Float64()})

Mean = Callable[[pl.DataFrame], float]


def _mean(items: pl.DataFrame, *groups: str) -> float:
    """Average the items of the smallest groups, then these within the larger ones, and so on."""
    frame = items
    for size in range(len(groups), 0, -1):
        frame = frame.group_by(groups[:size], maintain_order=True).agg(pl.col("right").mean())
    return float(frame["right"].sum()) / frame.height


def _macro_f1(items: pl.DataFrame) -> float:
    """Return the plain mean of F1 over all answers that are right or given somewhere."""
    given, wanted = Counter(items["letters"]), Counter(items["answer"])
    both = Counter(items.filter(pl.col("letters") == pl.col("answer"))["answer"])
    labels = given | wanted
    return sum(2 * both[each] / (given[each] + wanted[each]) for each in labels) / len(labels)


# How a figure averages its items.
MEANS: Mapping[str, Mean] = {
    "items": _mean,
    "exams": lambda items: _mean(items, "exam"),
    "classes": lambda items: _mean(items, "exam", "class"),  # of a class, of an exam, of all exams
    "subclasses": lambda items: _mean(items.with_columns(pl.format("{} {}", "exam", "class").alias("class")), "class"),
    "macro_f1": _macro_f1,
}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Publication(_Strict):
    """Where the figures stand, at which commit, in which file, and the licence of the raw answers."""

    repository: str
    commit: str = ""
    file: str = ""
    licence: str = "unstated"


class Answers(_Strict):
    """Raw answers: a path beside the claim's file, or an address. `response` is the column that has them.

    `key` has the right answers where `file` does not; `other_key` is a version of it that gives a second figure.
    """

    file: str
    response: str | None = None
    key: str | None = None
    other_key: str | None = None


class Arithmetic(_Strict):
    """What a figure must be if other published figures hold: one of these."""

    equals: Decimal | None = None
    difference: tuple[Decimal, Decimal] | None = None
    at_most: Decimal | None = None
    falls: tuple[Decimal, ...] = ()

    @model_validator(mode="after")
    def _is_one(self) -> "Arithmetic":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"say one of {', '.join(Arithmetic.model_fields)}")
        return self


class FigureClaim(_Strict):
    """A published figure as it is printed, and how it came about: from the raw answers, or by `arithmetic`.

    `read` is the publisher's matcher and `mean` the average, over one `exam` or `exam_class` where they are given.
    `absent` says how a question without an answer counts. `items` are those behind a figure without raw answers.
    """

    name: str
    published: str
    unit: Literal["percent", "share"] = "percent"
    read: str = EQUALITY.name
    mean: str = "items"
    exam: str | None = None
    exam_class: str | None = None
    absent: Literal["wrong", "left out"] = "left out"
    items: Annotated[int, Field(gt=0)] | None = None
    arithmetic: Arithmetic | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "FigureClaim":
        for name, known in ((self.read, READINGS), (self.mean, MEANS)):
            if name not in known:
                raise ValueError(f"{name!r} is not known; {did_you_mean(name, known)}")
        if self.value is None and not (self.arithmetic and self.arithmetic.falls):
            raise ValueError(f"published: {self.published!r} is no number")
        return self

    @property
    def value(self) -> Decimal | None:
        """The published figure as a number; None where it is words."""
        try:
            return Decimal(self.published.rstrip("%"))
        except InvalidOperation:
            return None


class Validation(_Strict):
    """A file of claims of one source."""

    title: str
    source: Publication
    answers: Answers | None = None
    claims: tuple[FigureClaim, ...]

    @model_validator(mode="after")
    def _can_be_checked(self) -> "Validation":
        if not self.claims:
            raise ValueError("claims: none is made")
        if not self.answers and (bare := [each.name for each in self.claims if not each.arithmetic]):
            raise ValueError(f"claim {bare[0]!r} has neither answers nor arithmetic to go by")
        return self


def read_validations(paths: Sequence[Path]) -> list[tuple[Path, Validation]]:
    """Read claim files, and those in folders. Raises OpenbookError with every fault of every file."""
    files = [file for path in paths for file in (sorted(path.glob("*.yml")) if path.is_dir() else [path])]
    if not files:
        raise OpenbookError(f"{some([*map(str, paths)])}: no claim file (.yml) lies there; docs/validation.md")
    found: list[tuple[Path, Validation]] = []
    faults: list[str] = []
    for file in files:
        try:
            found.append((file, load_model(file, Validation)))
        except OpenbookError as error:
            faults.append(str(error))
    if faults:
        raise OpenbookError("\n".join(faults))
    return found


class NotHereError(OpenbookError):
    """What a claim needs and cannot be had now."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where the files of claims are found: beside them, in a folder of copies, kept from an earlier time, fetched."""

    beside: Path
    copies: Path | None = None
    is_offline: bool = False

    def find(self, address: str) -> Path:
        """Return the file of a path or an address. Raises OpenbookError where it cannot be had."""
        parts = address.partition("://")[2].split("/") or [address]
        copies = [self.copies.joinpath(*parts[place:]) for place in range(len(parts))] if self.copies else []
        if copy := next((each for each in copies if each.is_file()), None):
            return copy
        if "://" not in address:
            if not (self.beside / address).is_file():
                raise OpenbookError(f"{self.beside / address}: no such file; mend the path in the claim's file")
            return self.beside / address
        kept = platformdirs.user_cache_path("openbook-eval") / "validations" / sha256(address)[:16] / parts[-1]
        if not kept.is_file():
            write_atomic(kept, self._fetch(address, parts[-1]))
        return kept

    def _fetch(self, address: str, name: str) -> bytes:
        if not address.startswith(("https://", "http://")):
            raise OpenbookError(f"{address}: only http and https addresses are fetched")
        why = "offline"
        if not self.is_offline:
            try:
                with urllib.request.urlopen(address, timeout=_SECONDS) as reply:  # noqa: S310 - see above
                    data: bytes = reply.read(_LARGEST + 1)
            except (OSError, ValueError) as error:
                why = str(getattr(error, "reason", error))
            else:
                if len(data) <= _LARGEST:
                    return data
                why = f"larger than {_LARGEST:,} bytes"
        raise NotHereError(f"needs {address} ({why}), or a copy called {name} in a folder named by --data")

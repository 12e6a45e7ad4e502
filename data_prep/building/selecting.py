"""Between the passes: which of the kept rows stand for others, over all sources."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.duplicates import first_of_each, near
from data_prep.mixing import scrambled

# `of_...` name the row that stands for a duplicate.
_OF = ("source", "file", "row")


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows of the index: those that stay, each key once, and duplicates with the columns of_source, of_file, of_row."""

    kept: pl.DataFrame
    exact: pl.DataFrame
    near: pl.DataFrame

    @property
    def duplicates(self) -> dict[str, pl.DataFrame]:
        """Those that do not stay, by the reason that is told."""
        return {"duplicate": self.exact, "near_duplicate": self.near}


def select(
    index: pl.DataFrame,
    seed: int,
    threshold: float | None,
    texts: Callable[[pl.DataFrame], tuple[Sequence[str], Sequence[str]]],
) -> Selected:
    """Of equal rows the one of the lowest rank stays, of alike ones that which `near` says.

    `texts` gives the texts of rows and, apart, those of their answers: both must be alike. `threshold` is the Jaccard
    similarity from which they are; none where only equal rows are duplicates.
    """
    first = pl.Series(first_of_each(index["key"].to_numpy(), _ranks(index, seed)))
    kept = index.filter(first)
    exact = index.filter(~first).join(
        kept.select("key", **{f"of_{name}": name for name in _OF}), on="key", how="left", maintain_order="left"
    )
    if threshold is None or kept.is_empty():
        return Selected(kept, exact, exact.clear())
    whole, answers = texts(kept)
    standing = near(whole, kept["key"].to_numpy(), threshold, answers)
    stays = standing == np.arange(len(standing))
    of = kept.select(pl.col(name).alias(f"of_{name}") for name in _OF)[standing[~stays]]
    alike = kept.filter(pl.Series(~stays)).hstack(of)
    return Selected(kept.filter(pl.Series(stays)), exact, alike)


def _ranks(index: pl.DataFrame, seed: int) -> NDArray[np.uint64]:
    """A seeded hash of where each row was read, so that neither the order of sources nor that of files matters."""
    ranks = np.empty(index.height, dtype=np.uint64)
    numbered = index.select("source", "file", "row").with_row_index("place")
    for (source, file), rows in numbered.group_by("source", "file"):
        purpose = f"rank of a row\x1f{source}\x1f{file}"
        ranks[rows["place"].to_numpy()] = scrambled(rows["row"].to_numpy().astype(np.uint64), seed, purpose)
    return ranks

"""Which rows a mix is made of: exact shares, seeded orders, smaller mixes within larger ones.

Within a domain rows stand in the order of a seeded hash of their keys, and a mix takes the first of that order. So a
smaller share is contained in a larger one, and a new source leaves the order of the other rows as it is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_prep.spec import DOMAINS, Domain, Mix
from openbook_eval.errors import OpenbookError
from openbook_eval.sampling import apportion, seeded_draw

_Keys = NDArray[np.uint64]
_Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows of a mix in the order of its file, with the columns of the index and `repeat` (UInt32).

    `repeat` is 0 where a row is taken for the first time. `wanted` is the share of each domain, in rows or tokens.
    """

    name: str
    mix: Mix
    wanted: Mapping[Domain, int]
    rows: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Pool:
    """The rows of one domain: their places in the index, in the order they are taken, and tokens summed up so far."""

    places: _Places
    tokens: NDArray[np.uint64]


def choose(index: pl.DataFrame, mix: Mix, seed: int, name: str) -> Chosen:
    """The rows of one mix; see choose_all."""
    return choose_all(index, {name: mix}, seed)[name]


def choose_all(index: pl.DataFrame, mixes: Mapping[str, Mix], seed: int) -> dict[str, Chosen]:
    """The rows of every mix, of an index with columns key (UInt64, each once), domain, source, tokens and any others.

    Raises OpenbookError that says of every domain of every mix by how much it is too small. Where a mix allows it, its
    rows are repeated instead: all rows equally often, and the first of the order once more.
    """
    pools = _pools(index, seed)
    shares = {name: wanted(mix) for name, mix in mixes.items()}
    short = [_shortages(name, mix, shares[name], pools) for name, mix in mixes.items()]
    if found := list(chain.from_iterable(short)):
        way_out = "take less, add sources, or say allow_repeat: true in the mix"
        if len(found) == 1:
            raise OpenbookError(f"{found[0]}; {way_out}")
        raise OpenbookError("\n  ".join([f"{len(found)} shares are larger than their domain; {way_out}:", *found]))
    return {name: _chosen(index, pools, name, mix, shares[name], seed) for name, mix in mixes.items()}


def wanted(mix: Mix) -> dict[Domain, int]:
    """How many rows (or tokens, where the mix counts these) each domain gives, by the method of the largest remainder.

    First between general and medical, then inside medical: between two a larger size never means a smaller share.
    """
    weights = mix.weights()
    medical = {domain: weight for domain, weight in weights.items() if domain != "general"}
    first = {"general": weights.get("general", Fraction(0)), "medical": sum(medical.values(), Fraction(0))}
    parts = apportion(mix.size, first)
    inside = apportion(parts["medical"], medical) if medical else {}
    return {domain: parts["general"] if domain == "general" else inside[domain] for domain in weights}


def scaled(mixes: Mapping[str, Mix], scale: float) -> dict[str, Mix]:
    """The mixes with sizes times `scale`, rounded to the nearest whole (a half up); OpenbookError where that is 0."""
    if not (math.isfinite(scale) and scale > 0):
        raise OpenbookError(f"--scale {scale}: wants a number above 0")
    # As written: 0.07 is 7 / 100, not the binary fraction next to it.
    sizes = {name: math.floor(mix.size * Fraction(str(scale)) + Fraction(1, 2)) for name, mix in mixes.items()}
    if none := [f"{name} ({mixes[name].size:,})" for name, size in sizes.items() if not size]:
        raise OpenbookError(f"--scale {scale}: nothing is left of {', '.join(none)}; take a larger scale")
    return {name: mix.model_copy(update={"size": sizes[name]}) for name, mix in mixes.items()}


def scrambled(keys: _Keys, seed: int, purpose: str) -> _Keys:
    """A seeded hash of each key, one to one: the last step of SplitMix64 (Steele, Lea and Flood, 2014)."""
    return _splitmix(keys ^ np.uint64(seeded_draw(seed, purpose)))


def nesting(mixes: Mapping[str, pl.DataFrame]) -> dict[str, dict[str, list[str]]]:
    """What the mixes hold of each other, looked up and not assumed; of frames with columns domain and key.

    For each mix: the other mixes that hold all its rows of some domain, as often as it does, and those domains.
    """
    counts = {name: mixes[name].group_by("domain", "key").len() for name in sorted(mixes)}
    return {
        name: {other: held for other, there in counts.items() if other != name and (held := _held(rows, there))}
        for name, rows in counts.items()
    }


def _held(rows: pl.DataFrame, there: pl.DataFrame) -> list[str]:
    both = rows.join(there, on=("domain", "key"), how="left", suffix="_there")
    held = both.group_by("domain").agg((pl.col("len") <= pl.col("len_there").fill_null(0)).all().alias("held"))
    return sorted(held.filter("held")["domain"])


def _splitmix(keys: _Keys) -> _Keys:
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _pools(index: pl.DataFrame, seed: int) -> dict[Domain, _Pool]:
    order = scrambled(index["key"].to_numpy(), seed, "rows of a mix")
    tokens = index["tokens"].to_numpy().astype(np.uint64)
    pools: dict[Domain, _Pool] = {}
    for domain in DOMAINS:
        places = (index["domain"] == domain).arg_true().to_numpy().astype(np.int64)
        # Keys differ, and so do their hashes: there are no ties.
        places = places[np.argsort(order[places], kind="stable")]
        pools[domain] = _Pool(places, np.cumsum(tokens[places], dtype=np.uint64))
    return pools


def _whole(pool: _Pool, mix: Mix) -> int:
    """What one round over a domain comes to, in what the mix counts."""
    if mix.over == "rows":
        return len(pool.places)
    return int(pool.tokens[-1]) if len(pool.tokens) else 0


def _shortages(name: str, mix: Mix, shares: Mapping[Domain, int], pools: Mapping[Domain, _Pool]) -> Sequence[str]:
    there = {domain: _whole(pools[domain], mix) for domain in shares}
    return [
        f"mix {name}: {domain} has {there[domain]:,} {mix.over} and {share:,} are wanted, "
        f"{share - there[domain]:,} too few"
        for domain, share in shares.items()
        # What is not there cannot be repeated.
        if share > there[domain] and not (mix.allow_repeat and there[domain])
    ]


def _chosen(
    index: pl.DataFrame,
    pools: Mapping[Domain, _Pool],
    name: str,
    mix: Mix,
    shares: Mapping[Domain, int],
    seed: int,
) -> Chosen:
    taken = [_take(pools[domain], mix, share) for domain, share in shares.items()]
    places, repeats = (np.concatenate(column) for column in zip(*taken, strict=True))
    if not len(places):
        raise OpenbookError(f"mix {name}: no row is as short as its share of {mix.size:,} tokens; take a larger size")
    keys = index["key"].to_numpy()[places]
    order = _splitmix(scrambled(keys, seed, "order of a file") + repeats)
    places, repeats = (column[np.argsort(order, kind="stable")] for column in (places, repeats))
    rows = index[places].with_columns(pl.Series("repeat", repeats.astype(np.uint32)))
    return Chosen(name, mix, shares, rows)


def _take(pool: _Pool, mix: Mix, share: int) -> tuple[_Places, _Keys]:
    """Places of the rows that fill a share, and how often each was taken before.

    A share of tokens is filled until the next row would pass it; what is missing is less than that row.
    """
    rounds, rest = divmod(share, _whole(pool, mix)) if share else (0, 0)
    more = rest if mix.over == "rows" else int(np.searchsorted(pool.tokens, np.uint64(rest), side="right"))
    places = np.concatenate([np.tile(pool.places, rounds), pool.places[:more]])
    return places, np.arange(len(places), dtype=np.uint64) // np.uint64(max(len(pool.places), 1))

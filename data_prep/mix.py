"""Which rows a mix is made of: exact shares, seeded orders, smaller mixes within larger ones.

Within a domain rows stand in the order of a seeded hash of their keys, and a mix takes the first of that order. So a
smaller share is contained in a larger one, and a new source leaves the order of the other rows as it is.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from data_prep.spec import DOMAINS, Domain, Mix
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.sampling import apportion, seeded_draw

Keys = NDArray[np.uint64]
Count = Callable[[Sequence[str]], list[int]]

# Rows whose texts go to the tokenizer at once.
_BATCH = 1_000
# Rows among which those are looked for that fill up a share of tokens.
_FILLERS = 100
# What SplitMix64 adds at every step, the golden ratio in 64 bits; odd, so that multiplying by it loses nothing.
GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def choose(
    rows: pl.DataFrame,
    mixes: Mapping[str, Mix],
    seed: int,
    count: Count | None = None,
    losses: Mapping[str, str] | None = None,
    shares: Mapping[str, float] | None = None,
) -> dict[str, pl.DataFrame]:
    """Choose the rows of every mix from a frame with columns key (UInt64, each once), domain, source and tokens.

    They stand in the order of the mix's file, with one more column: `repeat` (UInt32), 0 where a row is taken for the
    first time. `count`, if any, counts the tokens of their texts; `shares` are the `max_share` of sources. Raises
    OpenbookError that says of every domain of every mix by how much it is too small, and of its `losses`. Where a mix
    allows it, its rows are repeated instead: all rows equally often, and the first of the order once more.
    """
    if count and all(mix.over == "rows" for mix in mixes.values()):
        # Only of the rows chosen, which are the first of their domains: of these, the same ones are chosen again.
        taken = pl.concat(each.select("key") for each in choose(rows, mixes, seed, shares=shares).values())
        rows = rows.join(taken, on="key", how="semi")
    rows = _counted(rows, count) if count else rows
    pools = {over: _pools(rows, seed, over, shares or {}) for over in dict.fromkeys(mix.over for mix in mixes.values())}
    rows_of = dict(rows.group_by("domain").len().rows())
    found = [
        fault for name, mix in mixes.items() for fault in _shortages(name, mix, pools[mix.over], losses or {}, rows_of)
    ]
    fix = "take less, add sources, or say allow_repeat: true in the mix"
    if len(found) == 1:
        raise OpenbookError(f"{found[0]}; {fix}")
    if found:
        raise OpenbookError("\n  ".join([f"{len(found)} shares are larger than their domain; {fix}:", *found]))
    return {name: _chosen(rows, pools[mix.over], name, mix, seed) for name, mix in mixes.items()}


def wanted(mix: Mix) -> dict[Domain, int]:
    """Return how many rows (or tokens, where the mix counts these) each domain gives, by largest remainder.

    First between general and medical, then inside medical: between two a larger size never means a smaller share.
    """
    weights = mix.weights()
    medical: dict[Domain, Fraction] = {name: weight for name, weight in weights.items() if name != "general"}
    first = {"general": weights.get("general", Fraction(0)), "medical": sum(medical.values(), Fraction(0))}
    parts = apportion(mix.size, first)
    inside = apportion(parts["medical"], medical) if medical else {}
    return {domain: inside.get(domain, parts["general"]) for domain in weights}


def scaled(mixes: Mapping[str, Mix], scale: float) -> dict[str, Mix]:
    """Return the mixes with sizes times `scale`, rounded half up. Raises OpenbookError where nothing is left of one."""
    if not (math.isfinite(scale) and scale > 0):
        raise OpenbookError(f"--scale {scale}: wants a number above 0")
    # As written: 0.07 is 7 / 100, not the binary fraction next to it.
    sizes = {name: math.floor(mix.size * Fraction(str(scale)) + Fraction(1, 2)) for name, mix in mixes.items()}
    if none := [f"{name} ({mixes[name].size:,})" for name, size in sizes.items() if not size]:
        raise OpenbookError(f"--scale {scale}: nothing is left of {', '.join(none)}; take a larger scale")
    return {name: mix.model_copy(update={"size": sizes[name]}) for name, mix in mixes.items()}


def nesting(mixes: Mapping[str, pl.DataFrame]) -> dict[str, dict[str, list[str]]]:
    """Look up what the mixes hold of each other, given frames with columns domain and key.

    Returns for each mix the other mixes that hold all its rows of some domain, as often as it does, and those domains.
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


def seeded_hash(numbers: pl.Series, seed: int, purpose: str) -> Keys:
    """Return a hash of each number that hangs on seed and purpose: one to one, so that different ones never tie."""
    return split_mix((numbers.to_numpy().astype(np.uint64) ^ np.uint64(seeded_draw(seed, purpose))) + GOLDEN)


def split_mix(values: Keys) -> Keys:
    """Return the finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit of it hangs on every bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _pools(rows: pl.DataFrame, seed: int, over: str, shares: Mapping[str, float]) -> dict[Domain, pl.DataFrame]:
    """The places of each domain's rows in the order in which they are taken, with the rows and tokens up to each."""
    order = pl.Series("order", seeded_hash(rows["key"], seed, "rows of a mix"))
    size = pl.col("tokens").cast(pl.Int64)
    ordered = rows.select("domain", "key", "source", size=size, tokens=size).with_row_index("place")
    ordered = ordered.with_columns(order).sort("order")
    upto = {"rows": pl.int_range(1, pl.len() + 1), "tokens": pl.col("tokens").cum_sum()}
    pools = {domain: ordered.filter(pl.col("domain") == domain) for domain in DOMAINS}
    return {domain: _capped(pool, over, shares).with_columns(**upto) for domain, pool in pools.items()}


def _capped(pool: pl.DataFrame, over: str, shares: Mapping[str, float]) -> pl.DataFrame:
    """Put a pool in an order whose beginnings, however long, hold no more of a source than its share, to a row.

    A row whose source has its share waits for the next place that it may take; rows for which none comes are left out.
    """
    sources, sizes = pool["source"].to_list(), pool["size"].to_list() if over == "tokens" else [1] * pool.height
    caps = {name: Fraction(str(share)).as_integer_ratio() for name, share in shares.items() if name in set(sources)}
    if not caps:
        return pool
    waiting: dict[str, list[int]] = {}
    for row in reversed(range(pool.height)):
        waiting.setdefault(sources[row] if sources[row] in caps else "", []).append(row)
    order, whole, taken = list[int](), 0, dict.fromkeys(waiting, 0)

    def may(name: str) -> bool:
        part, of = caps.get(name, (1, 0))
        return bool(waiting[name]) and taken[name] * of < part * (whole + sizes[waiting[name][-1]])

    while ready := [name for name in waiting if may(name)]:
        name = min(ready, key=lambda name: waiting[name][-1])
        order.append(waiting[name].pop())
        whole, taken[name] = whole + sizes[order[-1]], taken[name] + sizes[order[-1]]
    return pool[order]


def _whole(pool: pl.DataFrame, mix: Mix) -> int:
    """What one round over a domain comes to, in what the mix counts."""
    return int(pool[mix.over][-1]) if pool.height else 0


def _shortages(
    name: str, mix: Mix, pools: Mapping[Domain, pl.DataFrame], losses: Mapping[str, str], rows_of: Mapping[str, int]
) -> Iterator[str]:
    for domain, share in wanted(mix).items():
        there = _whole(pools[domain], mix)
        # What is not there cannot be repeated.
        if share > there and not (mix.allow_repeat and there):
            over = rows_of.get(domain, 0) - pools[domain].height
            why = "; ".join(filter(None, [losses.get(domain), f"{over:,} rows over max_share" if over else ""]))
            has = f"{domain} has {there:,} {mix.over}{f' ({why})' if why else ''}"
            yield f"mix {name}: {has} and {share:,} are wanted, {share - there:,} too few"


def _chosen(rows: pl.DataFrame, pools: Mapping[Domain, pl.DataFrame], name: str, mix: Mix, seed: int) -> pl.DataFrame:
    taken = pl.concat([_take(pools[domain], mix, share) for domain, share in wanted(mix).items()])
    if taken.is_empty():
        raise OpenbookError(f"mix {name}: no row is as short as its share of {mix.size:,} tokens; take a larger size")
    repeats = taken["repeat"].to_numpy().astype(np.uint64)
    order = split_mix(seeded_hash(taken["key"], seed, "order of a file") + repeats + GOLDEN)
    taken = taken.with_columns(pl.Series("order", order)).sort("order")
    return rows[taken["place"]].with_columns(taken["repeat"])


def _take(pool: pl.DataFrame, mix: Mix, share: int) -> pl.DataFrame:
    """The rows that fill a share, and how often each was taken before.

    A share of tokens takes rows in order until one would pass it, then those of the next ones that still fit: what is
    missing is less than any of these, and a share larger by that many rows contains this one.
    """
    rounds, rest = divmod(share, _whole(pool, mix)) if share else (0, 0)
    last = pool.filter(pl.col(mix.over) <= rest)
    left, gap = pool[last.height : last.height + _FILLERS], rest - _whole(last, mix)
    while (fits := left.filter(pl.col("size") <= gap)).height and mix.over == "tokens":
        last, left, gap = pl.concat([last, fits[:1]]), fits[1:], gap - fits["size"][0]
    taken = [pool] * rounds + [last]
    return pl.concat(part.select("place", "key", repeat=pl.lit(number, pl.UInt32)) for number, part in enumerate(taken))


def _counted(rows: pl.DataFrame, count: Count) -> pl.DataFrame:
    """The rows with the tokens of all their messages counted instead of estimated."""
    tokens: list[int] = []
    for some in rows.select("question", "answer", "turns").iter_slices(_BATCH):
        texts = [
            [question, answer] if turns is None else [turn["content"] for turn in orjson.loads(turns)]
            for question, answer, turns in some.iter_rows()
        ]
        counts = iter(count([text for row in texts for text in row]))
        tokens += (sum(islice(counts, len(row))) for row in texts)
    return rows.with_columns(pl.Series("tokens", tokens, dtype=pl.UInt32))


def counter(tokenizer: str) -> Count:
    """Return a function that counts the tokens of each text with the tokenizer of a folder or hub name.

    Nothing is added for a chat format or for the begin and end of a text. Raises OpenbookError where transformers is
    missing or the tokenizer cannot be loaded.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise OpenbookError(
            f"counting tokens needs transformers ({error}); install it, or leave `tokenizer` out for an estimate"
        ) from error
    try:
        # Said outright, for without it transformers asks at the keyboard whether to run code of the tokenizer's author.
        loaded = AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False)
    except Exception as error:  # a tokenizer fails in as many ways as there are tokenizers
        raise OpenbookError(
            f"{tokenizer}: no tokenizer can be loaded ({first_line(error)}); name its folder or its model on the hub"
        ) from error

    def count(texts: Sequence[str]) -> list[int]:
        # A tokenizer takes no empty list.
        found = loaded(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if texts else []
        return [len(tokens) for tokens in found]

    return count

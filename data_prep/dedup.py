"""Rows that say the same: exactly, by a key of their plain texts, or nearly, by MinHash and an exact comparison.

MinHash and its bands are those of Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3.
"""

import hashlib
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray
from opencc import OpenCC

from data_prep.clean import where
from data_prep.mix import GOLDEN, Keys, seeded_hash, split_mix

Places = NDArray[np.int64]

# A noncharacter of Unicode, which no plain text holds: it stands after each text where many are one.
END = "\uffff"
# Characters of a shingle: two or three Chinese words; single words are common to texts that say different things.
SHINGLE = 5
_PERMUTATIONS, _SEED = 128, 20240726
# The chance that two texts exactly as alike as the threshold come into one bucket.
_RECALL = 0.99
# How alike questions must be. Of 369 real pairs with like answers, those below ask for something else, such as the
# target genes of another herb, and those above tell one case in other words.
_QUESTION = 0.5
# With how many that come next in a bucket a text is compared: a bucket of n texts costs 9 n comparisons, not n squared,
# when texts of one template fill it.
_NEXT = 8
# Rows that are made into shingles at a time, and pairs that are compared at a time.
_ROWS, _PAIRS = 2_000, 2_000


# White space, punctuation, symbols and control characters: two copies of a text may differ in them.
_SIGNS = r"[\s\p{Z}\p{P}\p{S}\p{C}]+"
# What of these most texts have besides ASCII.
_USUAL_SIGNS = "、。《》「」『』【】〈〉，！？：；（）“”‘’…—·￥"
_GONE = [*string.punctuation, *" \n\r\t", *_USUAL_SIGNS]
_HAN = [chr(point) for point in range(0x4E00, 0xA000)]
# Signs that change what a text says: 1.5 mg, P<0.05, 2×2, 3-5, (+), C++. Rows that differ in them are not equal.
_TELLING = r"\d\.\d|[<>≤≥≠≈±×÷＜＞]\s?\d|\d\s?[+*/＋－-]\s?\d|[+＋－-]\d|[(（][+±＋－-][)）]|[A-Za-z][+#]{1,2}"
# A text with any other character is normalised in full, which takes several times as long.
_NOT_SIMPLE = rf"[^ -~\n\r\t{_USUAL_SIGNS}\x{{4E00}}-\x{{9FFF}}]"


def plain(text: pl.Expr) -> pl.Expr:
    """Return texts as they are compared: NFKC, lower case, simplified Chinese, no white space, punctuation, symbols."""
    simplified = _simplified()
    simple_form = {
        **dict.fromkeys(_GONE, ""),
        **dict(zip(string.ascii_uppercase, string.ascii_lowercase, strict=True)),
        **simplified,
    }
    hard = text.str.contains(_NOT_SIMPLE)
    simple = where(~hard, text).str.replace_many(list(simple_form), list(simple_form.values()))
    full = where(hard, text).str.normalize("NFKC").str.to_lowercase().str.replace_all(_SIGNS, "")
    full = full.str.replace_many(list(simplified), list(simplified.values()))
    return pl.when(hard).then(full).otherwise(simple)


def telling_signs(text: pl.Expr) -> pl.Expr:
    """Return the signs of texts that change what they say, with the characters beside them, in one form."""
    return text.str.extract_all(_TELLING).list.join("").str.replace_all(r"\s", "").str.normalize("NFKC")


@cache
def _simplified() -> Mapping[str, str]:
    """Each traditional character with its simplified form, by OpenCC; one by one: no text changes its length."""
    forms = OpenCC("t2s").convert("\n".join(_HAN)).split("\n")
    return {character: form for character, form in zip(_HAN, forms, strict=True) if form != character}


def code_points(texts: pl.Series, ends: int = 1) -> tuple[NDArray[np.uint32], Places]:
    """Return plain texts as code points, so many ENDs after each, and where the first of these stand."""
    whole = (texts + END * ends).str.join("").item() or ""
    codes = np.frombuffer(whole.encode("utf-32-le"), dtype=np.uint32)
    return codes, np.cumsum(texts.str.len_chars().to_numpy().astype(np.int64) + ends) - ends


def keys(rows: pl.DataFrame) -> pl.Series:
    """Return a key (UInt64) of each row: a hash of its columns plain_question and plain_answer, and its telling signs.

    Where both are empty, in a row of punctuation alone, it is one of its raw question and answer. BLAKE2b cut to 64
    bits is the same on every platform and with every version; of a million rows two different ones share a key with a
    chance of 3 in 100 million.
    """
    telling = (pl.lit(END) + telling_signs(pl.col(name)) for name in ("question", "answer"))
    signs = pl.concat_str(*telling).replace(END + END, "")
    texts = rows.select(pl.concat_str("plain_question", pl.lit(END), "plain_answer", signs)).to_series()
    hashes = [hashlib.blake2b(text.encode("utf-16-le"), digest_size=8).digest() for text in texts.to_list()]
    for place in (rows["plain_question"] + rows["plain_answer"] == "").arg_true().to_list():
        raw = "\x1f".join(("raw", *rows.select("question", "answer").row(place)))
        hashes[place] = hashlib.blake2b(raw.encode(), digest_size=8).digest()
    return pl.Series("key", np.frombuffer(b"".join(hashes), dtype=">u8").astype(np.uint64))


def mark_duplicates(rows: pl.DataFrame, seed: int, threshold: float | None) -> pl.DataFrame:
    """Return the rows with `reason` (duplicate, near_duplicate or null) and `of`, the place of the row that stays.

    `rows` have the columns of read.SCHEMA and `key`. Of equal rows the one of the lowest rank stays, whatever the order
    of sources and files; of rows that are alike, as near_duplicates says. Without `threshold` only equal rows go.
    """
    standing = _first_of_each(rows["key"].to_numpy(), _ranks(rows, seed))
    exact = standing != np.arange(rows.height)
    if threshold is not None:
        places = np.flatnonzero(~exact)
        standing[places] = places[near_duplicates(rows[places], threshold)]
    gone = standing != np.arange(rows.height)
    reason = pl.when(pl.Series(exact)).then(pl.lit("duplicate")).when(pl.Series(gone)).then(pl.lit("near_duplicate"))
    return rows.with_columns(reason.alias("reason"), of=pl.when(pl.Series(gone)).then(pl.Series(standing)))


def _ranks(rows: pl.DataFrame, seed: int) -> Keys:
    """A seeded hash of where each row was read."""
    ranks = np.empty(rows.height, dtype=np.uint64)
    numbered = rows.select("source", "file", "row").with_row_index("place")
    for (source, file), group in numbered.group_by("source", "file"):
        ranks[group["place"].to_numpy()] = seeded_hash(group["row"], seed, f"rank of a row\x1f{source}\x1f{file}")
    return ranks


def _first_of_each(keys: Keys, ranks: Keys) -> Places:
    """For each row the place of the row of the same key with the lowest rank."""
    order = np.lexsort((ranks, keys))
    opens = np.diff(keys[order], prepend=~keys[order][:1]) != 0
    standing = np.empty(len(keys), dtype=np.int64)
    standing[order] = order[opens][np.cumsum(opens) - 1]
    return standing


def near_duplicates(rows: pl.DataFrame, threshold: float) -> Places:
    """Return for each row the place of the one that stands for it, itself where it stays.

    Two rows are alike where the Jaccard similarity of their character shingles is at least `threshold`, that of their
    answers too, that of their questions at least one half, and their telling signs are the same: another answer,
    question or dose makes another row. Rows are taken in the order of their keys, each of which must be there once; a
    row stays unless it is like one that stays already, and the first such stands for it. So the order of rows does not
    matter, no two rows that stay are known to be alike, and each that goes is like the one that stands for it. Of pairs
    exactly at the threshold one in a hundred is missed, of those more alike fewer.
    """
    standing = np.arange(rows.height, dtype=np.int64)
    if rows.height < 2:
        return standing
    places = np.argsort(rows["key"].to_numpy(), kind="stable")
    ordered = rows.select("question", "answer")[places]
    question, answer = plain(pl.col("question")), plain(pl.col("answer"))
    signs = ordered.select(telling_signs(pl.col("question")) + END + telling_signs(pl.col("answer"))).to_series()
    bands, sizes = _bands_of(ordered, threshold)
    pairs = candidates(bands, sizes, threshold)
    for start in range(0, len(pairs), _PAIRS):
        first, second = pairs[start : start + _PAIRS].T
        open_ = (standing[first] == first) & (standing[second] == second)
        first, second = first[open_], second[open_]
        for text, least in ((question + answer, threshold), (answer, threshold), (question, min(threshold, _QUESTION))):
            alike = _similarity(ordered, text, first, second) >= least
            first, second = first[alike], second[alike]
        same = (signs.gather(first) == signs.gather(second)).to_numpy()
        first, second = first[same], second[same]
        # Pairs are in order of the row that comes first, so that it is settled whether that row stays.
        for one, other in zip(first.tolist(), second.tolist(), strict=True):
            if standing[one] == one and standing[other] == other:
                standing[other] = one
    found = np.empty_like(standing)
    found[places] = places[standing]
    return found


@dataclass(frozen=True, slots=True)
class Shingles:
    """Sorted sets of 32-bit hashes one after the other; set n lies between `offsets` n and n + 1."""

    hashes: NDArray[np.uint32]
    offsets: Places

    @classmethod
    def of(cls, texts: pl.Series) -> "Shingles":
        """Cut plain texts into shingles. A text shorter than a shingle is one shingle, an empty one none."""
        # So many ENDs that no window reaches from one text into the next.
        codes, ends = code_points(texts, SHINGLE)
        lengths = np.diff(ends, prepend=-SHINGLE) - SHINGLE
        windows = np.zeros(max(0, len(codes) - SHINGLE + 1), dtype=np.uint64)
        for step in range(SHINGLE):
            windows = windows * GOLDEN + codes[step : step + len(windows)]
        taken = codes[SHINGLE - 1 :] != ord(END)
        taken[ends - lengths] = True
        taken &= codes[: len(windows)] != ord(END)
        owners = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths + SHINGLE)[: len(windows)]
        marked = _each_once((owners[taken] << np.uint64(32)) | (split_mix(windows[taken]) >> np.uint64(32)))
        sizes = np.bincount((marked >> np.uint64(32)).astype(np.int64), minlength=len(lengths))
        return cls(marked.astype(np.uint32), np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(sizes)]))

    def sizes(self) -> Places:
        """Return how many shingles each text has."""
        return np.diff(self.offsets)

    def jaccard(self, first: Places, second: Places) -> NDArray[np.float64]:
        """Return for each pair of places what the two sets share of what either has; 1 for two empty sets."""
        merged = np.concatenate([self._numbered(first), self._numbered(second)])
        merged.sort()
        twice = merged[1:][merged[1:] == merged[:-1]]
        shared = np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(first))
        either = self.sizes()[first] + self.sizes()[second] - shared
        alike: NDArray[np.float64] = np.divide(shared, either, out=np.ones(len(first)), where=either > 0)
        return alike

    def _numbered(self, places: Places) -> Keys:
        """The sets at these places one after the other, the number of each set above its hashes."""
        sizes = self.sizes()[places]
        shifts = np.repeat(self.offsets[places] - np.cumsum(sizes) + sizes, sizes)
        numbers = np.repeat(np.arange(len(places), dtype=np.uint64), sizes)
        numbered: Keys = (numbers << np.uint64(32)) | self.hashes[np.arange(len(shifts)) + shifts]
        return numbered


def _bands_of(rows: pl.DataFrame, threshold: float) -> tuple[Keys, Places]:
    """The bands of each row's signature, one number a band, and how many shingles it has."""
    blocks = [
        Shingles.of(some.select(plain(pl.col("question")) + plain(pl.col("answer"))).to_series())
        for some in rows.iter_slices(_ROWS)
    ]
    length = band_length(threshold)
    return np.concatenate([_bands(block, length) for block in blocks]), np.concatenate([b.sizes() for b in blocks])


def band_length(threshold: float) -> int:
    """Return the longest band with which a pair at the threshold is found with the wanted chance: 1 - (1 - t^r)^b."""
    for length in range(_PERMUTATIONS, 1, -1):
        if 1 - (1 - threshold**length) ** (_PERMUTATIONS // length) >= _RECALL:
            return length
    return 1


def _bands(found: Shingles, length: int) -> Keys:
    from rensa import RMinHash

    # The signature is the same with every instruction set of a processor.
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        found.hashes * GOLDEN, found.offsets.astype(np.uint64), _PERMUTATIONS, _SEED
    )
    numbers = chain.from_iterable(matrix.to_rows())
    signed = np.fromiter(numbers, dtype=np.uint32, count=_PERMUTATIONS * matrix.len()).reshape(-1, _PERMUTATIONS)
    bands = np.zeros((len(signed), _PERMUTATIONS // length), dtype=np.uint64)
    for row in range(length):
        bands = split_mix(bands * GOLDEN + signed[:, row::length][:, : bands.shape[1]])
    return bands


def candidates(bands: Keys, sizes: Places, threshold: float) -> Places:
    """Return pairs of places, the lower first, that share a bucket and may be as alike as the threshold; in order.

    Of the texts in a bucket the first is paired with all others, and each with those that come next.
    """
    found = np.zeros(0, dtype=np.uint64)
    for band in bands.T:
        # A stable sort: within a bucket texts stand in the order of their places.
        order = np.argsort(band, kind="stable")
        pairs = np.concatenate([np.stack(pair) for pair in _in_buckets(band[order], order)], axis=1)
        low, high = np.sort(sizes[pairs], axis=0)
        # Sets of too different sizes cannot be so alike, and a text without shingles is like none.
        first, second = pairs[:, low / np.maximum(high, 1) >= threshold].astype(np.uint64)
        found = _each_once(np.concatenate([found, (first << np.uint64(32)) | second]))
    return np.column_stack([found >> np.uint64(32), found & np.uint64(0xFFFFFFFF)]).astype(np.int64)


def _in_buckets(bucket: Keys, order: Places) -> Iterator[tuple[Places, Places]]:
    opens = np.diff(bucket, prepend=~bucket[:1]) != 0
    first = order[opens][np.cumsum(opens) - 1]
    yield first[~opens], order[~opens]
    for step in range(1, _NEXT + 1):
        same = bucket[step:] == bucket[:-step]
        yield order[:-step][same], order[step:][same]


def _similarity(rows: pl.DataFrame, text: pl.Expr, first: Places, second: Places) -> NDArray[np.float64]:
    needed, numbers = np.unique(np.concatenate([first, second]), return_inverse=True)
    found = Shingles.of(rows[needed].select(text).to_series())
    return found.jaccard(numbers[: len(first)], numbers[len(first) :])


def _each_once(values: Keys) -> Keys:
    """The values in order, each once. numpy's own unique takes a hash table for numbers, which is many times slower."""
    values.sort()
    once: Keys = values[np.diff(values, prepend=~values[:1]) != 0]
    return once

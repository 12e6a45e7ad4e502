"""Many rows as lines of train.jsonl at once."""

from dataclasses import dataclass

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from data_prep.rows import line

# What JSON text often must escape. Other control characters are rare; where there is one, `line` writes the rows.
_ESCAPES = {sign: orjson.dumps(sign).decode()[1:-1] for sign in ("\\", '"', "\n", "\t", "\r")}
# To look for all of them at once costs a fraction of replacing one.
_TO_ESCAPE = r'[\\"\n\t\r]'


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines as they stand in a file, and the length of each in bytes, its line break included (uint32)."""

    text: bytes
    lengths: NDArray[np.uint32]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Lines":
        """`data_prep.rows.line` of every row of a frame with columns question, answer and turns."""
        texts = frame.select("turns").with_columns(_escaped(frame[name]) for name in ("question", "answer"))
        written = texts.select(_line().cast(pl.Binary)).to_series()
        text = b"".join(written.to_list())
        if _control_characters(text) == frame.height:
            return cls(text, written.bin.size().to_numpy().astype(np.uint32))
        one_by_one = [line(*row) for row in frame.select("question", "answer", "turns").iter_rows()]
        return cls(b"".join(one_by_one), np.array([len(each) for each in one_by_one], dtype=np.uint32))

    def each(self) -> list[bytes]:
        """The lines one by one."""
        return self.text.splitlines(keepends=True)


def _line() -> pl.Expr:
    pair = pl.concat_str(
        pl.lit('{"messages":[{"role":"user","content":"'),
        pl.col("question"),
        pl.lit('"},{"role":"assistant","content":"'),
        pl.col("answer"),
        pl.lit('"}]}\n'),
    )
    talk = pl.concat_str(pl.lit('{"messages":'), pl.col("turns"), pl.lit("}\n"))
    return pl.coalesce(talk, pair)


def _escaped(texts: pl.Series) -> pl.Series:
    places = texts.str.contains(_TO_ESCAPE).arg_true()
    if places.is_empty():
        return texts
    escaped = texts.gather(places)
    for sign, escape in _ESCAPES.items():
        escaped = escaped.str.replace_all(sign, escape, literal=True)
    of_either = np.arange(len(texts))
    of_either[places.to_numpy()] = len(texts) + np.arange(len(places))
    return pl.concat([texts, escaped]).gather(of_either)


def _control_characters(text: bytes) -> int:
    """JSON has none but the line breaks, one a row."""
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) < ord(" ")))

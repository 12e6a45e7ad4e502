"""Many rows as lines of train.jsonl at once."""

from dataclasses import dataclass

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from data_prep.rows import line

# What JSON text often must escape. Other control characters are rare; where there is one, `line` writes the rows.
_ESCAPES = {sign: orjson.dumps(sign).decode()[1:-1] for sign in ("\\", '"', "\n", "\t", "\r")}


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines as they stand in a file, and the length of each in bytes, its line break included (uint32)."""

    text: bytes
    lengths: NDArray[np.uint32]

    @classmethod
    def of(cls, frame: pl.DataFrame) -> "Lines":
        """`data_prep.rows.line` of every row of a frame with columns question, answer and turns."""
        written = frame.select(_line().cast(pl.Binary)).to_series()
        text = b"".join(written.to_list())
        if _control_characters(text) == frame.height:
            return cls(text, written.bin.size().to_numpy().astype(np.uint32))
        one_by_one = [line(*row) for row in frame.select("question", "answer", "turns").iter_rows()]
        return cls(b"".join(one_by_one), np.array([len(each) for each in one_by_one], dtype=np.uint32))

    def each(self) -> list[bytes]:
        """The lines one by one."""
        return self.text.splitlines(keepends=True)


def _line() -> pl.Expr:
    question, answer = (_escaped(pl.col(name)) for name in ("question", "answer"))
    pair = pl.concat_str(
        pl.lit('{"messages":[{"role":"user","content":"'),
        question,
        pl.lit('"},{"role":"assistant","content":"'),
        answer,
        pl.lit('"}]}\n'),
    )
    talk = pl.concat_str(pl.lit('{"messages":'), pl.col("turns"), pl.lit("}\n"))
    return pl.coalesce(talk, pair)


def _escaped(text: pl.Expr) -> pl.Expr:
    for sign, escape in _ESCAPES.items():
        text = text.str.replace_all(sign, escape, literal=True)
    return text


def _control_characters(text: bytes) -> int:
    """JSON has none but the line breaks, one a row."""
    return int(np.count_nonzero(np.frombuffer(text, dtype=np.uint8) < ord(" ")))

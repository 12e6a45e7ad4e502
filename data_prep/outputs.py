"""How train.jsonl is written: one entry of FORMATS for each trainer that reads it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
import polars as pl

from data_prep.clean import where

# All that JSON escapes.
_ESCAPES = {sign: orjson.dumps(sign).decode()[1:-1] for sign in map(chr, (*range(32), ord('"'), ord("\\")))}


@dataclass(frozen=True, slots=True)
class TrainFormat:
    """Rows of one list of turns under the key `turns`, and what the keys and the speakers of a turn are called."""

    turns: str = "messages"
    role: str = "role"
    content: str = "content"
    user: str = "user"
    assistant: str = "assistant"

    def lines(self, rows: pl.DataFrame) -> list[bytes]:
        """Return the lines, each with its line break, of a frame with columns question, answer and turns.

        They are byte for byte as orjson writes them.
        """
        begin, end = f'{{"{self.turns}":', "}\n"
        said = ((self.user, pl.col("question")), (self.assistant, pl.col("answer")))
        turn = [(f'{{"{self.role}":"{name}","{self.content}":"', _escaped(text)) for name, text in said]
        pair = pl.concat_str(
            pl.lit(f"{begin}[{turn[0][0]}"), turn[0][1], pl.lit(f'"}},{turn[1][0]}'), turn[1][1], pl.lit(f'"}}]{end}')
        )
        turns = pl.lit(begin) + self._renamed(pl.col("turns")) + pl.lit(end)
        return rows.select(pl.coalesce(turns, pair).cast(pl.Binary)).to_series().to_list()

    def _renamed(self, turns: pl.Expr) -> pl.Expr:
        if self == MESSAGES:
            return turns
        names = {"user": self.user, "assistant": self.assistant}

        def rename(said: str) -> str:
            read = orjson.loads(said)
            named = [{self.role: names.get(turn["role"], turn["role"]), self.content: turn["content"]} for turn in read]
            return orjson.dumps(named).decode()

        return turns.map_elements(rename, return_dtype=pl.String())

    def said(self, line: bytes) -> list[str]:
        """Return the turns of a line, the speaker in front; raise ValueError, LookupError or TypeError for others."""
        names = {self.user: "user", self.assistant: "assistant"}
        turns = orjson.loads(line)[self.turns]
        return [f"{names.get(turn[self.role], turn[self.role])}: {turn[self.content]}" for turn in turns]

    def dataset_info(self, name: str, train: str) -> str:
        """Return LLaMA-Factory's dataset_info.json for a mix of this name, as the README of its data folder says."""
        tags = {
            "role_tag": self.role, "content_tag": self.content,
            "user_tag": self.user, "assistant_tag": self.assistant, "system_tag": "system",
        }  # fmt: skip
        layout = {"file_name": train, "formatting": "sharegpt", "columns": {"messages": self.turns}, "tags": tags}
        return json.dumps({name: layout}, indent=2) + "\n"


MESSAGES = TrainFormat()
FORMATS: Mapping[str, TrainFormat] = {
    "axolotl": MESSAGES,  # type: chat_template
    "openai": MESSAGES,
    "trl": MESSAGES,
    "ms-swift": MESSAGES,
    "llamafactory": TrainFormat("conversations", "from", "value", "human", "gpt"),
}


def _escaped(text: pl.Expr) -> pl.Expr:
    to_escape = text.str.contains(r'["\\\x00-\x1f]')
    escaped = where(to_escape, text).str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))
    return pl.when(to_escape).then(escaped).otherwise(text)

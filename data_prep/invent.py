"""Rows made of textbook facts, to try a recipe on any machine with nothing downloaded."""

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import orjson

from openbook_eval.errors import OpenbookError
from openbook_eval.files import load_yaml, write_atomic
from openbook_eval.sampling import seeded_draw

_FACTS = Path(__file__).parent / "invented.yml"


def invent(out: Path, rows: int, seed: int) -> list[Path]:
    """Write `out`/tiny/DOMAIN.jsonl with so many rows of each domain, in place of what stands there.

    The rows are the first in the order of a seeded hash of their content, so that fewer are the beginning of more.
    Raises OpenbookError where a domain has not as many, or where the folder cannot be written to.
    """
    domains = {name: [row for table in tables for row in _rows(table)] for name, tables in load_yaml(_FACTS).items()}
    for name, known in domains.items():
        if rows > len(known):
            raise OpenbookError(f"--rows {rows}: {name} has no more than {len(known)} rows")
    written = []
    for name, known in domains.items():
        chosen = sorted(known, key=lambda row: seeded_draw(seed, *row.values()))[:rows]
        written.append(out / "tiny" / f"{name}.jsonl")
        write_atomic(written[-1], b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in chosen))
    return written


def _rows(table: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Each fact of a table in each of its phrasings, as Alpaca's instruction, input and output."""
    names = table["columns"].split()
    for line in table["facts"].splitlines():
        fact = dict(zip(names, line.split(), strict=True))
        for asking in table["askings"]:
            for question, answer in product(asking["questions"], asking["answers"]):
                instruction, _, given = question.format_map(fact).partition("\n")
                yield {"instruction": instruction, "input": given, "output": answer.format_map(fact)}

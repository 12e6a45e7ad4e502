"""Chooses rows of the tables and writes them as files that a spec reads."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from data_prep.building.aside import aside
from data_prep.invented import general, tcm, western
from data_prep.invented.tables import Fact, Table
from data_prep.spec import Domain
from openbook_eval.errors import OpenbookError
from openbook_eval.sampling import seeded_draw

FOLDER = "tiny"
TABLES: Mapping[Domain, tuple[Table, ...]] = {
    "general": general.TABLES,
    "tcm": tcm.TABLES,
    "western": western.TABLES,
}


def invent(out: Path, rows: int, seed: int) -> list[Path]:
    """Writes `out`/tiny/DOMAIN.jsonl with so many rows of each domain, in place of what stands there.

    Raises OpenbookError where a domain has not as many, or where the folder cannot be written to.
    """
    chosen = {domain: choose(domain, rows, seed) for domain in TABLES}
    folder = out / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for domain, those in chosen.items():
            with aside(folder / f"{domain}.jsonl") as file:
                for row in those:
                    file.write(orjson.dumps(row) + b"\n")
    except OSError as error:
        raise OpenbookError(f"{folder}: cannot be written to ({error.strerror}); name another folder") from error
    return [folder / f"{domain}.jsonl" for domain in chosen]


def choose(domain: Domain, rows: int, seed: int) -> list[Fact]:
    """The first rows in the order of a seeded hash of their content, so that fewer are the beginning of more.

    Raises OpenbookError where there are not as many.
    """
    known = [row for table in TABLES[domain] for row in table.rows()]
    if rows > len(known):
        raise OpenbookError(f"--rows {rows}: {domain} has no more than {len(known)} rows")
    return sorted(known, key=lambda row: seeded_draw(seed, *row.values()))[:rows]

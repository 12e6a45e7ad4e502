"""Indexes of rows and whole mixes, small ones, that the tests of mixing and of what comes after it start from."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from data_prep.manifest import TRAIN, BuildFacts, Contamination, Flow, InputFile, Manifest, write_rows
from data_prep.mix import choose_all, nesting, scaled
from data_prep.read import train_line
from data_prep.spec import Spec

SOURCES = {"alpaca": "general", "belle": "general", "zhongyi": "tcm", "huatuo": "western"}


def key(source: str, number: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{source}:{number}".encode(), digest_size=8).digest(), "little")


def index(sizes: Mapping[str, int], tokens: int = 7) -> pl.DataFrame:
    """So many rows of each source; a row has 1 to `tokens` tokens."""
    rows = [
        {
            "key": key(source, number),
            "domain": SOURCES[source],
            "source": source,
            "tokens": 1 + key(source, number) % tokens,
            "file": f"{source}.jsonl",
            "row": number + 1,
        }
        for source, size in sizes.items()
        for number in range(size)
    ]
    kinds = {"key": pl.UInt64, "domain": pl.String, "source": pl.String, "tokens": pl.UInt32, "file": pl.String}
    return pl.DataFrame(rows, schema={**kinds, "row": pl.UInt32})


def spec(mixes: Mapping[str, Any], **changes: Any) -> Spec:
    sources = [
        {"name": name, "domain": domain, "licence": "MIT", "path": f"{name}.jsonl"} for name, domain in SOURCES.items()
    ]
    return Spec.model_validate({"sources": sources, "mixes": mixes, **changes})


def lines(rows: pl.DataFrame) -> bytes:
    texts = rows.select(
        question=pl.format("{}的第{}问", "source", "row"),
        answer=pl.format("第{}答", "row"),
        turns=pl.lit(None, pl.String),
    )
    return "".join(texts.select(train_line()).to_series()).encode()


def build(folder: Path, declared: Spec, rows: pl.DataFrame, scale: float = 1.0) -> dict[str, Manifest]:
    """All mixes of a spec, each in a folder of its own."""
    chosen = choose_all(rows, scaled(declared.mixes, scale), declared.seed)
    nested = nesting({name: each.rows for name, each in chosen.items()})
    flows = {
        name: Flow(
            domain=domain,
            licence="MIT",
            read=50,
            broken=1,
            dropped={"empty": 2},
            exact=3,
            near=4,
            contaminated=5,
            kept=36,
        )
        for name, domain in SOURCES.items()
    }
    inputs = [InputFile(source=name, file=f"{name}.jsonl", bytes=10, sha256="0" * 64) for name in SOURCES]
    read = {"name": "mini", "version": "1", "sha256": "1" * 64}
    lacking = {"name": "cmb", "not_checked": "could not be fetched"}
    exams = Contamination(exams=[read, lacking], rows=20, report="contamination.jsonl")
    facts = BuildFacts.of(declared, inputs, flows, exams, scale)
    found: dict[str, Manifest] = {}
    for name, each in chosen.items():
        mix = folder / name
        mix.mkdir(parents=True)
        (mix / TRAIN).write_bytes(lines(each.rows))
        write_rows(mix, each.rows)
        found[name] = Manifest.of(facts, each, mix, nested[name])
        found[name].write(mix)
    return found

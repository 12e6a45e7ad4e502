"""A mix laid out for the terminal: counts, ratio wanted and got, lengths of rows, and samples of each source."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import orjson
import polars as pl
from rich.table import Table
from rich.text import Text

from data_prep.manifest import TRAIN, Manifest, read
from data_prep.mixing import scrambled
from data_prep.origins import Count, read_rows
from data_prep.verifying import mixes_in
from openbook_eval.errors import OpenbookError, visible

_SAMPLES = 10
_BAR = 40
# Of a sample, before the terminal cuts it at its width.
_CHARACTERS = 400
# Least tokens of each bar of the histogram.
_BOUNDS = (0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


def show(folder: Path) -> Iterator[Table | Text]:
    """A mix, or every mix in a folder, for rich to print; raises OpenbookError where there is none or it is broken.

    Samples are drawn by the seed of the mix: the same ones every time.
    """
    for mix in mixes_in(folder):
        manifest, rows = read(mix), read_rows(mix)
        yield from _head(manifest)
        yield _domains(manifest)
        yield _sources(manifest)
        yield _histogram(manifest, rows["tokens"])
        yield from _samples(mix / TRAIN, rows, manifest.build.seed)


def _head(manifest: Manifest) -> Iterator[Text]:
    build = manifest.build
    tokens = sum(part.tokens for part in manifest.domains.values())
    how = f"counted with {build.tokenizer}" if build.tokenizer else "estimated from characters"
    yield Text(visible(f"{manifest.mix}: {manifest.rows:,} rows, {tokens:,} tokens ({how}), seed {build.seed}"))
    if build.contamination is None:
        yield Text("not checked against any exam")
    else:
        lacking = [exam["name"] for exam in build.contamination.exams if "not_checked" in exam]
        checked = [exam["name"] for exam in build.contamination.exams if "not_checked" not in exam]
        if checked:
            rows = f"{build.contamination.rows:,} rows left out of the build"
            yield Text(visible(f"checked against {', '.join(checked)}: {rows}"))
        if lacking:
            yield Text(visible(f"NOT CHECKED against {', '.join(lacking)}"), style="bold")
    for other, domains in manifest.nested_in.items():
        whole = set(domains) >= {name for name, part in manifest.domains.items() if part.rows}
        yield Text(visible(f"contained in {other}: {'all of it' if whole else ', '.join(domains)}"))


def _domains(manifest: Manifest) -> Table:
    """Shares in percent of what the mix counts: rows or tokens."""
    table = _table("domain", "rows", "tokens", "repeated rows", f"wanted, % of {manifest.over}", "got, %")
    size = sum(part.wanted for part in manifest.domains.values())
    got = {name: part.rows if manifest.over == "rows" else part.tokens for name, part in manifest.domains.items()}
    whole = sum(got.values())
    for name, part in manifest.domains.items():
        shares = (_percent(part.wanted, size), _percent(got[name], whole))
        table.add_row(Text(visible(name)), *map(_number, (part.rows, part.tokens, part.repeats)), *shares)
    return table


def _sources(manifest: Manifest) -> Table:
    table = _table("source", "rows", "tokens", "% of rows")
    found: Mapping[str, Count] = {
        name: count for part in manifest.domains.values() for name, count in part.sources.items()
    }
    for name, count in found.items():
        share = _percent(count.rows, manifest.rows)
        table.add_row(Text(visible(name)), _number(count.rows), _number(count.tokens), share)
    return table


def _histogram(manifest: Manifest, tokens: pl.Series) -> Table:
    table = _table("tokens a row", "rows", "%")
    table.add_column("")
    counts = {bounds: _between(tokens, *bounds) for bounds in pairwise((*_BOUNDS, None))}
    most = max(counts.values())
    for (least, beyond), rows in counts.items():
        if rows:
            name = f"{least:,} or more" if beyond is None else f"{least:,}-{beyond - 1:,}"
            bar = "█" * max(1, round(_BAR * rows / most))
            table.add_row(name, _number(rows), _percent(rows, manifest.rows), bar)
    return table


def _between(tokens: pl.Series, least: int | None, beyond: int | None) -> int:
    within = tokens >= (least or 0)
    return int((within if beyond is None else within & (tokens < beyond)).sum())


def _samples(train: Path, rows: pl.DataFrame, seed: int) -> Iterator[Table]:
    """Of each source ten rows of two lines, cut at the width of the terminal: what is asked and what is answered."""
    order = pl.Series("order", scrambled(rows["key"].to_numpy(), seed, "samples"))
    drawn = rows.with_columns(order).with_row_index("line").filter(pl.col("repeat") == 0)
    drawn = drawn.sort("source", "order").group_by("source", maintain_order=True).head(_SAMPLES)
    lines = _lines(train, drawn["line"].to_list())
    for (source,), samples in drawn.group_by("source", maintain_order=True):
        table = Table(box=None, padding=0)
        # In a table, since a text that is printed by itself loses how it is to be cut.
        table.add_column(Text(f"\n{visible(str(source))}"), no_wrap=True, overflow="ellipsis")
        for row in samples.iter_rows(named=True):
            place = f"{row['file']}:{row['row']}"
            table.add_row(_sample(f"{train}: line {row['line'] + 1}", place, lines.get(row["line"], b"")))
        yield table


def _sample(line_name: str, place: str, line: bytes) -> Text:
    try:
        messages = orjson.loads(line)["messages"]
        said = [f"{message['role']}: {message['content']}" for message in messages]
        first, rest = said[0], " ".join(said[1:])
    except (ValueError, LookupError, TypeError) as error:
        raise OpenbookError(f"{line_name} is not as data-prep writes it; see data-prep verify") from error
    return Text("\n".join(visible(text[:_CHARACTERS]) for text in (f"{place} {first}", rest)))


def _lines(path: Path, numbers: list[int]) -> dict[int, bytes]:
    """The lines of a file by number, from 0, read one after the other."""
    wanted = set(numbers)
    try:
        with path.open("rb") as file:
            return {number: line for number, line in enumerate(file) if number in wanted}
    except OSError as error:
        raise OpenbookError(f"{path}: cannot be read ({error.strerror})") from error


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _number(count: int) -> str:
    return f"{count:,}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"

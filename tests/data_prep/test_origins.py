"""What the lines of a mix come to, and the table of where they came from."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_prep.manifest import file_of
from data_prep.mixing import choose
from data_prep.origins import ROWS, ROWS_SCHEMA, Count, Part, keys_digest, parts, read_rows, write_rows
from data_prep.spec import Mix
from openbook_eval.errors import OpenbookError
from tests.data_prep.mixes import index

MIX = choose(
    index({"alpaca": 30, "belle": 30, "zhongyi": 8, "huatuo": 20}, tokens=1),
    Mix.model_validate({"size": 40, "ratio": "1:1", "allow_repeat": True}),
    0,
    "a",
)


def test_rows_and_tokens_by_domain_and_source() -> None:
    belle = MIX.rows.filter(pl.col("source") == "belle").height
    alone = Count(rows=10, tokens=10)
    assert parts(MIX.rows, MIX.wanted) == {
        "general": Part(
            rows=20,
            tokens=20,
            wanted=20,
            repeats=0,
            sources={"alpaca": Count(rows=20 - belle, tokens=20 - belle), "belle": Count(rows=belle, tokens=belle)},
        ),
        "tcm": Part(rows=10, tokens=10, wanted=10, repeats=2, sources={"zhongyi": alone}),
        "western": Part(rows=10, tokens=10, wanted=10, repeats=0, sources={"huatuo": alone}),
    }


def test_a_domain_that_nobody_wanted_and_one_without_rows_are_told() -> None:
    found = parts(MIX.rows.filter(pl.col("domain") == "tcm"), {"western": 4})
    assert {name: (part.wanted, part.rows) for name, part in found.items()} == {"tcm": (0, 10), "western": (4, 0)}


def test_the_digest_of_keys_hangs_on_the_keys_and_how_often_they_are_there_not_on_their_order() -> None:
    def digest(*keys: int) -> str:
        return keys_digest(np.array(keys, dtype=np.uint64))

    assert digest(1, 2**63) == digest(2**63, 1)
    assert len({digest(1), digest(1, 1), digest(2), digest(1, 2)}) == 4
    # sha256 of 01 00 00 00 00 00 00 00
    assert digest(1) == "7c9fa136d4413fa6173637e883b6998d32e1d675f88cddff9dcbcf331820f4b8"


def test_rows_come_back_as_they_were_written_and_nothing_is_left_beside(tmp_path: Path) -> None:
    write_rows(tmp_path, MIX.rows.with_columns(pl.lit("x").alias("more")))
    assert [file.name for file in tmp_path.iterdir()] == [ROWS]
    assert read_rows(tmp_path).equals(MIX.rows.select(*ROWS_SCHEMA))


def test_rows_in_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "mix[1]*"
    folder.mkdir()
    write_rows(folder, MIX.rows)
    assert read_rows(folder).height == 40


def test_the_file_is_the_same_whatever_the_chunks_of_the_frame_and_the_number_of_threads(tmp_path: Path) -> None:
    rows = pl.concat([MIX.rows] * 5000, rechunk=True)
    write_rows(tmp_path, pl.concat([rows[:1000], rows[1000:]], rechunk=False))
    in_pieces = file_of(tmp_path / ROWS)
    (tmp_path / ROWS).unlink()
    program = (
        "from pathlib import Path; import polars as pl; from tests.data_prep.test_origins import MIX\n"
        "from data_prep.origins import write_rows\n"
        "assert pl.thread_pool_size() == 5\n"
        f"write_rows(Path({str(tmp_path)!r}), pl.concat([MIX.rows] * 5000, rechunk=True))"
    )
    root, threads = Path(__file__).parents[2], {**os.environ, "POLARS_MAX_THREADS": "5"}
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root, env=threads)
    assert file_of(tmp_path / ROWS) == in_pieces


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "not a parquet file ("),
        (b"PAR1 no table PAR1", "not a parquet file ("),
    ],
)
def test_what_is_no_table_is_an_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / ROWS).write_bytes(content)
    with pytest.raises(OpenbookError) as caught:
        read_rows(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / ROWS}: {message}")
    assert "\n" not in str(caught.value)


def test_a_table_of_other_columns_is_an_error(tmp_path: Path) -> None:
    pl.DataFrame({"key": [1]}).write_parquet(tmp_path / ROWS)
    with pytest.raises(OpenbookError, match=r"wants the columns key, domain, source, tokens, file, row, repeat"):
        read_rows(tmp_path)

"""Every file that is read is known by its content, and must not change meanwhile."""

from hashlib import sha256
from pathlib import Path

import pytest

from data_prep.building.inputs import hashing
from data_prep.manifest import Input
from openbook_eval.errors import OpenbookError


def test_files_are_hashed_under_source_and_label(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    done: list[float] = []
    with hashing({("alpaca", "x/a"): tmp_path / "a"}, done.append) as inputs_of:
        inputs = inputs_of()
    assert inputs == [Input(source="alpaca", file="x/a", bytes=3, sha256=sha256(b"one").hexdigest())]
    assert done == [3]


def test_a_file_that_changes_while_it_is_read_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    with pytest.raises(OpenbookError, match="was changed while it was read"), hashing({("s", "a"): tmp_path / "a"}):
        (tmp_path / "a").write_bytes(b"two and more")


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(OpenbookError, match=r"none: cannot be read \(No such file"),
        hashing({("s", "a"): tmp_path / "none"}),
    ):
        pass

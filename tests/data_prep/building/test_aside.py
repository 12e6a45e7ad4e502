"""A file is there whole, or not at all."""

from hashlib import sha256
from pathlib import Path

import pytest

from data_prep.building.aside import aside
from data_prep.manifest import File


def test_the_file_gets_its_name_at_the_end_and_tells_what_is_in_it(tmp_path: Path) -> None:
    with aside(tmp_path / "a.jsonl") as file:
        file.write("一\n".encode())
        file.write("二\n".encode())
        content = file.content()
        assert not (tmp_path / "a.jsonl").exists()
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == "一\n二\n"
    assert content == File(bytes=8, sha256=sha256("一\n二\n".encode()).hexdigest())


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("old")

    def fail() -> None:
        with aside(tmp_path / "a.jsonl") as file:
            file.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("a.jsonl", "old")]

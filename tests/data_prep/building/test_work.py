"""The work folder keeps what is finished, and nothing that was torn."""

from pathlib import Path

import pytest

from data_prep.building.work import Work, clear, held
from openbook_eval.errors import OpenbookError


def test_what_decides_the_outcome_names_the_folder(tmp_path: Path) -> None:
    one = Work.of(tmp_path, {"inputs": ["a"]})
    assert Work.of(tmp_path, {"inputs": ["a"]}) == one
    assert Work.of(tmp_path, {"inputs": ["b"]}) != one


def test_a_job_is_finished_when_all_of_it_is_written(tmp_path: Path) -> None:
    work = Work.of(tmp_path, 1)
    with work.filling(3) as folder:
        (folder / "index").write_text("x")
        assert not work.finished(3)
    assert work.finished(3)
    assert (work.place(3) / "index").read_text() == "x"


def test_a_job_that_was_torn_is_done_again(tmp_path: Path) -> None:
    work = Work.of(tmp_path, 1)

    def interrupted() -> None:
        with work.filling(3) as folder:
            (folder / "index").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    again = Work.of(tmp_path, 1)
    assert not again.finished(3)
    with again.filling(3) as folder:
        assert list(folder.iterdir()) == []


def test_clearing_removes_the_work_folders_of_all_builds_and_nothing_else(tmp_path: Path) -> None:
    for number in (1, 2):
        with Work.of(tmp_path, number).filling(0):
            pass
    (tmp_path / "mix").mkdir()
    clear(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["mix"]


def test_two_builds_never_write_to_one_folder(tmp_path: Path) -> None:
    with (
        held(tmp_path / "out"),
        pytest.raises(OpenbookError, match="another build is writing there"),
        held(tmp_path / "out"),
    ):
        pass
    with held(tmp_path / "out"):
        pass


def test_a_file_is_no_place_for_a_build(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OpenbookError, match="out: cannot be made or opened as a folder"), held(tmp_path / "out"):
        pass

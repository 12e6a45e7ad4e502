"""A page replaces a page as a whole, and nothing else."""

from pathlib import Path

import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard.page.folder import replacing


def make_page(out: Path, text: str) -> None:
    with replacing(out) as new:
        (new / "index.html").write_text(text)
        (new / "data" / "board.js").write_text(text)


def fail(out: Path) -> None:
    with replacing(out) as new:
        (new / "index.html").write_text("two")
        raise ZeroDivisionError


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_page_is_made_with_its_parents(tmp_path: Path) -> None:
    make_page(tmp_path / "some" / "report", "one")
    assert (tmp_path / "some" / "report" / "index.html").read_text() == "one"
    assert names(tmp_path / "some") == ["report"]


def test_an_older_page_is_replaced_and_none_of_it_stays(tmp_path: Path) -> None:
    make_page(tmp_path / "report", "one")
    (tmp_path / "report" / "data" / "marks-99.js").touch()
    make_page(tmp_path / "report", "two")
    assert (tmp_path / "report" / "index.html").read_text() == "two"
    assert names(tmp_path / "report" / "data") == ["board.js"]
    assert names(tmp_path) == ["report"]


def test_an_empty_folder_may_become_a_page(tmp_path: Path) -> None:
    make_page(tmp_path, "one")
    assert (tmp_path / "index.html").read_text() == "one"


def test_others_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "ordinary").mkdir()
    make_page(tmp_path / "report", "one")
    assert (tmp_path / "report").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_where_building_fails_the_older_page_stays(tmp_path: Path) -> None:
    make_page(tmp_path / "report", "one")
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "report")
    assert (tmp_path / "report" / "index.html").read_text() == "one"
    assert names(tmp_path) == ["report"]


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    make_page(tmp_path / "report", "one")
    (tmp_path / "report" / "thesis.tex").touch()
    with pytest.raises(OpenbookError, match=r"report: holds 'thesis.tex', which is no part of a page; name another"):
        make_page(tmp_path / "report", "two")
    assert (tmp_path / "report" / "thesis.tex").exists()


def test_another_web_site_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site" / "assets").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("mine")
    with pytest.raises(OpenbookError, match="site: is not a page of a leaderboard; name another folder"):
        make_page(tmp_path / "site", "two")
    assert (tmp_path / "site" / "index.html").read_text() == "mine"


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(OpenbookError, match="report: not a folder; name one that the page may be written to"):
        make_page(tmp_path / "report", "one")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OpenbookError, match="the page cannot be written"):
        make_page(tmp_path / "file" / "report", "one")


def test_a_link_to_a_page_stays_a_link(tmp_path: Path) -> None:
    make_page(tmp_path / "real", "one")
    (tmp_path / "report").symlink_to("real")
    make_page(tmp_path / "report", "two")
    assert (tmp_path / "report").is_symlink()
    assert (tmp_path / "real" / "index.html").read_text() == "two"

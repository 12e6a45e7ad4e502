"""Links into a folder that stands for the installed lm_eval's; the engine tests link into the real one."""

from pathlib import Path

import pytest

from openbook_eval import install
from openbook_eval.errors import OpenbookError


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "lm_eval" / "tasks" / install.FOLDER
    folder.parent.mkdir(parents=True)
    monkeypatch.setattr(install, "_target", lambda: folder)
    return folder


def test_every_task_file_is_linked_by_a_link_to_the_file_in_place_of_older_links(target: Path) -> None:
    target.mkdir()
    (target / "gone.yaml").symlink_to(target / "no-such-file.yaml")
    assert install.link() == install.link() == (target, 90)
    links = sorted(target.rglob("*.yaml"))
    assert [link.resolve() for link in links] == sorted(install.tasks_dir().rglob("*.yaml"))
    assert all(link.is_symlink() for link in links)
    # Folders are real: lm-eval does not follow links to folders before Python 3.13.
    assert not any(link.parent.is_symlink() for link in links)


def test_unlink_undoes_link_and_leaves_lm_evals_own_tasks(target: Path) -> None:
    (target.parent / "arc").mkdir()
    assert install.unlink() == (target, 0)
    install.link()
    assert install.unlink() == (target, 90)
    assert [path.name for path in target.parent.iterdir()] == ["arc"]


def test_a_file_of_somebody_elses_is_not_touched(target: Path) -> None:
    install.link()
    (target / "theirs.yaml").write_text("task: theirs")
    with pytest.raises(OpenbookError, match=r"theirs\.yaml: is not a link of ours; move it away and try again"):
        install.link()
    assert (target / "theirs.yaml").exists()
    assert len([place for place in target.rglob("*.yaml") if place.is_symlink()]) == 90


def test_a_folder_that_cannot_be_written_says_the_other_way(target: Path) -> None:
    target.parent.rmdir()
    target.parent.write_text("in the way")
    with pytest.raises(OpenbookError, match=r"cannot be linked .* --include_path"):
        install.link()


def test_without_lm_eval_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "find_spec", lambda _: None)
    with pytest.raises(OpenbookError, match=r"lm-eval is not installed .* openbook-eval\[cpu\] or \[gpu\]"):
        install.link()


def test_the_installed_lm_eval_is_the_target() -> None:
    import lm_eval.tasks

    assert install._target() == Path(str(lm_eval.tasks.__file__)).parent / "openbook_eval"

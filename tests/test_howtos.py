"""Each page "add a ..." is carried out as it stands, in a copy of the tree, and its own check holds there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "howto").glob("add_*.md"))
_BLOCK = re.compile(r"^```\w+ (above|entry|file|check) ?([^\n]*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_there_is_a_page_for_each_registry() -> None:
    named = {page.stem.removeprefix("add_") for page in PAGES}
    assert named == {"claim", "condition", "exam_format", "matcher_rule", "metric", "model_profile", "plot", "provider"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    for name in ("openbook_eval", "tools", "tasks", "validations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    return tmp_path


def apply(page: str, tree: Path) -> str:
    """Change the one file that the page names as it says; return the program of its check."""
    file = tree / re.findall(r"^One file: `([^`]+)`", page, re.MULTILINE)[0]
    check = ""
    for kind, name, block in _BLOCK.findall(page):
        if kind == "check":
            check = block
        elif kind == "file":
            (tree / name).write_text(block, encoding="utf-8")
        else:
            source = file.read_text(encoding="utf-8")
            start = re.search(rf"^{name}\b[^\n]*= [{{(]$", source, re.MULTILINE)
            assert start, f"{name} is not found"
            place = (
                start.start() if kind == "above" else re.compile(r"^[})]$", re.MULTILINE).search(source, start.end())
            )
            at = place if isinstance(place, int) else place.start() if place else len(source)
            file.write_text(source[:at] + block + source[at:], encoding="utf-8")
    return check


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tree: Path) -> None:
    check = apply(page.read_text(encoding="utf-8"), tree)
    assert "assert" in check
    program = [sys.executable, "-c", check]
    result = subprocess.run(program, cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr

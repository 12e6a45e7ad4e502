"""The code of docs/python_api.md runs as it stands, and importing the package loads none of the heavy libraries."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import openbook_eval
from tests.results.lm_eval_output import write_run

PAGE = (Path(__file__).parents[1] / "docs" / "python_api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "out", model="some/base", right=0.9)
    write_run(tmp_path / "out", model="some/tuned", right=0.5)
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) == 2
    for block in BLOCKS:
        exec(block, {})  # noqa: S102 - the project's own page
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["mini 258", "B stated dressed_letters"]
    assert printed[3] == "[('some/base', 'openbook'), ('some/tuned', 'openbook')]"


def test_every_public_name_is_on_the_page_and_can_be_imported() -> None:
    for name in openbook_eval.__all__:
        assert getattr(openbook_eval, name)
        assert name in PAGE or name == "__version__"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sit'"):
        openbook_eval.sit  # noqa: B018 - the access is the test


def test_importing_the_package_loads_no_heavy_library() -> None:
    program = (
        "import sys, openbook_eval; print([m for m in ('polars', 'numpy', 'torch', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"

"""What studies/tiny.yml finds in stored results of all its cells, and what is fitted to the paper's tables.

Claims are pinned by verdict and difference, fits by the law chosen and a line's slope; no interval is.
"""

from pathlib import Path

from tests.golden import adapter
from tests.golden.golden import same


def test_points_and_claims_of_the_tiny_study(tmp_path: Path) -> None:
    found = adapter.study_findings(tmp_path)
    assert len(found["points"]) == 2 * (1 + 10 * 3)
    same("study_points.json", found["points"])
    same("study_claims.json", found["claims"])


def test_fits_of_the_papers_tables() -> None:
    same("paper_fits.json", adapter.paper_fits())

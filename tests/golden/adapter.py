"""All that the golden tests know of names of commands, task files and modules: a rename changes this file only."""

import json
import lzma
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

REPOSITORY = Path(__file__).parents[2]
RUNS = Path(__file__).parent / "runs"
EXAMS = ("physician", "nursing", "pharmacist", "technician", "professional", "postgraduate")
# Groups of task files by what they mean. Books of 64,000 characters and more are not filled by the bundled exam.
GROUPS = {
    "openbook": "cmed_openbook",
    "closedbook": "cmed_closedbook",
    "ranked": "cmed_openbook_ranked",
    "reading, open": "cmed_reading_open",
    "reading, closed": "cmed_reading_closed",
    "reading, library of 4k": "cmed_reading_library_4k",
    "reading, library of 16k": "cmed_reading_library_16k",
    "reading, unanswerable": "cmed_reading_unanswerable",
    "reading, counterfactual": "cmed_reading_counterfactual",
}


def openbook_eval(*arguments: object) -> str:
    """Return what `openbook-eval ...` prints."""
    from openbook_eval.cli import app

    return _printed(app, arguments)


def _printed(app: Any, arguments: tuple[object, ...]) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def tasks() -> dict[str, dict[str, Any]]:
    """Return the tasks of the bundled exam by group's meaning and exam, as lm-eval loads them."""
    from lm_eval.tasks import TaskManager

    metadata = {"exam": "mini", "pretrained": "some/model"}
    manager = TaskManager(include_path=str(REPOSITORY / "tasks"), include_defaults=False, metadata=metadata)
    loaded = manager.load(list(GROUPS.values()))["tasks"]
    return {meaning: {exam: loaded[f"{group}_{exam}"] for exam in EXAMS} for meaning, group in GROUPS.items()}


def lay_out(name: str, folder: Path) -> Path:
    """Write the files of the stored runs `name` into `folder`, as lm-eval wrote them; return `folder`."""
    text = lzma.decompress((RUNS / f"{name}.jsonl.xz").read_bytes()).decode()
    files: dict[str, list[object]] = {}
    for row in map(json.loads, text.replace("<bundled model>", openbook_eval("tiny-model").strip()).splitlines()):
        files.setdefault(row["file"], []).append(row["line"])
    for path, lines in ((folder / file, lines) for file, lines in files.items()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return folder


def data_prep(*arguments: object) -> str:
    """Return what `data-prep ...` prints."""
    from data_prep.cli import app

    return _printed(app, arguments)


def build_tiny(folder: Path) -> Path:
    """Build the mixes of the spec `tiny` from the rows that the project makes itself; return their folder."""
    data_prep("invent", "--out", folder / "data")
    data_prep("build", "tiny", "--data", folder / "data", "--out", folder / "mixes")
    return folder / "mixes"


def study_findings(work: Path, name: str = "study") -> dict[str, Any]:
    """Return what the study studies/tiny.yml finds in the stored runs `name`: points, and what each claim comes to."""
    from openbook_eval.study.claims import judge
    from openbook_eval.study.results import read_results
    from openbook_eval.study.spec import read_study
    from openbook_eval.study.workflow import workflow_of

    workflow, stored = workflow_of(read_study(REPOSITORY / "studies" / "tiny.yml")), lay_out(name, work / "stored")
    for cell in workflow.cells:
        step = workflow.evaluation(cell)
        (work / step.id).mkdir(parents=True)
        parts = {part: {"digest": digest, "results": "results"} for part, digest in step.digests.items()}
        (work / step.id / "record.json").write_text(json.dumps({"parts": parts}), encoding="utf-8")
        (stored / (f"{cell.mix.name}-seed{cell.seed}" if cell.mix else "base")).rename(work / step.id / "results")
    found = read_results(workflow, work)
    assert [*found.undone, *found.refused] == []
    points = [_point(point) for point in found.points.to_dicts()]
    return {"points": points, "claims": [_claim(each) for each in judge(found.arms)]}


def _point(point: dict[str, Any]) -> list[object]:
    ratio = f"{point['general']}:{point['medical']}" if point["general"] + point["medical"] else None
    return [point["table"], ratio, *(point[name] for name in ("rows", "seed", "condition", "share", "items"))]


def _claim(outcome: Any) -> list[object]:
    claim, own = outcome
    sides = ([side.conclusion, side.value] if side else ["not in this study", None] for side in (own, claim.paper))
    return [claim.key, *sides]


def paper_fits() -> list[dict[str, Any]]:
    """Return what is fitted to the paper's tables: errors of the laws, and the one chosen."""
    from openbook_eval.study.fit import fit
    from openbook_eval.study.results import paper_points as points

    return [_fit(each) for each in fit(points(), draws=100).models]


def _fit(found: Any) -> dict[str, Any]:
    reading = found.reading
    # Of the laws those that every house has.
    laws = {law["name"]: law for law in reading.laws.to_dicts()}
    return {
        "table": found.table,
        "model": found.model,
        "arms": reading.arms.cells.height,
        "errors": {name: laws[name]["error"] for name in ("constant", "linear")},
        "chosen": next(name for name, law in laws.items() if law["chosen"]),
    }


def annotated(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what `openbook-eval scores` adds to each results file in `folder`, by its date, without versions."""
    openbook_eval("scores", folder)
    files = sorted(folder.rglob("results_*.json"))
    parts = {file.stem.removeprefix("results_")[:10]: json.loads(file.read_bytes())["openbook"] for file in files}
    for part in parts.values():
        part.pop("versions", None)
        part["truncation"]["tasks"].sort(key=lambda task: task["task"])
    return parts

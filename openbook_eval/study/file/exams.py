"""The exam of a study, and the conditions that there are tasks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from openbook_eval import install
from openbook_eval.exams import load_exam
from openbook_eval.types import SIX_EXAMS

# CMB-Exam's test (Wang et al. 2023, arXiv:2308.08833).
QUESTIONS = 11_200
# As `load_exam` takes them: a name goes before a path.
_BUNDLED = "mini"
_ON_HUB = {"cmb": QUESTIONS, "cmb-val": 280}
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_GROUP = re.compile(r"^group: cmed_(\w+)$", re.MULTILINE)
_VERSION = re.compile(r"^ *version: *(\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam as OPENBOOK_EXAM takes it: a name or a path.

    `digest` names what it holds; None where it lies on the hub, which is not asked before the exam. `questions` are
    those of the six exams; of an unknown one on the hub, as many as CMB has.
    """

    name: str
    digest: str | None
    questions: int


def find(name: str, folder: Path) -> Exam:
    """The exam of this name, else that at a path beside the study or here; local ones are read in full.

    Raises ExamError for one that is broken or not there.
    """
    if name == _BUNDLED:
        return _read(name)
    if name in _ON_HUB:
        return Exam(name, None, _ON_HUB[name])
    path, mark, part = name.rpartition("#")
    file = path if mark else name
    for place in (folder / file, Path(file)):
        if file and place.exists():
            return _read(f"{place.resolve()}{mark}{part if mark else ''}")
    if _is_on_hub(name):
        return Exam(name, None, QUESTIONS)
    return _read(name)


def _is_on_hub(name: str) -> bool:
    # A path that is not there looks the same, but for its ending.
    return bool(_HUB_NAME.fullmatch(name)) and not Path(name).suffix


def _read(name: str) -> Exam:
    exam = load_exam(name)
    return Exam(name, exam.sha256, sum(question.exam in SIX_EXAMS for question in exam.questions))


@cache
def conditions() -> Mapping[str, str]:
    """Every condition that there is a task for, `cmed_<condition>`, with the version of its prompt, marks and books.

    Versions of a group and of what its tasks include are told together where they differ, such as 1.0+1.1.
    """
    root = install.tasks_dir()
    found = {}
    for file in sorted(root.rglob("_group.yaml")):
        text = file.read_text("utf-8")
        # The group of all conditions is none itself.
        if (group := _GROUP.search(text)) and f"- cmed_{group[1]}_{SIX_EXAMS[0]}" in text:
            found[group[1]] = "+".join(sorted(set(_versions(root, file.parent))))
    return found


def _versions(root: Path, folder: Path) -> list[str]:
    included = [
        path for place in {folder.parent, root} for path in place.glob("_*") if path.is_file() and not path.suffix
    ]
    texts = [path.read_text("utf-8") for path in (*folder.iterdir(), *included)]
    return [version for text in texts for version in _VERSION.findall(text)]

"""The real hub client against a hub on this machine, in processes of their own: it reads HF_ENDPOINT when imported."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbook_eval.exams import read_path
from tests.conftest import BOOK, VALIDATION, cmb_row, write
from tests.exams.test_cmb import write_as_on_the_hub
from tests.hub_server import HubServer

OPEN_BOOK = "wangrongsheng/open-book-CMB-exam"
WITH_BOOK = "c5f38c94537b5704c7a1fec1befb6d144ed25f2e"
_PROGRAM = """
import dataclasses, json, sys
from openbook_eval.errors import ExamError
from openbook_eval.exams import load_exam
try:
    exam = load_exam(sys.argv[1] or None)
except ExamError as error:
    sys.exit(str(error))
print(json.dumps([exam.name, exam.version, exam.sha256, [dataclasses.asdict(q) for q in exam.questions]]))
"""

_PREPARE = """
import json, sys
from openbook_eval.books.preparation import ExamSettings, prepare
from openbook_eval.errors import ExamError
try:
    prepared = prepare(ExamSettings.of({"exam": sys.argv[1], **({"entries": sys.argv[2]} if sys.argv[2] else {})}))
except ExamError as error:
    sys.exit(str(error))
print(*{entry.provider for entry in prepared.provided.entries.values()})
"""

_COUNTS = """
import json, sys
from openbook_eval.exams import load_exam
exam = load_exam(sys.argv[1] or None)
entries = sum(bool(question.knowledge) for question in exam.questions)
print(json.dumps([len(exam.questions), entries, exam.record["corrected"], exam.notices]))
"""

_CLI = """
import sys
from openbook_eval.cli import main
sys.argv = ["openbook-eval", "exam", *(sys.argv[2] or "show").split(), sys.argv[1]]
main()
"""

Load = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer() as server:
        yield server


@pytest.fixture
def load(hub: HubServer, tmp_path: Path) -> Load:
    """Loads an exam with a client that knows our hub only and starts with an empty cache."""

    def run(
        spec: str = "", *, program: str = _PROGRAM, entries: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "OPENBOOK"))}
        environment = {**kept, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), **settings}
        command = [sys.executable, "-c", program, spec, entries]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    return run


def test_the_default_is_the_papers_exam_and_once_fetched_it_is_read_without_the_hub(
    hub: HubServer, load: Load, cmb_folder: Path
) -> None:
    local = read_path(cmb_folder)
    (cmb_folder / "weights.bin").write_bytes(b"x" * 100)
    write(cmb_folder / "CMB-train" / "CMB-train-merge.json", [])
    hub.datasets[OPEN_BOOK] = cmb_folder
    first = load().stdout
    name, version, sha256, questions = json.loads(first)
    assert (name, version, sha256) == ("cmb", f"{OPEN_BOOK}@{WITH_BOOK}", local.sha256)
    assert [question["id"] for question in questions] == ["1", "2", "3", "4", "5", "6"]
    assert questions[0]["knowledge"] == "第1题的正确说法是乙1。"
    # Of the data set only JSON and zip files that are no training questions are fetched.
    assert any("test-book.json" in request for request in hub.requests)
    assert not any("weights.bin" in request or "CMB-train-merge" in request for request in hub.requests)
    hub.requests.clear()
    assert load(HF_HUB_OFFLINE="1").stdout == first
    assert hub.requests == []


def test_cmb_val_comes_from_cmbs_own_data_set(hub: HubServer, load: Load, tmp_path: Path) -> None:
    write(tmp_path / "cmb" / "CMB-Exam" / "CMB-val" / VALIDATION, [cmb_row(1, answer="C", explanation="丙。")])
    hub.datasets["FreedomIntelligence/CMB"] = tmp_path / "cmb"
    name, _, _, questions = json.loads(load("cmb-val").stdout)
    assert (name, questions[0]["answer"], questions[0]["explanation"]) == ("cmb-val", "C", "丙。")


def test_without_its_book_the_exam_is_not_asked_with_a_made_one_unless_that_is_asked_for(
    hub: HubServer, load: Load, cmb_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(cmb_folder, tmp_path / "main")
    (tmp_path / "main" / "CMB-test" / BOOK).unlink()
    hub.datasets[OPEN_BOOK] = {"main": tmp_path / "main", WITH_BOOK: cmb_folder}
    assert json.loads(load(OPEN_BOOK).stdout)[1] == f"{OPEN_BOOK}@{WITH_BOOK}"
    name, version, _, questions = json.loads(load("cmb@main").stdout)
    assert (name, version, questions[0]["knowledge"]) == ("cmb@main", f"{OPEN_BOOK}@{hub.commit(OPEN_BOOK)}", None)
    refused = load("cmb@main", program=_PREPARE).stderr.strip().splitlines()[-1]
    assert refused.startswith(f"{version} has no book; {OPEN_BOOK}@{WITH_BOOK} has the authors': OPENBOOK_EXAM=cmb@")
    assert load("cmb@main", program=_PREPARE, entries="statement").stdout == "statement\n"


def test_a_revision_that_is_not_there_is_named(hub: HubServer, load: Load, cmb_folder: Path) -> None:
    hub.datasets[OPEN_BOOK] = {WITH_BOOK: cmb_folder}
    assert load("cmb@v9").stderr.startswith(f"hub data set {OPEN_BOOK}@v9: cannot be fetched (")


def test_a_download_that_breaks_off_is_tried_again(hub: HubServer, load: Load, cmb_folder: Path) -> None:
    hub.datasets[OPEN_BOOK], hub.cut = cmb_folder, 2
    assert len(json.loads(load().stdout)[3]) == 6
    assert hub.cut == 0


def test_a_large_file_that_breaks_off_goes_on_where_it_was(hub: HubServer, load: Load, cmb_folder: Path) -> None:
    # The client writes pieces of 10 MiB.
    write(cmb_folder / "CMB-test" / "notes.json", [" " * (24 << 20)])
    hub.datasets[OPEN_BOOK], hub.cut = cmb_folder, 4
    assert len(json.loads(load().stdout)[3]) == 6
    [resumed] = [request for request in hub.requests if "bytes=" in request and not request.endswith("bytes=0-")]
    assert resumed.startswith("GET /store")
    assert resumed.endswith("notes.json bytes=10485760-")


def test_the_whole_exam_at_its_revision_is_read_as_it_is_and_refused_at_main(
    hub: HubServer, load: Load, tmp_path: Path
) -> None:
    whole = write_as_on_the_hub(tmp_path / "whole")
    shutil.copytree(whole, tmp_path / "main")
    (tmp_path / "main" / BOOK).unlink()
    hub.datasets[OPEN_BOOK] = {"main": tmp_path / "main", WITH_BOOK: whole}
    questions, entries, corrected, notices = json.loads(load(program=_COUNTS).stdout)
    assert (questions, entries, corrected) == (11_200, 11_171, 29)
    assert any(notice.startswith("29 answers of CMB's first key are corrected") for notice in notices)
    assert any(notice.startswith("29 questions have no entry in test-book.json; theirs is made") for notice in notices)
    shown = " ".join(load("cmb@main", program=_CLI).stdout.split())
    assert "11200 questions read, 11200 to be asked" in shown
    assert f"has no book; {OPEN_BOOK}@{WITH_BOOK} has the authors': OPENBOOK_EXAM=cmb@{WITH_BOOK}; or ask" in shown
    refused = load("cmb@main", program=_PREPARE).stderr.strip().splitlines()[-1]
    assert f"{OPEN_BOOK}@{WITH_BOOK} has the authors'" in refused


@pytest.mark.parametrize("command", ["audit", "entries", "books"])
def test_commands_do_not_make_a_missing_book_in_silence(
    hub: HubServer, load: Load, cmb_folder: Path, tmp_path: Path, command: str
) -> None:
    (cmb_folder / "CMB-test" / BOOK).unlink()
    hub.datasets[OPEN_BOOK] = cmb_folder
    output = f" --output {tmp_path / 'e.jsonl'}" if command == "entries" else ""
    refused = load("cmb@main", program=_CLI, entries=command + output)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"{OPEN_BOOK}@{WITH_BOOK} has the authors'" in refused.stderr.strip().splitlines()[-1]
    assert load("cmb@main", program=_CLI, entries=f"{command}{output} --entries statement").returncode == 0


# Only the boundary is played: the package is not installed here. Its documented call, of
# modelscope.hub.snapshot_download: (dataset_id, revision, ..., allow_patterns, ignore_patterns) -> folder.
_MODELSCOPE = """
def dataset_snapshot_download(dataset_id, revision="master", *, allow_patterns=None, ignore_patterns=None):
    if dataset_id != "some/exam":
        return None
    assert (allow_patterns, ignore_patterns) == (["*.json", "*.zip"], ["*train*"])
    print(revision)
    return FOLDER
"""


def test_a_data_set_of_modelscope_is_fetched_by_its_own_package(load: Load, cmb_folder: Path, tmp_path: Path) -> None:
    package = tmp_path / "site" / "modelscope" / "hub"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").touch()
    (package / "snapshot_download.py").write_text(_MODELSCOPE.replace("FOLDER", repr(str(cmb_folder))))
    path = {"PYTHONPATH": os.pathsep.join([str(package.parents[1]), os.environ.get("PYTHONPATH", "")])}
    for spec, revision in (("modelscope:some/exam", "master"), ("modelscope:some/exam@v2", "v2")):
        first, last = load(spec, **path).stdout.splitlines()
        name, version, _, questions = json.loads(last)
        assert (first, name, version, len(questions)) == (revision, spec, f"modelscope:some/exam@{revision}", 6)
    error = load("modelscope:no/such", **path).stderr.strip().splitlines()[-1]
    assert error.startswith("modelscope:no/such@master: cannot be fetched (")


def test_without_its_package_a_data_set_of_modelscope_says_what_to_install(load: Load) -> None:
    [error] = load("modelscope:some/exam").stderr.strip().splitlines()
    assert error == "modelscope:some/exam: the package of ModelScope is not installed; pip install modelscope"


def test_a_refused_token_is_one_line(hub: HubServer, load: Load, cmb_folder: Path) -> None:
    hub.datasets[OPEN_BOOK], hub.refused = cmb_folder, 401
    settings = {"HF_TOKEN": "hf_refused"}
    error = load(**settings).stderr.strip()
    assert error.splitlines()[-1].startswith(f"hub data set {OPEN_BOOK}@{WITH_BOOK}: cannot be fetched (")
    assert "HF_ENDPOINT=https://hf-mirror.com" in error
    assert "hf_refused" not in error


@pytest.mark.parametrize(
    ("spec", "settings"),
    # Port 9 (discard) answers nobody.
    [("no/such", {}), ("", {"HF_ENDPOINT": "http://127.0.0.1:9"}), ("", {"HF_HUB_OFFLINE": "1"})],
    ids=["missing", "unreachable", "offline"],
)
def test_what_cannot_be_fetched_says_the_ways_out_in_one_line(load: Load, spec: str, settings: dict[str, str]) -> None:
    result = load(spec, **settings)
    [last] = result.stderr.strip().splitlines()
    assert last.startswith(
        f"hub data set {f'{spec}@main' if spec else f'{OPEN_BOOK}@{WITH_BOOK}'}: cannot be fetched ("
    )
    assert "HF_ENDPOINT=https://hf-mirror.com" in last
    assert "OPENBOOK_EXAM=mini" in last
    assert "OPENBOOK_EXAM=PATH" in last
    assert "Traceback" not in result.stderr
    assert result.returncode == 1

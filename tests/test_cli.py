"""The command line as a user meets it: in a process of its own, wrong input included."""

import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from rich.cells import cell_len

from openbook_eval import __version__
from openbook_eval.cli import main
from openbook_eval.install import tasks_dir
from tests.conftest import BOOK, cmb_entry, write
from tests.exams.test_own import ROW, write_lines

COMMAND = str(Path(sys.executable).parent / "openbook-eval")


def call(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Call the command line in this process; what starts lm-eval or wants another terminal gets one of its own."""
    environment = {"COLUMNS": "120", "HF_HUB_OFFLINE": "1", **settings}
    if arguments[0] == "run" or "PYTHONIOENCODING" in settings:
        merged = {**os.environ, **environment}
        return subprocess.run([COMMAND, *arguments], env=merged, capture_output=True, text=True, check=False)
    output, errors, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.setattr(sys, "argv", [COMMAND, *arguments])
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            main()
        except SystemExit as error:
            code = int(error.code or 0)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def assert_one_line_error(result: subprocess.CompletedProcess[str], text: str) -> None:
    lines = [line for line in result.stderr.splitlines() if line.startswith("openbook-eval: ")]
    assert result.returncode == 2, result.stderr
    assert len(lines) == 1, result.stderr
    assert text in lines[0]
    assert "Traceback" not in result.stderr


def test_help_version_and_tasks_dir_print_what_scripts_read() -> None:
    text = call("--help").stdout
    for command in (
        "run",
        "scores",
        "match",
        "rescore",
        "tiny-model",
        "link",
        "unlink",
        "tasks-dir",
        "exam",
        "recipes",
    ):
        assert f"\n  {command} " in text
    assert call("--version").stdout == f"{__version__}\n"
    assert call("tasks-dir").stdout == f"{tasks_dir()}\n"
    assert {"--apply_chat_template", "--batch_size"} <= set(re.findall(r"--\w+", call("run", "--help").stdout))


def test_exam_show_prints_counts_and_the_first_prompt_as_the_model_sees_it(tmp_path: Path) -> None:
    path = write_lines(tmp_path, {**ROW, "stem": "[bold]属于[/bold]主观资料的有 [x]"}, {**ROW, "id": "2"})
    result = call("exam", "show", str(path))
    assert "2 questions read, 2 to be asked" in result.stdout
    assert ["nursing", "护理考试", "主管护师", "0", "2", "2"] in map(str.split, result.stdout.splitlines())
    prompt = result.stdout.partition("as the model sees it:\n\n")[2]
    assert prompt == (
        "【材料】\n主观资料是病人的感受，如头痛、乏力。\n\n"
        "【要求】\n请只根据上面的材料回答下面的多项选择题，不做任何分析和解释，直接输出全部正确选项的字母。\n\n"
        "【题目】\n[bold]属于[/bold]主观资料的有 [x]\nA. 头痛\nB. 体温\nC. 乏力\n\n答案：\n"
    )


def test_exam_show_says_what_is_odd(cmb_folder: Path) -> None:
    write(cmb_folder / "CMB-test" / BOOK, [cmb_entry(1)])
    output = call("exam", "show", str(cmb_folder)).stdout
    assert "entries: 1 given by the file, 5 made from question and answer" in output
    assert "notice: 5 questions have no entry in CMB-test/test-book.json" in output


def test_exam_show_counts_what_is_not_asked_too(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Question,Options,Answer\n一,A 甲\\nB 乙,A\n二,A 甲\\nB 乙,\n", encoding="utf-8")
    output = call("exam", "show", str(path)).stdout
    assert "2 questions read, 1 to be asked" in output
    assert ["other", "其他", "CMExam", "2", "0", "2"] in map(str.split, output.splitlines())


def test_exam_books_prints_a_row_for_each_condition_and_what_cannot_be_asked() -> None:
    result = call("exam", "books", "mini", COLUMNS="80")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines()[2:13])) <= 80
    assert ["entries:", "258", "given"] in lines
    assert ["open", "258", "258", "85", "to", "140", "73,335", "100.0%"] in lines
    # A book counts once however many prompts begin with it.
    assert ["library", "4k", "258", "12", "3,903", "to", "4,000", "1,065,838", "8.6%"] in lines
    assert "library 64k: exam mini: all entries together have 29,148 characters, too few for a book of" in result.stdout


def test_exam_books_takes_another_provider_and_an_exam_that_fills_up(tmp_path: Path) -> None:
    rows = ({**ROW, "id": str(n), "stem": f"第{n}问", "knowledge": f"{n}，" + "长" * 390} for n in range(200))
    filler = write_lines(tmp_path, *rows)
    result = call("exam", "books", "mini", "--entries", "statement", "--fill", str(filler), "--book-seed", "3")
    assert "entries: 258 statement" in result.stdout
    (row,) = (line.split() for line in result.stdout.splitlines() if line.strip().startswith("library 64k"))
    assert row[:3] == ["library", "64k", "258"]


def test_exam_entries_writes_a_file_that_can_be_taken_again(tmp_path: Path) -> None:
    exam, place = write_lines(tmp_path, {**ROW, "knowledge": "头痛是主观资料（A对）。"}), tmp_path / "e.jsonl"
    result = call("exam", "entries", str(exam), "--entries", "passage", "--output", str(place))
    assert json.loads(place.read_text()) == {"id": ROW["id"], "text": "头痛是主观资料。", "provider": "passage"}
    assert "notice: leaked answers were removed from 1 entries, 1 pieces such as '（A对）'" in result.stderr
    assert "entries: 1 file (path e.jsonl" in call("exam", "books", str(exam), "--entries", str(place)).stdout


def test_exam_audit_prints_findings_and_baselines(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path, ROW, {**ROW, "id": "2", "stem": "该患者应"}, {**ROW, "id": "3", "stem": "如图所示，属于"}
    )
    result = call("exam", "audit", str(path), COLUMNS="80")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert result.returncode == 0, result.stderr
    tables = lines[lines.index("readers without understanding") :]
    assert max(map(cell_len, tables)) <= 80
    assert "2 questions: nursing 2" in lines
    assert "missing background: 1 of 2 (50.0 %)" in lines
    assert lines[lines.index("not asked: 1 of 3 (33.3 %)") + 2] == "ids: 3"
    assert lines[lines.index("patient 1") + 1] == "ids: 2"
    assert "unsorted answer: 2 of 2 (100.0 %)" in lines
    assert "ids: 1, 2" in lines
    assert ["nursing", "护理考试", "14.3", "100.0", "0.0", "100.0"] in [line.split() for line in lines]


def test_exam_audit_as_json_names_every_id(tmp_path: Path) -> None:
    path = write_lines(tmp_path, *({**ROW, "id": f"n{number}"} for number in range(9)))
    found = json.loads(call("exam", "audit", str(path), "--json").stdout)
    assert list(found) == [
        "exam", "questions", "by_exam", "notices", "findings", "letter_balance", "set_sizes", "baselines",
    ]  # fmt: skip
    (unsorted,) = (finding for finding in found["findings"] if finding["name"] == "unsorted_answer")
    assert unsorted["ids"] == [f"n{number}" for number in range(9)]
    assert (unsorted["count"], unsorted["of"], unsorted["share"]) == (9, 9, 1.0)
    assert found["exam"]["name"] == "exam.jsonl"


def test_hostile_text_is_spelt_out_on_the_terminal(tmp_path: Path) -> None:
    rows = {**ROW, "id": "[red]a\x1b[31m\n\u202eb", "stem": "脉\t率\x1b[31m红\r"}, {**ROW, "id": "9" * 500}
    path = write_lines(tmp_path, *rows)
    assert "\n脉\t率\\x1b[31m红\\r\n" in call("exam", "show", str(path)).stdout
    output = call("exam", "audit", str(path)).stdout
    assert f"ids: [red]a\\x1b[31m\\n\\u202eb, {'9' * 40}..." in output
    assert "9" * 41 not in output


def test_a_terminal_without_chinese_ends_nothing(tmp_path: Path) -> None:
    result = call("exam", "show", str(write_lines(tmp_path, ROW)), PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")


def test_exam_show_tells_all_faults_and_exits_with_2(tmp_path: Path) -> None:
    path = write_lines(tmp_path, {**ROW, "answer": "D"}, {**ROW, "options": {}})
    result = call("exam", "show", str(path))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"openbook-eval: {path}: 2 faults, nothing was read:",
        "  line 1: answer 'D' is none of its options: A, B, C",
        "  line 2: needs at least two options, has 0",
    ]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("exam", "show", "no-such"), "exam 'no-such': no such file, folder or known exam; wanted"),
        (("exam", "audit", "no-such"), "exam 'no-such': no such file, folder or known exam; wanted"),
        (("exam", "books", "mini", "--entries", "pasage"), "entries: no provider 'pasage'; did you mean 'passage'?"),
        (("exam", "books", "mini", "--entries", "{x"), "entries: no provider '{x'; known are given, "),
        (("exam", "entries", "mini", "--output", "/dev/null/x"), "/dev/null/x: cannot be written"),
        (
            ("exam", "audit", "mini", "--entries", '{"provider": "retrieved", "corpus": "no-such"}'),
            "no-such: no folder with .txt or .md files that hold text; name",
        ),
        (("exam", "show"), "set OPENBOOK_EXAM=mini for the bundled exam, or OPENBOOK_EXAM=PATH"),
        (("scores", "no-such"), "no-such: no such file or folder"),
        (("run", "--tasks", "cmed_openbook", "--model_args", "pretrained=./no-such"), "pretrained=./no-such: no such"),
        (("run", "--tasks", "cmed_openbook", "--metadata", "exam=no-such"), "exam 'no-such': no such file"),
        (("run", "--tasks", "cmed_openbook_other", "--metadata", "exam=mini"), "exam 'mini' has no other questions"),
        (
            ("run", "--tasks", "cmed_openbok", "--metadata", "exam=mini"),
            "no task 'cmed_openbok'; did you mean 'cmed_openbook'?",
        ),
        (("run", "--tasks", "cmed_openbook", "--log_samples"), "Specify --output_path if providing --log_samples"),
        (("run", "--tasks", "cmed_openbook", "--model", "nosuch"), "--model nosuch: lm-eval has no such model"),
        (("run", "--tasks", "cmed_openbook", "--metadata", "{bad"), "(see openbook-eval run --help)"),
        (("match", "no-such.jsonl"), "no-such.jsonl: cannot be read"),
        (("rescore", "no-such"), "no-such: no such file or folder"),
        (("run", "--model", "vllm"), "no tasks; say which, such as --tasks cmed_openbook"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: tuple[str, ...], text: str) -> None:
    assert_one_line_error(call(*arguments), text)


def test_match_writes_a_json_line_for_each_row(tmp_path: Path) -> None:
    rows = [
        {"id": "x", "output": "答案：A、C。", "options": {"A": "甲", "B": "乙", "C": "丙"}, "qtype": "multi"},
        {"output": "抱歉，我无法回答。", "options": {"A": "甲", "B": "乙"}, "qtype": "single"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    assert call("match", str(path)).stdout.splitlines() == [
        '{"id":"x","letters":"AC","state":"stated","rule":"dressed_letters"}',
        '{"id":2,"letters":"","state":"none","rule":"refusal"}',
    ]

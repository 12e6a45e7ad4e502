"""What keeps the tree readable: short files and functions, and one class for one name."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = [path for package in ("openbook_eval", "data_prep", "tools") for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def trees() -> dict[str, ast.Module]:
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def test_no_file_is_longer_than_450_lines() -> None:
    assert len(FILES) > 50
    assert [path.name for path in FILES if path.read_text(encoding="utf-8").count("\n") > 450] == []


def test_no_function_is_longer_than_50_lines() -> None:
    functions = [
        (name, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert [function for function in functions if function[2] > 50] == []


def test_no_class_name_is_defined_twice() -> None:
    names = Counter(node.name for tree in trees().values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1 and not name.startswith("_")] == []


def test_script_and_style_of_the_page_stay_under_1200_lines() -> None:
    static = [path for path in (ROOT / "openbook_eval").rglob("*") if path.suffix in {".js", ".css"}]
    assert 0 < sum(path.read_text(encoding="utf-8").count("\n") for path in static) <= 1200

"""Write the task files of lm-eval from the registries CONDITIONS and METRICS: `python tools/generate_tasks.py`.

A condition is a folder of `tasks/`: a template that its exams include, a group of the six exams, a file an exam.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from openbook_eval.books.conditions import CONDITIONS, Condition
from openbook_eval.prompt import VERSIONS
from openbook_eval.scoring import METRICS
from openbook_eval.types import EXAM_NAMES, SIX_EXAMS

TASKS = Path(__file__).parents[1] / "tasks"
_FUNCTION = "!function openbook_eval.task_functions."

# Without .yaml in its name, so that lm-eval does not take it for a task.
_SHARED = f"""\
# What every task shares. Written by tools/generate_tasks.py, as all files of this folder.
custom_dataset: {_FUNCTION}docs
test_split: test
num_fewshot: 0
doc_to_text: {_FUNCTION}prompt
target_delimiter: ""
"""

_GENERATED = f"""\
output_type: generate_until
doc_to_target: target
generation_kwargs:
  do_sample: false
  temperature: 0.0
  max_gen_toks: 512
  # Ends of a turn, which no answer contains. Anything shorter or commoner ("." or a blank line) would cut answers.
  until:
    - "<|im_end|>"
    - "<|endoftext|>"
filter_list:
  - name: choice
    filter:
      - function: {_FUNCTION}ChoiceFilter
process_results: {_FUNCTION}process_results
"""

_RANKED = f"""\
# The letters' log-probabilities behind the prompt are ranked, nothing is generated.
output_type: multiple_choice
doc_to_choice: {_FUNCTION}letters
# The first right letter: lm-eval wants one of the choices for its samples. All of them are scored.
doc_to_target: {_FUNCTION}first_right
filter_list:
  - name: choice
    filter:
      - function: take_first
process_results: {_FUNCTION}process_ranked_results
"""


def task_files() -> dict[str, str]:
    """Return the text of every file of `tasks/` that is generated, by its path there."""
    files = {"_shared": _SHARED}
    for name, condition in CONDITIONS.items():
        files |= dict(_condition_files(name, condition))
    reading = [name for name, condition in CONDITIONS.items() if condition.frame == "reading"]
    files["reading.yaml"] = _family("cmed_reading", "of the six exams", (f"cmed_{name}" for name in reading))
    files["reading_other.yaml"] = _family(
        "cmed_reading_other", "of the questions with none of the six labels", (f"cmed_{name}_other" for name in reading)
    )
    return files


def _condition_files(name: str, condition: Condition) -> Iterator[tuple[str, str]]:
    version = VERSIONS[condition.frame]
    yield (
        f"{name}/_condition",
        "".join(
            [
                f"# {condition.title}: {condition.meaning}.\n",
                "include: ../_shared\n",
                _RANKED if condition.ranked else _GENERATED,
                "metric_list:\n",
                *_metrics(condition),
            ]
        ),
    )
    yield f"{name}/_group.yaml", _group(name, condition, version)
    for exam in EXAM_NAMES:
        metadata = f"version: {version}, condition: {name}, exam_label: {exam}, exam_file: {{}}, entries_used: {{}}"
        yield f"{name}/{exam}.yaml", f"include: _condition\ntask: cmed_{name}_{exam}\nmetadata: {{{metadata}}}\n"


def _metrics(condition: Condition) -> Iterator[str]:
    for name, metric in METRICS.items():
        if condition.scope in metric.scopes:
            # Of a metric that not every response has, lm-eval's own mean would fail.
            aggregation = "mean" if metric.averaged else f"{_FUNCTION}mean_of_known"
            better = str(metric.higher_is_better).lower()
            yield f"  - {{metric: {name}, aggregation: {aggregation}, higher_is_better: {better}}}\n"


def _group(name: str, condition: Condition, version: str) -> str:
    tasks = [f"cmed_{name}_{exam}" for exam in SIX_EXAMS]
    if condition.frame == "reading":
        members, head = _list(tasks, 1), ""
    else:
        head = (
            "# The six exams. lm-eval keeps one average per metric and group, "
            "so the one weighted by size has a group of its own.\n"
        )
        members = "".join(
            [
                "  - group: by_size\n    group_alias: weighted by size\n    task:\n",
                _list(tasks, 3),
                "    aggregate_metric_list:\n",
                *_averages(condition, 3, weighted=True),
                f"    metadata:\n      version: {version}\n",
            ]
        )
    averages = "".join(_averages(condition, 1, weighted=False))
    return (
        f"{head}group: cmed_{name}\ntask:\n{members}aggregate_metric_list:\n{averages}metadata:\n  version: {version}\n"
    )


def _averages(condition: Condition, depth: int, *, weighted: bool) -> Iterator[str]:
    for name, metric in METRICS.items():
        if condition.scope in metric.scopes and metric.averaged:
            weight = f"weight_by_size: {str(weighted).lower()}"
            yield f"{'  ' * depth}- {{metric: {name}, filter_list: choice, {weight}}}\n"


def _family(name: str, of: str, members: Iterable[str]) -> str:
    return (
        f"# All conditions {of}. No average over conditions: it would mean nothing.\n"
        f"group: {name}\ntask:\n{_list(members, 1)}metadata:\n  version: {VERSIONS['reading']}\n"
    )


def _list(names: Iterable[str], depth: int) -> str:
    return "".join(f"{'  ' * depth}- {name}\n" for name in names)


def differences(files: Mapping[str, str]) -> list[str]:
    """Return the paths in `tasks/` that are missing, stray or not as generated; the README is nobody's business."""
    there = {path.relative_to(TASKS).as_posix(): path for path in TASKS.rglob("*") if path.is_file()}
    there.pop("README.md", None)
    names = files.keys() | there.keys()
    return sorted(
        name
        for name in names
        if name not in files or name not in there or there[name].read_text(encoding="utf-8") != files[name]
    )


def main() -> int:
    """Write the files, or with --check say which differ and return 1 where any does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail where a file differs")
    files = task_files()
    if parser.parse_args().check:
        stray = differences(files)
        print("\n".join(stray) or f"{len(files)} files are as generated")
        return bool(stray)
    for folder in TASKS.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    for name, text in files.items():
        path = TASKS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(files)} files written to {TASKS.name}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())

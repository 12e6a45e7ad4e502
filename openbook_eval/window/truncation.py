"""Whether the prompts of a run reached the model whole: found afterwards, in what lm-eval has written."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from openbook_eval.errors import OpenbookError
from openbook_eval.window.fitting import Fit, fit, merged
from openbook_eval.window.lengths import answer_length
from openbook_eval.window.tokens import UncheckedError, load_tokenizer, token_counter


@dataclass(frozen=True, slots=True)
class Truncation:
    """How many prompts of a run were cut; the longest prompt and the smallest room in tokens; its tasks one by one.

    Where it was not `checked`, `reason` says why and the numbers say nothing.
    """

    checked: bool
    reason: str | None
    prompts: int = 0
    cut: int = 0
    longest: int = 0
    room: int = 0
    tasks: tuple[Fit, ...] = ()

    @classmethod
    def unchecked(cls, reason: str) -> "Truncation":
        """The verdict where there is none."""
        return cls(checked=False, reason=reason)

    @classmethod
    def of(cls, fits: Sequence[Fit]) -> "Truncation":
        """The verdict on tasks that were counted."""
        total = merged("", fits)
        return cls(True, None, total.prompts, total.cut, total.longest, total.room, tuple(fits))

    @classmethod
    def from_json(cls, part: Mapping[str, Any]) -> "Truncation":
        """As `asdict` and JSON have it. Raises TypeError or KeyError for anything else."""
        return cls(**{**part, "tasks": tuple(Fit(**task) for task in part["tasks"])})

    def only(self, tasks: Collection[str]) -> "Truncation":
        """The verdict on some of the tasks; unchecked where one of them was not counted."""
        if not self.checked:
            return self
        fits = [fit for fit in self.tasks if fit.task in tasks]
        return self.of(fits) if len(fits) == len(tasks) else self.unchecked("not all tasks were counted")


def find(results: Mapping[str, Any], samples: Mapping[str, Path]) -> dict[str, Any]:
    """The verdict on a run, as JSON: of lm-eval's results and the samples file of each task.

    A run is not checked where its model is none of vLLM's or transformers', its tokenizer cannot be loaded without
    running code of it, samples are missing or a file is broken; nothing is raised.
    """
    try:
        return asdict(Truncation.of(list(_fits(results, samples))))
    except (UncheckedError, OpenbookError) as error:
        reason = str(error)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ImportError) as error:
        reason = f"the results or samples are not as lm-eval writes them ({type(error).__name__}: {error})"
    return asdict(Truncation.unchecked(reason))


def our_tasks(results: Mapping[str, Any]) -> list[str]:
    """The tasks of a results file that are ours."""
    return [task for task in results["configs"] if task.startswith("cmed")]


def _fits(results: Mapping[str, Any], samples: Mapping[str, Path]) -> Iterator[Fit]:
    model, arguments = str(results["config"]["model"]), _arguments(results)
    # The file is anybody's: the code of a tokenizer it names is not run.
    tokenizer = load_tokenizer(model, arguments)
    count = token_counter(model, arguments, tokenizer)
    length = int(results["max_length"])
    for task in our_tasks(results):
        if task not in samples:
            raise UncheckedError(f"no samples of {task} beside the results")
        answer = answer_length(model, arguments, results["configs"][task].get("generation_kwargs"))
        yield fit(task, _prompts(samples[task]), count, length - answer)


def _arguments(results: Mapping[str, Any]) -> dict[str, Any]:
    arguments = results["config"]["model_args"]
    if isinstance(arguments, str):
        from lm_eval.utils import simple_parse_args_string

        arguments = simple_parse_args_string(arguments)
    return dict(arguments)


def _prompts(path: Path) -> Iterator[str]:
    """The logged prompts, each question's once: lm-eval writes a line for every filter of a task."""
    seen = set()
    with path.open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            prompt = row["arguments"]["gen_args_0"]["arg_0"]
            if not isinstance(prompt, str):
                raise TypeError(f"{path.name}: a prompt is {prompt!r:.40}, not text")
            if row["doc_id"] not in seen:
                seen.add(row["doc_id"])
                yield prompt

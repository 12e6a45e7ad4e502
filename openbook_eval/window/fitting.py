"""Which prompts a model can take in whole: token arithmetic, with no tokenizer or model of its own.

lm-eval drops the tokens by which a prompt exceeds the model's length less the answer's (lm_eval/models/utils.py,
maybe_truncate; huggingface.py, left_truncate_len) with a line in the log and no trace in the results.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

# The tokens of each of the texts.
Count = Callable[[Sequence[str]], list[int]]

# Where the prompt's rule begins: the book before it is shared by many prompts.
SEAM = "【要求】"
# By how many tokens a prompt may differ from the sum of its two parts: pairs merged across the seam, and the tokens
# that begin and end a text counted twice. Measured on 4,000 prompts of published questions and books: at most 1, with
# Qwen2's tokenizer and with one that merges across words and punctuation.
MARGIN = 16

_ANSWER_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_BATCH = 8


@dataclass(frozen=True, slots=True)
class Fit:
    """How many prompts of a task are cut, and how long the longest is; `longest` and `room` in tokens.

    `room` is what the model's length leaves for a prompt beside its answer. At a room of 0 all count as cut.
    """

    task: str
    prompts: int
    cut: int
    longest: int
    room: int


def answer_tokens(generation: Mapping[str, object], default: int) -> int:
    """The tokens kept for an answer, by lm-eval's rule (normalize_gen_kwargs): the first of four names that is set.

    Raises ValueError or TypeError for what is no number.
    """
    given = (generation[name] for name in _ANSWER_LENGTHS if generation.get(name) is not None)
    return int(next(given, default))  # type: ignore[call-overload, no-any-return]


def fit(task: str, prompts: Iterable[str], count: Count, room: int) -> Fit:
    """How the prompts of one task fit into `room` tokens."""
    counts = token_counts(prompts, count, room)
    return Fit(task, len(counts), sum(tokens > room for tokens in counts), max(counts, default=0), room)


def merged(task: str, fits: Sequence[Fit]) -> Fit:
    """Several tasks as one: their prompts together, the longest of all and the smallest room."""
    return Fit(
        task,
        sum(fit.prompts for fit in fits),
        sum(fit.cut for fit in fits),
        max((fit.longest for fit in fits), default=0),
        min((fit.room for fit in fits), default=0),
    )


def misfit(fits: Sequence[Fit], length: int, most: int | None, setting: str) -> str:
    """One line on tasks whose prompts do not fit into `length` tokens, and what to do: `setting` is that length's name.

    `most` is what the model can hold, None where that is unknown.
    """
    needed = {fit.task: length - fit.room + fit.longest for fit in fits}
    longest = max(fits, key=lambda fit: needed[fit.task])
    shares = _listed([f"{fit.cut:,} of {fit.prompts:,} prompts of {fit.task}" for fit in fits if fit.cut])
    kept = length - longest.room
    return (
        f"{shares} do not fit: the longest has {longest.longest:,} tokens and {kept:,} are kept for the answer, "
        f"but {setting} is {length:,}; {_advice(needed, length, most, setting)}"
    )


def _advice(needed: Mapping[str, int], length: int, most: int | None, setting: str) -> str:
    beyond = [task for task, tokens in needed.items() if most is not None and tokens > most]
    enough = max((tokens for task, tokens in needed.items() if task not in beyond), default=0)
    change = f"set {setting}={enough} in --model_args"
    if not beyond:
        return change
    others = f" and {change}" if enough > length else ""
    return (
        f"the model holds {most:,} at most: leave out {_listed(beyond)}{others}, "
        "or take a model with a longer context (rope scaling in vLLM's hf_overrides lengthens some)"
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def token_counts(prompts: Iterable[str], count: Count, room: int) -> list[int]:
    """The tokens of each prompt: exact for the longest and near `room`, so that both are certain; else within MARGIN.

    What stands before the last seam is counted once however many prompts share it. Where a prompt counted whole is
    further than MARGIN from the sum of its parts, the tokenizer is not one to add up, and all are counted whole.
    """
    heads: dict[str, int] = {}
    parts = []
    for prompt in prompts:
        head, seam, tail = prompt.rpartition(SEAM)
        parts.append((heads.setdefault(head, len(heads)), seam + tail))
    texts, sizes = list(heads), count(list(heads))
    tails = count([tail for _, tail in parts])
    counts = [sizes[head] + tokens for (head, _), tokens in zip(parts, tails, strict=True)]

    def whole(places: Sequence[int]) -> list[int]:
        return count([texts[head] + tail for head, tail in (parts[place] for place in places)])

    if not _settle(counts, whole, room):
        for places in _batches(range(len(parts))):
            counts[places[0] : places[-1] + 1] = whole(places)
    return counts


def _settle(counts: list[int], whole: Callable[[Sequence[int]], list[int]], room: int) -> bool:
    """Replaces the sums that could be wrong about `room` or the longest by whole counts; False where one was far off.

    From the longest sum down: once even MARGIN more could not exceed the longest so far, it is the longest.
    """
    order = sorted(range(len(counts)), key=counts.__getitem__, reverse=True)
    longest = done = 0
    for places in _batches(order):
        if counts[places[0]] + MARGIN <= longest:
            break
        if not _replace(counts, places, whole):
            return False
        longest = max(longest, *(counts[place] for place in places))
        done += len(places)
    near = [place for place in order[done:] if abs(counts[place] - room) <= MARGIN]
    return all(_replace(counts, places, whole) for places in _batches(near))


def _replace(counts: list[int], places: Sequence[int], whole: Callable[[Sequence[int]], list[int]]) -> bool:
    sums = [counts[place] for place in places]
    for place, tokens in zip(places, whole(places), strict=True):
        counts[place] = tokens
    return all(abs(counts[place] - total) <= MARGIN for place, total in zip(places, sums, strict=True))


def _batches(places: Sequence[int]) -> list[Sequence[int]]:
    return [places[start : start + _BATCH] for start in range(0, len(places), _BATCH)]

"""What came of a run's questions: answered, failed and why, thinking, tokens and money; a part of the results file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from openbook_eval.api.replies import FINAL, Failure, Reply
from openbook_eval.api.settings import Settings
from openbook_eval.api.spending import Request, Usage, used


@dataclass(frozen=True, slots=True)
class Tally:
    """The questions of a run, and the tokens of all their answers, of this run and of those it goes on from.

    `failures` counts questions without an answer by reason; they are marked neither right nor wrong. `unended_thinking`
    and `empty` are answers that say nothing. `thinking_tokens` are among the `completion_tokens`. `cost` is in
    `currency`, None where prices are not known.
    """

    model: str
    host: str
    questions: int
    answered: int
    failures: Mapping[str, int]
    unended_thinking: int
    empty: int
    prompt_tokens: int
    completion_tokens: int
    thinking_tokens: int
    cost: float | None
    currency: str
    prices: Mapping[str, Any] = field(default_factory=dict)

    @property
    def again(self) -> int:
        """How many questions are worth asking again."""
        return sum(count for reason, count in self.failures.items() if reason not in FINAL)

    def to_json(self) -> dict[str, Any]:
        """As it stands in a results file."""
        return asdict(self)

    def line(self) -> str:
        """One line for the terminal."""
        parts = [f"{self.answered} of {self.questions} questions answered"]
        if self.failures:
            parts.append(f"not answered: {reasons(self.failures)}")
        if self.unended_thinking:
            parts.append(f"{self.unended_thinking} answers are thinking that does not end")
        thinking = f" ({self.thinking_tokens:,} of thinking)" if self.thinking_tokens else ""
        parts.append(f"{self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out{thinking}")
        if self.cost is not None:
            parts.append(f"{self.cost:.4f} {self.currency}")
        return "; ".join(parts)


def reasons(failures: Mapping[str, int]) -> str:
    """Failures in words, the commonest first."""
    ordered = sorted(failures.items(), key=lambda failure: (-failure[1], failure[0]))
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in ordered)


def tally(
    keys: Sequence[str],
    requests: Mapping[str, Request],
    replies: Mapping[str, Reply],
    failures: Mapping[str, Failure],
    settings: Settings,
) -> Tally:
    """Counts the questions of `keys`, of which several may share one request; tokens are counted once a request."""
    answered = {key: replies[key] for key in requests if key in replies}
    end = settings.think_end_token
    texts = {key: reply.answer(end) for key, reply in answered.items()}
    usage = sum((used(reply, requests[key].expected) for key, reply in answered.items()), Usage())
    prices = ("price_in", "price_out", "price_date", "price_source")
    return Tally(
        **settings.identity,
        questions=len(keys),
        answered=sum(key in answered for key in keys),
        failures=dict(Counter(failures[key].reason for key in keys if key not in answered)),
        unended_thinking=sum(texts[key] is None for key in keys if key in texts),
        empty=sum((texts[key] or "").strip() == "" for key in keys if texts.get(key) is not None),
        prompt_tokens=usage.prompt,
        completion_tokens=usage.completion,
        thinking_tokens=sum(reply.thinking_tokens(end) for reply in answered.values()),
        cost=usage.cost(settings) if settings.priced else None,
        currency=settings.currency,
        prices={name: getattr(settings, name) for name in prices} if settings.priced else {},
    )


# The tally of the last run of this process, for whoever writes the results file: lm-eval hands no model out.
_last: list[Tally] = []


def leave(found: Tally) -> None:
    """Leaves a tally for `taken`."""
    _last.append(found)


def taken() -> Tally | None:
    """The tally that was left since the last call, None where no endpoint was asked."""
    found = _last[-1] if _last else None
    _last.clear()
    return found

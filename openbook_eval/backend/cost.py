"""What a run asked of the engine, what was computed for it, and what it could not have done with less."""

from dataclasses import asdict, astuple, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cost:
    """Prompts and tokens of what was asked, and the seconds that it took.

    `kept` prompts were answered from the journal and cost nothing; the rest is of those that the engine was asked.
    `computed_tokens` went through the model before answers began, those of prompts that the engine put back for want of
    memory once more; `least_tokens` are the nodes of the prompts' prefix trie, `least_block_tokens` the least for a
    cache that keeps whole blocks. Both begin with an empty cache each time that the model is asked; one that has read
    the same prompts before takes less. `engine_seconds` pass while the engine works, `other_seconds` before, after and
    between: tokenising, ordering, the journal.
    """

    prompts: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    computed_tokens: int = 0
    least_tokens: int = 0
    least_block_tokens: int = 0
    generated_tokens: int = 0
    engine_seconds: float = 0.0
    other_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """Prompt tokens answered and tokens generated per second of the whole; None where nothing was asked."""
        seconds = self.engine_seconds + self.other_seconds
        return (self.prompt_tokens + self.generated_tokens) / seconds if self.prompt_tokens and seconds else None

    def __add__(self, other: "Cost") -> "Cost":
        """The cost of both together."""
        return Cost(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))

    def to_json(self) -> dict[str, Any]:
        """As it stands in a results file."""
        return {**asdict(self), "tokens_per_second": self.tokens_per_second}

    def line(self) -> str:
        """One line for the terminal."""
        asked = f"{self.prompts:,} prompts of {self.prompt_tokens:,} tokens"
        if self.kept:
            asked += f" (and {self.kept:,} answered from the journal)"
        if not self.prompts:
            return f"cost: {asked}"
        least = f"{self.least_tokens:,} at least, {self.least_block_tokens:,} in whole blocks"
        return (
            f"cost: {asked}; {self.computed_tokens:,} computed ({least}), {self.generated_tokens:,} generated; "
            f"{self.engine_seconds:.1f} s in the engine, {self.other_seconds:.1f} s outside; "
            f"{self.tokens_per_second or 0:,.0f} tokens/s"
        )


# What the models of this process have spent, for whoever writes the results file: lm-eval hands no model out.
_spent: list[Cost] = []


def spend(cost: Cost) -> None:
    """Adds to what this process has spent."""
    _spent.append(cost)


def spent() -> Cost | None:
    """What was spent since the last call; None where no model of ours was asked."""
    total = sum(_spent, Cost()) if _spent else None
    _spent.clear()
    return total

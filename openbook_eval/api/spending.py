"""What questions and answers take, in tokens and money: estimated before, counted after, and held to a limit."""

import math
from dataclasses import dataclass

from openbook_eval.api.replies import Reply
from openbook_eval.api.settings import Settings

# Tokens that a chat format puts around a message.
_AROUND = 8
_LATIN_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that go in and tokens that come out."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """The tokens of both."""
        return Usage(self.prompt + other.prompt, self.completion + other.completion)

    @property
    def tokens(self) -> int:
        """Tokens of either direction."""
        return self.prompt + self.completion

    def cost(self, settings: Settings) -> float:
        """Money in the currency of `settings`, 0 where its prices are not known."""
        return (self.prompt * (settings.price_in or 0) + self.completion * (settings.price_out or 0)) / 1e6


@dataclass(frozen=True, slots=True)
class Request:
    """One question on its way: the key of its answer, what is posted, and what it will take, estimated.

    `expected.completion` is the limit of the answer, which most answers stay far below.
    """

    key: str
    payload: dict[str, object]
    expected: Usage


def estimated_tokens(text: str, per_character: float) -> int:
    """Tokens of a text: `per_character` for one of Chinese script, a quarter for others."""
    # In UTF-8 a character of Chinese script has three bytes, one of Latin script one.
    wide = (len(text.encode("utf-8", "replace")) - len(text)) / 2
    return math.ceil(wide * per_character + (len(text) - wide) / _LATIN_CHARACTERS) + _AROUND


def used(reply: Reply, expected: Usage) -> Usage:
    """What an answer took, by the endpoint's count; where it does not count, estimated."""
    prompt, completion = reply.prompt_tokens, reply.completion_tokens
    if completion is None:
        completion = min(expected.completion, estimated_tokens(reply.content + reply.reasoning, 1.0))
    return Usage(expected.prompt if prompt is None else prompt, completion)


class Budget:
    """What was spent and what is under way, against the limits that `settings` set.

    A request is let go only where it fits even if its answer is as long as it may be. Prompts are estimated, with the
    ratio that those before it have shown, so that a limit is exceeded by an error of that estimate at most.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is spent yet."""
        self._settings = settings
        self.spent = Usage()
        self._under_way = Usage()
        self._estimated = self._counted = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return self._under_way == Usage()

    def take(self, request: Request) -> bool:
        """Whether `request` fits; it is under way then."""
        after = self.spent + self._under_way + self._likely(request)
        limits = self._settings
        if limits.max_tokens_total is not None and after.tokens > limits.max_tokens_total:
            return False
        if limits.max_cost is not None and after.cost(limits) > limits.max_cost:
            return False
        self._under_way += request.expected
        return True

    def settle(self, request: Request, taken: Usage) -> None:
        """`request` is no longer under way, and took `taken`."""
        self._under_way += Usage(-request.expected.prompt, -request.expected.completion)
        self.add(request, taken)

    def add(self, request: Request, taken: Usage) -> None:
        """`request` took `taken`, in this run or in one before."""
        self.spent += taken
        if taken.prompt and taken.completion:
            self._estimated += request.expected.prompt
            self._counted += taken.prompt

    def _likely(self, request: Request) -> Usage:
        ratio = self._counted / self._estimated if self._estimated else 1.0
        return Usage(math.ceil(request.expected.prompt * ratio), request.expected.completion)

    @property
    def limit(self) -> str:
        """The limits in words."""
        money = f"max_cost={self._settings.max_cost} {self._settings.currency}"
        tokens = f"max_tokens_total={self._settings.max_tokens_total}"
        parts = ((self._settings.max_cost, money), (self._settings.max_tokens_total, tokens))
        return " and ".join(words for value, words in parts if value is not None)

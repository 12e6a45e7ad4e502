"""What a run will ask and what that will cost, before anything is asked."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openbook_eval.api.replies import Reply
from openbook_eval.api.settings import Settings
from openbook_eval.api.spending import Request, Usage, used

# The prompt asks for letters and nothing else.
_LETTERS = 8


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests to be made and those answered before; tokens expected, and at most, all estimated."""

    requests: int
    kept: int
    expected: Usage
    most: Usage

    def lines(self, settings: Settings) -> list[str]:
        """The plan for the terminal."""
        asked = f"{self.requests:,} requests to {settings.model} at {settings.identity['host']}"
        kept = f", {self.kept:,} answers are kept from before" if self.kept else ""
        tokens = (
            f"about {self.expected.prompt:,} tokens in and {self.expected.completion:,} out, "
            f"{self.most.completion:,} out at most"
        )
        return [f"{asked}{kept}", tokens, self._money(settings)]

    def _money(self, settings: Settings) -> str:
        if not settings.priced:
            return f"cost unknown; give price_in= and price_out= ({settings.currency} per million tokens)"
        source = f"prices of {settings.price_date}, {settings.price_source}" if settings.price_date else "prices given"
        costs = [usage.cost(settings) for usage in (self.expected, self.most)]
        return f"about {costs[0]:.2f} {settings.currency}, {costs[1]:.2f} at most ({source})"


def plan(requests: Iterable[Request], replies: Mapping[str, Reply], settings: Settings) -> Plan:
    """The plan for `requests`, of which those with a reply are not made again.

    Where answers are kept, their tokens tell what the others will take; else prompts are estimated by their characters
    and an answer is expected to be letters, behind thinking of the length that was set.
    """
    requests = list(requests)
    known = [request for request in requests if request.key in replies]
    new = [request for request in requests if request.key not in replies]
    taken = [used(replies[request.key], request.expected) for request in known]
    guessed = sum(request.expected.prompt for request in known)
    ratio = sum(usage.prompt for usage in taken) / guessed if guessed else 1.0
    answer = (
        sum(usage.completion for usage in taken) / len(taken) if taken else _LETTERS + (settings.thinking_budget or 0)
    )
    prompt = round(ratio * sum(request.expected.prompt for request in new))
    most = sum(request.expected.completion for request in new)
    return Plan(len(new), len(known), Usage(prompt, min(most, round(answer * len(new)))), Usage(prompt, most))

"""`api-openbook`: lm-eval's chat-completions model on our client; a failed request is counted and never scored."""

import copy
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lm_eval.models.openai_completions import LocalChatCompletion

from openbook_eval import models
from openbook_eval.errors import OpenbookError
from openbook_eval.models.cache import ResponseCache
from openbook_eval.models.chat_api import Outcome, ask_all, kept_replies
from openbook_eval.models.endpoints import FINAL, EndpointSettings, Reply, Request, Usage, read_settings
from openbook_eval.types import Unanswered

# Tokens of an answer where nothing is known: the prompt asks for letters and nothing else.
_LETTERS = 8

_log = logging.getLogger(__name__)


class ApiOpenbook(LocalChatCompletion):  # type: ignore[misc]
    """Takes a profile of endpoints.yml and the settings of `endpoints.EndpointSettings` as arguments."""

    def __init__(self, **arguments: Any) -> None:
        """Send nothing yet. Raises OpenbookError for a faulty setting."""
        self._settings = read_settings(arguments)
        same = {name: getattr(self._settings, name) for name in ("base_url", "model", "seed", "num_concurrent")}
        try:
            super().__init__(**same)
        except ModuleNotFoundError as error:
            raise OpenbookError(
                f"--model {models.API} needs what lm-eval's API models need; install lm-eval[api] ({error})"
            ) from error
        # The endpoint knows how long its prompts may be; lm-eval's default is not it.
        self.max_length = None
        self._cache = ResponseCache(self._settings.identity)
        self._keys: list[str] = []
        self._requests: dict[str, Request] = {}
        self._lost = Usage()

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Return the responses to lm-eval's requests, in their order; `Unanswered` stands where there is none.

        Raises OpenbookError where the run had to stop: what was answered is kept. With `dry_run` the plan is printed
        and the program ends.
        """
        asked = self._asked(requests)
        distinct = {request.key: request for request in asked}
        if self._settings.dry_run:
            print("\n".join(plan_lines(distinct.values(), kept_replies(distinct, self._cache), self._settings)))
            raise SystemExit(0)
        self._keys += [request.key for request in asked]
        self._requests |= distinct
        # All of the run, so that its budget holds over lm-eval's several calls; what was answered is not asked again.
        outcome = ask_all(list(self._requests.values()), self._settings, self._cache, quiet=disable_tqdm)
        self._lost += outcome.lost
        self._tell(outcome)
        models.reports["api"] = found = Tally.of(self._keys, self._requests, outcome, self._lost, self._settings)
        _log.info("%s; %d requests were sent", found.line(), outcome.attempts)
        return [self._response(request.key, outcome) for request in asked]

    def loglikelihood(self, *_: Any, **__: Any) -> list[tuple[float, bool]]:
        """Raise OpenbookError: chat endpoints do not tell how likely a given text is."""
        raise OpenbookError(
            f"--model {models.API} generates answers; tasks that rank options need --model {models.VLLM}"
        )

    loglikelihood_rolling = loglikelihood

    def _tell(self, outcome: Outcome) -> None:
        """Say what was not answered. Raises OpenbookError where the run had to stop."""
        for reason, said in {failure.reason: failure.said for failure in outcome.failures.values()}.items():
            _log.warning("not answered, %s: such as %s", reason.replace("_", " "), said)
        if outcome.stopped:
            raise OpenbookError(
                f"{self._settings.base_url}: stopped with {len(outcome.replies)} of {len(self._requests)} questions "
                f"answered and kept ({outcome.stopped}); the same command goes on from there"
            ) from outcome.stopped

    def _asked(self, requests: Sequence[Any]) -> list[Request]:
        seen: Counter[int] = Counter()
        asked = []
        for request in requests:
            # A task that wants several answers to one question hands the same request over several times.
            seen[id(request)] += 1
            asked.append(Request.of(self._payload(*request.args), self._settings, seen[id(request)]))
        return asked

    def _payload(self, context: Any, generation: Mapping[str, Any]) -> dict[str, Any]:
        """Return lm-eval's own payload, changed to what the endpoint takes; a prompt that is no chat is one turn."""
        settings = self._settings
        plain = isinstance(context, str)
        messages = [{"role": "user", "content": context}] if plain else self.create_message([context])
        payload = self._create_payload(
            messages, generate=True, gen_kwargs=copy.deepcopy(dict(generation)), seed=settings.seed
        )
        payload[settings.max_tokens_name] = int(payload.pop("max_tokens")) + (settings.thinking_budget or 0)
        if not payload["stop"]:
            del payload["stop"]
        payload = {name: value for name, value in payload.items() if name not in settings.omit} | dict(settings.extra)
        if settings.thinking_budget is not None:
            payload[settings.thinking_name] = settings.thinking_budget
        return payload

    def _response(self, key: str, outcome: Outcome) -> str:
        if reply := outcome.replies.get(key):
            return reply.answer(self._settings.think_end_token) or ""
        return Unanswered(outcome.failures[key].reason)


def plan_lines(requests: Iterable[Request], replies: Mapping[str, Reply], settings: EndpointSettings) -> list[str]:
    """Return what a run will ask and what that will cost, all estimated, in lines for the terminal.

    An answer is expected to be as long as those that are kept, else letters behind thinking of the length that was set.
    """
    requests = list(requests)
    new = [request.expected for request in requests if request.key not in replies]
    taken = [replies[request.key].usage(request.expected) for request in requests if request.key in replies]
    most = sum(new, Usage())
    unknown = _LETTERS + (settings.thinking_budget or 0)
    answer = sum(usage.completion for usage in taken) / len(taken) if taken else unknown
    likely = Usage(most.prompt, min(most.completion, round(answer * len(new))))
    kept = f", {len(taken):,} answers are kept from before" if taken else ""
    money = f"cost unknown; give price_in= and price_out= ({settings.currency} per million tokens)"
    if settings.prices:
        source = f"prices of {settings.price_date}, {settings.price_source}" if settings.price_date else "prices given"
        money = f"about {likely.cost(settings):.2f} {settings.currency}, {most.cost(settings):.2f} at most ({source})"
    return [
        f"{len(new):,} requests to {settings.model} at {settings.identity['host']}{kept}",
        f"about {likely.prompt:,} tokens in and {likely.completion:,} out, {most.completion:,} out at most",
        money,
    ]


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a run's questions, and the tokens of all their answers, of this run and of those it goes on from.

    `failures` counts questions without an answer by reason; they are never scored. `unended_thinking` and `empty` are
    answers that say nothing. `thinking_tokens` are among the `completion_tokens`. `lost_tokens` are of this run's
    requests that came to nothing after the endpoint had begun; they are in the `cost`, which is None where prices are
    not known.
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
    lost_tokens: int
    cost: float | None
    currency: str
    prices: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        keys: Sequence[str],
        requests: Mapping[str, Request],
        outcome: Outcome,
        lost: Usage,
        settings: EndpointSettings,
    ) -> "Tally":
        """Count the questions of `keys`, of which several may share one request; tokens are counted once a request."""
        answered = {key: reply for key, reply in outcome.replies.items() if key in requests}
        end = settings.think_end_token
        texts = [answered[key].answer(end) for key in keys if key in answered]
        usage = sum((reply.usage(requests[key].expected) for key, reply in answered.items()), Usage())
        return cls(
            **settings.identity,
            questions=len(keys),
            answered=len(texts),
            failures=dict(Counter(outcome.failures[key].reason for key in keys if key not in answered)),
            unended_thinking=texts.count(None),
            empty=sum(text is not None and not text.strip() for text in texts),
            prompt_tokens=usage.prompt,
            completion_tokens=usage.completion,
            thinking_tokens=sum(reply.thinking_tokens(end) for reply in answered.values()),
            lost_tokens=lost.tokens,
            cost=(usage + lost).cost(settings) if settings.prices else None,
            currency=settings.currency,
            prices=settings.prices,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the part of a results file."""
        return asdict(self)

    def line(self) -> str:
        """Return one line for the terminal."""
        parts = [f"{self.answered} of {self.questions} questions answered"]
        if self.failures:
            parts.append(f"not answered: {self._reasons()}")
        if self.unended_thinking:
            parts.append(f"{self.unended_thinking} answers are thinking that does not end")
        thinking = f" ({self.thinking_tokens:,} of thinking)" if self.thinking_tokens else ""
        parts.append(f"{self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out{thinking}")
        if self.cost is not None:
            parts.append(f"{self.cost:.4f} {self.currency}")
        return "; ".join(parts)

    def refuse_gaps(self) -> None:
        """Raise OpenbookError where questions got no answer that asking again may bring.

        Questions that the endpoint refuses, as content filters do, it would refuse again: they do not fail a run.
        """
        if self.failures.keys() - FINAL:
            raise OpenbookError(
                f"{self.questions - self.answered} of {self.questions} questions are not answered "
                f"({self._reasons()}) and left out of the scores; the same command asks only these again"
            )

    def _reasons(self) -> str:
        ordered = sorted(self.failures.items(), key=lambda failure: (-failure[1], failure[0]))
        return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in ordered)

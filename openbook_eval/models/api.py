"""`api-openbook`: lm-eval's chat-completions model on our client; a failed request is counted and never scored."""

import copy
import logging
import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lm_eval.models.openai_completions import LocalChatCompletion

from openbook_eval import models
from openbook_eval.errors import OpenbookError
from openbook_eval.matching.matcher import ASKED_AGAIN, letters_to_ask
from openbook_eval.models.cache import ResponseCache
from openbook_eval.models.chat_api import Outcome, ask_all, kept_replies
from openbook_eval.models.endpoints import FINAL, EndpointSettings, Reply, Request, Usage, read_settings, reasons
from openbook_eval.types import Marked, Unanswered

# Tokens of an answer where nothing is known: the prompt asks for letters and nothing else.
_LETTERS = 8

# How answers that are counted are told.
_TOLD = {
    "unended_thinking": "answers are thinking that does not end",
    "only_reasoning": "answers are only reasoning",
    "empty": "answers are empty",
    "cut_off": "answers were cut off at their limit of tokens",
}

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
        self._cache = ResponseCache(self._settings.identity, models.responses)
        self._keys: list[str] = []
        self._requests: dict[str, Request] = {}
        self._new, self._seconds = 0, 0.0

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Return the responses to lm-eval's requests, in their order; `Unanswered` stands where there is none.

        Raises OpenbookError where the run had to stop: what was answered is kept. With `dry_run` the plan is printed
        and the program ends.
        """
        asked = self._asked(requests)
        distinct = {request.key: request for request in asked}
        if self._settings.dry_run:
            kept = kept_replies(distinct, self._cache.records())
            print("\n".join(plan_lines(distinct.values(), kept, self._settings)))
            raise SystemExit(0)
        self._keys += [request.key for request in asked]
        self._requests |= distinct
        outcome = self._ask(disable_tqdm)
        responses = [self._response(request.key, outcome) for request in asked]
        if not models.ask_again:
            return responses
        again = [letters_to_ask(request.doc, text) for request, text in zip(requests, responses, strict=True)]
        second = {
            place: Request.of(self._second(asked[place], responses[place]), self._settings)
            for place, letters in enumerate(again)
            if letters
        }
        self._requests |= {request.key: request for request in second.values()}
        outcome = self._ask(disable_tqdm) if second else outcome
        for place, request in second.items():
            reply = outcome.replies.get(request.key)
            known = {letter: reply.logprobs.get(letter, -math.inf) for letter in again[place]} if reply else {}
            if any(logprob > -math.inf for logprob in known.values()):
                responses[place] = Marked(responses[place], logprobs=known)
        return responses

    def _ask(self, quiet: bool) -> Outcome:
        """Ask all of the run, so that its budget holds over several calls; what was answered is not asked again."""
        begun = time.monotonic()
        outcome = ask_all(list(self._requests.values()), self._settings, self._cache, quiet=quiet)
        if outcome.stopped:
            raise OpenbookError(
                f"{self._settings.base_url}: stopped with {len(outcome.replies)} of {len(self._requests)} questions "
                f"answered and kept ({outcome.stopped}); the same command goes on from there"
            ) from outcome.stopped
        self._new += outcome.asked
        self._seconds += time.monotonic() - begun
        found = Tally.of(self._keys, self._requests, outcome, self._settings)
        now = {"kept": len(outcome.replies) - self._new, "seconds": self._seconds}
        models.reports["api"] = found = Tally({**found.part, **now}, self._cache.path)
        _log.info("%s; %d requests were sent", found.line(), outcome.attempts)
        return outcome

    def _second(self, first: Request, response: str) -> dict[str, Any]:
        """Return the payload that asks for one letter behind a response, and for the likeliest first tokens."""
        turns = [{"role": "assistant", "content": response}, {"role": "user", "content": ASKED_AGAIN}]
        payload = {
            name: value for name, value in first.payload.items() if name not in ("stop", self._settings.thinking_name)
        }
        messages = [*first.payload["messages"], *turns]
        return payload | {"messages": messages, self._settings.max_tokens_name: 1, "logprobs": True, "top_logprobs": 20}

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
        if settings.thinking_budget is not None and settings.thinking_name != "none":
            payload[settings.thinking_name] = settings.thinking_budget
        return payload

    def _response(self, key: str, outcome: Outcome) -> str:
        if reply := outcome.replies.get(key):
            text = reply.answer(self._settings.think_end_token)
            return Marked(reply.content, cut_off=True) if text is None else text
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
        f"{len(new):,} requests to {settings.model} at {settings.host}{kept}",
        f"about {likely.prompt:,} tokens in and {likely.completion:,} out, {most.completion:,} out at most",
        money,
    ]


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a run's questions, and the tokens of all their answers, of this run and of those it goes on from.

    In `part`, which goes into the results, `failures` counts questions without an answer by reason, and `said` has an
    example of each in the endpoint's words; they are never scored. `unended_thinking`, `only_reasoning` and `empty`
    count answers that say nothing, `cut_off` those that reached the limit of their tokens, `kept` those from the
    response cache, `file`. `thinking_tokens` are among the `completion_tokens`. `lost_tokens` may have been charged for
    requests that came to nothing, or were on their way when a run ended; they are in the `cost`, which is None where
    prices are not known. `seconds` are those of this run.
    """

    part: Mapping[str, Any]
    file: Path | None = None

    @classmethod
    def of(
        cls, keys: Sequence[str], requests: Mapping[str, Request], outcome: Outcome, settings: EndpointSettings
    ) -> "Tally":
        """Count the questions of `keys`, of which several may share one request; tokens are counted once a request."""
        end, answered = settings.think_end_token, outcome.replies
        replies = [answered[key] for key in keys if key in answered]
        lacks = Counter[str | None](reply.lacks(end) for reply in replies)
        usage = sum((reply.usage(requests[key].expected) for key, reply in answered.items()), Usage())
        part = {
            "model": settings.model,
            "host": settings.host,
            "questions": len(keys),
            "answered": len(replies),
            "failures": dict(Counter(outcome.failures[key].reason for key in keys if key not in answered)),
            "said": {failure.reason: failure.said for failure in outcome.failures.values()},
            **{name: lacks[name] for name in _TOLD},
            "cut_off": sum(reply.finish == "length" for reply in replies),
            "prompt_tokens": usage.prompt,
            "completion_tokens": usage.completion,
            "thinking_tokens": sum(reply.thinking_tokens(end) for reply in answered.values()),
            "lost_tokens": outcome.lost.tokens,
            "cost": (usage + outcome.lost).cost(settings) if settings.prices else None,
            "currency": settings.currency,
            "prices": settings.prices,
        }
        return cls(part)

    def to_json(self) -> dict[str, Any]:
        """Return the part of a results file."""
        return dict(self.part)

    def line(self) -> str:
        """Return one line for the terminal."""
        part = self.part
        told = {**_TOLD, "kept": f"answers taken from {self.file}"}
        counts = [f"{part[name]} {words}" for name, words in told.items() if part[name]]
        if part["failures"]:
            counts.insert(0, f"not answered: {reasons(part['failures'])}, such as {'; '.join(part['said'].values())}")
        thinking = f" ({part['thinking_tokens']:,} of thinking)" if part["thinking_tokens"] else ""
        lost = f", {part['lost_tokens']:,} at most lost to failures and ends of runs" if part["lost_tokens"] else ""
        cost = "cost unknown without prices" if part["cost"] is None else f"{part['cost']:.4f} {part['currency']}"
        tokens = f"{part['prompt_tokens']:,} tokens in, {part['completion_tokens']:,} out{thinking}{lost}"
        head = f"{part['answered']} of {part['questions']} questions answered"
        return "; ".join([head, *counts, tokens, cost, f"{part['seconds']:.1f} s"])

    def refuse_gaps(self) -> None:
        """Raise OpenbookError where questions got no answer that asking again may bring.

        Questions that the endpoint refuses, as content filters do, it would refuse again: they do not fail a run.
        """
        failures, questions = self.part["failures"], self.part["questions"]
        if failures.keys() - FINAL:
            raise OpenbookError(
                f"{questions - self.part['answered']} of {questions} questions are not answered ({reasons(failures)}) "
                "and left out of the scores; the same command asks only these again"
            )

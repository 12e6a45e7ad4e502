"""`api-openbook`: lm-eval's chat-completions model on our client; a failed request is counted and never scored."""

import copy
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.models.openai_completions import LocalChatCompletion

from openbook_eval.errors import OpenbookError
from openbook_eval.models import API
from openbook_eval.models.cache import ResponseCache
from openbook_eval.models.chat_api import Outcome, OverBudget, ask_all, kept_replies
from openbook_eval.models.endpoints import read_settings
from openbook_eval.models.replies import Request, Usage, leave, plan_lines, tally
from openbook_eval.types import Unanswered

_log = logging.getLogger(__name__)


class ApiOpenbook(LocalChatCompletion):  # type: ignore[misc]
    """Takes a profile of endpoints.yml and the settings of `endpoints.EndpointSettings` as arguments."""

    def __init__(self, **arguments: Any) -> None:
        """Send nothing yet. Raises OpenbookError for a faulty setting."""
        self._settings = read_settings(arguments)
        settings = self._settings
        same = {name: getattr(settings, name) for name in ("base_url", "model", "seed", "num_concurrent")}
        try:
            super().__init__(**same, max_length=settings.context or 1)
        except ModuleNotFoundError as error:
            raise OpenbookError(
                f"--model {API} needs what lm-eval's API models need; install lm-eval[api] ({error})"
            ) from error
        # lm-eval takes one off for an answer of one token.
        self.max_length = settings.context
        self._cache = ResponseCache(settings.identity)
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
        self._warn_of_length(asked)
        if self._settings.dry_run:
            kept = kept_replies(distinct, self._cache)
            print("\n".join(plan_lines(distinct.values(), kept, self._settings)))
            raise SystemExit(0)
        self._keys += [request.key for request in asked]
        self._requests |= distinct
        # All of the run, so that its budget holds over lm-eval's several calls; what was answered is not asked again.
        outcome = ask_all(list(self._requests.values()), self._settings, self._cache, quiet=disable_tqdm)
        self._lost += outcome.lost
        self._tell(outcome)
        found = tally(self._keys, self._requests, outcome.replies, outcome.failures, self._lost, self._settings)
        _log.info("%s; %d requests were sent", found.line(), outcome.attempts)
        leave(found)
        return [self._response(request.key, outcome) for request in asked]

    def loglikelihood(self, *_: Any, **__: Any) -> list[tuple[float, bool]]:
        """Raise OpenbookError: chat endpoints do not tell how likely a given text is."""
        raise OpenbookError(f"--model {API} generates answers; tasks that rank options need --model vllm-openbook")

    loglikelihood_rolling = loglikelihood

    def _tell(self, outcome: Outcome) -> None:
        """Say what was not answered. Raises OpenbookError where the run had to stop."""
        for reason, said in {failure.reason: failure.said for failure in outcome.failures.values()}.items():
            _log.warning("not answered, %s: such as %s", reason.replace("_", " "), said)
        if outcome.stopped:
            raised = "with a higher limit " if isinstance(outcome.stopped, OverBudget) else ""
            raise OpenbookError(
                f"{self._settings.base_url}: stopped with {len(outcome.replies)} of {len(self._requests)} questions "
                f"answered and kept ({outcome.stopped}); {raised}the same command goes on from there"
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

    def _warn_of_length(self, requests: Sequence[Request]) -> None:
        longest = max((request.expected.tokens for request in requests), default=0)
        model, most = self._settings.model, self._settings.context
        if most and longest > most:
            said = "the longest prompt and its answer take about %d tokens, %s holds %d: the endpoint may refuse some"
            _log.warning(said, longest, model, most)

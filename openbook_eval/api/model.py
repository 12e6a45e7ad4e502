"""`api-openbook`: lm-eval's chat-completions model, with a journal, a budget, and failures that are told as such."""

import copy
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lm_eval.api.registry import register_model
from lm_eval.models.openai_completions import LocalChatCompletion
from tqdm import tqdm

from openbook_eval.api.answers import Answers
from openbook_eval.api.asking import Outcome, OverBudget, ask
from openbook_eval.api.front import NAME
from openbook_eval.api.plan import plan
from openbook_eval.api.replies import Failure, Reply
from openbook_eval.api.settings import read_settings
from openbook_eval.api.spending import Budget, Request, Usage, estimated_tokens, used
from openbook_eval.api.tally import leave, tally
from openbook_eval.api.unanswered import Unanswered
from openbook_eval.backend.journal import digest
from openbook_eval.errors import OpenbookError

_log = logging.getLogger(__name__)


@register_model(NAME)
class ApiOpenbook(LocalChatCompletion):  # type: ignore[misc]
    """Takes a profile of api/endpoints.yml and the settings of `settings.Settings` as arguments."""

    def __init__(self, **arguments: Any) -> None:
        """Nothing is sent yet. Raises OpenbookError for a faulty setting."""
        self._settings = read_settings(arguments)
        settings = self._settings
        try:
            super().__init__(
                base_url=settings.url,
                model=settings.model,
                seed=settings.seed,
                num_concurrent=settings.num_concurrent,
                max_length=settings.context or 1,
            )
        except ModuleNotFoundError as error:
            raise OpenbookError(
                f"--model {NAME} needs what lm-eval's API models need; install lm-eval[api] ({error})"
            ) from error
        # lm-eval takes one off for an answer of one token.
        self.max_length = settings.context
        self._answers = Answers(settings)
        self._keys: list[str] = []
        self._requests: dict[str, Request] = {}
        self._failures: dict[str, Failure] = {}

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """The responses to lm-eval's requests, in their order; `Unanswered` stands where there is none.

        Raises OpenbookError where the run had to stop: what was answered is kept. With `dry_run` the plan is printed
        and the program ends.
        """
        asked = self._asked(requests)
        keys = [request.key for request in asked]
        distinct = {request.key: request for request in asked}
        self._tell_of_length(distinct)
        if self._settings.dry_run:
            print("\n".join(plan(distinct.values(), self._answers.replies, self._settings).lines(self._settings)))
            raise SystemExit(0)
        self._keys += keys
        self._requests |= distinct
        new = [request for key, request in distinct.items() if key not in self._answers.replies]
        outcome = self._ask(new, disable_tqdm)
        self._failures |= outcome.failures
        found = tally(self._keys, self._requests, self._answers.replies, self._failures, self._settings)
        _log.info("%s; %d requests were made again", found.line(), outcome.retries)
        for reason, said in {failure.reason: failure.said for failure in outcome.failures.values()}.items():
            _log.warning("not answered, %s: such as %s", reason.replace("_", " "), said)
        leave(found)
        return [self._response(key) for key in keys]

    def loglikelihood(self, *_: Any, **__: Any) -> list[tuple[float, bool]]:
        """Raises OpenbookError: chat endpoints do not tell how likely a given text is."""
        raise OpenbookError(f"--model {NAME} generates answers; tasks that rank options need --model vllm-openbook")

    loglikelihood_rolling = loglikelihood

    def _ask(self, new: Sequence[Request], disable_tqdm: bool) -> Outcome:
        """Asks what is new. Raises OpenbookError where the run stopped, or nothing at all was answered."""
        replies = self._answers.replies
        kept = {key: request for key, request in self._requests.items() if key in replies}
        budget = Budget(self._settings)
        for key, request in kept.items():
            budget.add(request, used(replies[key], request.expected))
        total = len(kept) + len(new)
        with tqdm(total=total, initial=len(kept), disable=disable_tqdm, desc="Questions answered") as bar:

            def keep(request: Request, reply: Reply) -> None:
                self._answers.keep(request.key, reply)
                bar.update()

            outcome = ask(new, self._settings, budget, keep, answered=bool(kept))
        said = outcome.stopped
        answered = sum(key in replies for key in self._requests)
        if said is None and new and not answered:
            said = OpenbookError(next(iter(outcome.failures.values())).said)
        if said is not None:
            raised = "with a higher limit " if isinstance(said, OverBudget) else ""
            raise OpenbookError(
                f"{self._settings.base_url}: stopped with {answered} of {total} questions answered and kept ({said}); "
                f"{raised}the same command goes on from there"
            ) from said
        return outcome

    def _asked(self, requests: Sequence[Any]) -> list[Request]:
        seen: Counter[int] = Counter()
        asked = []
        for request in requests:
            context, generation = request.args
            payload = self._payload(context, generation)
            # A task that wants several answers to one question hands the same request over several times.
            seen[id(request)] += 1
            key = digest([payload, seen[id(request)]])
            per_character = self._settings.tokens_per_character
            text = "".join(str(message["content"]) for message in payload["messages"])
            limit = int(payload[self._settings.max_tokens_name])
            asked.append(Request(key, payload, Usage(estimated_tokens(text, per_character), limit)))
        return asked

    def _payload(self, context: Any, generation: Mapping[str, Any]) -> dict[str, Any]:
        """lm-eval's own payload, changed to what the endpoint takes. A prompt that is no chat is one user's turn."""
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
        if settings.reasoning_effort is not None:
            payload["reasoning_effort"] = settings.reasoning_effort
        return payload

    def _response(self, key: str) -> str:
        if reply := self._answers.replies.get(key):
            return reply.answer(self._settings.think_end_token) or ""
        return Unanswered(self._failures[key].reason)

    def _tell_of_length(self, requests: Mapping[str, Request]) -> None:
        longest = max((request.expected.tokens for request in requests.values()), default=0)
        if self._settings.context and longest > self._settings.context:
            _log.warning(
                "the longest prompt and its answer take about %d tokens, %s holds %d: the endpoint may refuse some",
                longest,
                self._settings.model,
                self._settings.context,
            )

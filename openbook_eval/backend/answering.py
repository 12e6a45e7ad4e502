"""Answers to prompts: from the journal where they were given before, else from the engine in the order that is best."""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any

from tqdm import tqdm

from openbook_eval.backend import prefixes
from openbook_eval.backend.asking import Asked, Engine, Load
from openbook_eval.backend.cost import Cost, spend
from openbook_eval.backend.journal import Answer, Journal
from openbook_eval.backend.replicas import Replicas

_log = logging.getLogger(__name__)


class Answering:
    """An engine, its replicas if there are any, and their journal; no question is put to them twice."""

    def __init__(self, engine: Engine, replicas: Replicas | None, journal: Journal | None) -> None:
        """Without a journal nothing is kept."""
        self._engine, self._replicas, self._journal = engine, replicas, journal

    def answers(self, asked: Sequence[Asked], begun: float, quiet: bool) -> list[Answer]:
        """The answer to each of `asked`, and what they cost is told to `cost.spend`.

        `begun` is when the caller's own work on them began (time.perf_counter); `quiet` shows no progress. Raises
        OpenbookError where an answer cannot be kept.
        """
        kept = self._journal.answers() if self._journal else {}
        distinct = {one.key: one for one in asked}
        known = {key: kept[key] for key in distinct if key in kept}
        if known and self._journal:
            _log.warning("%d of %d answers are taken from %s", len(known), len(distinct), self._journal.path)
        new = [one for key, one in distinct.items() if key not in known]
        spent = Cost(prompts=len(new), kept=len(known))
        if new:
            with tqdm(total=len(distinct), initial=len(known), disable=quiet, desc="Questions answered") as bar:
                spent += self._ask(new, known, bar)
        seconds = time.perf_counter() - begun
        spend(spent + Cost(other_seconds=seconds - spent.engine_seconds))
        return [known[one.key] for one in asked]

    def _ask(self, new: Sequence[Asked], known: dict[str, Answer], bar: Any) -> Cost:
        """Asks `new` and adds the answers to `known`, each as it comes."""
        tokens = [one.tokens for one in new]
        places = prefixes.order(tokens)
        load = Load()
        for answer in self._answers_of([new[place] for place in places], load):
            known[answer.key] = answer
            if self._journal:
                self._journal.append(answer)
            bar.update()
        return Cost(
            prompt_tokens=load.prompt_tokens,
            computed_tokens=load.computed_tokens,
            least_tokens=prefixes.least(tokens, places),
            least_block_tokens=prefixes.least(tokens, places, self._engine.block),
            generated_tokens=load.generated_tokens,
            engine_seconds=load.seconds,
        )

    def _answers_of(self, ordered: Sequence[Asked], load: Load) -> Iterator[Answer]:
        """The answers as they come, from wherever; `load` is that of all engines, its seconds those that pass here."""
        if self._replicas is None:
            yield from self._engine.stream(ordered, load)
            return
        tokens = [one.tokens for one in ordered]
        shares = prefixes.share_out(tokens, range(len(ordered)), 1 + len(self._replicas))
        own, *others = [[ordered[place] for place in share] for share in shares]
        self._replicas.send(others)
        for answer in self._engine.stream(own, load):
            yield answer
            yield from self._replicas.received(load)
        while self._replicas.working:
            started = time.perf_counter()
            answers = list(self._replicas.received(load, timeout=None))
            load.seconds += time.perf_counter() - started
            yield from answers

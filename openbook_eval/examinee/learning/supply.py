"""Batches ahead of their step, made by worker processes; the same ones with any number of workers."""

from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context

from openbook_eval.examinee.learning import course
from openbook_eval.examinee.learning.batches import Batch, batch


class Supply:
    """Makes the batches of a course; `times` as many lessons a step as it says."""

    def __init__(self, seed: int, times: int, workers: int) -> None:
        """Without workers batches are made when they are wanted."""
        self._seed, self._times, self._ahead = seed, times, 4 * workers
        self._pool = ProcessPoolExecutor(workers, get_context("spawn")) if workers else None
        self._begun: dict[tuple[int, int], Future[Batch]] = {}

    def get(self, stage: int, step: int) -> Batch:
        """The batch of a step."""
        if self._pool is None:
            return _made(self._seed, stage, step, self._times)
        for ahead in range(step, step + self._ahead):
            if (stage, ahead) not in self._begun:
                self._begun[stage, ahead] = self._pool.submit(_made, self._seed, stage, ahead, self._times)
        found = self._begun.pop((stage, step)).result()
        # The stage ended sooner than was thought.
        for stale in [key for key in self._begun if key[0] != stage]:
            self._begun.pop(stale).cancel()
        return found

    def close(self) -> None:
        """Ends the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _made(seed: int, stage: int, step: int, times: int) -> Batch:
    return batch(course.lessons(seed, stage, step, times))

"""What a model has learnt: its share of right answers on lessons that it never saw, a kind of lesson at a time."""

from collections import defaultdict
from typing import Any

from openbook_eval.examinee.learning import course
from openbook_eval.examinee.learning.batches import batch


def scores(model: Any, device: str = "cpu", count: int = 512) -> dict[str, float]:
    """Shares of whole answers that are right, by kind and over plain questions and chats, of the last grade's lessons.

    Every token of an answer is the likeliest one, each after the right ones before it: what greedy decoding says.
    """
    import torch

    lessons = course.held_out(course.STAGES[-1].grade, count)
    right: dict[str, list[bool]] = defaultdict(list)
    model = model.to(device)
    for start in range(0, count, 32):
        some = lessons[start : start + 32]
        made = batch(some).to(device)
        with torch.no_grad():
            states = model.model(made.tokens).last_hidden_state[made.rows, made.places]
            hit = (states @ model.model.embed_tokens.weight.T).argmax(-1) == made.answers
        for row, (lesson, chat) in enumerate(some):
            right[f"{lesson.kind}, {'chat' if chat else 'plain'}"].append(bool(hit[made.rows == row].all()))
    return {kind: sum(those) / len(those) for kind, those in sorted(right.items())}

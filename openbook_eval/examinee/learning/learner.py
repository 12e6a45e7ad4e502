"""What learns: the model, a probe beside it, the optimiser, and where the course stands."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.examinee.learning.batches import Batch
from openbook_eval.examinee.learning.starting import new_model

# The probe asks of every character of an option whether the option stands in the book: a loss of its own for what has
# to be known before a letter can be said.
_PROBED_LAYER = 2
_MEMORY = 0.98
_PARTS = ("model", "probe", "optimizer")


@dataclass(slots=True)
class Standing:
    """Steps that were taken, in all and in this stage, and running shares of right first tokens and right probes."""

    step: int = 0
    stage: int = 0
    since: int = 0
    right: float = 0.0
    told: float = 0.5

    def count(self, right: float, told: float) -> None:
        """A step was taken."""
        self.step, self.since = self.step + 1, self.since + 1
        self.right = _MEMORY * self.right + (1 - _MEMORY) * right
        self.told = _MEMORY * self.told + (1 - _MEMORY) * told

    def next_stage(self) -> None:
        """The stage is mastered, or took its time."""
        self.stage, self.since, self.right = self.stage + 1, 0, 0.0


class Learner:
    """The model and all that changes with it."""

    def __init__(self, seed: int, device: str) -> None:
        """Before its first step."""
        import torch

        # The sums of matrix products in TF32 where there is such a card: twice as fast.
        torch.set_float32_matmul_precision("high")
        self.model = new_model(seed).to(device)
        self.probe = torch.nn.Linear(self.model.config.hidden_size, 1).to(device)
        self.weights = [*self.model.parameters(), *self.probe.parameters()]
        self.optimizer = torch.optim.AdamW(self.weights, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01)
        self.at = Standing()

    def step(self, lessons: Batch, rate: float) -> float:
        """Learns from a batch; returns its loss."""
        import torch

        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, right, told = self._losses(lessons)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.at.count(right.item(), told.item())
        return float(loss.item())

    def _losses(self, lessons: Batch) -> tuple[Any, Any, Any]:
        """The loss, and the shares of right first tokens of answers and of right probes."""
        import torch
        from torch.nn import functional

        states = self.model.model(lessons.tokens, output_hidden_states=True, use_cache=False)
        said = states.last_hidden_state[lessons.rows, lessons.places] @ self.model.model.embed_tokens.weight.T
        probed = self.probe(states.hidden_states[_PROBED_LAYER][lessons.told_rows, lessons.told_places]).squeeze(-1)
        loss = functional.cross_entropy(said, lessons.answers)
        loss = loss + functional.binary_cross_entropy_with_logits(probed, lessons.told)
        with torch.no_grad():
            right = (said.argmax(-1) == lessons.answers)[lessons.firsts].float().mean()
            told = ((probed > 0) == (lessons.told > 0)).float().mean()
        return loss, right, told

    def keep(self, path: Path, order: Mapping[str, int]) -> None:
        """Writes everything, whole or not at all; `order` says which course it is."""
        import torch

        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        torch.save({**parts, "at": asdict(self.at), "order": dict(order)}, path.with_name(f"{path.name}.part"))
        path.with_name(f"{path.name}.part").replace(path)

    def take_up(self, path: Path, order: Mapping[str, int]) -> None:
        """Goes on from what `keep` wrote; raises OpenbookError where that is broken, or of another course."""
        import torch

        try:
            kept = torch.load(path, map_location=next(self.model.parameters()).device, weights_only=True)
            begun = kept["order"]
            for name in _PARTS:
                getattr(self, name).load_state_dict(kept[name])
            self.at = Standing(**kept["at"])
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, UnpicklingError) as error:
            raise OpenbookError(f"{path}: cannot be gone on from ({first_line(error)}); remove it") from error
        if begun != order:
            told = ", ".join(f"{name} {value}" for name, value in begun.items())
            raise OpenbookError(
                f"{path}: is of another course ({told}); go on with that, remove it, or name another --out"
            )

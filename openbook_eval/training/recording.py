"""Keeps trained_on.json while Axolotl trains. Only the plugin imports this: it takes Axolotl with it."""

import importlib.metadata
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from axolotl.core.trainers.base import AxolotlTrainer
from transformers import TrainerCallback
from transformers.trainer_pt_utils import get_model_param_count

from openbook_eval import __version__
from openbook_eval.training.counting import tokens_in
from openbook_eval.training.readiness import Run
from openbook_eval.training.record import Device, MixTrainedOn, TrainedOn, read_record, write_record
from openbook_eval.training.utilisation import flops_per_token, utilisation

_LIBRARIES = ("axolotl", "transformers", "torch", "peft", "accelerate")


class CountingTrainer(AxolotlTrainer):  # type: ignore[misc]
    """Counts the tokens that it trains on. The count stays on the device: no step waits for it."""

    _counted: Any = 0

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """A step on one batch, as the trainer does it."""
        pad = getattr(self.processing_class, "pad_token_id", None)
        self._counted = self._counted + tokens_in(inputs, pad)
        return super().training_step(model, inputs, num_items_in_batch)

    def counted_tokens(self) -> int:
        """Tokens since the trainer was made, of all processes; every process must ask for it."""
        counted = torch.as_tensor(self._counted, dtype=torch.int64, device=self.args.device)
        return int(self.accelerator.reduce(counted, reduction="sum").item())


@dataclass(frozen=True, slots=True)
class _Model:
    """What of a model counts here: its parameters, those that learn, and the configuration of its architecture."""

    parameters: int
    trainable: int
    config: Any

    @classmethod
    def of(cls, model: Any) -> "_Model":
        return cls(get_model_param_count(model), get_model_param_count(model, trainable_only=True), model.config)

    def flops_per_token(self, length: float) -> float | None:
        """See utilisation.flops_per_token; None for an architecture that names its figures in a way of its own."""
        try:
            config = self.config.get_text_config()
            heads = config.num_attention_heads
            return flops_per_token(
                # A table of words that is not the output layer as well is only looked up.
                self.parameters - (0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size),
                self.trainable,
                layers=config.num_hidden_layers,
                attention_width=heads * (getattr(config, "head_dim", None) or config.hidden_size // heads),
                length=length,
            )
        except AttributeError:
            return None


class RecordingCallback(TrainerCallback):  # type: ignore[misc]
    """Writes the record when a training begins, at every checkpoint, and, by `finish`, when the weights are saved."""

    def __init__(self, run: Run, config: Any, trainer: Any) -> None:
        """`config` is the recipe as Axolotl validated it."""
        self._run, self._config, self._trainer = run, config, trainer
        self._model = _Model.of(trainer.model)
        self._tokens, self._seconds = 0, 0.0
        self._began = time.monotonic()
        self._started = run.before.started if run.before else datetime.now(UTC).isoformat(timespec="seconds")
        self._record: TrainedOn | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Takes up the figures of the checkpoint that the training goes on from."""
        resumed = self._config.get("resume_from_checkpoint")
        if resumed and (record := read_record(Path(resumed))):
            self._tokens, self._seconds = record.tokens, record.wall_seconds
        self._began = time.monotonic()
        self._write(state, self._run.output)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """The record is the last file of a checkpoint: where it lies, the others are whole."""
        self._write(state, self._run.output / f"checkpoint-{state.global_step}", self._run.output)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """The last figures; the weights are not saved yet."""
        self._write(state, self._run.output)

    def finish(self) -> None:
        """Says that the training came to its end and its weights are saved."""
        if self._record is not None and self._trainer.is_world_process_zero():
            write_record(self._run.output, self._record.model_copy(update={"finished": True}))

    def _write(self, state: Any, *folders: Path) -> None:
        self._record = self._now(state)
        if state.is_world_process_zero:
            for folder in folders:
                write_record(folder, self._record)

    def _now(self, state: Any) -> TrainedOn:
        run, config = self._run, self._config
        # The processes that share one copy of the model are given the same batch.
        sharing = (config.get("context_parallel_size") or 1) * (config.get("tensor_parallel_size") or 1)
        tokens = self._tokens + self._trainer.counted_tokens() // sharing
        seconds = self._seconds + time.monotonic() - self._began
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        return TrainedOn(
            recipe=run.recipe,
            recipe_sha256=run.recipe_sha256,
            base_model=run.base_model,
            adapter=run.adapter,
            mix=MixTrainedOn(
                folder=str(run.mix.folder),
                sha256=run.mix.sha256,
                manifest_sha256=run.mix.manifest_sha256,
                rows=run.mix.rows,
                tokens=run.mix.tokens,
            ),
            versions=_versions(),
            device=self._device(),
            seed=config["seed"],
            started=self._started,
            wall_seconds=round(seconds, 3),
            tokens=tokens,
            steps=state.global_step,
            tokens_per_second=round(tokens / seconds, 1) if tokens else 0.0,
            parameters=self._model.parameters,
            trainable_parameters=self._model.trainable,
            mfu=self._mfu(tokens, seconds, state.epoch),
            loss_first=losses[0] if losses else None,
            loss_last=losses[-1] if losses else None,
            finished=False,
            sessions=1 + (run.before.sessions if run.before else 0),
        )

    def _device(self) -> Device:
        name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        return Device(name=name, count=self._trainer.accelerator.num_processes)

    def _mfu(self, tokens: int, seconds: float, epoch: float) -> float | None:
        if not tokens:
            return None
        # The length that a token can see is that of its row: rows that share a packed sample do not see each other.
        flops = self._model.flops_per_token(tokens / (self._run.mix.rows * epoch))
        device = self._device()
        return None if flops is None else utilisation(tokens / seconds, flops, device.name, device.count)


def _versions() -> dict[str, str]:
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"openbook_eval": __version__, **libraries, "python": platform.python_version()}

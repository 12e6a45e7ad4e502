"""The Axolotl plugin of our recipes: it checks before a training begins, makes it repeatable, and keeps its record.

Axolotl imports this module where a recipe has `plugins: [openbook_eval.training.plugin.OpenbookPlugin]`; nothing else
does. It has no keys of its own.
"""

import importlib.metadata
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from axolotl.core.trainers.base import AxolotlTrainer
from axolotl.integrations.base import BasePlugin
from axolotl.telemetry.manager import TelemetryManager
from transformers import TrainerCallback, set_seed
from transformers.trainer_pt_utils import get_model_param_count

from openbook_eval import __version__
from openbook_eval.errors import OpenbookError
from openbook_eval.training import record
from openbook_eval.training.recipes import flops_per_token, utilisation
from openbook_eval.training.record import TrainedOn, TrainingRun

_SEED = 42  # what the trainer takes for itself where a recipe names none
_TELEMETRY = ("AXOLOTL_DO_NOT_TRACK", "DO_NOT_TRACK")
_LIBRARIES = ("axolotl", "transformers", "torch", "peft", "accelerate")


class OpenbookPlugin(BasePlugin):  # type: ignore[misc]
    """What a training of ours adds to Axolotl's, hook by hook, in the order in which Axolotl calls them."""

    _run: TrainingRun | None = None
    _recording: "RecordingCallback | None" = None

    def register(self, cfg: Any) -> None:
        """Check that all is in place, else end with one line and 2; give the rows of this mix a cache of their own."""
        # Axolotl's reports on its users are off, unless the user has decided; a first message leaves before us.
        if not any(os.environ.get(name) for name in _TELEMETRY):
            os.environ[_TELEMETRY[0]] = "1"
            TelemetryManager.get_instance().enabled = False
        try:
            self._run = record.ready(cfg.to_dict())
        except OpenbookError as error:
            # One line, not one per process.
            if os.environ.get("LOCAL_RANK", "0") == "0":
                print(f"openbook-eval: {error}", file=sys.stderr)
            sys.exit(2)
        cfg["dataset_prepared_path"] = self._run.prepared
        if cfg.get("seed") is None:
            cfg["seed"] = _SEED
        # Axolotl packs rows at random to learn how many steps there are, before it seeds anything.
        set_seed(cfg["seed"])
        if self._run.resume is not None:
            cfg["resume_from_checkpoint"] = str(self._run.resume)
        elif record.checkpoints(self._run.output):
            cfg["auto_resume_from_checkpoints"] = False  # there is half of one, and Axolotl would take it

    def pre_model_load(self, cfg: Any) -> None:
        """Seed before an adapter's first weights are drawn; Axolotl itself seeds only afterwards."""
        set_seed(cfg.seed)

    def get_trainer_cls(self, cfg: Any) -> Any:  # noqa: ARG002
        """Return the trainer that counts tokens."""
        return CountingTrainer

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        """Return the callback that keeps the record."""
        self._recording = RecordingCallback(self._run, cfg, trainer) if self._run else None
        return [self._recording] if self._recording else []

    def post_train_unload(self, cfg: Any) -> None:  # noqa: ARG002
        """Close the record: the weights are saved."""
        if self._recording is not None:
            self._recording.finish()


class CountingTrainer(AxolotlTrainer):  # type: ignore[misc]
    """Count the tokens that are trained on. The count stays on the device: no step waits for it."""

    _counted: Any = 0

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Count, and train as the trainer does."""
        pad = getattr(self.processing_class, "pad_token_id", None)
        self._counted = self._counted + record.tokens_in(inputs, pad)
        return super().training_step(model, inputs, num_items_in_batch)

    def counted_tokens(self) -> int:
        """Return the tokens of all processes so far; every process must ask for it."""
        counted = torch.as_tensor(self._counted, dtype=torch.int64, device=self.args.device)
        return int(self.accelerator.reduce(counted, reduction="sum").item())


class RecordingCallback(TrainerCallback):  # type: ignore[misc]
    """Write the record when a training begins, at every checkpoint, and, by `finish`, when the weights are saved."""

    def __init__(self, run: TrainingRun, config: Any, trainer: Any) -> None:
        """`config` is the recipe as Axolotl validated it."""
        self._run, self._config, self._trainer = run, config, trainer
        self._parameters = get_model_param_count(trainer.model)
        self._trainable = get_model_param_count(trainer.model, trainable_only=True)
        self._tokens, self._seconds = 0, 0.0
        self._began = time.monotonic()
        self._started = run.before.started if run.before else datetime.now(UTC).isoformat(timespec="seconds")
        self._record: TrainedOn | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Take up the figures of the checkpoint that the training resumes from."""
        resumed = self._config.get("resume_from_checkpoint")
        if resumed and (before := record.read_record(Path(resumed))):
            self._tokens, self._seconds = before.tokens, before.wall_seconds
        self._began = time.monotonic()
        self._write(state, self._run.output)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Write the record as the last file of a checkpoint: where it lies, the others are complete."""
        self._write(state, self._run.output / f"checkpoint-{state.global_step}", self._run.output)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Write the last figures; the weights are not saved yet."""
        self._write(state, self._run.output)

    def finish(self) -> None:
        """Record that the training came to its end and its weights are saved."""
        if self._record is not None and self._trainer.is_world_process_zero():
            record.write_record(self._run.output, self._record.model_copy(update={"finished": True}))

    def _write(self, state: Any, *folders: Path) -> None:
        self._record = self._now(state)
        for folder in folders if state.is_world_process_zero else ():
            record.write_record(folder, self._record)

    def _now(self, state: Any) -> TrainedOn:
        run, config = self._run, self._config
        # Processes that share one copy of the model are given the same batch.
        sharing = (config.get("context_parallel_size") or 1) * (config.get("tensor_parallel_size") or 1)
        tokens = self._tokens + self._trainer.counted_tokens() // sharing
        seconds = self._seconds + time.monotonic() - self._began
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        count = self._trainer.accelerator.num_processes
        # A token sees its own row: rows that share a packed sample do not see each other.
        flops = self._flops_per_token(tokens / (run.training.mix.rows * state.epoch)) if tokens else None
        return TrainedOn(
            **dict(run.training),
            versions={
                "openbook_eval": __version__,
                **{name: importlib.metadata.version(name) for name in _LIBRARIES},
                "python": platform.python_version(),
            },
            device=gpu,
            devices=count,
            seed=config["seed"],
            started=self._started,
            wall_seconds=round(seconds, 3),
            tokens=tokens,
            steps=state.global_step,
            tokens_per_second=round(tokens / seconds, 1) if tokens else 0.0,
            parameters=self._parameters,
            trainable_parameters=self._trainable,
            mfu=None if flops is None else utilisation(tokens / seconds, flops, gpu, count),
            loss_first=losses[0] if losses else None,
            loss_last=losses[-1] if losses else None,
            finished=False,
            sessions=1 + (run.before.sessions if run.before else 0),
        )

    def _flops_per_token(self, length: float) -> float | None:
        # None for an architecture that names its figures in a way of its own.
        try:
            config = self._trainer.model.config.get_text_config()
            # An embedding that is not the output layer as well is only looked up.
            looked_up = 0 if config.tie_word_embeddings else config.vocab_size * config.hidden_size
            heads = config.num_attention_heads
            width = heads * (getattr(config, "head_dim", None) or config.hidden_size // heads)
            layers = config.num_hidden_layers
        except AttributeError:
            return None
        multiplied = self._parameters - looked_up
        return flops_per_token(multiplied, self._trainable, layers=layers, attention_width=width, length=length)

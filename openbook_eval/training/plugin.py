"""The Axolotl plugin of our recipes. It looks before a training begins, makes it repeatable, and keeps its record.

Axolotl imports this module, where a recipe has `plugins: [openbook_eval.training.plugin.OpenbookPlugin]`; nothing else
does. It has no keys of its own.
"""

import os
import sys
from typing import Any, NoReturn

from axolotl.integrations.base import BasePlugin

from openbook_eval.errors import OpenbookError
from openbook_eval.training.readiness import Run, checkpoints, ready

_SEED = 42  # what the trainer takes for itself where a recipe names none
_TELEMETRY = ("AXOLOTL_DO_NOT_TRACK", "DO_NOT_TRACK")


class OpenbookPlugin(BasePlugin):  # type: ignore[misc]
    """What a training of ours adds to Axolotl's, hook by hook, in the order in which Axolotl calls them."""

    def __init__(self) -> None:
        """Before any recipe is known."""
        super().__init__()
        self._run: Run | None = None
        self._recording: Any = None

    def register(self, cfg: Any) -> None:
        """Looks whether all is in place, and gives the rows of this mix a cache of their own.

        `cfg` is the recipe as it was read. A user's mistake ends the process with one line and exit code 2; other
        errors that Axolotl finds come after this, in its own words.
        """
        _send_nothing()
        try:
            self._run = ready(cfg.to_dict())
        except OpenbookError as error:
            _leave(error)
        cfg["dataset_prepared_path"] = self._run.prepared
        if cfg.get("seed") is None:
            cfg["seed"] = _SEED
        _seed(cfg["seed"])  # Axolotl packs rows by chance to learn how many steps there are, before it seeds anything
        if self._run.resume is not None:
            cfg["resume_from_checkpoint"] = str(self._run.resume)
        elif checkpoints(self._run.output):
            cfg["auto_resume_from_checkpoints"] = False  # there is half of one, and Axolotl would take it

    def pre_model_load(self, cfg: Any) -> None:
        """Seeds what draws the first weights of an adapter; Axolotl itself seeds only when they are drawn."""
        _seed(cfg.seed)

    def get_trainer_cls(self, cfg: Any) -> Any:  # noqa: ARG002
        """The trainer that counts tokens."""
        from openbook_eval.training.recording import CountingTrainer

        return CountingTrainer

    def add_callbacks_post_trainer(self, cfg: Any, trainer: Any) -> list[Any]:
        """The keeper of the record."""
        from openbook_eval.training.recording import RecordingCallback

        if self._run is None:
            return []
        self._recording = RecordingCallback(self._run, cfg, trainer)
        return [self._recording]

    def post_train_unload(self, cfg: Any) -> None:  # noqa: ARG002
        """The weights are saved."""
        if self._recording is not None:
            self._recording.finish()


def _seed(seed: int) -> None:
    from transformers import set_seed

    set_seed(seed)


def _send_nothing() -> None:
    """Axolotl reports on its users unless told not to. What it sends while it reads a recipe is sent before us."""
    if any(os.environ.get(name) for name in _TELEMETRY):
        return
    from axolotl.telemetry.manager import TelemetryManager

    os.environ[_TELEMETRY[0]] = "1"
    TelemetryManager.get_instance().enabled = False


def _leave(error: OpenbookError) -> NoReturn:
    # One line, not one a process.
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"openbook-eval: {error}", file=sys.stderr)
    sys.exit(2)

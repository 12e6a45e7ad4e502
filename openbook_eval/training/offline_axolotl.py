"""Axolotl, imported and asked with no GPU, no network and no word on the terminal."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from types import SimpleNamespace

from openbook_eval.errors import OpenbookError

# What it adds to the schedulers of transformers (Axolotl 0.19, core/builders/base.py).
_MORE_SCHEDULERS = ("one_cycle", "rex")


@cache
def axolotl() -> SimpleNamespace:
    """The parts of Axolotl that a check asks.

    Of our own: `choices`, the names that it knows for keys which take any text, and `supervised`, the type of the data
    sets of a recipe that does no reinforcement learning.

    For the rest of its life the process sees no GPU and no hub. Raises OpenbookError where Axolotl is not installed.
    """
    # It looks for GPUs, for kernels on the hub and for who it might tell of its use, whatever it is asked.
    os.environ.update({"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "AXOLOTL_DO_NOT_TRACK": "1"})
    logging.disable(logging.CRITICAL)
    try:
        with _silence():
            from axolotl.integrations.base import PluginManager, load_plugin
            from axolotl.integrations.config import merge_input_args
            from axolotl.utils.config import validate_config
            from axolotl.utils.dict import DictDefault
            from axolotl.utils.schemas.datasets import SFTDataset
            from axolotl.utils.schemas.enums import CustomSupportedOptimizers
            from transformers.trainer_utils import SchedulerType
            from transformers.training_args import OptimizerNames
    except ImportError as error:
        raise OpenbookError(
            f"recipes are checked by Axolotl, which cannot be imported here ({error}); make its environment with "
            "`make train-env`, then run .venv-train/bin/openbook-eval recipes check"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    choices = {
        "optimizer": [each.value for names in (OptimizerNames, CustomSupportedOptimizers) for each in names],
        "lr_scheduler": [*(each.value for each in SchedulerType), *_MORE_SCHEDULERS],
    }
    return SimpleNamespace(
        PluginManager=PluginManager,
        load_plugin=load_plugin,
        merge_input_args=merge_input_args,
        validate_config=validate_config,
        DictDefault=DictDefault,
        supervised=list[SFTDataset] | None,
        choices=choices,
    )


@contextmanager
def listening() -> Iterator[list[str]]:
    """Axolotl's warnings, in a list and nowhere else."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("axolotl")
    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [handler], False
    try:
        with _silence():
            yield heard
    finally:
        logger.handlers, logger.propagate = handlers, propagate


@contextmanager
def _silence() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield

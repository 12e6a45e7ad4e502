"""The step `merge`: an adapter is put into its base model."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from openbook_eval.study.running.doing.base import MODEL
from openbook_eval.study.running.doing.place import Place, ours
from openbook_eval.study.running.doing.train import base_of, recipe_of, trained_in, weights


def do(place: Place) -> Iterable[Path]:
    """Merges the adapter of the training before; returns the weights of the whole model."""
    out = place.folder / MODEL
    # Left whole by a start that was cut off before its receipt; a merge refuses to write over a model.
    shutil.rmtree(out, ignore_errors=True)
    code = ["--trust-remote-code"] if recipe_of(place).get("trust_remote_code") else []
    run = trained_in(place.folder_of("train"))
    place.call([ours("openbook-eval"), "recipes", "merge", run, "--out", out, "--base", base_of(place), *code])
    return weights(out)

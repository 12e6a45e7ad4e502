"""What the plugin refuses ends the real command in one line of ours, before a model is read or a folder written."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openbook_eval.training.mixes import TRAIN
from openbook_eval.training.record import RECORD, write_record
from tests.training.conftest import Train
from tests.training.recipes import LORA, write
from tests.training.records import record

pytestmark = pytest.mark.training


def told(done: "subprocess.CompletedProcess[str]") -> list[str]:
    """The lines that are ours, of a process that ended with an error and with nothing of Python's before them."""
    assert done.returncode != 0
    before, _, after = done.stdout.partition("openbook-eval: ")
    assert "Traceback" not in before
    # What comes after is of accelerate, which tells that its process ended so.
    assert after.count("Traceback") == after.count("returned non-zero exit status 2.") == 1
    return [line for line in done.stdout.splitlines() if line.startswith("openbook-eval: ")]


@pytest.mark.parametrize(
    ("name", "changes", "line"),
    [
        (
            "no_mix",
            {"datasets": [{"path": "mixes/mix41/train.jsonl", "ds_type": "json", "type": "chat_template"}]},
            "mixes/mix41: there is no mix; build it with: data-prep build paper --out mixes --mix mix41",
        ),
        ("no_model", {"base_model": "models/none"}, "base_model models/none: cannot be loaded ("),
        (
            "gpu",
            {"attn_implementation": "flash_attention_2", "bf16": True},
            "this recipe needs a GPU (flash_attention_2), and torch ",
        ),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_read(
    workplace: Path, train: Train, name: str, changes: Mapping[str, Any], line: str
) -> None:
    (fault,) = told(train(workplace, write(workplace, name, LORA, **changes)))
    assert fault.startswith(f"openbook-eval: {line}")
    assert not (workplace / "checkpoints" / name).exists()


def test_a_mix_that_was_changed_is_not_trained_on(workplace: Path, tmp_path: Path, train: Train) -> None:
    shutil.copytree(workplace / "mixes", tmp_path / "mixes")
    with (tmp_path / "mixes" / "tiny" / TRAIN).open("a") as file:
        file.write("{}\n")
    (fault,) = told(train(tmp_path, write(tmp_path, "changed", LORA)))
    assert fault.startswith("openbook-eval: mixes/tiny/train.jsonl: was changed after the build; ")


def test_the_folder_of_another_mix_is_not_written_to(workplace: Path, train: Train) -> None:
    output = workplace / "checkpoints" / "other"
    write_record(output, record())
    (fault,) = told(train(workplace, write(workplace, "other", LORA)))
    other = "another mix mixes/tiny-bbbbbbbbbbbbbbbb; remove it, or name another output_dir"
    assert fault == f"openbook-eval: checkpoints/other: holds the training of {other}"
    assert [path.name for path in output.iterdir()] == [RECORD]

"""The record of a training is read as it was written, and the digest of a recipe follows what it says."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbook_eval.errors import OpenbookError
from openbook_eval.training.record import RECORD, read_record, recipe_digest, write_record
from tests.training.records import record

RECIPES = st.dictionaries(st.text(min_size=1), st.none() | st.booleans() | st.integers() | st.text(), min_size=1)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path / "run", record())
    assert read_record(tmp_path / "run") == record()
    assert [path.name for path in (tmp_path / "run").iterdir()] == [RECORD]


def test_a_record_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    write_record(tmp_path, record(steps=8))
    write_record(tmp_path, record(steps=16, finished=True))
    assert read_record(tmp_path) == record(steps=16, finished=True)


def test_where_there_is_no_record_there_is_none(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    assert read_record(tmp_path / "gone") is None
    (tmp_path / "file").touch()
    assert read_record(tmp_path / "file") is None


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "the file: Invalid JSON"),
        (b"{}", "recipe: Field required"),
        (record().model_dump_json().replace('"steps":24', '"steps":"24"').encode(), "steps: Input should be a valid"),
        (record().model_dump_json().replace('"version":1', '"version":2').encode(), "version: Input should be 1"),
        (record().model_dump_json().replace('"steps":24', '"steps":24,"x":1').encode(), "x: Extra inputs are not"),
    ],
)
def test_what_is_no_record_is_told_in_one_line(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / RECORD).write_bytes(content)
    with pytest.raises(OpenbookError) as caught:
        read_record(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / RECORD}: not a record of a training ({fault}")
    assert "\n" not in str(caught.value)


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        record().steps = 3


def test_a_digest_is_pinned() -> None:
    # sha256sum of {"base_model":"Qwen/Qwen1.5-7B","datasets":[{"path":"mixes/mix41/train.jsonl"}],"seed":42}
    config = {"base_model": "Qwen/Qwen1.5-7B", "datasets": [{"path": "mixes/mix41/train.jsonl"}], "seed": 42}
    assert recipe_digest(config) == "8e1595004f46f3b60e258883a665c5fff1539b773c13b2f39d92dba30026bb6d"


@given(RECIPES, st.randoms())
def test_the_order_of_keys_changes_no_digest(config: dict[str, Any], random: Any) -> None:
    keys = list(config)
    random.shuffle(keys)
    assert recipe_digest({key: config[key] for key in keys}) == recipe_digest(config)


@given(RECIPES)
def test_where_a_recipe_lies_and_where_it_goes_on_change_no_digest(config: dict[str, Any]) -> None:
    place = {"axolotl_config_path": "recipes/a.yml", "resume_from_checkpoint": "b", "seed": None}
    assert recipe_digest({**config, **place}) == recipe_digest({**config, **dict.fromkeys(place)})


@given(RECIPES, RECIPES)
def test_other_values_are_another_digest(one: dict[str, Any], other: dict[str, Any]) -> None:
    # As text: True == 1 in Python, and in a recipe they are two things.
    said = [sorted(f"{key!r}: {value!r}" for key, value in each.items() if value is not None) for each in (one, other)]
    assert (recipe_digest(one) == recipe_digest(other)) == (said[0] == said[1])

"""What a recipe is told of its mix is what data-prep built, and nothing that was changed since."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep import manifest
from openbook_eval.errors import OpenbookError
from openbook_eval.training.mixes import MANIFEST, TRAIN, TrainingMix, mix_folder, prepared_path, training_mix
from tests.data_prep.mixes import build, index, spec

SIZES = {"alpaca": 60, "belle": 40, "zhongyi": 20, "huatuo": 50}
MIX = TrainingMix(Path("mixes/mix41"), 10, 70, "0123456789abcdef" * 4, "f" * 64)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixes")
    build(folder, spec({"mix41": {"size": 60, "ratio": "4:1"}}), index(SIZES))
    return folder / "mix41"


@pytest.fixture
def mix(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "mix41"))


def test_a_mix_is_told_as_data_prep_built_it(built: Path) -> None:
    found = training_mix(built)
    told = manifest.read(built)
    assert (found.folder, found.rows) == (built, 60)
    assert found.tokens == sum(part.tokens for part in told.domains.values()) > 60
    assert found.sha256 == manifest.file_of(built / TRAIN).sha256
    assert found.manifest_sha256 == manifest.file_of(built / MANIFEST).sha256


def test_the_hash_of_a_mix_is_the_first_sixteen_digits_of_that_of_its_rows() -> None:
    assert MIX.hash == "0123456789abcdef"


_TINY = "data-prep invent --out data && data-prep build tiny --data data"


@pytest.mark.parametrize(("name", "command"), [("mix41", "data-prep build paper"), ("tiny", _TINY), ("tiny41", _TINY)])
def test_a_mix_that_is_not_there_is_told_with_the_command_that_builds_it(name: str, command: str) -> None:
    with pytest.raises(OpenbookError) as caught:
        training_mix(Path("mixes") / name)
    assert str(caught.value) == (f"mixes/{name}: there is no mix; build it with: {command} --out mixes --mix {name}")


@pytest.mark.parametrize("name", [TRAIN, MANIFEST])
def test_a_missing_file_is_told(mix: Path, name: str) -> None:
    (mix / name).unlink()
    with pytest.raises(OpenbookError, match=rf"mix41/{name}: cannot be read \(No such file or directory\); build it"):
        training_mix(mix)


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_any_changed_byte_of_the_rows_is_told(built: Path, place: float, change: int) -> None:
    path = built / TRAIN
    content = path.read_bytes()
    changed = bytearray(content)
    changed[int(place * len(content))] ^= change
    try:
        path.write_bytes(bytes(changed))
        with pytest.raises(OpenbookError, match=r"train\.jsonl: was changed after the build; build it again with: "):
            training_mix(built)
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\n", lambda _: b""])
def test_rows_that_are_more_or_fewer_are_told(mix: Path, change: Any) -> None:
    (mix / TRAIN).write_bytes(change((mix / TRAIN).read_bytes()))
    with pytest.raises(OpenbookError, match=r"train\.jsonl: was changed after the build"):
        training_mix(mix)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"rows": "60", "domains": {}, "outputs": {}}'])
def test_what_is_no_manifest_is_told_in_one_line(mix: Path, content: bytes) -> None:
    (mix / MANIFEST).write_bytes(content)
    with pytest.raises(OpenbookError, match=r"^[^\n]*manifest\.json: not a manifest of data-prep \([^\n]*$"):
        training_mix(mix)


def test_a_manifest_that_tells_nothing_of_the_rows_is_told(mix: Path) -> None:
    content = json.loads((mix / MANIFEST).read_bytes())
    del content["outputs"][TRAIN]
    (mix / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(OpenbookError, match=r"manifest\.json: tells nothing of train\.jsonl"):
        training_mix(mix)


def test_the_mix_of_a_recipe_is_the_folder_of_its_one_dataset() -> None:
    assert mix_folder({"datasets": [{"path": "mixes/mix41/train.jsonl"}]}) == Path("mixes/mix41")
    assert mix_folder({"datasets": [{"path": "train.jsonl"}]}) == Path()


@pytest.mark.parametrize(
    ("datasets", "fault"),
    [
        (None, "datasets: names 0, and a recipe trains on one mix"),
        ([], "datasets: names 0, and a recipe trains on one mix"),
        ([{"path": "a/train.jsonl"}, {"path": "b/train.jsonl"}], "datasets: names 2, and a recipe trains on one mix"),
        ([{"path": "owner/data"}], "datasets: path is 'owner/data'; a recipe trains on the train.jsonl of a mix"),
        ([{"path": 3}], "datasets: path is 3; a recipe"),
        ([{}], "datasets: path is None; a recipe"),
        (["train.jsonl"], "datasets: path is None; a recipe"),
        ("mixes/mix41/train.jsonl", "datasets: is no list; a recipe trains on one mix"),
        ({"path": "mixes/mix41/train.jsonl"}, "datasets: is no list; a recipe trains on one mix"),
    ],
)
def test_a_recipe_with_no_mix_or_with_several_is_told(datasets: Any, fault: str) -> None:
    with pytest.raises(OpenbookError) as caught:
        mix_folder({"datasets": datasets})
    assert str(caught.value).startswith(fault)


def test_the_prepared_rows_of_a_mix_lie_in_a_folder_of_its_hash() -> None:
    assert prepared_path("prepared/mix41", MIX) == "prepared/mix41-0123456789abcdef"
    assert prepared_path("prepared/mix41/", MIX) == "prepared/mix41-0123456789abcdef"


@given(st.text(min_size=1).filter(lambda path: not path.endswith("/")))
def test_the_hash_is_put_there_once(path: str) -> None:
    once = prepared_path(path, MIX)
    assert once == prepared_path(once, MIX)
    assert once.startswith(path)

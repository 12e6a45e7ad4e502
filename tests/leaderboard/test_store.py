"""A store of runs: what is added stays as it was, and what was spoilt is refused."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from openbook_eval.errors import OpenbookError
from openbook_eval.leaderboard import reading, store, texts
from openbook_eval.leaderboard.taken import Taken
from tests.results.lm_eval_output import write_run


@pytest.fixture
def taken(tmp_path: Path) -> Taken:
    for number in range(3):
        write_run(tmp_path / "runs", model=f"owner/m{number}", questions=12)
    return reading.read([tmp_path / "runs"])


def test_runs_come_back_as_they_were_added(tmp_path: Path, taken: Taken) -> None:
    assert store.add(tmp_path / "store", taken) == 3
    found = store.read(tmp_path / "store")
    assert found.refused == ()
    assert found.items.equals(taken.items)
    without = {"results", "samples"}
    assert [run.model_dump(exclude=without) for run in found.runs] == [
        run.model_dump(exclude=without) for run in taken.runs
    ]


def test_a_run_is_a_folder_of_two_files(tmp_path: Path, taken: Taken) -> None:
    store.add(tmp_path / "store", taken)
    folders = sorted((tmp_path / "store").iterdir())
    assert [folder.name for folder in folders] == sorted(run.id for run in taken.runs)
    for folder in folders:
        assert sorted(file.name for file in folder.iterdir()) == ["items.parquet", "run.json"]
        content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        assert list(content) == sorted(content)


def test_adding_again_adds_nothing_and_changes_nothing(tmp_path: Path, taken: Taken) -> None:
    store.add(tmp_path / "store", taken)
    before = {file: file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file()}
    assert store.add(tmp_path / "store", taken) == 0
    assert {file: file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file()} == before


def test_a_store_is_read_beside_folders_of_runs(tmp_path: Path, taken: Taken) -> None:
    store.add(tmp_path / "store", taken)
    write_run(tmp_path / "new", model="owner/new", questions=12)
    found = reading.read([tmp_path / "store", tmp_path / "new"])
    assert [run.model for run in found.runs] == ["owner/m0", "owner/m1", "owner/m2", "owner/new"]
    assert found.items.height == 48


def test_a_run_that_is_in_the_store_and_beside_it_is_taken_once_with_its_texts(tmp_path: Path, taken: Taken) -> None:
    store.add(tmp_path / "store", taken)
    for paths in ([tmp_path / "store", tmp_path / "runs"], [tmp_path / "runs", tmp_path / "store"]):
        found = reading.read(paths)
        assert (len(found.runs), found.items.height, found.refused) == (3, 36, ())
        assert len(list(texts.answers(found.runs[0]))) == 12


def test_a_single_folder_of_a_store_is_a_run(tmp_path: Path, taken: Taken) -> None:
    store.add(tmp_path / "store", taken)
    assert [run.id for run in reading.read([tmp_path / "store" / taken.runs[1].id]).runs] == [taken.runs[1].id]


def test_folders_of_this_machine_are_not_written(tmp_path: Path) -> None:
    model = str(tmp_path / "models" / "mine" / "merged")
    adapter = str(tmp_path / "adapters" / "mix41")
    write_run(tmp_path / "runs", model="x", questions=6, model_name=model)
    write_run(tmp_path / "runs", model="y", questions=6, model_args={"lora_local_path": adapter})
    store.add(tmp_path / "store", reading.read([tmp_path / "runs"]))
    assert all(str(tmp_path) not in file.read_text() for file in (tmp_path / "store").rglob("run.json"))
    found = store.read(tmp_path / "store")
    assert [run.model for run in found.runs] == ["mine/merged", "y + adapters/mix41"]
    assert {run.results for run in found.runs} == {"results_2026-01-02T03-04-05.678901.json"}


def test_paths_that_lead_elsewhere_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "clients" / "ward", questions=6)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    store.add(tmp_path / "store", reading.read([Path("../clients/ward")]))
    assert all("clients" not in file.read_text() for file in (tmp_path / "store").rglob("run.json"))


def test_models_that_share_their_last_names_stay_two(tmp_path: Path) -> None:
    for name in ("base", "tuned"):
        write_run(tmp_path / "runs", model=name, questions=6, model_name=str(tmp_path / name / "out" / "final"))
    taken = reading.read([tmp_path / "runs"])
    store.add(tmp_path / "store", taken)
    found = store.read(tmp_path / "store")
    digests = sorted(run.model_sha256[:6] for run in taken.runs)
    assert sorted(run.model for run in found.runs) == [f"out/final ({digest})" for digest in digests]
    assert found.refused == ()
    assert len(reading.read([tmp_path / "runs", tmp_path / "store"]).runs) == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"id": pl.lit("same")}, "an item stands there twice"),
        ({"exam_class": pl.lit(None, pl.String)}, "an item has no exam_class"),
        ({"qtype": pl.lit("both")}, "an item is neither single nor multiple choice"),
        ({"letters": pl.lit(None, pl.String)}, "an item was read and not marked, or marked and not read"),
        ({"partial_credit": pl.lit(7.0)}, "partial credit is a share"),
    ],
)
def test_items_that_cannot_be_are_refused_though_sealed(tmp_path: Path, change: dict[str, pl.Expr], fault: str) -> None:
    write_run(tmp_path / "runs", questions=12)
    taken = reading.read([tmp_path / "runs"])
    store.add(tmp_path / "store", replace(taken, items=taken.items.with_columns(**change)))
    assert [fault in reason for reason in store.read(tmp_path / "store").refused] == [True]


@pytest.mark.parametrize(
    "change",
    [{"condition": "foo"}, {"shots": 10**30}, {"date": "\x1b[2J"}, {"truncation": {"cut": 2**60}}],
)
def test_a_run_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_run(tmp_path / "runs", questions=12)
    store.add(tmp_path / "store", reading.read([tmp_path / "runs"]))
    (path,) = (tmp_path / "store").glob("*/run.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    for key, value in change.items():
        told[key] = told[key] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(told), encoding="utf-8")
    (reason,) = store.read(tmp_path / "store").refused
    assert "half-written or not a run of a store" in reason


def spoil_text(folder: Path) -> None:
    path = folder / "run.json"
    path.write_text(path.read_text(encoding="utf-8").replace("owner/m0", "owner/best"), encoding="utf-8")


def spoil_marks(folder: Path) -> None:
    path = folder / "items.parquet"
    sealed = pl.read_parquet_metadata(path)["openbook_eval"]
    items = pl.read_parquet(path).with_columns(correct=pl.lit(True))
    items.write_parquet(path, metadata={"openbook_eval": sealed})


def drop_seal(folder: Path) -> None:
    path = folder / "items.parquet"
    pl.read_parquet(path).write_parquet(path)


@pytest.mark.parametrize("spoil", [spoil_text, spoil_marks, drop_seal])
def test_a_changed_run_is_refused(tmp_path: Path, taken: Taken, spoil: object) -> None:
    store.add(tmp_path / "store", taken)
    folder = tmp_path / "store" / taken.runs[0].id
    assert callable(spoil)
    spoil(folder)
    found = store.read(tmp_path / "store")
    assert [run.model for run in found.runs] == ["owner/m1", "owner/m2"]
    assert found.refused == (f"{folder}: was changed after it was written; add it again from its results and samples",)


def test_a_renamed_run_is_refused(tmp_path: Path, taken: Taken) -> None:
    store.add(tmp_path / "store", taken)
    folder = tmp_path / "store" / taken.runs[0].id
    folder.rename(folder.with_name("0" * 16))
    assert len(store.read(tmp_path / "store").refused) == 1


@pytest.mark.parametrize("name", ["run.json", "items.parquet"])
def test_a_half_written_run_is_refused(tmp_path: Path, taken: Taken, name: str) -> None:
    store.add(tmp_path / "store", taken)
    folder = tmp_path / "store" / taken.runs[0].id
    path = folder / name
    path.write_bytes(path.read_bytes()[:-50])
    found = store.read(tmp_path / "store")
    assert len(found.runs) == 2
    (reason,) = found.refused
    assert reason.startswith(f"{folder}: half-written or not a run of a store (")


def test_what_a_killed_program_left_is_no_run(tmp_path: Path, taken: Taken) -> None:
    store.add(tmp_path / "store", taken)
    (tmp_path / "store" / taken.runs[0].id).rename(tmp_path / "store" / f".{taken.runs[0].id}-abc")
    found = store.read(tmp_path / "store")
    assert (len(found.runs), found.refused) == (2, ())
    assert store.add(tmp_path / "store", taken) == 1


def test_what_cannot_be_read_or_written_is_an_error(tmp_path: Path, taken: Taken) -> None:
    with pytest.raises(OpenbookError, match="nowhere: no such folder"):
        store.read(tmp_path / "nowhere")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OpenbookError, match="file: cannot be written"):
        store.add(tmp_path / "file", taken)

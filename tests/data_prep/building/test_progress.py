"""A step that takes long says how far it is; a short one says nothing."""

import time

import pytest

from data_prep.building import progress


def test_a_short_step_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.step("reading", 10) as advance:
        advance(10)
    assert capsys.readouterr() == ("", "")


def test_a_long_step_prints_its_share_every_some_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SHORT", 0.01)
    monkeypatch.setattr(progress, "EVERY", 0.2)
    with progress.step("reading", 10) as advance:
        advance(4)
        time.sleep(0.5)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[0] == "reading: 40 %, 0 s"


def test_a_step_of_unknown_length_prints_the_time_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SHORT", 0.01)
    monkeypatch.setattr(progress, "EVERY", 0.2)
    with progress.step("looking for duplicates"):
        time.sleep(0.5)
    assert capsys.readouterr().err.splitlines()[0] == "looking for duplicates: 0 s"

"""What of a path on this machine is published."""

import pytest

from openbook_eval.leaderboard.paths import without_folders


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("/data/models/mine/merged", "mine/merged"),
        ("some/base + /data/mix41", "some/base + data/mix41"),
        ("/data", "data"),
        ("/data/models/mine/: no tokenizer", "models/mine/: no tokenizer"),
        ("no tokenizer in '/data/models/mine'", "no tokenizer in 'models/mine'"),
        ("owner/model", "owner/model"),
        ("https://host/v1/models", "https://host/v1/models"),
        ("12 tokens/s and/or 1 / 2", "12 tokens/s and/or 1 / 2"),
    ],
)
def test_of_a_path_the_last_two_names_are_kept(text: str, kept: str) -> None:
    assert without_folders({"key": [text]}) == {"key": [kept]}

"""train.jsonl is what each trainer reads, with the same rows in the same order."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from data_prep.build import build
from data_prep.manifest import DATASET_INFO, ROWS, TRAIN, read_manifest, verify
from data_prep.outputs import FORMATS
from data_prep.show import show_mixes
from openbook_eval.errors import OpenbookError
from tests.data_prep.raw import row, spec, write_jsonl

CHAT = [
    {"role": "system", "content": "你是医生。"},
    *({"role": role, "content": f'"{role}"第{number}次\\n'} for number in (1, 2) for role in ("user", "assistant")),
]
# As the README of LLaMA-Factory's data folder has it for ShareGPT's layout.
KEYS = {"llamafactory": ("conversations", "from", "value", {"human": "user", "gpt": "assistant", "system": "system"})}
SAME = ("messages", "role", "content", {name: name for name in ("user", "assistant", "system")})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("formats")
    sources = [
        {"name": name, "domain": "general", "licence": "MIT", "path": f"{name}.jsonl", "layout": layout}
        for name, layout in (("rows", "alpaca"), ("chats", "chat"))
    ]
    write_jsonl(folder / "rows.jsonl", [row(number) for number in range(20)])
    write_jsonl(folder / "chats.jsonl", [{"messages": CHAT}])
    for name in FORMATS:
        declared = spec({"all": {"size": 21, "ratio": {"general": 1}}}, sources=sources)
        build(declared, folder, folder / name, form=name)
    return folder


def _messages(folder: Path, name: str) -> list[list[dict[str, str]]]:
    turns, role, content, names = KEYS.get(name, SAME)
    rows: list[dict[str, Any]] = [orjson.loads(line) for line in (folder / name / "all" / TRAIN).open("rb")]
    assert {(*each,) for each in rows} == {(turns,)}
    return [[{"role": names[turn[role]], "content": turn[content]} for turn in each[turns]] for each in rows]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_the_same_rows_and_is_verified_and_shown(built: Path, name: str) -> None:
    messages, folder = _messages(built, name), built / name / "all"
    assert messages == _messages(built, "axolotl")
    assert CHAT in messages
    assert (folder / ROWS).read_bytes() == (built / "axolotl" / "all" / ROWS).read_bytes()
    manifest = read_manifest(folder)
    assert (manifest.build.format, verify(folder)) == (name, [])
    assert manifest.keys_sha256 == read_manifest(built / "axolotl" / "all").keys_sha256
    shown = [str(part) for part in show_mixes(folder)]
    assert any("system: 你是医生。 user:" in line and "assistant:" in line for line in shown)


@pytest.mark.parametrize("name", FORMATS)
def test_dataset_info_names_the_keys_and_speakers_of_the_rows(built: Path, name: str) -> None:
    turns, role, content, names = KEYS.get(name, SAME)
    (info,) = orjson.loads((built / name / "all" / DATASET_INFO).read_bytes()).values()
    assert (info["file_name"], info["formatting"], info["columns"]) == (TRAIN, "sharegpt", {"messages": turns})
    speakers = {f"{ours}_tag": theirs for theirs, ours in names.items()}
    assert info["tags"] == {"role_tag": role, "content_tag": content, **speakers}


def test_a_format_that_is_none_is_one_line(built: Path) -> None:
    with pytest.raises(OpenbookError, match=r"^--format lamafactory: no such format; did you mean 'llamafactory'\?$"):
        build(spec({"a": {"size": 1, "ratio": {"general": 1}}}), built, built / "none", form="lamafactory")

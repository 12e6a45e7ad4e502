"""Rows that are near an exam's question by embeddings are reported, whatever words they use, and stay in the mix."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from data_prep.build import build
from data_prep.candidates import Vectors, candidates, embedder
from data_prep.manifest import TRAIN
from openbook_eval.errors import OpenbookError
from openbook_eval.exams import load_exam
from openbook_eval.tiny_model import tiny_model_dir
from tests.data_prep.raw import row, spec, write_data


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixes")
    data, stem = write_data(folder / "data"), load_exam("mini").questions[0].stem
    with (data / "zhongyi.jsonl").open("a", encoding="utf-8") as file:
        asked = {**row(500, "中医"), "instruction": f"想请教一下，{stem[::-1]}"}
        file.write(json.dumps(asked, ensure_ascii=False) + "\n")
    mixes = {"one": {"size": 40, "ratio": "1:1"}, "two": {"size": 101, "ratio": {"tcm": 1}}}
    build(spec(mixes), data, folder / "out")
    return folder / "out"


def characters(texts: Sequence[str]) -> Vectors:
    """Embed a text by the characters in it, whatever their order."""
    vectors = np.zeros((len(texts), 1 << 12), np.float32)
    for place, text in enumerate(texts):
        for character in text:
            vectors[place, ord(character) % (1 << 12)] += 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def test_the_nearest_question_of_each_row_is_reported_from_a_cosine_on(built: Path) -> None:
    before = (built / "two" / TRAIN).read_bytes()
    exam = load_exam("mini")
    found = candidates(built, [exam], characters, 0.8)
    assert set(found["text"]) == {f"想请教一下，{exam.questions[0].stem[::-1]}"}
    (nearest, *_) = found.filter(mix="two").to_dicts()
    assert (nearest["file"], nearest["row"]) == ("zhongyi.jsonl", 104)
    assert (nearest["exam"], nearest["id"]) == ("mini", exam.questions[0].id)
    assert 0.8 <= nearest["similarity"] < 1
    assert candidates(built, [exam], characters, 0.9999).is_empty()
    assert (built / "two" / TRAIN).read_bytes() == before


def test_a_model_embeds_alike_alone_and_in_a_batch_and_equal_texts_have_cosine_1() -> None:
    embed = embedder(str(tiny_model_dir()))
    texts = ["高血压的诊断标准是什么？", "感冒", "高血压的诊断标准是什么？", ""]
    together = embed(texts)
    assert together.shape[0] == 4
    np.testing.assert_allclose(together, np.concatenate([embed([text]) for text in texts]), atol=1e-5)
    likeness = together @ together.T
    assert likeness[0, 2] == pytest.approx(1, abs=1e-5)
    assert likeness[0, 1] < 0.999


def test_the_first_token_is_taken_where_the_model_says_so(tmp_path: Path) -> None:
    for file in tiny_model_dir().iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    first, mean = (embedder(str(model))(["感冒发热", "感冒咳嗽"]) for model in (tmp_path, tiny_model_dir()))
    # Of a causal model the first token knows nothing of the others.
    assert float(first[0] @ first[1]) == pytest.approx(1, abs=1e-5)
    assert float(mean[0] @ mean[1]) < 0.9999


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OpenbookError, match="no model can be loaded") as caught:
        embedder(str(tmp_path / "none"))
    assert "\n" not in str(caught.value)

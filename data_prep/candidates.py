"""Rows of a mix that may ask an exam's question in other words, by sentence embeddings: to be read, never dropped."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from data_prep.exam_items import items
from data_prep.manifest import TRAIN, mixes_in, read_manifest, read_rows
from data_prep.outputs import FORMATS
from openbook_eval.console import line, table
from openbook_eval.errors import OpenbookError, first_line
from openbook_eval.exams import ExamFile

Vectors: TypeAlias = NDArray[np.float32]  # a row a text, each of length 1
Embed: TypeAlias = Callable[[Sequence[str]], Vectors]

# Candidates that are printed, and characters of each text.
_SHOWN, _CHARACTERS = 10, 60
# Texts that a model sees at once, tokens of each, and rows that are compared at once.
_BATCH, _TOKENS, _ROWS = 64, 256, 4096


def candidates(folder: Path, exams: Sequence[ExamFile], embed: Embed, above: float) -> pl.DataFrame:
    """Return rows of a mix, or of all mixes in a folder, that are near an exam's question, the nearest first.

    Columns: `similarity`, the cosine of the row's first question and the nearest stem, from `above` on; `mix`, `file`
    and `row`; `exam` and `id`; both texts. Raises OpenbookError where a mix is not as it was built.
    """
    asked = [item for exam in exams for item in items(exam)[0]]
    stems = {question.id: question.stem for exam in exams for question in exam.questions}
    known = embed([stems[item.id] for item in asked])
    found: list[tuple[Any, ...]] = []
    seen: dict[str, tuple[float, int]] = {}
    for mix in mixes_in(folder):
        places = read_rows(mix).select("file", "row").rows()
        questions = list(_questions(mix))
        new = [text for text in dict.fromkeys(questions) if text not in seen]
        for start in range(0, len(new), _ROWS):
            some = new[start : start + _ROWS]
            likeness = embed(some) @ known.T
            best = likeness.argmax(axis=1)
            seen |= {text: (float(near[at]), int(at)) for text, near, at in zip(some, likeness, best, strict=True)}
        for (file, row), text in zip(places, questions, strict=True):
            similarity, at = seen[text]
            if similarity >= above:
                item = asked[at]
                found.append((round(similarity, 4), mix.name, file, row, item.exam, item.id, text, item.shown))
    columns = ("similarity", "mix", "file", "row", "exam", "id", "text", "exam_text")
    frame = pl.DataFrame(found, schema=columns, orient="row")
    return frame.sort("similarity", "mix", "file", "row", descending=[True, False, False, False])


def report(found: pl.DataFrame, above: float, out: Path) -> Iterator[Table | Text]:
    """Lay out the nearest candidates, and say how many there are."""
    some = found.head(_SHOWN).select("similarity", "mix", "text", "exam_text").iter_rows()
    rows = [
        (f"{similarity:.3f}", mix, text[:_CHARACTERS], other[:_CHARACTERS]) for similarity, mix, text, other in some
    ]
    yield table(("cosine", "mix", "row asks", "exam asks"), rows, "the nearest")
    yield line(f"{out}: {found.height:,} rows from {above} on; read them: nothing was dropped")


def _questions(mix: Path) -> Iterator[str]:
    """The first thing that a user says in each row."""
    form = FORMATS[read_manifest(mix).build.format]
    try:
        for row in (mix / TRAIN).read_bytes().splitlines():
            said = (turn for turn in orjson.loads(row)[form.turns] if turn[form.role] == form.user)
            yield next(said)[form.content]
    except (OSError, ValueError, LookupError, TypeError, StopIteration) as error:
        raise OpenbookError(f"{mix / TRAIN}: is not as data-prep writes it; see data-prep verify") from error


def embedder(model: str) -> Embed:
    """Return how a model on the hub or in a folder embeds texts, by transformers, on a GPU where there is one.

    Pooled as the model's own sentence-transformers settings say (`1_Pooling/config.json`): the first token or, as
    without them, the mean of all. Raises OpenbookError where it cannot be loaded.
    """
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise OpenbookError(f"embeddings need torch and transformers ({error}); install them") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
        loaded = AutoModel.from_pretrained(model, trust_remote_code=False, dtype=torch.float32).eval()
        by_first = _pools_first(model)
    except Exception as error:  # a model fails in as many ways as there are models
        reason = f"{model}: no model can be loaded ({first_line(error)}); name its folder or its model on the hub"
        raise OpenbookError(reason) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    loaded.to(device)
    tokenizer.padding_side = "right"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token

    def embed(texts: Sequence[str]) -> Vectors:
        # Texts of one length together: what is padded is computed for nothing.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        vectors = np.zeros((len(texts), loaded.config.hidden_size), np.float32)
        for start in range(0, len(order), _BATCH):
            some = order[start : start + _BATCH]
            batch = tokenizer(
                [texts[place] or " " for place in some],
                padding=True, truncation=True, max_length=_TOKENS, return_tensors="pt",
            ).to(device)  # fmt: skip
            with torch.inference_mode():
                states = loaded(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
            mask = batch["attention_mask"].unsqueeze(-1)
            pooled = states[:, 0] if by_first else (states * mask).sum(1) / mask.sum(1)
            vectors[some] = torch.nn.functional.normalize(pooled, dim=1).float().cpu().numpy()
        return vectors

    return embed


def _pools_first(model: str) -> bool:
    from transformers.utils import cached_file

    file = cached_file(model, "1_Pooling/config.json", _raise_exceptions_for_missing_entries=False)
    return bool(file and orjson.loads(Path(file).read_bytes()).get("pooling_mode_cls_token"))

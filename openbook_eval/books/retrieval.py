"""Entries found by BM25 (Robertson and Zaragoza 2009, as Lucene counts it) in a corpus; its index is built once."""

import logging
import re
import sys
import unicodedata
import warnings
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import track

from openbook_eval.books import passages as cutting
from openbook_eval.books.passages import Corpus, first_sentences, read_corpus
from openbook_eval.errors import OpenbookError
from openbook_eval.files import replace_folder, sha256, sha256_file
from openbook_eval.types import Question

# Scores are multiples of 1/1024: float32 adds such numbers exactly up to 16,384, far above any score, so that the order
# of adding changes nothing; the last bits, in which machines may differ, are rounded away.
_GRID = 1024
# Some ten seconds of building; below, a bar would only flicker.
_WORTH_A_BAR = 15_000
_RUN = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_PASSAGES, _MANIFEST = "passages.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class Found:
    """Entries found in a corpus, by question id; questions for which nothing matches are missing.

    `sha256` is over the corpus: the names and contents of its files.
    """

    texts: Mapping[str, str]
    sha256: str


def retrieve(questions: Sequence[Question], corpus: Path, *, budget: int, top: int, cache: Path | None = None) -> Found:
    """Return an entry for each question: of the `top` passages that match best, as many as `budget` characters hold.

    The answer is not looked at. The index is built once and kept in `cache`. Raises OpenbookError where the corpus has
    no texts or one that cannot be read, the cache cannot be written, or the libraries are missing.
    """
    texts = read_corpus(corpus)
    index = open_index(texts, cache or user_cache_path("openbook-eval"))
    queries = {question.id: "\n".join([question.stem, *question.options.values()]) for question in questions}
    entries = {key: _entry(index, query, budget, top) for key, query in queries.items()}
    return Found({name: entry for name, entry in entries.items() if entry}, texts.sha256)


def _entry(index: "SearchIndex", query: str, budget: int, top: int) -> str:
    """Return the best passages up to the first that `budget` has no room for, else the front of the best.

    They stand in the order of the corpus, so that neighbours read on and their place does not tell how well they match.
    """
    ranked = index.best(query, top)
    chosen: list[int] = []
    room = budget + 1  # the last passage has no space after it
    for number in ranked:
        room -= len(index.passages[number]) + 1
        if room < 0:
            break
        chosen.append(number)
    if ranked and not chosen:
        return first_sentences(index.passages[ranked[0]], budget)
    return " ".join(index.passages[number] for number in sorted(chosen))


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """The passages of a corpus, in its order, and bm25s' scores, which find them."""

    passages: Sequence[str]
    scores: Any

    def best(self, text: str, top: int) -> list[int]:
        """Return the numbers of at most `top` passages that match `text`, the best first, equal ones in order."""
        import numpy as np

        words = self.scores.get_tokens_ids(list(dict.fromkeys(_words(text))))
        if not words:
            return []
        scores = self.scores.get_scores_from_ids(words)
        worst = np.partition(scores, -top)[-top] if top < len(scores) else 0
        found = np.flatnonzero((scores >= worst) & (scores > 0))
        order = np.argsort(-scores[found], kind="stable")[:top]
        return [int(number) for number in found[order]]


def open_index(corpus: Corpus, place: Path) -> SearchIndex:
    """Return the index of `corpus` that the folder `place` keeps, else build it and keep it there.

    Raises OpenbookError where the libraries are missing, `place` cannot be written, or a file of the corpus is no text.
    """
    _require_libraries()
    folder = place / f"retrieval-{_key(corpus)}"
    if kept := _load(folder):
        return kept
    texts = [passage for text in corpus.texts() for passage in cutting.passages(text)]
    with replace_folder(folder, "set XDG_CACHE_HOME to a folder of yours") as new:
        index = SearchIndex(texts, _build(texts, corpus.folder))
        _save(index, new)
    return index


def _key(corpus: Corpus) -> str:
    """Hash all that an index depends on: the corpus, this code, the libraries, Python's table of characters."""
    code = [sha256_file(Path(file)) for file in (__file__, cutting.__file__)]
    parts = [corpus.sha256, *code, version("bm25s"), version("jieba"), unicodedata.unidata_version]
    return sha256("\n".join(parts))[:12]


def _require_libraries() -> None:
    try:
        with warnings.catch_warnings():
            # jieba's sources are old: invalid escapes, and pkg_resources, which warns of its own end.
            for category in (DeprecationWarning, PendingDeprecationWarning, SyntaxWarning):
                warnings.simplefilter("ignore", category)
            warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
            import bm25s
            import jieba
    except ImportError as error:
        raise OpenbookError(f"retrieval needs bm25s and jieba ({error}); install openbook-eval[retrieval]") from error
    for library in (bm25s, jieba):
        # Both set their loggers to tell every step, whatever the program wants to hear.
        logging.getLogger(library.__name__).setLevel(logging.WARNING)


@cache
def _dictionary() -> Any:
    """Read a dictionary of our own: words that a program adds to jieba's shared one would change what is found.

    jieba's cache of the parsed dictionary saves little, stays when jieba is updated, and may be damaged unnoticed.
    """
    import jieba

    dictionary = jieba.Tokenizer()
    dictionary.FREQ, dictionary.total = dictionary.gen_pfdict(dictionary.get_dict_file())
    dictionary.initialized = True
    return dictionary


def _words(text: str) -> Iterator[str]:
    """Return jieba's words, and all pairs of neighbouring Chinese characters, which find what classical texts say.

    Words that jieba guesses (its HMM) are left out: they take twice the time and find no more.
    """
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        yield from _dictionary().cut_for_search(run, HMM=False)
        for han in _HAN.findall(run):
            yield from map("".join, pairwise(han))


def _build(passages: Sequence[str], corpus: Path) -> Any:
    import bm25s
    import numpy as np

    vocabulary: dict[str, int] = {}
    rows = [
        array("i", [vocabulary.setdefault(word, len(vocabulary)) for word in _words(passage)])
        for passage in _shown(passages)
    ]
    if not vocabulary:
        raise OpenbookError(f"{corpus}: its .txt and .md files hold no words; put the texts to search there")
    scores = bm25s.BM25(method="lucene", backend="numpy")
    scores.index((rows, vocabulary), create_empty_token=False, show_progress=False)
    scores.scores["data"] = np.round(scores.scores["data"] * _GRID) / np.float32(_GRID)
    return scores


def _save(index: SearchIndex, folder: Path) -> None:
    index.scores.save(folder, show_progress=False)
    (folder / _PASSAGES).write_bytes(orjson.dumps(index.passages))
    (folder / _MANIFEST).write_bytes(orjson.dumps(_hashes(folder)))


def _shown(passages: Sequence[str]) -> Iterable[str]:
    quiet = len(passages) < _WORTH_A_BAR or not sys.stderr.isatty()
    return track(
        passages, "indexing the corpus", console=Console(stderr=True), transient=True, disable=quiet, update_period=0.5
    )


def _load(folder: Path) -> SearchIndex | None:
    """Return the index kept in `folder`; None where any of its files is missing or not as it was written."""
    try:
        if orjson.loads((folder / _MANIFEST).read_bytes()) != _hashes(folder):
            return None
        passages = orjson.loads((folder / _PASSAGES).read_bytes())
    except (OSError, OpenbookError, ValueError):
        return None
    import bm25s

    return SearchIndex(passages, bm25s.BM25.load(folder, mmap=True))


def _hashes(folder: Path) -> Mapping[str, str]:
    return {file.name: sha256_file(file) for file in folder.iterdir() if file.name != _MANIFEST}

"""Passages found by BM25 (Robertson and Zaragoza 2009, as Lucene counts it): built once for a corpus, then kept."""

import hashlib
import logging
import re
import sys
import tempfile
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
from rich.console import Console
from rich.progress import track

from openbook_eval.entries import passages as cutting
from openbook_eval.entries.corpus import Corpus
from openbook_eval.errors import OpenbookError

# Scores are multiples of 1/1024: float32 adds such numbers exactly up to 16,384, far above any score, so that the order
# of adding changes nothing; the last bits, in which machines may differ, are rounded away.
_GRID = 1024
# Some ten seconds of building; below, a bar would only flicker.
_WORTH_A_BAR = 15_000
_RUN = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_PASSAGES, _MANIFEST = "passages.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """The passages of a corpus, in its order, and what finds them: bm25s' scores, jieba's dictionary."""

    passages: Sequence[str]
    scores: Any
    dictionary: Any

    def best(self, text: str, top: int) -> list[int]:
        """Numbers of the `top` passages that match `text` best, the best first; fewer where fewer match.

        Of equal ones the first in the corpus goes first.
        """
        import numpy as np

        words = self.scores.get_tokens_ids(list(dict.fromkeys(_words(text, self.dictionary))))
        if not words:
            return []
        scores = self.scores.get_scores_from_ids(words)
        worst = np.partition(scores, -top)[-top] if top < len(scores) else 0
        found = np.flatnonzero((scores >= worst) & (scores > 0))
        order = np.argsort(-scores[found], kind="stable")[:top]
        return [int(number) for number in found[order]]


def open_index(corpus: Corpus, place: Path) -> SearchIndex:
    """The index of `corpus`, from the folder `place` where it is there whole, else built and kept there.

    Raises OpenbookError where the libraries are missing, `place` is closed, or a file of the corpus is no text.
    """
    _require_libraries()
    folder = place / f"retrieval-{_key(corpus)}"
    if kept := _load(folder):
        return kept
    texts = [passage for text in corpus.texts() for passage in cutting.passages(text)]
    try:
        place.mkdir(parents=True, exist_ok=True)
        # Built aside and moved in one step: no one ever sees half an index.
        with tempfile.TemporaryDirectory(dir=place, prefix="building-") as building:
            built = Path(building) / "index"
            _build(texts, built, corpus.folder)
            _move(built, folder, Path(building) / "broken")
    except OSError as error:
        raise OpenbookError(f"{place}: cannot be written ({error}); set XDG_CACHE_HOME to a folder of yours") from error
    if made := _load(folder):
        return made
    raise OpenbookError(f"{folder}: cannot be read back; delete it, then run again")


def _key(corpus: Corpus) -> str:
    """Of all that an index depends on: the corpus, this code, the libraries, Python's table of characters."""
    code = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in (__file__, cutting.__file__)]
    parts = [corpus.sha256, *code, version("bm25s"), version("jieba"), unicodedata.unidata_version]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


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
    """jieba with a dictionary of its own, read once a process, in half a second.

    Words that a program adds to jieba's shared one would change what is found. jieba's file of the parsed dictionary,
    left out here, saves little: it stays when jieba is updated, and a damaged one is not always noticed.
    """
    import jieba

    dictionary = jieba.Tokenizer()
    dictionary.FREQ, dictionary.total = dictionary.gen_pfdict(dictionary.get_dict_file())
    dictionary.initialized = True
    return dictionary


def _words(text: str, dictionary: Any) -> Iterator[str]:
    """What of a text is searched for: jieba's words, and all pairs of neighbouring Chinese characters.

    The pairs find what a dictionary of modern words does not divide as classical texts do. Words that jieba guesses
    (its HMM) are left out: they take twice the time and find no more.
    """
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        yield from dictionary.cut_for_search(run, HMM=False)
        for han in _HAN.findall(run):
            yield from map("".join, pairwise(han))


def _build(passages: Sequence[str], folder: Path, corpus: Path) -> None:
    import bm25s
    import numpy as np

    folder.mkdir()
    vocabulary: dict[str, int] = {}
    dictionary = _dictionary()
    rows = [
        array("i", [vocabulary.setdefault(word, len(vocabulary)) for word in _words(passage, dictionary)])
        for passage in _shown(passages)
    ]
    if not vocabulary:
        raise OpenbookError(f"{corpus}: its .txt and .md files hold no words; put the texts to search there")
    scores = bm25s.BM25(method="lucene", backend="numpy")
    scores.index((rows, vocabulary), create_empty_token=False, show_progress=False)
    scores.scores["data"] = np.round(scores.scores["data"] * _GRID) / np.float32(_GRID)
    scores.save(folder, show_progress=False)
    (folder / _PASSAGES).write_bytes(orjson.dumps(passages))
    (folder / _MANIFEST).write_bytes(orjson.dumps(_hashes(folder)))


def _shown(passages: Sequence[str]) -> Iterable[str]:
    """The passages, with a bar on the terminal's stderr where they are many."""
    quiet = len(passages) < _WORTH_A_BAR or not sys.stderr.isatty()
    return track(
        passages, "indexing the corpus", console=Console(stderr=True), transient=True, disable=quiet, update_period=0.5
    )


def _move(built: Path, folder: Path, broken: Path) -> None:
    """Puts the index in its place, a damaged one out of it."""
    try:
        if folder.exists():
            folder.rename(broken)
        built.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same index
            raise


def _load(folder: Path) -> SearchIndex | None:
    """The index kept in `folder`; None where there is none, or any of its files is not as it was written."""
    try:
        if orjson.loads((folder / _MANIFEST).read_bytes()) != _hashes(folder):
            return None
        passages = orjson.loads((folder / _PASSAGES).read_bytes())
    except (OSError, ValueError):
        return None
    import bm25s

    return SearchIndex(passages, bm25s.BM25.load(folder, mmap=True), _dictionary())


def _hashes(folder: Path) -> Mapping[str, str]:
    hashes = {}
    for file in folder.iterdir():
        if file.name != _MANIFEST:
            with file.open("rb") as data:
                hashes[file.name] = hashlib.file_digest(data, "sha256").hexdigest()
    return hashes

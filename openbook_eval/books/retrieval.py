"""Entries found by BM25 (Robertson and Zaragoza 2009, as Lucene counts it) in a folder of texts.

The texts are cut into passages at headings, then at paragraphs, then at sentence ends; the index is built once.
"""

import logging
import os
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import orjson
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import track

from openbook_eval.console import needing
from openbook_eval.errors import OpenbookError
from openbook_eval.files import decode, replace_folder, sha256_file
from openbook_eval.types import Question

_SUFFIXES = {".txt", ".md"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# Scores are multiples of 1/1024: float32 adds such numbers exactly up to 16,384, far above any score, so that the order
# of adding changes nothing; the last bits, in which machines may differ, are rounded away.
_GRID = 1024
_RUN = re.compile(r"\d+(?:\.\d+)+|[^\W_]+")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_PASSAGES = "passages.json"

# Some three to five sentences: long enough to answer a question, short enough that a few fit into an entry.
LENGTH = 250
# `<篇名>`, as the classical books mark their chapters, or Markdown's `#`; what is longer is a sentence.
_HEADING = re.compile(r"\s*(?:<[^<>]{1,20}>|#{1,6}\s).{0,60}")
_SENTENCE = re.compile(r".*?(?:[。！？；]+[”’」』）】》\"')]*|[.!?;](?=\s)|$)\s*", re.DOTALL)
_CLAUSE = re.compile(r".*?(?:[，、：,:]+|$)\s*", re.DOTALL)
# Characters that begin no line of their own: what stands before them was broken off in mid-sentence.
_NEVER_FIRST = tuple("。！？；，、：”’」』）】》")
_ENDS = tuple("。！？；：.!?;:”’」』）】》")
# A line that fills its width goes on in the next one; Chinese text files are wrapped at 35 to 45 characters.
_FULL_LINE = 30


def retrieve(questions: Sequence[Question], folder: Path, *, budget: int, top: int) -> tuple[dict[str, str], str]:
    """Return texts by question id: of the `top` passages that match best, as many as `budget` characters hold.

    `budget` is at least `LENGTH`. The answer is not looked at; questions for which nothing matches are missing. The
    second value is the sha256 over names and contents of the files. Raises OpenbookError where there are no texts or
    one cannot be read, the index cannot be kept, or the libraries are missing.
    """
    corpus = read_corpus(folder)
    index = open_index(corpus)
    queries = {question.id: "\n".join([question.stem, *question.options.values()]) for question in questions}
    entries = {key: _entry(index, query, budget, top) for key, query in queries.items()}
    return {key: entry for key, entry in entries.items() if entry}, corpus.sha256


def _entry(index: "SearchIndex", query: str, budget: int, top: int) -> str:
    """Return the best passages up to the first that `budget` has no room for.

    They stand in the order of the corpus, so that neighbours read on and their place does not tell how well they match.
    """
    ranked = index.best(query, top)
    lengths = accumulate(len(index.passages[number]) + 1 for number in ranked)
    # The last passage has no space after it.
    chosen = [number for number, length in zip(ranked, lengths, strict=True) if length <= budget + 1]
    return " ".join(index.passages[number] for number in sorted(chosen))


@dataclass(frozen=True, slots=True)
class Corpus:
    """The .txt and .md files of a folder and its sub-folders: bytes by relative name, in the order of the names."""

    folder: Path
    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """Return the hash over names and contents: another name is another order of the passages."""
        digest = sha256()
        for name, data in self.files.items():
            digest.update(sha256(os.fsencode(name)).digest() + sha256(data).digest())
        return digest.hexdigest()

    def passages(self) -> Iterator[str]:
        """Return the passages of all files; raises OpenbookError naming the file that is no text."""
        for name, data in self.files.items():
            label = str(self.folder / name)
            if b"\0" in data and not data.startswith(_UTF_16):
                raise OpenbookError(f"{label}: a binary file, not a text; take it out of the folder")
            yield from passages(decode(data, label))


def read_corpus(folder: Path) -> Corpus:
    """Return the texts of `folder`, hidden files and folders left out; raises OpenbookError where there are none."""
    try:
        names = {
            path.relative_to(folder).as_posix()
            for path in folder.rglob("*")
            if path.suffix.lower() in _SUFFIXES and path.is_file()
        }
        shown = sorted(name for name in names if not any(part.startswith(".") for part in name.split("/")))
        files = {name: (folder / name).read_bytes() for name in shown}
    except OSError as error:
        raise OpenbookError(f"{error.filename or folder}: cannot be read ({error.strerror}); mend it") from error
    if not any(data.strip() for data in files.values()):
        raise OpenbookError(f"{folder}: no folder with .txt or .md files that hold text; name the one to search")
    return Corpus(folder, files)


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


def open_index(corpus: Corpus) -> SearchIndex:
    """Return the index of `corpus` that the user's cache keeps, else build it and keep it there.

    Raises OpenbookError where the libraries are missing, it cannot be written, or a file of the corpus is no text.
    """
    with needing("retrieval needs bm25s and jieba", "retrieval"), warnings.catch_warnings():
        # jieba's sources are old: invalid escapes, and pkg_resources, which warns of its own end.
        warnings.simplefilter("ignore")
        import bm25s
        import jieba
    for library in (bm25s, jieba):
        # Both set their loggers to tell every step, whatever the program wants to hear.
        logging.getLogger(library.__name__).setLevel(logging.WARNING)
    folder = user_cache_path("openbook-eval") / f"retrieval-{_key(corpus)}"
    try:
        return SearchIndex(orjson.loads((folder / _PASSAGES).read_bytes()), bm25s.BM25.load(folder, mmap=True))
    except (OSError, ValueError):
        pass  # not there yet, or damaged
    texts = list(corpus.passages())
    with replace_folder(folder, "set XDG_CACHE_HOME to a folder of yours") as new:
        index = SearchIndex(texts, _build(texts, corpus.folder))
        index.scores.save(new, show_progress=False)
        (new / _PASSAGES).write_bytes(orjson.dumps(texts))
    return index


def _key(corpus: Corpus) -> str:
    """Hash all that an index depends on: the corpus, this code, the libraries, Python's table of characters."""
    code = sha256_file(Path(__file__))
    parts = [corpus.sha256, code, version("bm25s"), version("jieba"), unicodedata.unidata_version]
    return sha256("\n".join(parts).encode()).hexdigest()[:12]


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


def _build(texts: Sequence[str], folder: Path) -> Any:
    import bm25s
    import numpy as np

    vocabulary: dict[str, int] = {}
    console = Console(stderr=True)
    shown = track(texts, "indexing the corpus", console=console, transient=True, disable=not sys.stderr.isatty())
    rows = [[vocabulary.setdefault(word, len(vocabulary)) for word in _words(text)] for text in shown]
    if not vocabulary:
        raise OpenbookError(f"{folder}: its .txt and .md files hold no words; put the texts to search there")
    scores = bm25s.BM25(method="lucene", backend="numpy")
    scores.index((rows, vocabulary), create_empty_token=False, show_progress=False)
    scores.scores["data"] = np.round(scores.scores["data"] * _GRID) / np.float32(_GRID)
    return scores


def passages(text: str, length: int = LENGTH) -> Iterator[str]:
    """Return the text as passages of at most `length` characters, in order, none with a line break.

    A heading begins a passage and stays with what it heads. Paragraphs fill passages; one that does not fit is divided
    by its sentences. Nothing but whitespace is lost, nothing stands twice.
    """
    passage, headed = "", False
    for paragraph, heading in _paragraphs(text):
        if passage and not headed and (heading or len(passage) + 1 + len(paragraph) > length):
            yield passage
            passage = ""
        # What follows a heading is cut so short that its beginning fits beside it.
        longest = max(length - len(passage) - 1, length // 2, 1) if headed else length
        headed = heading
        passage = f"{passage} " if passage else ""
        for sentence in _sentences(paragraph, longest):
            if passage.strip() and len(passage) + len(sentence.rstrip()) > length:
                yield passage.strip()
                passage = ""
            passage += sentence
        passage = passage.strip()
    if passage:
        yield passage


def _paragraphs(text: str) -> Iterator[tuple[str, bool]]:
    """Return paragraphs, a line each, and whether they are headings."""
    gathered: list[str] = []
    for line in [*text.splitlines(), ""]:
        heading = bool(_HEADING.fullmatch(line))
        if gathered and (heading or not line.strip()):
            yield _joined(gathered), False
            gathered = []
        if heading:
            yield " ".join(line.split()), True
        elif line.strip():
            gathered.append(line)


def _joined(lines: Iterable[str]) -> str:
    """Return the lines of a paragraph as one, without a space where a Chinese sentence runs on."""
    whole, before = "", ""
    for line in lines:
        bare = " ".join(line.split())
        runs_on = _is_wrapped(before) or bare.startswith(_NEVER_FIRST)
        latin = whole[-1:].isascii() and bare[:1].isascii()
        whole += bare if not whole or (runs_on and not latin) else f" {bare}"
        before = line
    return whole


def _is_wrapped(line: str) -> bool:
    bare = line.rstrip()
    # One space at the end runs on; two are Markdown's line break.
    return len(line) - len(bare) == 1 or (len(bare) >= _FULL_LINE and not bare.endswith(_ENDS))


def _sentences(text: str, length: int) -> Iterator[str]:
    """Divide a text into sentences, a longer one into clauses, a longer clause hard."""
    for sentence in _SENTENCE.findall(text):
        for clause in [sentence] if len(sentence.rstrip()) <= length else _CLAUSE.findall(sentence):
            yield from (clause[start : start + length] for start in range(0, len(clause.rstrip()), length))

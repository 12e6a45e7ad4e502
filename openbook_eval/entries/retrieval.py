"""The retrieved provider: a question's entry is what a search of its stem and options finds in a folder of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from openbook_eval.entries.corpus import read_corpus
from openbook_eval.entries.passages import first_sentences
from openbook_eval.entries.search_index import SearchIndex, open_index
from openbook_eval.errors import OpenbookError
from openbook_eval.types import Question


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Entries found in a corpus, by question id; questions for which nothing matches are missing.

    `sha256` is over the corpus: the names and contents of its files.
    """

    texts: Mapping[str, str]
    sha256: str


def retrieve(
    questions: Sequence[Question], corpus: Path, *, budget: int, top: int, cache: Path | None = None
) -> Retrieved:
    """An entry for each question: of the `top` passages that match best, as many as `budget` characters hold.

    The answer is not looked at. The index is built once and kept in `cache`. Raises OpenbookError where the corpus has
    no texts or one that cannot be read, the cache is closed, or the libraries are missing.
    """
    if budget < 1 or top < 1:
        raise OpenbookError(f"retrieval: budget and top must be at least 1, not {budget} and {top}")
    texts = read_corpus(corpus)
    index = open_index(texts, cache or user_cache_path("openbook-eval"))
    entries = {question.id: _entry(index, _query(question), budget, top) for question in questions}
    return Retrieved({name: entry for name, entry in entries.items() if entry}, texts.sha256)


def _query(question: Question) -> str:
    return "\n".join([question.stem, *question.options.values()])


def _entry(index: SearchIndex, query: str, budget: int, top: int) -> str:
    """The best passages up to the first that `budget` has no room for; of the best, what fits, where none does whole.

    They stand in the order of the corpus: neighbours read on as their book does, and the place of a passage does not
    tell how well it matched.
    """
    ranked = index.best(query, top)
    chosen: list[int] = []
    room = budget + 1  # the last passage has no blank after it
    for number in ranked:
        room -= len(index.passages[number]) + 1
        if room < 0:
            break
        chosen.append(number)
    if ranked and not chosen:
        return first_sentences(index.passages[ranked[0]], budget)
    return " ".join(index.passages[number] for number in sorted(chosen))

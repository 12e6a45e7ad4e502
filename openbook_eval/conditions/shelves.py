"""Shared books: the questions of an exam are dealt into groups, and each group is given one book of a given length."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from openbook_eval.conditions.contrary import contrary_answer, rewrite
from openbook_eval.conditions.material import LENGTHS, Cluster, Material
from openbook_eval.conditions.telling import Telling
from openbook_eval.errors import ExamError
from openbook_eval.sampling import seeded_draw
from openbook_eval.types import Book, Entry, ExamName, Question

# So many fillers that do not fit are tried one after another before a book counts as full.
_TRIES = 60
# The part of its length that a book of the condition `missing` must have: a shorter one would be easier to search.
_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that are asked on one book; `name` is unique among all groups of an exam file.

    `own` are the questions' entries by id, as they stand in the book or, where it lacks them, would have stood there.
    """

    name: str
    questions: tuple[Question, ...]
    book: Book
    own: Mapping[str, Entry]


def library(material: Material, exam: ExamName, length: int) -> list[Group]:
    """Groups of one exam whose books hold the entries of all their questions and are full to `length` characters.

    Each entry is needed by one question and distracts the others. Where an exam's own entries run out, entries of other
    exams fill up, then of its own other groups. Raises ExamError where an entry is longer than a book, or all too few.
    """
    _require(material, length)
    groups = []
    for name, members in _deal(material, exam, length):
        own = {question.id: material.entries[question.id] for question in members}
        fillers = (material.entries[question.id] for question in _fillers(material, exam, name))
        groups.append(_group(material, name, members, own, _filled(own.values(), fillers, length)))
    return groups


def contrary(material: Material, exam: ExamName, length: int) -> list[Group]:
    """The library's groups, every entry of their books rewritten against its question (see `rewrite`).

    Those that fill up are rewritten too: a book that lies in part would give itself away. None of them was made of an
    entry of the group: rewritten for another question, that one may still tell the truth. Raises ExamError as
    `library` does.
    """
    _require(material, length)
    groups = []
    for name, members in _deal(material, exam, length):
        texts = Counter(material.entries[question.id].text for question in members)
        own = {q.id: _lie(material, q, shared=texts[material.entries[q.id].text] > 1) for q in members}
        others = (q for q in _fillers(material, exam, name) if material.entries[q.id].text not in texts)
        fillers = (_lie(material, question, shared=False) for question in others)
        groups.append(_group(material, name, members, own, _filled(own.values(), fillers, length)))
    return groups


def missing(material: Material, exam: ExamName, length: int) -> list[Group]:
    """The library's groups, each with another group's book: without any entry that answers one of its questions.

    It is the next group's book, less what would tell, filled up again; where an exam has one group only, a book of
    other entries. Nor does any hold a right answer of the group word for word, unless too few are left then (all
    answers of an exam may be `正确` or `错误`). Raises ExamError as `library` does, and where the exam is too small for
    such a book.
    """
    _require(material, length)
    dealt = _deal(material, exam, length)
    groups = []
    for number, (name, members) in enumerate(dealt):
        own = {question.id: material.entries[question.id] for question in members}
        tells = Telling(material, members)
        following = dealt[(number + 1) % len(dealt)][1] if len(dealt) > 1 else ()
        others = [material.entries[q.id] for q in (*following, *_fillers(material, exam, f"missing {name}"))]
        filled = _filled((), (entry for entry in others if not tells(entry) and not tells.named_in(entry)), length)
        if not _is_full(filled, length):
            filled = _filled((), (entry for entry in others if not tells(entry)), length)
        if not _is_full(filled, length):
            raise ExamError(
                f"exam {material.name}, {exam}: too few entries for a book of {length:,} characters "
                "that answers none of its questions; "
                'ask an exam with more questions, or name one that fills up: --metadata \'{"fill": "EXAM"}\''
            )
        groups.append(_group(material, name, members, own, filled))
    return groups


def _is_full(entries: Iterable[Entry], length: int) -> bool:
    return sum(len(entry.text) + 1 for entry in entries) >= _FULL * length


def _lie(material: Material, question: Question, *, shared: bool) -> Entry:
    answer = contrary_answer(question, material.seed)
    return rewrite(question, material.entries[question.id], answer, shared=shared)


def _require(material: Material, length: int) -> None:
    if material.characters >= length:
        return
    fit = [name for name, characters in LENGTHS.items() if characters <= material.characters]
    can = f"it can fill {', '.join(f'library_{name}' for name in fit)}" if fit else "it can fill no library"
    raise ExamError(
        f"exam {material.name}: all entries together have {material.characters:,} characters, "
        f"too few for a book of {length:,}; {can}; "
        'ask those, or name an exam whose entries fill up: --metadata \'{"fill": "EXAM"}\''
    )


def _deal(material: Material, exam: ExamName, length: int) -> list[tuple[str, tuple[Question, ...]]]:
    """Runs of the exam's order whose entries fit into `length` together, by name; questions that ask the same stay
    together."""
    runs: list[list[Question]] = [[]]
    texts: set[str] = set()
    used = -1  # no line break before the first entry
    for cluster in _small_enough(material, exam, length):
        own = {material.entries[question.id].text for question in cluster}
        more = sum(len(text) + 1 for text in own - texts)
        if used + more > length:
            runs.append([])
            texts, used, more = set(), -1, sum(len(text) + 1 for text in own)
        runs[-1] += cluster
        texts |= own
        used += more
    return [(f"{exam}-{length}-{number}", tuple(run)) for number, run in enumerate(runs)]


def _small_enough(material: Material, exam: ExamName, length: int) -> Iterator[Cluster]:
    """The clusters; one whose entries do not fit into one book is taken apart. Raises ExamError for a longer entry."""
    for cluster in material.clusters[exam]:
        entries = [material.entries[question.id] for question in cluster]
        if longest := next((entry for entry in entries if len(entry.text) > length), None):
            raise ExamError(
                f"exam {material.name}, question {longest.question_id}: "
                f"its entry has {len(longest.text):,} characters, more than a book of {length:,}; "
                "ask a longer library, or cut the entries shorter"
            )
        if sum(len(text) + 1 for text in {entry.text for entry in entries}) - 1 > length:
            yield from ((question,) for question in cluster)
        else:
            yield cluster


def _fillers(material: Material, exam: ExamName, name: str) -> Iterator[Question]:
    """Questions whose entries fill up, seeded: of the other exams first, then of this one, then of the spare exam."""
    others = [question for other in material.clusters if other != exam for question in material.of(other)]
    for part in (others, material.of(exam), material.spare):
        start = seeded_draw(material.seed, "fill", name) % max(1, len(part))
        yield from (*part[start:], *part[:start])


def _filled(own: Iterable[Entry], fillers: Iterable[Entry], length: int) -> list[Entry]:
    """Entries of different texts: all of `own`, then fillers that fit into `length` with a line break between them."""
    chosen = {entry.text: entry for entry in own}
    room, misses = length - sum(len(text) + 1 for text in chosen) + 1, 0
    for entry in fillers:
        if room <= 1 or misses > _TRIES:
            break
        if entry.text in chosen:
            continue
        if len(entry.text) + 1 <= room:
            chosen[entry.text] = entry
            room -= len(entry.text) + 1
            misses = 0
        else:
            misses += 1
    return list(chosen.values())


def _group(
    material: Material, name: str, members: tuple[Question, ...], own: Mapping[str, Entry], entries: Iterable[Entry]
) -> Group:
    """The entries in a seeded order that has nothing to do with the order of the questions."""
    ordered = sorted(entries, key=lambda entry: seeded_draw(material.seed, "place", name, entry.question_id))
    return Group(name, members, Book(tuple(ordered)), own)

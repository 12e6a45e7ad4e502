"""Shared books: the questions of an exam are grouped, and each group is given one book of a given length.

A library tells the answers, an unanswerable book tells none, a counterfactual one tells wrong ones. Near-duplicates
stay together, and the order of questions is such that any first part of it is a sample.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import fuzz

from openbook_eval.baselines import apart, options_held, plain
from openbook_eval.errors import ExamError
from openbook_eval.sampling import seeded_draw
from openbook_eval.types import EXAM_NAMES, Book, Entry, ExamName, Question

# Lengths of a shared book, in characters: all models read the same text, whatever their tokens.
LENGTHS: Mapping[str, int] = {"4k": 4_000, "16k": 16_000, "64k": 64_000, "256k": 256_000}

# Of two stems with the same right text, in percent of rapidfuzz's ratio. Too low a bar costs little: two questions more
# that are asked on the same book.
_ALIKE = 70.0
# So many fillers that do not fit are tried one after another before a book counts as full.
_TRIES = 60
# The part of its length that a book of the condition `unanswerable` must have: a shorter one would be easier to search.
_FULL = 0.9
# "all of the above" makes no statement of its own; taken only where nothing else is wrong.
_SUMS_UP = re.compile(r"(?:以上|上述)|(?:都|均|皆)(?:不?是|不?对|不?正确|可以?)")

Cluster = tuple[Question, ...]
_FILL = 'name an exam whose entries fill up: --metadata \'{"fill": "EXAM"}\''


@dataclass(frozen=True, slots=True)
class Item:
    """A question under a condition.

    `entry` is the question's own, as the book holds it. `expected` are the letters that are right under this condition,
    "" where right is to abstain. `group` names the group that shares the book. `depth` is where the entry begins in the
    book, from 0 to 1, None where it is missing. `book_length` is what a shared book is filled up to, in characters.
    """

    question: Question
    entry: Entry
    book: Book
    expected: str
    group: str | None = None
    depth: float | None = None
    book_length: int | None = None


Group = list[Item]


@dataclass(frozen=True)  # without slots: near-duplicates are looked for once, and only where a condition asks for them
class Material:
    """An exam's questions, and entries by question id; those of `spare`, another exam's questions, fill books."""

    name: str
    questions: Sequence[Question]
    entries: Mapping[str, Entry]
    seed: int = 0
    spare: Sequence[Question] = ()

    @cached_property
    def _clusters(self) -> list[Cluster]:
        return near_duplicates((*self.questions, *self.spare), self.entries)

    @cached_property
    def cluster_of(self) -> dict[str, int]:
        """Return by question id the number of the cluster of near-duplicates, over exam and spare."""
        return {question.id: number for number, cluster in enumerate(self._clusters) for question in cluster}

    @cached_property
    def clusters(self) -> dict[ExamName, list[Cluster]]:
        """Return the near-duplicates of each exam in a seeded order, which does not depend on the file's order."""
        own, clusters = {question.id for question in self.questions}, {}
        for exam in EXAM_NAMES:
            parts = (tuple(q for q in cluster if q.exam == exam and q.id in own) for cluster in self._clusters)
            if found := [part for part in parts if part]:
                clusters[exam] = _in_order(found, self.seed)
        return clusters

    def of(self, exam: ExamName) -> list[Question]:
        """Return the questions of one exam in their seeded order: any first part is a stratified sample."""
        return [question for cluster in self.clusters[exam] for question in cluster]


def _in_order(clusters: Iterable[Cluster], seed: int) -> list[Cluster]:
    """Shuffle clusters so that any first part holds class and type in the proportion of the whole.

    The n-th of a stratum's k clusters stands at (n - 1/2) / k of the way; strata are interleaved by that place.
    """
    strata: dict[tuple[str, str], list[tuple[int, Cluster]]] = defaultdict(list)
    for cluster in clusters:
        members = tuple(sorted(cluster, key=lambda question: question.id))
        strata[members[0].exam_class, members[0].qtype].append((seeded_draw(seed, "order", members[0].id), members))
    placed = [
        ((2 * rank + 1) / (2 * len(stratum)), number, members)
        for stratum in strata.values()
        for rank, (number, members) in enumerate(sorted(stratum, key=lambda drawn: drawn[0]))
    ]
    return [members for _, _, members in sorted(placed, key=lambda place: place[:2])]


def near_duplicates(questions: Sequence[Question], entries: Mapping[str, Entry]) -> list[Cluster]:
    """Return all questions as clusters of those that ask the same; most hold one question.

    Two ask the same where their entries are the same text, or their right texts are the same and their stems similar.
    `entries` are by question id.
    """
    cluster_of = {question.id: [question] for question in questions}
    for first, second in _pairs(questions, entries):
        one, other = cluster_of[first.id], cluster_of[second.id]
        if one is not other:
            one += other
            cluster_of.update((question.id, one) for question in other)
    clusters: dict[int, list[Question]] = defaultdict(list)
    for question in questions:
        clusters[id(cluster_of[question.id])].append(question)
    return [tuple(members) for members in clusters.values()]


def _pairs(questions: Iterable[Question], entries: Mapping[str, Entry]) -> Iterator[tuple[Question, Question]]:
    by_entry: dict[str, Question] = {}
    by_answer: dict[tuple[str, ...], list[tuple[str, Question]]] = defaultdict(list)
    for question in questions:
        yield by_entry.setdefault(plain(entries[question.id].text), question), question
        stem, same_answer = plain(question.stem), by_answer[tuple(sorted(map(plain, question.right_texts)))]
        yield from ((other, question) for text, other in same_answer if fuzz.ratio(text, stem, score_cutoff=_ALIKE))
        same_answer.append((stem, question))


def library(material: Material, exam: ExamName, length: int) -> list[Group]:
    """Return groups of one exam; a book holds the entries of its group and is filled up to `length` characters.

    Entries of other exams fill up first, then those of other groups. Raises ExamError where an entry is longer than a
    book, or all together too short.
    """
    return _laid(material, exam, length, lambda question, _: (question.answer, material.entries[question.id]))


def counterfactual(material: Material, exam: ExamName, length: int) -> list[Group]:
    """Return the library's groups, every entry of their books rewritten against its question (see `rewrite`).

    Those that fill up are rewritten too: a book that lies in part would give itself away. None of them has the text of
    an entry of the group: rewritten for another question, it may still tell the answer. Raises as `library` does.
    """

    def rewritten(question: Question, shared: bool) -> tuple[str, Entry]:
        answer = counterfactual_answer(question, material.seed)
        return answer, rewrite(question, material.entries[question.id], answer, shared=shared)

    return _laid(material, exam, length, rewritten)


def _laid(
    material: Material, exam: ExamName, length: int, answer_of: Callable[[Question, bool], tuple[str, Entry]]
) -> list[Group]:
    """Return groups with their books.

    `answer_of` takes a question and whether another of the group has its entry's text; it returns the answer that the
    book gives, and the entry.
    """
    groups = []
    for name, members in _grouped(material, exam, length):
        texts = Counter(material.entries[question.id].text for question in members)
        own = [(question, *answer_of(question, texts[material.entries[question.id].text] > 1)) for question in members]
        others = (q for q in _fillers(material, exam, name) if material.entries[q.id].text not in texts)
        fillers = (answer_of(question, False)[1] for question in others)
        book = _book(material, name, _filled([entry for _, _, entry in own], fillers, length))
        depths = book.depths()
        groups.append([Item(q, entry, book, answer, name, depths.get(entry.text), length) for q, answer, entry in own])
    return groups


def unanswerable(material: Material, exam: ExamName, length: int) -> list[Group]:
    """Return the library's groups, each with a book that answers none of its questions.

    It is the next group's book without what would tell, filled up again. No entry holds a right answer of the group
    word for word, unless too few are left then (all answers may be `正确` or `错误`). Raises as `library` does, and
    where the exam is too small for such a book.
    """
    grouped = _grouped(material, exam, length)
    groups = []
    for number, (name, members) in enumerate(grouped):
        following = grouped[(number + 1) % len(grouped)][1] if len(grouped) > 1 else ()
        others = [material.entries[q.id] for q in (*following, *_fillers(material, exam, f"missing {name}"))]
        for strict in (True, False):
            tells = _telling(material, members, strict)
            entries = _filled((), (entry for entry in others if not tells(entry)), length)
            if sum(len(entry.text) + 1 for entry in entries) >= _FULL * length:
                break
        else:
            raise ExamError(
                f"exam {material.name}, {exam}: too few entries for a book of {length:,} characters "
                f"that answers none of its questions; {_FILL}"
            )
        book = _book(material, name, entries)
        groups.append([Item(q, material.entries[q.id], book, "", name, None, length) for q in members])
    return groups


def _telling(material: Material, members: Iterable[Question], strict: bool) -> Callable[[Entry], bool]:
    """Return what says whether an entry answers a question of a group: a near-duplicate's, or one text holds the other.

    With `strict` also where it holds all right texts of a question: it may tell, however that was asked.
    """
    clusters = {material.cluster_of[question.id] for question in members}
    texts = [material.entries[question.id].text for question in members]
    right = {tuple(map(plain, question.right_texts)) for question in members} if strict else ()
    # Single characters stand in any text.
    named = [options for options in right if min(map(len, options)) > 1]

    def tells(entry: Entry) -> bool:
        if material.cluster_of[entry.question_id] in clusters:
            return True
        if any(text in entry.text or entry.text in text for text in texts):
            return True
        text = plain(entry.text)
        return any(all(option in text for option in options) for options in named)

    return tells


def _grouped(material: Material, exam: ExamName, length: int) -> list[tuple[str, Cluster]]:
    """Divide the exam's order into named groups whose entries fit into `length`.

    Near-duplicates are in one group, unless they do not fit into one book.
    """
    _require_entries(material, exam, length)
    runs: list[list[Question]] = [[]]
    texts: set[str] = set()
    room = length + 1  # no line break after the last entry
    for cluster in material.clusters[exam]:
        fits = _characters({material.entries[question.id].text for question in cluster}) - 1 <= length
        for members in [cluster] if fits else zip(cluster, strict=True):
            own = {material.entries[question.id].text for question in members}
            if _characters(own - texts) > room:
                runs.append([])
                texts, room = set(), length + 1
            runs[-1] += members
            room -= _characters(own - texts)
            texts |= own
    return [(f"{exam}-{length}-{number}", tuple(run)) for number, run in enumerate(runs)]


def _require_entries(material: Material, exam: ExamName, length: int) -> None:
    characters = _characters({entry.text for entry in material.entries.values()}) - 1
    longest = max((material.entries[question.id] for question in material.of(exam)), key=lambda entry: len(entry.text))
    if len(longest.text) > length:
        raise ExamError(
            f"exam {material.name}, question {longest.question_id}: its entry has {len(longest.text):,} characters, "
            f"more than a book of {length:,}; ask a longer library, or cut the entries shorter"
        )
    if characters < length:
        raise ExamError(
            f"exam {material.name}: all entries together have {characters:,} characters, "
            f"too few for a book of {length:,}; {_FILL}"
        )


def _characters(texts: Iterable[str]) -> int:
    """Return the length of texts with a line break after each."""
    return sum(len(text) + 1 for text in texts)


def _fillers(material: Material, exam: ExamName, name: str) -> Iterator[Question]:
    """Return questions whose entries fill up: of the other exams, then of this one, then of the spare exam."""
    others = [question for other in material.clusters if other != exam for question in material.of(other)]
    for part in (others, material.of(exam), material.spare):
        start = seeded_draw(material.seed, "fill", name) % max(1, len(part))
        yield from (*part[start:], *part[:start])


def _filled(own: Iterable[Entry], fillers: Iterable[Entry], length: int) -> list[Entry]:
    """Return entries of different texts, one a line: all of `own`, then fillers that fit into `length`."""
    chosen = {entry.text: entry for entry in own}
    room, misses = length - _characters(chosen) + 1, 0
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


def _book(material: Material, name: str, entries: Iterable[Entry]) -> Book:
    """Return the entries in a seeded order that has nothing to do with the order of the questions."""
    return Book(tuple(sorted(entries, key=lambda e: seeded_draw(material.seed, "place", name, e.question_id))))


# Entries rewritten so that they support a wrong option: who reads the book answers with it, who remembers does not.


def counterfactual_answer(question: Question, seed: int) -> str:
    """Return the letters that the rewritten entry supports: a seeded wrong one in place of a right one.

    Where every option is right, one is left out. The draw depends on the options' texts, so that near-duplicates with
    the same options have the same wrong answer.
    """
    texts = {letter: plain(text) for letter, text in question.options.items()}
    right = {letter: texts[letter] for letter in question.answer}

    def drawn(letter: str) -> tuple[bool, int, str]:
        key = seeded_draw(seed, "contrary", *sorted(right.values()), texts[letter])
        return bool(_SUMS_UP.search(texts[letter])), key, letter

    given_up = min(right, key=drawn)
    wrong = [letter for letter in texts if letter not in right]
    # A wrong option with a right one's text would support nothing else.
    telling = [letter for letter in wrong if texts[letter] not in right.values()] or wrong
    put_in = {min(telling, key=drawn)} if telling else set()
    return "".join(sorted((right.keys() - {given_up}) | put_in))


def rewrite(question: Question, entry: Entry, answer: str, *, shared: bool) -> Entry:
    """Return the entry with right and wrong option exchanged, else the statement of `answer`.

    Exchanged, it must hold every option of `answer` word for word and the one given up no longer, and a stem that it
    repeats must stay. A text `shared` with another question is not exchanged: the two would rewrite it two ways.
    """
    given_up, put_in = sorted(set(question.answer) - set(answer)), sorted(set(answer) - set(question.answer))
    if not shared and len(given_up) == len(put_in) == 1:
        text = _exchanged(entry.text, question.options[given_up[0]], question.options[put_in[0]])
        held = options_held(text, question.options)
        stem = question.statement("").removesuffix("。")
        asks_the_same = stem in text or stem not in entry.text
        if text != entry.text and asks_the_same and set(answer) <= set(held) and given_up[0] not in held:
            return Entry(question.id, text, entry.provider, entry.removed)
    return Entry(question.id, question.statement(answer), "statement")


def _exchanged(text: str, first: str, second: str) -> str:
    """Exchange two texts, save inside longer numbers (`10` in `1000`), or where one is part of the other."""
    if min(len(first), len(second)) < 2 or first in second or second in first:
        return text
    either = re.compile("|".join(map(apart, (first, second))))
    return either.sub(lambda found: second if found.group() == first else first, text)

"""Shared books: the questions of an exam are grouped, and each group is given one book of a given length.

A library tells the answers, an unanswerable book tells none, a counterfactual one tells wrong ones.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from openbook_eval.books.grouping import LENGTHS, Cluster, Material
from openbook_eval.errors import ExamError
from openbook_eval.evidence import apart, options_held, plain
from openbook_eval.sampling import seeded_draw
from openbook_eval.types import Book, Entry, ExamName, Question

# So many fillers that do not fit are tried one after another before a book counts as full.
_TRIES = 60
# The part of its length that a book of the condition `unanswerable` must have: a shorter one would be easier to search.
_FULL = 0.9
# "all of the above" makes no statement of its own; taken only where nothing else is wrong.
_SUMS_UP = re.compile(r"(?:以上|上述)|(?:都|均|皆)(?:不?是|不?对|不?正确|可以?)")


@dataclass(frozen=True, slots=True)
class QuestionGroup:
    """Questions that are asked on one book; `name` is unique among all groups of an exam file.

    `own` are the questions' entries by id, as they stand in the book or, where it lacks them, would have stood there.
    """

    name: str
    questions: tuple[Question, ...]
    book: Book
    own: Mapping[str, Entry]


def library(material: Material, exam: ExamName, length: int) -> list[QuestionGroup]:
    """Return groups of one exam; a book holds the entries of its group and is filled up to `length` characters.

    Entries of other exams fill up first, then those of other groups. Raises ExamError where an entry is longer than a
    book, or all together too short.
    """
    return _laid(material, exam, length, lambda question, _: material.entries[question.id])


def counterfactual(material: Material, exam: ExamName, length: int) -> list[QuestionGroup]:
    """Return the library's groups, every entry of their books rewritten against its question (see `rewrite`).

    Those that fill up are rewritten too: a book that lies in part would give itself away. None of them has the text of
    an entry of the group: rewritten for another question, it may still tell the answer. Raises as `library` does.
    """

    def rewritten(question: Question, shared: bool) -> Entry:
        answer = counterfactual_answer(question, material.seed)
        return rewrite(question, material.entries[question.id], answer, shared=shared)

    return _laid(material, exam, length, rewritten)


def _laid(
    material: Material, exam: ExamName, length: int, entry_of: Callable[[Question, bool], Entry]
) -> list[QuestionGroup]:
    """Return groups with their books; `entry_of` takes a question and whether another of the group has its text."""
    groups = []
    for name, members in _grouped(material, exam, length):
        texts = Counter(material.entries[question.id].text for question in members)
        own = {q.id: entry_of(q, texts[material.entries[q.id].text] > 1) for q in members}
        others = (q for q in _fillers(material, exam, name) if material.entries[q.id].text not in texts)
        fillers = (entry_of(question, False) for question in others)
        groups.append(_group(material, name, members, own, _filled(own.values(), fillers, length)))
    return groups


def unanswerable(material: Material, exam: ExamName, length: int) -> list[QuestionGroup]:
    """Return the library's groups, each with a book that answers none of its questions.

    It is the next group's book without what would tell, filled up again. No entry holds a right answer of the group
    word for word, unless too few are left then (all answers may be `正确` or `错误`). Raises as `library` does, and
    where the exam is too small for such a book.
    """
    grouped = _grouped(material, exam, length)
    groups = []
    for number, (name, members) in enumerate(grouped):
        own = {question.id: material.entries[question.id] for question in members}
        tells = TellsAnswer(material, members)
        following = grouped[(number + 1) % len(grouped)][1] if len(grouped) > 1 else ()
        others = [material.entries[q.id] for q in (*following, *_fillers(material, exam, f"missing {name}"))]
        for strict in (True, False):
            silent = (entry for entry in others if not tells(entry) and not (strict and tells.named_in(entry)))
            filled = _filled((), silent, length)
            if sum(len(entry.text) + 1 for entry in filled) >= _FULL * length:
                break
        else:
            raise ExamError(
                f"exam {material.name}, {exam}: too few entries for a book of {length:,} characters "
                "that answers none of its questions; "
                'ask an exam with more questions, or name one that fills up: --metadata \'{"fill": "EXAM"}\''
            )
        groups.append(_group(material, name, members, own, filled))
    return groups


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


def _grouped(material: Material, exam: ExamName, length: int) -> list[tuple[str, tuple[Question, ...]]]:
    """Divide the exam's order into named groups whose entries fit into `length`, near-duplicates in one group."""
    _require(material, length)
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
    """Return the clusters, those divided whose entries do not fit into one book."""
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
    """Return questions whose entries fill up: of the other exams, then of this one, then of the spare exam."""
    others = [question for other in material.clusters if other != exam for question in material.of(other)]
    for part in (others, material.of(exam), material.spare):
        start = seeded_draw(material.seed, "fill", name) % max(1, len(part))
        yield from (*part[start:], *part[:start])


def _filled(own: Iterable[Entry], fillers: Iterable[Entry], length: int) -> list[Entry]:
    """Return entries of different texts, one a line: all of `own`, then fillers that fit into `length`."""
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
) -> QuestionGroup:
    """Return the entries in a seeded order that has nothing to do with the order of the questions."""
    ordered = sorted(entries, key=lambda entry: seeded_draw(material.seed, "place", name, entry.question_id))
    return QuestionGroup(name, members, Book(tuple(ordered)), own)


# Entries rewritten so that they support a wrong option: who reads the book answers with it, who remembers does not.


def counterfactual_answer(question: Question, seed: int) -> str:
    """Return the letters that the rewritten entry supports: a seeded wrong one in place of a right one.

    Where every option is right, one is left out. The draw depends on the options' texts, so that near-duplicates with
    the same options have the same wrong answer.
    """
    right = question.answer
    texts = {letter: plain(text) for letter, text in question.options.items()}

    def drawn(letter: str) -> tuple[bool, int, str]:
        key = seeded_draw(seed, "contrary", *sorted(texts[name] for name in right), texts[letter])
        return bool(_SUMS_UP.search(texts[letter])), key, letter

    given_up = min(right, key=drawn)
    kept = [letter for letter in right if letter != given_up]
    wrong = [letter for letter in question.options if letter not in right]
    # A wrong option with a right one's text would support nothing else.
    telling = [letter for letter in wrong if texts[letter] not in {texts[name] for name in right}] or wrong
    return "".join(sorted([*kept, min(telling, key=drawn)] if telling else kept))


def rewrite(question: Question, entry: Entry, answer: str, *, shared: bool) -> Entry:
    """Return the entry with right and wrong option exchanged, else the statement of `answer`.

    Exchanged, it must hold every option of `answer` word for word and the one given up no longer, and a stem that it
    repeats must stay. A text `shared` with another question is not exchanged: the two would rewrite it two ways.
    """
    given_up = "".join(sorted(set(question.answer) - set(answer)))
    put_in = "".join(sorted(set(answer) - set(question.answer)))
    if not shared and len(given_up) == len(put_in) == 1:
        text = _exchanged(entry.text, question.options[given_up], question.options[put_in])
        held = options_held(text, question.options)
        stem = question.statement("").removesuffix("。")
        asks_the_same = stem in text or stem not in entry.text
        if text != entry.text and asks_the_same and set(answer) <= set(held) and given_up not in held:
            return Entry(question.id, text, entry.provider, entry.removed)
    return Entry(question.id, question.statement(answer), "statement")


def _exchanged(text: str, first: str, second: str) -> str:
    """Exchange two texts, save inside longer numbers (`10` in `1000`), or where one is part of the other."""
    if min(len(first), len(second)) < 2 or first in second or second in first:
        return text
    either = re.compile("|".join(map(apart, (first, second))))
    return either.sub(lambda found: second if found.group() == first else first, text)


class TellsAnswer:
    """Whether an entry answers a question of a group: a near-duplicate's entry, or a text that holds the other."""

    def __init__(self, material: Material, members: Iterable[Question]) -> None:
        """Take the questions of a group."""
        self._material = material
        self._clusters = {material.cluster_of[question.id] for question in members}
        self._texts = [material.entries[question.id].text for question in members]
        # Single characters stand in any text.
        right = {tuple(map(plain, question.right_texts)) for question in members}
        self._right = [texts for texts in right if min(map(len, texts)) > 1]

    def __call__(self, entry: Entry) -> bool:
        """Return whether the entry is a near-duplicate's, or one text holds the other."""
        if self._material.cluster_of.get(entry.question_id) in self._clusters:
            return True
        return any(text in entry.text or entry.text in text for text in self._texts)

    def named_in(self, entry: Entry) -> bool:
        """Return whether the entry holds all right texts of a question: it may tell, however that was asked."""
        text = plain(entry.text)
        return any(all(option in text for option in texts) for texts in self._right)

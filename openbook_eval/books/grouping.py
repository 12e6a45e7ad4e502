"""Questions ready for shared books: near-duplicates kept together, in a seeded order that any first part samples."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from openbook_eval.evidence import plain
from openbook_eval.sampling import seeded_draw
from openbook_eval.types import EXAM_NAMES, Entry, ExamName, Question

# Of two stems with the same right text, in percent of rapidfuzz's ratio. Too low a bar costs little: two questions more
# that are asked on the same book.
ALIKE = 70.0

# Lengths of a shared book, in characters: all models read the same text, whatever their tokens.
LENGTHS: Mapping[str, int] = {"4k": 4_000, "16k": 16_000, "64k": 64_000, "256k": 256_000}

Cluster = tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Material:
    """An exam file made ready for grouping; the mappings are by question id.

    `clusters` are the questions of each exam, those that ask the same together, in their seeded order. `spare` are
    questions of another exam file, whose entries fill books. `cluster_of` numbers the clusters over both.
    """

    name: str
    clusters: Mapping[ExamName, Sequence[Cluster]]
    cluster_of: Mapping[str, int]
    questions: Mapping[str, Question]
    entries: Mapping[str, Entry]
    spare: Sequence[Question]
    seed: int

    @property
    def characters(self) -> int:
        """Return the length of a book of every entry there is."""
        return sum(len(text) + 1 for text in {entry.text for entry in self.entries.values()}) - 1

    @property
    def sizes(self) -> dict[ExamName, int]:
        """Return how many questions each exam has."""
        return {exam: len(self.of(exam)) for exam in self.clusters}

    def of(self, exam: ExamName) -> list[Question]:
        """Return the questions of one exam in their seeded order: any first part is a stratified sample."""
        return [question for cluster in self.clusters[exam] for question in cluster]


def gather(
    name: str, questions: Sequence[Question], entries: Mapping[str, Entry], seed: int, spare: Sequence[Question] = ()
) -> Material:
    """Return the material of the exam called `name`; `entries` hold those of its and the `spare` questions, by id.

    The order depends on seed, ids, classes and types, not on the order of the file.
    """
    clusters = near_duplicates((*questions, *spare), entries)
    own = {question.id for question in questions}
    by_exam: dict[ExamName, list[Cluster]] = defaultdict(list)
    for cluster in clusters:
        for exam in {question.exam for question in cluster if question.id in own}:
            by_exam[exam].append(tuple(q for q in cluster if q.exam == exam and q.id in own))
    return Material(
        name=name,
        # In the order of the names: where fillers come from must not depend on the file's order either.
        clusters={exam: _in_order(by_exam[exam], seed) for exam in EXAM_NAMES if exam in by_exam},
        cluster_of={question.id: number for number, cluster in enumerate(clusters) for question in cluster},
        questions={question.id: question for question in (*questions, *spare)},
        entries=entries,
        spare=tuple(spare),
        seed=seed,
    )


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


def near_duplicates(questions: Sequence[Question], entries: Mapping[str, Entry]) -> list[tuple[Question, ...]]:
    """Return all questions as clusters of those that ask the same; most hold one question.

    Two ask the same where their entries are the same text, or their right texts are the same and their stems similar
    (`ALIKE`). `entries` are by question id.
    """
    leader = {question.id: question.id for question in questions}

    def find(key: str) -> str:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for first, second in _pairs(questions, entries):
        leader[find(second.id)] = find(first.id)
    clusters: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        clusters[find(question.id)].append(question)
    return [tuple(members) for members in clusters.values()]


def _pairs(questions: Iterable[Question], entries: Mapping[str, Entry]) -> Iterator[tuple[Question, Question]]:
    by_entry: dict[str, list[Question]] = defaultdict(list)
    by_answer: dict[tuple[str, ...], list[tuple[str, Question]]] = defaultdict(list)
    for question in questions:
        by_entry[plain(entries[question.id].text)].append(question)
        answer = tuple(sorted(map(plain, question.right_texts)))
        by_answer[answer].append((plain(question.stem), question))
    for same in by_entry.values():
        yield from ((same[0], other) for other in same[1:])
    for same_answer in by_answer.values():
        for place, (stem, question) in enumerate(same_answer):
            for other_stem, other in same_answer[place + 1 :]:
                if fuzz.ratio(stem, other_stem, score_cutoff=ALIKE):
                    yield question, other

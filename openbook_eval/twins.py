"""Questions that ask the same: the entry of one answers the other."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rapidfuzz import fuzz

from openbook_eval.evidence import plain
from openbook_eval.types import Entry, Question

# Of two stems with the same right text, in percent of rapidfuzz's ratio. Too low a bar costs little: two questions more
# that are asked on the same book.
ALIKE = 70.0


def twins(questions: Sequence[Question], entries: Mapping[str, Entry]) -> list[tuple[Question, ...]]:
    """Clusters of questions that ask the same; most hold one question. Each question is in exactly one, in order.

    Two belong together where their entries are the same text, or where their right texts are the same and their stems
    alike (`ALIKE`). `entries` are by question id.
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

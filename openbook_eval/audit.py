"""Faults of the benchmark itself: what an exam's questions and entries do to a score before any model is asked."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

from openbook_eval.baselines import Baseline, Reference, options_held, plain
from openbook_eval.books.shared_books import Cluster, near_duplicates
from openbook_eval.console import line, percent, table
from openbook_eval.errors import some
from openbook_eval.exams import ExamFile
from openbook_eval.exams.texts import BACKGROUNDS, missing_background
from openbook_eval.types import CHINESE_NAMES, EXAM_NAMES, Entry, Question

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

# What each finding means for a score.
MEANINGS: Mapping[str, str] = {
    "no_entry": "The file gives nothing to read; stem and right option joined are the entry, which copying solves.",
    "not_asked": "The row is faulty, no answer is published, or a picture or table that it is about is not there.",
    "entry_without_right_text": "The entry lacks a right option word for word: it wants inference, or it misleads.",
    "entry_with_wrong_text": "The entry holds a wrong option word for word: finding an option in it is not enough.",
    "one_character_option": "CMB's own prompt drops such options: scores taken with it are of another question.",
    "unsorted_answer": "Letters out of order or repeated: a scorer that compares strings marks the right answer wrong.",
    "one_letter_multiple": "One right letter where several are asked for: who answers as told is marked wrong.",
    "missing_background": "The stem points at something that the file lacks: closed-book it can only be guessed.",
    "same_question": "Asked again with the same options: it counts twice, and a book holds its entry twice.",
    "same_stem_other_answer": "One stem, other right texts; those that contradict cannot both be answered right.",
    "asks_the_same": "The entry of one answers the other: a book without the one's entry may still tell.",
}
# Names of files of others are cut so short.
_LONGEST = 40


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of fault: the questions that have it, of how many that could; `by` counts them by exam or kind.

    Of repeated questions `within` and `across` are the clusters of ids that lie in one exam and in several; `by` then
    counts clusters and pairs.
    """

    name: str
    meaning: str
    count: int
    of: int
    share: float
    ids: tuple[str, ...]
    by: Mapping[str, int]
    within: tuple[tuple[str, ...], ...] = ()
    across: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class LetterBalance:
    """How often each letter is right in single choice with so many options, and the share of the commonest, of 1."""

    options: int
    questions: int
    right: Mapping[str, int]
    majority_share: float


@dataclass(frozen=True, slots=True)
class Audit:
    """An exam's faults and what can be scored on it without understanding; `set_sizes` are those of multiple choice.

    Users read it as JSON, by the names of its fields.
    """

    questions: int
    by_exam: Mapping[str, int]
    notices: tuple[str, ...]
    findings: tuple[Finding, ...]
    letter_balance: tuple[LetterBalance, ...]
    set_sizes: Mapping[int, int]
    baselines: tuple[Baseline, ...]


def audit(exam: ExamFile, entries: Mapping[str, Entry]) -> Audit:
    """Return every finding of `MEANINGS`, empty ones too, over an exam's questions and their entries by question id.

    A question that `entries` lacks counts as one without entry.
    """
    return Audit(
        questions=len(exam.questions),
        by_exam=_by_part(exam.questions),
        notices=exam.notices,
        findings=(*_faults(exam, entries), *_repetitions(exam.questions, entries)),
        letter_balance=tuple(_letter_balance(exam.questions)),
        set_sizes=dict(sorted(Counter(len(q.answer) for q in exam.questions if q.qtype == "multi").items())),
        baselines=Reference.of(
            exam.questions, [entries[q.id].text if q.id in entries else "" for q in exam.questions]
        ).rows,
    )


def _part(question: Question) -> str:
    """Return the exam that a question counts under; of `other` also the class, by which files tell sources apart."""
    return question.exam if question.exam != "other" else f"other {question.exam_class}".rstrip()


def _by_part(questions: Iterable[Question]) -> dict[str, int]:
    return dict(Counter(map(_part, questions)))


def _faults(exam: ExamFile, entries: Mapping[str, Entry]) -> Iterator[Finding]:
    questions = exam.questions
    held = {q.id: set(options_held(entries[q.id].text, q.options)) for q in questions if q.id in entries}
    multi = [question for question in questions if question.qtype == "multi"]
    yield _finding("no_entry", questions, lambda q: q.id not in held or entries[q.id].provider == "statement")
    yield _not_asked(exam)
    yield _finding("entry_without_right_text", questions, lambda q: not set(q.answer) <= held.get(q.id, set(q.answer)))
    yield _finding("entry_with_wrong_text", questions, lambda q: bool(held.get(q.id, set()) - set(q.answer)))
    yield _finding("one_character_option", questions, lambda q: any(len(plain(o)) == 1 for o in q.options.values()))
    yield _finding("unsorted_answer", questions, lambda q: bool(q.published))
    yield _finding("one_letter_multiple", multi, lambda q: len(q.answer) == 1)
    kinds = {question.id: tuple(missing_background(question.stem)) for question in questions}
    counts = Counter(kind for named in kinds.values() for kind in named)
    by_kind = {kind: counts[kind] for kind in BACKGROUNDS if counts[kind]}
    yield _finding("missing_background", questions, lambda q: bool(kinds[q.id]), by_kind)


def _not_asked(exam: ExamFile) -> Finding:
    ids, of = tuple(each.name for each in exam.dropped), len(exam.questions) + len(exam.dropped)
    by = exam.record["not_asked"]
    return Finding("not_asked", MEANINGS["not_asked"], len(ids), of, len(ids) / of if of else 0.0, ids, by)


def _finding(
    name: str, questions: Sequence[Question], has: Callable[[Question], bool], by: Mapping[str, int] | None = None
) -> Finding:
    found = [question for question in questions if has(question)]
    share = len(found) / len(questions) if questions else 0.0
    ids = tuple(question.id for question in found)
    return Finding(name, MEANINGS[name], len(found), len(questions), share, ids, _by_part(found) if by is None else by)


def _repetitions(questions: Sequence[Question], entries: Mapping[str, Entry]) -> Iterator[Finding]:
    total = len(questions)
    yield _repeated("same_question", _alike(questions, lambda q: (plain(q.stem), *sorted(_texts(q)))), total)
    other = [same for same in _alike(questions, lambda q: plain(q.stem)) if len({_right(q) for q in same}) > 1]
    contradicting = sum(any(contradict(*pair) for pair in combinations(same, 2)) for same in other)
    yield _repeated("same_stem_other_answer", other, total, {"clusters_contradicting": contradicting})
    known = {question.id: entries.get(question.id) or Entry.given_or_statement(question) for question in questions}
    yield _repeated("asks_the_same", near_duplicates(questions, known), total)


def contradict(one: Question, other: Question) -> bool:
    """Return whether two questions of one stem cannot both be marked right by one opinion.

    Each calls right what the other offers and calls wrong; in multiple choice, where options are judged one by one,
    one such text is enough. Other options alone are no contradiction: the best here may be the second best there.
    """
    here = _right(one) & (_texts(other) - _right(other))
    there = _right(other) & (_texts(one) - _right(one))
    if one.qtype == other.qtype == "multi":
        return bool(here or there)
    return bool(here and there)


def _texts(question: Question) -> set[str]:
    return set(map(plain, question.options.values()))


def _right(question: Question) -> frozenset[str]:
    return frozenset(map(plain, question.right_texts))


def _alike(questions: Iterable[Question], key: Callable[[Question], Hashable]) -> list[Cluster]:
    groups: dict[Hashable, list[Question]] = defaultdict(list)
    for question in questions:
        groups[key(question)].append(question)
    return list(map(tuple, groups.values()))


def _repeated(name: str, groups: Iterable[Cluster], of: int, more: Mapping[str, int] | None = None) -> Finding:
    clusters = [cluster for cluster in groups if len(cluster) > 1]
    parts = [Counter(map(_part, cluster)) for cluster in clusters]
    named = [tuple(question.id for question in cluster) for cluster in clusters]
    within, across = (
        tuple(ids for ids, counts in zip(named, parts, strict=True) if (len(counts) == 1) is one)
        for one in (True, False)
    )
    pairs_within = sum(comb(count, 2) for counts in parts for count in counts.values())
    by = {
        "clusters_within": len(within),
        "clusters_across": len(across),
        "pairs_within": pairs_within,
        "pairs_across": sum(comb(len(cluster), 2) for cluster in clusters) - pairs_within,
        **(more or {}),
    }
    ids = tuple(key for cluster in named for key in cluster)
    return Finding(name, MEANINGS[name], len(ids), of, len(ids) / of if of else 0.0, ids, by, within, across)


def _letter_balance(questions: Iterable[Question]) -> Iterator[LetterBalance]:
    rights: dict[int, Counter[str]] = defaultdict(Counter)
    for question in questions:
        if question.qtype == "single":
            # Letters that are never right count as 0.
            rights[len(question.options)].update({key: int(key == question.answer) for key in question.options})
    for options, right in sorted(rights.items()):
        total = right.total()
        yield LetterBalance(options, total, dict(sorted(right.items())), max(right.values()) / total)


def audit_report(exam: ExamFile, found: Audit) -> Iterator["Table | Text"]:
    """Lay out an audit: origin, notices, each finding with its first ids, letter balance, and the baselines."""
    yield line(f"{exam.name}, version {exam.version}, sha256 {exam.sha256}")
    yield line(f"{found.questions} questions: {_listed(found.by_exam)}")
    yield from (line(f"notice: {notice}") for notice in found.notices)
    for finding in found.findings:
        if finding.ids:
            yield line("")
            yield line(f"{_words(finding.name)}: {finding.count} of {finding.of} ({percent(finding.share)} %)")
            yield line(finding.meaning)
            if len(finding.by) > 1 or finding.name == "missing_background":
                yield line(_listed(finding.by))
            clusters = [" = ".join(map(_short, ids)) for ids in (*finding.within, *finding.across)]
            yield line(f"ids: {some(clusters or [*map(_short, finding.ids)])}")
    if clean := [_words(finding.name) for finding in found.findings if not finding.ids]:
        yield line(f"none found: {', '.join(clean)}")
    if found.letter_balance:
        yield _balance_table(found.letter_balance)
    if found.set_sizes:
        sizes = ", ".join(f"{size} in {count}" for size, count in found.set_sizes.items())
        yield line(f"right letters of multiple choice: {sizes}")
    yield _baselines_table(found.baselines)


def _listed(counts: Mapping[str, int]) -> str:
    return some([f"{_short(_words(name))} {count}" for name, count in counts.items()], 30)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def _balance_table(balance: Sequence[LetterBalance]) -> "Table":
    rows = []
    for row in balance:
        shares = "  ".join(f"{letter} {percent(count / row.questions)}" for letter, count in row.right.items())
        rows.append((str(row.options), str(row.questions), percent(row.majority_share), shares))
    return table(("options", "questions", "commonest %", "each letter %"), rows, "right letters of single choice")


def _baselines_table(readers: Sequence[Baseline]) -> "Table":
    rows: list[tuple[str, ...]] = [
        (f"{exam} {CHINESE_NAMES[exam]}", *(percent(reader.by_exam[exam]) for reader in readers))
        for exam in EXAM_NAMES
        if any(exam in reader.by_exam for reader in readers)
    ]
    rows += [(), ("all items", *(percent(reader.overall) for reader in readers))]
    if any(reader.average is not None for reader in readers):
        rows.append(("Avg.(All exams)", *(percent(reader.average) for reader in readers)))
    notes = ["expected share of right answers in percent; string matching: longest overlap with the entry"]
    return table(("exam", *(reader.name for reader in readers)), rows, "readers without understanding", notes)

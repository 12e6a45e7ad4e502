"""Lessons: prompts with their answers, made of random words, so that nothing but reading can find the answer.

A book is made of sentences about invented things; some lessons ask in the exam's own words what stands in it, some ask
without a book, some of a book that does not tell, and some want a text copied. No fact in them is true, and none stands
in two lessons: what is learnt is to look things up, not what they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from openbook_eval.examinee.learning.words import Text
from openbook_eval.prompt import render
from openbook_eval.types import ABSTENTION, Book, Entry, QType, Question

LETTERS_OF_OPTIONS = "ABCDE"
_ENDINGS = ("", "是", "为", "的是", "有（　　）。", "是（　　）。", "（ ）。", "包括", "？")
_COPY = ("请重复下面的文字。", "把下面的文字原样写出来。", "照抄下面的内容。", "请复述下面这句话。")
_FIRST, _LAST = ("写出下面文字的第一个字。", "写出下面文字的最后一个字。")


@dataclass(frozen=True, slots=True)
class Grade:
    """How hard a lesson is at most: words of its book, options, words of an option, and what else it may be.

    `framed` says whether the prompt is the exam's, `half` how likely half of a wrong option is told in the book,
    `shared` that wrong ones are told there of something else. `multiple`, `closed`, `missing` and `copy` are the
    chances of lessons that are not of one right option, `chat` that a prompt is asked in chat format.
    """

    words: int
    options: int
    option_words: int
    framed: bool = True
    half: float = 0.0
    shared: float = 0.0
    multiple: float = 0.0
    closed: float = 0.0
    missing: float = 0.0
    copy: float = 0.0
    chat: float = 0.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """A prompt, its answer, and what it is for.

    `told` are the places of option texts in the prompt, from and to, each with whether the text stands in the book.
    """

    kind: str
    prompt: str
    answer: str
    told: tuple[tuple[int, int, bool], ...] = ()


def lesson(random: Random, grade: Grade) -> Lesson:
    """A lesson of the grade."""
    kinds: Sequence[tuple[str, float, Callable[[Random, Grade], Lesson]]] = (
        ("copy", grade.copy, _copying),
        ("missing", grade.missing, _missing),
        ("closed", grade.closed, _closed),
        ("multiple", grade.multiple, _multiple),
    )
    point = random.random()
    for _, chance, make in kinds:
        if point < chance:
            return make(random, grade)
        point -= chance
    return _single(random, grade)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A book and what is asked of it: right options stand in it, wrong ones do not or stand elsewhere."""

    book: str
    stem: str
    right: list[str]
    wrong: list[str]


def _asked(text: Text, grade: Grade, right: int, options: int) -> _Asked:
    random = text.random
    clauses = text.clauses()
    size = random.randint(1, grade.option_words)
    rights: list[str] = []
    while len(rights) < right:
        each = text.phrase(size)
        if not any(each in other or other in each for other in rights):
            rights.append(each)
    subject = text.subject()
    told = _told_of_others(text, rights, size, options - right) if random.random() < grade.shared else []
    statement = subject + random.choice(("", "", "是", "为", "：")) + random.choice(("、", "和", "，")).join(rights)
    if random.random() < 0.3:
        statement += random.choice(("", "，", "的")) + text.phrase(random.randint(1, 3))
    for clause in (statement, *[text.subject() + each for each in told]):
        clauses.insert(random.randint(0, len(clauses)), clause)
    book = text.book(clauses)
    wrong = list(told)
    while len(wrong) < options - right:
        each = text.phrase(random.randint(1, grade.option_words))
        if random.random() < grade.half:
            each = _half_told(random, each, rights, clauses)
        if each not in book and each not in wrong:
            wrong.append(each)
    return _Asked(book, _stem(text, subject), rights, wrong)


def _told_of_others(text: Text, rights: Sequence[str], size: int, most: int) -> list[str]:
    """Wrong options that the book tells of other things: only what stands before them says which is which."""
    told = [each for each in (text.phrase(size) for _ in range(most)) if each not in rights]
    return list(dict.fromkeys(told))[: text.random.randint(1, most)]


def _half_told(random: Random, each: str, rights: Sequence[str], clauses: Sequence[str]) -> str:
    """A wrong option with part of a right one, or of the book, in it."""
    piece = random.choice(rights) if random.random() < 0.5 else random.choice(clauses)
    start = random.randrange(len(piece))
    return random.choice((each + piece[start : start + 3], piece[start : start + 3] + each))


def _stem(text: Text, subject: str) -> str:
    random = text.random
    before = text.phrase(random.randint(1, 4)) + random.choice(("，", "的", "中", "")) if random.random() < 0.5 else ""
    return before + subject + random.choice(_ENDINGS)


def _single(random: Random, grade: Grade) -> Lesson:
    options = random.randint(min(2, grade.options), grade.options)
    asked = _asked(Text(random, grade.words), grade, 1, options)
    if random.random() < 0.2 and len(asked.book) > 4:
        # Any piece of the book, as it stands there.
        start = random.randrange(len(asked.book) - 3)
        piece = asked.book[start : start + random.randint(2, 8)].strip("，、；。")
        if len(piece) > 1 and not any(wrong in piece or piece in wrong for wrong in asked.wrong):
            asked = _Asked(asked.book, asked.stem, [piece], asked.wrong)
    return _laid_out("single", random, grade, asked)


def _multiple(random: Random, grade: Grade) -> Lesson:
    options = random.randint(4, 5)
    text = Text(random, grade.words)
    return _laid_out("multiple", random, grade, _asked(text, grade, random.randint(2, options - 1), options))


def _missing(random: Random, grade: Grade) -> Lesson:
    text, options = Text(random, grade.words), random.randint(4, 5)
    asked = _asked(text, grade, 1, options)
    book = text.book(text.clauses())
    while any(option in book for option in (*asked.right, *asked.wrong)):
        book = text.book(text.clauses())
    return _laid_out("missing", random, grade, _Asked(book, asked.stem, [], [*asked.right, *asked.wrong]))


def _closed(random: Random, grade: Grade) -> Lesson:
    text, options = Text(random, grade.words), random.randint(4, 5)
    right = random.choice((1, 1, 1, random.randint(2, options - 1)))
    return _laid_out("closed", random, grade, replace(_asked(text, grade, right, options), book=""))


def _copying(random: Random, grade: Grade) -> Lesson:
    text = Text(random, min(grade.words, 12))
    copied = text.book(text.clauses())
    task = random.choice((*_COPY, _FIRST, _LAST))
    answer = {_FIRST: copied[0], _LAST: copied[-2]}.get(task, copied)
    return Lesson("copy", f"{task}\n{copied}" if random.random() < 0.7 else f"{copied}\n{task}", answer)


def _laid_out(kind: str, random: Random, grade: Grade, asked: _Asked) -> Lesson:
    """The lesson as a prompt: the exam's own, or the bare texts."""
    texts = [*asked.right, *asked.wrong]
    random.shuffle(texts)
    options = dict(zip(LETTERS_OF_OPTIONS, texts, strict=False))
    answer = "".join(letter for letter, option in options.items() if option in asked.right)
    if grade.framed:
        qtype: QType = "multi" if len(asked.right) > 1 or (not asked.right and random.random() < 0.3) else "single"
        question = Question("", "other", "", "", qtype, asked.stem, options, answer)
        book = Book((Entry("", asked.book, "given"),)) if asked.book else Book()
        prompt = render(question, book, "reading" if kind == "missing" or random.random() < 0.3 else "paper")
    else:
        lines = "\n".join(f"{letter}. {option}" for letter, option in options.items())
        prompt = f"{asked.book}\n{asked.stem}\n{lines}\n答案："
    return Lesson(kind, prompt, answer or ABSTENTION, _told(prompt, options, asked.book))


def _told(prompt: str, options: dict[str, str], book: str) -> tuple[tuple[int, int, bool], ...]:
    if not book:
        return ()
    places, end = [], len(prompt)
    for letter, option in reversed(options.items()):
        start = prompt.rindex(f"\n{letter}. {option}", 0, end) + 4
        places.append((start, start + len(option), option in book))
        end = start - 3
    return tuple(reversed(places))

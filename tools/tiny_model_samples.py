"""Make the samples that the tiny model is trained on: random books and questions, in stages of growing difficulty.

Nothing but reading can find the answer to a sample, and no fact in them is true: the model learns to look things up.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from openbook_eval.prompt import build_prompt
from openbook_eval.types import ABSTENTION, Book, Entry, QType, Question

# Things, and what can be asked of them.
_THINGS, _RELATIONS = (
    line.split() for line in Path(__file__).with_name("tiny_model_words.txt").read_text("utf-8").splitlines()
)
_TIES = ("的", "是", "为", "在", "和", "与", "可", "由", "以", "于", "及", "有")
_UNITS = ("", "%", "mg", "ml", "cm", "g", "岁", "天", "次", "℃")
_PAUSES = ("，", "，", "，", "、", "；", "。")
_STEM_ENDINGS = ("", "是", "为", "的是", "有（　　）。", "是（　　）。", "（ ）。", "包括", "？")
_FIRST, _LAST = ("写出下面文字的第一个字。", "写出下面文字的最后一个字。")
_COPY = ("请重复下面的文字。", "把下面的文字原样写出来。", "照抄下面的内容。", "请复述下面这句话。", _FIRST, _LAST)


def _gb2312(rows: range) -> str:
    codes = (bytes((row, column)) for row in rows for column in range(0xA1, 0xFF))
    return "".join(code.decode("gb2312", "ignore") for code in codes)


# GB 2312 holds 6,763 Chinese characters, the 3,755 common ones first. Each is one token.
_COMMON, _RARE = _gb2312(range(0xB0, 0xD8)), _gb2312(range(0xD8, 0xF8))
_LATIN = "".join(chr(code) for code in range(128) if chr(code).isalnum())


class Stage(NamedTuple):
    """A stage of the curriculum: samples a step, and the most words of a book, options, and words of an option.

    `at_most` is the share of all steps that the stage may take; `framed` asks with the exam's prompt instead of bare
    texts. The others are chances: that a wrong option repeats part of the book, that the book states wrong options of
    another subject, of samples without exactly one right option, and of the chat format.
    """

    batch: int
    words: int
    options: int
    option_words: int
    at_most: float = 1.0
    framed: bool = True
    half: float = 0.0
    shared: float = 0.0
    multiple: float = 0.0
    closed: float = 0.0
    unanswerable: float = 0.0
    copy: float = 0.0
    chat: float = 0.0


STAGES = (
    Stage(96, 6, 2, 1, framed=False),
    Stage(64, 12, 4, 2, framed=False),
    Stage(48, 20, 5, 2, framed=False, half=0.2, shared=0.1, at_most=0.15),
    Stage(32, 30, 5, 3, half=0.3, shared=0.15, chat=0.3, at_most=0.15),
    Stage(32, 45, 5, 3, half=0.35, shared=0.3, multiple=0.25, copy=0.05, chat=0.4, at_most=0.3),
    Stage(32, 70, 5, 4, half=0.35, shared=0.3, multiple=0.3, closed=0.08, unanswerable=0.08, copy=0.08, chat=0.4),
)


class TrainingSample(NamedTuple):
    """A prompt with its answer; `spans` are the options in the prompt, each with whether the book states it."""

    kind: str
    prompt: str
    answer: str
    spans: tuple[tuple[int, int, bool], ...] = ()


class Asked(NamedTuple):
    """A book and a question about it; it states the right options, and the wrong ones not or of another subject."""

    book: str
    stem: str
    right: list[str]
    wrong: list[str]


class WordSource:
    """Random text for one sample, of a small pool of characters, so that unlike texts share some."""

    def __init__(self, random: Random, words: int) -> None:
        """Draw the size of the book, `words` at most, and the pool."""
        self.random, self.choice, self.randint = random, random.choice, random.randint
        self.words = random.randint(max(3, words // 3), words)
        characters = random.choices(_COMMON, k=20 + self.words)
        self._pool = [c if random.random() < 0.85 else random.choice(_RARE) for c in characters]

    def chance(self, share: float) -> bool:
        """Return True with that chance."""
        return self.random.random() < share

    def word(self) -> str:
        """Return one to four characters; now and then the name of a thing, a number or Latin letters."""
        if self.chance(0.06):
            if self.chance(0.6):
                unit = self.choice(_UNITS)
                return str(self.randint(1, 10 ** self.randint(1, 3))) + unit
            return "".join(self.random.choices(_LATIN, k=self.randint(2, 4)))
        if self.chance(0.1):
            return self.choice(_THINGS)
        return "".join(self.random.choices(self._pool, k=self.choice((1, 2, 2, 2, 3, 4))))

    def phrase(self, words: int) -> str:
        """Return so many words, ties between some of them, of two characters at least."""
        made = ""
        while len(made) < 2 or words > 0:
            made += self.word() + (self.choice(_TIES) if self.chance(0.15) and words > 1 else "")
            words -= 1
        return made

    def subject(self) -> str:
        """Return what a question asks about: some words, or a thing and something about it."""
        if self.chance(0.3):
            return self.choice(_THINGS) + self.choice(("", "的")) + self.choice(_RELATIONS)
        return self.phrase(self.randint(1, 3)) + self.choice(("", *_TIES))

    def clauses(self) -> list[str]:
        """Return the clauses of a book, without the punctuation between them."""
        made, left = [], self.words
        while left > 0:
            words = min(left, self.randint(2, 8))
            made.append(self.phrase(words))
            left -= words
        return made

    def book(self, clauses: Sequence[str]) -> str:
        """Return the clauses as one text."""
        return "".join(clause + self.choice(_PAUSES) for clause in clauses[:-1]) + clauses[-1] + "。"

    def ask(self, stage: Stage, right: int, options: int) -> Asked:
        """Return a book and a question with so many right options of so many."""
        clauses, size = self.clauses(), self.randint(1, stage.option_words)
        rights: list[str] = []
        while len(rights) < right:
            each = self.phrase(size)
            if not any(each in other or other in each for other in rights):
                rights.append(each)
        subject = self.subject()
        shared: list[str] = []
        if self.chance(stage.shared):
            # The book states these too: only the words before them say that they are of another subject.
            stated = [each for each in (self.phrase(size) for _ in range(options - right)) if each not in rights]
            shared = list(dict.fromkeys(stated))[: self.randint(1, options - right)]
        statement = subject + self.choice(("", "", "是", "为", "：")) + self.choice(("、", "和", "，")).join(rights)
        if self.chance(0.3):
            statement += self.choice(("", "，", "的")) + self.phrase(self.randint(1, 3))
        for clause in (statement, *[self.subject() + each for each in shared]):
            clauses.insert(self.randint(0, len(clauses)), clause)
        book = self.book(clauses)
        wrong = self._wrong(stage, shared, options - right, rights, clauses, book)
        before = ""
        if self.chance(0.5):
            before = self.phrase(self.randint(1, 4)) + self.choice(("，", "的", "中", ""))
        return Asked(book, before + subject + self.choice(_STEM_ENDINGS), rights, wrong)

    def _wrong(self, stage: Stage, found: list[str], count: int, *stated: Any) -> list[str]:
        rights, clauses, book = stated
        while len(found) < count:
            each = self.phrase(self.randint(1, stage.option_words))
            if self.chance(stage.half):
                piece = self.choice(rights) if self.chance(0.5) else self.choice(clauses)
                start = self.random.randrange(len(piece))
                each = self.choice((each + piece[start : start + 3], piece[start : start + 3] + each))
            if each not in book and each not in found:
                found.append(each)
        return found


def make_sample(random: Random, stage: Stage) -> TrainingSample:
    """Return a sample of a stage, as difficult as the stage allows."""
    point = random.random()
    for kind in ("copy", "unanswerable", "closed", "multiple"):
        chance = getattr(stage, kind)
        if point < chance:
            return _copy(random, stage) if kind == "copy" else _laid_out(kind, random, stage)
        point -= chance
    return _laid_out("single", random, stage)


def _copy(random: Random, stage: Stage) -> TrainingSample:
    source = WordSource(random, min(stage.words, 12))
    copied = source.book(source.clauses())
    task = random.choice(_COPY)
    answer = {_FIRST: copied[0], _LAST: copied[-2]}.get(task, copied)
    return TrainingSample("copy", f"{task}\n{copied}" if random.random() < 0.7 else f"{copied}\n{task}", answer)


def _single(random: Random, stage: Stage) -> Asked:
    options = random.randint(min(2, stage.options), stage.options)
    asked = WordSource(random, stage.words).ask(stage, 1, options)
    if random.random() < 0.2 and len(asked.book) > 4:
        # Any piece of the book may be the right option, as it stands there.
        start = random.randrange(len(asked.book) - 3)
        piece = asked.book[start : start + random.randint(2, 8)].strip("，、；。")
        if len(piece) > 1 and not any(wrong in piece or piece in wrong for wrong in asked.wrong):
            return asked._replace(right=[piece])
    return asked


def _multiple(random: Random, stage: Stage) -> Asked:
    options = random.randint(4, 5)
    source = WordSource(random, stage.words)
    return source.ask(stage, random.randint(2, options - 1), options)


def _closed(random: Random, stage: Stage) -> Asked:
    source, options = WordSource(random, stage.words), random.randint(4, 5)
    right = random.choice((1, 1, 1, random.randint(2, options - 1)))
    return source.ask(stage, right, options)._replace(book="")


def _unanswerable(random: Random, stage: Stage) -> Asked:
    source, options = WordSource(random, stage.words), random.randint(4, 5)
    asked = source.ask(stage, 1, options)
    texts, book = [*asked.right, *asked.wrong], source.book(source.clauses())
    while any(option in book for option in texts):
        book = source.book(source.clauses())
    return Asked(book, asked.stem, [], texts)


_KINDS = {"single": _single, "multiple": _multiple, "closed": _closed, "unanswerable": _unanswerable}


def _laid_out(kind: str, random: Random, stage: Stage) -> TrainingSample:
    """Return a sample in the exam's own prompt, or as bare texts."""
    asked = _KINDS[kind](random, stage)
    texts = [*asked.right, *asked.wrong]
    random.shuffle(texts)
    options = dict(zip("ABCDE", texts, strict=False))
    answer = "".join(letter for letter, option in options.items() if option in asked.right)
    if stage.framed:
        qtype: QType = "multi" if len(asked.right) > 1 or (not asked.right and random.random() < 0.3) else "single"
        question = Question(id="", qtype=qtype, stem=asked.stem, options=options, answer=answer)
        book = Book((Entry("", asked.book, "given"),)) if asked.book else Book()
        prompt = build_prompt(question, book, "reading" if kind == "unanswerable" or random.random() < 0.3 else "paper")
    else:
        lines = "\n".join(f"{letter}. {option}" for letter, option in options.items())
        prompt = f"{asked.book}\n{asked.stem}\n{lines}\n答案："
    spans: list[tuple[int, int, bool]] = []
    for letter, option in reversed(options.items() if asked.book else ()):
        start = prompt.rindex(f"\n{letter}. {option}", 0, spans[0][0] - 3 if spans else len(prompt)) + 4
        spans.insert(0, (start, start + len(option), option in asked.book))
    return TrainingSample(kind, prompt, answer or ABSTENTION, tuple(spans))


def samples(name: str, stage: Stage, count: int) -> list[tuple[TrainingSample, bool]]:
    """Return samples, each with whether it is asked as a chat; a name gives the same ones on any machine."""
    draws = [Random(f"{name} {number}") for number in range(count)]  # noqa: S311 - nothing secret is drawn
    return [(make_sample(random, stage), stage.framed and random.random() < stage.chat) for random in draws]

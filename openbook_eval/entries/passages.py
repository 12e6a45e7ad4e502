"""A text cut into passages: at headings, then at paragraphs, then at the ends of sentences."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# Some three to five sentences: long enough to answer a question, short enough that a few fit into an entry.
LENGTH = 250

# `<篇名>`, as the classical books mark their chapters, or Markdown's `#`; what is longer is a sentence.
_HEADING = re.compile(r"\s*(?:<[^<>]{1,20}>|#{1,6}\s).{0,60}")
_SENTENCE = re.compile(r".*?(?:[。！？；]+[”’」』）】》\"')]*|[.!?;](?=\s)|$)\s*", re.DOTALL)
_CLAUSE = re.compile(r".*?(?:[，、：,:]+|$)\s*", re.DOTALL)
# Signs that begin no line of their own: what stands before them was broken off in mid-sentence.
_NEVER_FIRST = tuple("。！？；，、：”’」』）】》")
_ENDS = tuple("。！？；：.!?;:”’」』）】》")
# A line that fills its width goes on in the next one; Chinese text files are wrapped at 35 to 45 characters.
_FULL_LINE = 30


@dataclass(frozen=True, slots=True)
class _Paragraph:
    """A heading or a paragraph, its lines joined where they were only wrapped."""

    text: str
    heading: bool = False


def passages(text: str, length: int = LENGTH) -> list[str]:
    """The text as passages of at most `length` characters, in order, none with a line break.

    A heading begins a passage and stays with what it heads. Nothing but blanks is lost, nothing stands twice.
    """
    return [passage for section in _sections(_paragraphs(text)) for passage in _packed(section, length)]


def first_sentences(text: str, length: int) -> str:
    """As many whole sentences from the front of `text` as `length` characters hold, else its first characters."""
    whole = ""
    for sentence in _SENTENCE.findall(text):
        if len((whole + sentence).rstrip()) > length:
            break
        whole += sentence
    return whole.rstrip() or text[:length].rstrip()


def _paragraphs(text: str) -> Iterator[_Paragraph]:
    gathered: list[str] = []
    for line in [*text.splitlines(), ""]:
        heading = bool(_HEADING.fullmatch(line))
        if gathered and (heading or not line.strip()):
            yield _Paragraph(_joined(gathered))
            gathered = []
        if heading:
            yield _Paragraph(" ".join(line.split()), heading=True)
        elif line.strip():
            gathered.append(line)


def _joined(lines: Iterable[str]) -> str:
    """The lines of a paragraph as one, without a blank where a Chinese sentence runs on."""
    whole, before = "", ""
    for line in lines:
        bare = " ".join(line.split())
        runs_on = _is_wrapped(before) or bare.startswith(_NEVER_FIRST)
        latin = whole[-1:].isascii() and bare[:1].isascii()
        whole += bare if not whole or (runs_on and not latin) else f" {bare}"
        before = line
    return whole


def _is_wrapped(line: str) -> bool:
    """Whether the line goes on in the next: it ends in one blank (two are Markdown's line break) or fills its width."""
    bare = line.rstrip()
    return len(line) - len(bare) == 1 or (len(bare) >= _FULL_LINE and not bare.endswith(_ENDS))


def _sections(paragraphs: Iterable[_Paragraph]) -> Iterator[list[_Paragraph]]:
    """Headings that follow each other, and the paragraphs up to the next heading."""
    section: list[_Paragraph] = []
    for paragraph in paragraphs:
        if paragraph.heading and section and not section[-1].heading:
            yield section
            section = []
        section.append(paragraph)
    if section:
        yield section


def _packed(section: Iterable[_Paragraph], length: int) -> Iterator[str]:
    """Passages of one section: a paragraph that fits is kept whole, a longer one goes by its sentences."""
    passage, headed = "", False
    for paragraph in section:
        if passage and not headed and len(passage) + 1 + len(paragraph.text) > length:
            yield passage
            passage = ""
        # What follows a heading is cut so short that its beginning fits beside it.
        longest = max(length - len(passage) - 1, length // 2, 1) if headed else length
        headed = paragraph.heading
        passage = f"{passage} " if passage else ""
        for sentence in _sentences(paragraph.text, longest):
            if passage.strip() and len(passage) + len(sentence.rstrip()) > length:
                yield passage.strip()
                passage = ""
            passage += sentence
        passage = passage.strip()
    if passage:
        yield passage


def _sentences(text: str, length: int) -> Iterator[str]:
    """Sentences with the blank that follows them; one longer than `length` by its clauses, a longer clause hard."""
    for sentence in _SENTENCE.findall(text):
        for clause in [sentence] if len(sentence.rstrip()) <= length else _CLAUSE.findall(sentence):
            yield from (clause[start : start + length] for start in range(0, len(clause.rstrip()), length))

"""A corpus to find entries in: the texts of a folder, cut at headings, then at paragraphs, then at sentence ends."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from openbook_eval.errors import OpenbookError
from openbook_eval.files import decode

_SUFFIXES = {".txt", ".md"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

# Some three to five sentences: long enough to answer a question, short enough that a few fit into an entry.
LENGTH = 250

# `<篇名>`, as the classical books mark their chapters, or Markdown's `#`; what is longer is a sentence.
_HEADING = re.compile(r"\s*(?:<[^<>]{1,20}>|#{1,6}\s).{0,60}")
_SENTENCE = re.compile(r".*?(?:[。！？；]+[”’」』）】》\"')]*|[.!?;](?=\s)|$)\s*", re.DOTALL)
_CLAUSE = re.compile(r".*?(?:[，、：,:]+|$)\s*", re.DOTALL)
# Characters that begin no line of their own: what stands before them was broken off in mid-sentence.
_NEVER_FIRST = tuple("。！？；，、：”’」』）】》")
_ENDS = tuple("。！？；：.!?;:”’」』）】》")
# A line that fills its width goes on in the next one; Chinese text files are wrapped at 35 to 45 characters.
_FULL_LINE = 30


@dataclass(frozen=True, slots=True)
class Corpus:
    """The .txt and .md files of a folder and its sub-folders: bytes by relative name, in the order of the names."""

    folder: Path
    files: Mapping[str, bytes]

    @property
    def sha256(self) -> str:
        """Return the hash over names and contents: another name is another order of the passages."""
        digest = sha256()
        for name, data in self.files.items():
            digest.update(sha256(os.fsencode(name)).digest() + sha256(data).digest())
        return digest.hexdigest()

    def texts(self) -> Iterator[str]:
        """Return the files as text; raises OpenbookError naming the file that is none."""
        for name, data in self.files.items():
            label = str(self.folder / name)
            if b"\0" in data and not data.startswith(_UTF_16):
                raise OpenbookError(f"{label}: a binary file, not a text; take it out of the folder")
            yield decode(data, label)


def read_corpus(folder: Path) -> Corpus:
    """Return the texts of `folder`, hidden files and folders left out; raises OpenbookError where there are none."""
    try:
        if folder.is_file():
            raise OpenbookError(f"{folder}: a file, not a folder; name the folder that holds the texts")
        if not folder.is_dir():
            raise OpenbookError(f"{folder}: no such folder; name one that holds .txt or .md files")
        files = {name: (folder / name).read_bytes() for name in sorted(_names(folder))}
    except OSError as error:
        place = error.filename or folder
        raise OpenbookError(
            f"{place}: cannot be read ({error.strerror}); correct it or take it out of the corpus"
        ) from error
    if not any(data.strip() for data in files.values()):
        what = "only empty .txt and .md files" if files else "no .txt or .md files"
        raise OpenbookError(f"{folder}: holds {what}; put the texts to search there")
    return Corpus(folder, files)


def _names(folder: Path) -> Iterator[str]:
    for place, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for file in (Path(place, name) for name in names if not name.startswith(".")):
            if file.suffix.lower() in _SUFFIXES and file.is_file():
                yield file.relative_to(folder).as_posix()


def _refuse(error: OSError) -> None:
    raise error  # a folder left out in silence would make another corpus


class _Paragraph(NamedTuple):
    text: str
    heading: bool = False


def passages(text: str, length: int = LENGTH) -> list[str]:
    """Return the text as passages of at most `length` characters, in order, none with a line break.

    A heading begins a passage and stays with what it heads. Nothing but whitespace is lost, nothing stands twice.
    """
    return [passage for section in _sections(_paragraphs(text)) for passage in _packed(section, length)]


def first_sentences(text: str, length: int) -> str:
    """Return as many whole sentences of the front of `text` as `length` characters hold, else its first characters."""
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
    """Return the lines of a paragraph as one, without a space where a Chinese sentence runs on."""
    whole, before = "", ""
    for line in lines:
        bare = " ".join(line.split())
        runs_on = _is_wrapped(before) or bare.startswith(_NEVER_FIRST)
        latin = whole[-1:].isascii() and bare[:1].isascii()
        whole += bare if not whole or (runs_on and not latin) else f" {bare}"
        before = line
    return whole


def _is_wrapped(line: str) -> bool:
    bare = line.rstrip()
    # One space at the end runs on; two are Markdown's line break.
    return len(line) - len(bare) == 1 or (len(bare) >= _FULL_LINE and not bare.endswith(_ENDS))


def _sections(paragraphs: Iterable[_Paragraph]) -> Iterator[list[_Paragraph]]:
    """Divide before each heading that follows a paragraph."""
    section: list[_Paragraph] = []
    for paragraph in paragraphs:
        if paragraph.heading and section and not section[-1].heading:
            yield section
            section = []
        section.append(paragraph)
    if section:
        yield section


def _packed(section: Iterable[_Paragraph], length: int) -> Iterator[str]:
    """Fill passages with the paragraphs of a section; one that does not fit is divided by its sentences."""
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
    """Divide a text into sentences, a longer one into clauses, a longer clause hard."""
    for sentence in _SENTENCE.findall(text):
        for clause in [sentence] if len(sentence.rstrip()) <= length else _CLAUSE.findall(sentence):
            yield from (clause[start : start + length] for start in range(0, len(clause.rstrip()), length))

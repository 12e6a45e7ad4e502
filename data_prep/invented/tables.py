"""Tables of facts, and the ways in which each is asked and told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Fact: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True)
class Asking:
    """One thing to know of each fact: ways to ask for it and ways to tell it, in which `{column}` is the fact's own.

    What follows the first line of a question is Alpaca's `input`.
    """

    questions: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Facts of one kind, and what is asked of each."""

    facts: tuple[Fact, ...]
    askings: tuple[Asking, ...]

    @classmethod
    def of(cls, columns: str, facts: str, askings: Sequence[Asking]) -> "Table":
        """From names of columns and lines of facts, both divided by blanks; ValueError where a line has others."""
        names = columns.split()
        lines = (line.split() for line in facts.strip().splitlines())
        return cls(tuple(dict(zip(names, line, strict=True)) for line in lines), tuple(askings))

    def rows(self) -> Iterator[Fact]:
        """Each fact in each of its phrasings, as Alpaca's instruction, input and output."""
        for fact in self.facts:
            for asking in self.askings:
                for question in asking.questions:
                    for answer in asking.answers:
                        instruction, _, given = question.format_map(fact).partition("\n")
                        yield {"instruction": instruction, "input": given, "output": answer.format_map(fact)}

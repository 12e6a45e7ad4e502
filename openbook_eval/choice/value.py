"""What a response commits to."""

from dataclasses import dataclass
from typing import Literal

State = Literal["stated", "implied", "none"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Letters that a response commits to, or nothing with the reason.

    `letters` is a sorted set of option letters. `state` is `stated` (named as the answer), `implied` (an option's text
    without its letter, or the only letters there) or `none`. `rule` names the rule that read it, or the reason for
    nothing: `empty`, `echo` (the question given back), `refusal`, `all_options` (every option of a single-choice
    question listed), `contradiction` (several answers side by side), `undecided`, `cut_off` (ended in mid-thought),
    `abstention_only` (nothing but the words that the reading exam asks for where its material does not tell),
    `abstention` (says so in other words). `ranked` is a choice from the probabilities of letters, without a response.
    """

    letters: str
    state: State
    rule: str

    @property
    def format_followed(self) -> bool:
        """Whether the response was nothing but the letters, as the prompt demands."""
        return self.rule == "letters_only"

    @property
    def abstained(self) -> bool:
        """Whether the response says that the material does not tell."""
        return self.rule in {"abstention_only", "abstention"}

"""Which letters a response commits to, and by which rule that was read."""

from openbook_eval.choice.matcher import match_choice
from openbook_eval.choice.value import Choice, State

__all__ = ["Choice", "State", "match_choice"]

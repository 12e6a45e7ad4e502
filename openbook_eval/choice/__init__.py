"""Which letters a response commits to, and by which rule that was read."""

from openbook_eval.choice.abstention import ABSTENTION
from openbook_eval.choice.matcher import match_choice
from openbook_eval.choice.ranked import letter_mass, rank_letters
from openbook_eval.choice.value import Choice, State

__all__ = ["ABSTENTION", "Choice", "State", "letter_mass", "match_choice", "rank_letters"]

"""Read the letters that a response commits to, and by which rule."""

from openbook_eval.matching.matcher import match_choice, rank_letters

__all__ = ["match_choice", "rank_letters"]

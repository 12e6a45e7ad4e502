"""Verdicts on options, and how a passage is relieved of them."""

from openbook_eval.entries.verdicts.removal import take_out

__all__ = ["take_out"]

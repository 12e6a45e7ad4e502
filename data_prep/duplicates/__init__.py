"""Rows that say the same: to the letter after normalisation, or nearly."""

from data_prep.duplicates.exact import first_of_each, keys, normalised
from data_prep.duplicates.near import near

__all__ = ["first_of_each", "keys", "near", "normalised"]

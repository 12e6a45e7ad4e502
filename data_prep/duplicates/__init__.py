"""Rows that say the same: to the letter after normalisation, or nearly."""

from data_prep.duplicates.exact import first_of_each, keys
from data_prep.duplicates.near import near
from data_prep.duplicates.normal import normalised

__all__ = ["first_of_each", "keys", "near", "normalised"]

"""Questions and answers that the project makes itself from tables of textbook facts, so that a recipe can be tried.

They are right, but few and plain: there to run the machinery from raw file to checkpoint, not to make a model good.
"""

from data_prep.invented.writing import invent

__all__ = ["invent"]

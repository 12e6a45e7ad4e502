"""Where entries of knowledge come from: the providers that a run can name."""

from openbook_eval.entries.providing import Provided, provide

__all__ = ["Provided", "provide"]

"""The one form in which texts are compared."""

import polars as pl

# White space, punctuation, symbols and control characters carry no meaning that two copies of a text would differ in.
_SIGNS = r"[\s\p{Z}\p{P}\p{S}\p{C}]+"


def normalised(expr: pl.Expr) -> pl.Expr:
    """Texts in the form in which they are compared: NFKC, lower case, no white space, no punctuation or symbols."""
    return expr.str.normalize("NFKC").str.to_lowercase().str.replace_all(_SIGNS, "")

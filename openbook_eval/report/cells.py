"""How single figures are written in every table."""


def percent(share: float | None) -> str:
    """A share of 1 in percent with two decimals; a dash where there is none."""
    return "-" if share is None else f"{100 * share:.2f}"

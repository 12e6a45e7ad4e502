"""How small a difference between two runs an exam can detect, and how many items a wanted one needs."""

import math

from scipy import optimize, stats

ALPHA = 0.05
POWER = 0.8
_LEAST = 1e-9


def items_needed(
    difference: float, discordance: float, design_effect: float = 1.0, alpha: float = ALPHA, power: float = POWER
) -> int:
    """How many items two runs must both answer for a paired test to find their `difference` with that power.

    `discordance` is the share of items that only one of them gets right, at least the difference. R. J. Connor,
    Biometrics 43 (1987), 207-211, after O. S. Miettinen, Biometrics 24 (1968), 339-352; two-sided. `design_effect` is
    by how much clusters multiply the variance. Raises ValueError for a difference of 0 or above the discordance.
    """
    if not 0 < abs(difference) <= discordance <= 1:
        raise ValueError(f"a difference of {difference} with {discordance} of the items discordant cannot be")
    return math.ceil(_items(abs(difference), discordance, design_effect, alpha, power) - _LEAST)


def detectable(
    n: float, discordance: float, design_effect: float = 1.0, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """The smallest difference that `n` items detect with that power, by the formula of `items_needed`.

    None where they would not even if one run got right all that the two do not agree on.
    """
    if not 0 < discordance <= 1 or _items(discordance, discordance, design_effect, alpha, power) > n:
        return None

    def too_few(difference: float) -> float:
        return _items(difference, discordance, design_effect, alpha, power) - n

    return float(optimize.brentq(too_few, _LEAST, discordance, xtol=1e-12))


def _items(difference: float, discordance: float, design_effect: float, alpha: float, power: float) -> float:
    by_chance = stats.norm.isf(alpha / 2) * math.sqrt(discordance)
    in_truth = stats.norm.isf(1 - power) * math.sqrt(max(discordance - difference**2, 0.0))
    return float(design_effect * ((by_chance + in_truth) / difference) ** 2)

"""Sample by seed and names alone: the same on every machine, in any order, with any number of processes."""

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import TypeVar

Name = TypeVar("Name")


def seeded_draw(seed: int, *names: str) -> int:
    """Return a number of 64 bits from the seed and the names of what is sampled, uniform over different names."""
    key = "\x1f".join((str(seed), *names)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def apportion(total: int, weights: Mapping[Name, int] | Mapping[Name, Fraction]) -> dict[Name, int]:
    """Divide `total` in proportion to `weights`, exactly, by the method of the largest remainder.

    Equal remainders go to the larger weight, then to the earlier name. Between two names, a larger total or a larger
    weight never means a smaller part; between more it can (the Alabama paradox).
    """
    whole = sum(weights.values())
    parts = {name: int(total * weight // whole) for name, weight in weights.items()}
    order = sorted(weights, key=lambda name: (-(total * weights[name] % whole), -weights[name]))
    for name in order[: total - sum(parts.values())]:
        parts[name] += 1
    return parts


def apportion_sample(total: int, sizes: Mapping[Name, int]) -> dict[Name, int]:
    """Divide a sample of `total` in proportion to `sizes`; a part is never more than its size."""
    return dict(sizes) if total >= sum(sizes.values()) else apportion(total, sizes)

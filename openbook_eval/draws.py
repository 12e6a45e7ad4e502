"""Seeded draws that depend on names alone: the same on every machine, in any order, with any number of processes."""

import hashlib
from collections.abc import Mapping
from typing import TypeVar

Name = TypeVar("Name")


def draw(seed: int, *names: str) -> int:
    """A number of 64 bits from the seed and the names of what is drawn for, uniform over different names."""
    key = "\x1f".join((str(seed), *names)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")


def shares(total: int, sizes: Mapping[Name, int]) -> dict[Name, int]:
    """`total` dealt out in proportion to `sizes`, exactly, by the method of the largest remainder.

    Equal remainders go to the larger size, then to the earlier name. A share is never more than its size.
    """
    whole = sum(sizes.values())
    if total >= whole:
        return dict(sizes)
    dealt = {name: total * size // whole for name, size in sizes.items()}
    order = sorted(sizes, key=lambda name: (-(total * sizes[name] % whole), -sizes[name]))
    for name in order[: total - sum(dealt.values())]:
        dealt[name] += 1
    return dealt

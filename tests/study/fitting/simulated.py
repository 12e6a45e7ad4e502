"""Points of a made study whose true law is known."""

from collections.abc import Callable, Iterable

import numpy as np

from openbook_eval.study.findings.points import Point

# Accuracy by the medical share of a mix and its rows.
Truth = Callable[[float, int], float]
Mix = tuple[int, int, int]

FIVE: tuple[Mix, ...] = tuple((g, m, 1000) for g, m in ((9, 1), (4, 1), (1, 1), (1, 4), (1, 9)))
NINE: tuple[Mix, ...] = (*FIVE, (1, 0, 1000), (2, 1, 1000), (1, 2, 1000), (0, 1, 1000))
SIZES: tuple[Mix, ...] = tuple((0, 1, rows) for rows in (1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000))
GRID: tuple[Mix, ...] = tuple((g, m, rows) for g, m, _ in FIVE for rows in (1000, 4000, 16000))


def points(
    truth: Truth,
    mixes: Iterable[Mix],
    noise: float = 0.0,
    *,
    mix_noise: float = 0.0,
    seeds: int = 1,
    items: int = 10**9,
    generator: int = 0,
    condition: str = "openbook",
    model: str = "m",
    base: str = "",
    recipe: str = "r",
) -> list[Point]:
    """A point a seed: the truth, chance in the items that all are asked, in each mix, and in each training."""
    random = np.random.default_rng(generator)
    luck = random.normal() / items**0.5
    made = []
    for general, medical, rows in mixes:
        share = truth(medical / (general + medical), rows)
        asked = share + luck * (share * (1 - share)) ** 0.5 + random.normal(0, mix_noise)
        for seed in range(1, seeds + 1):
            value = float(np.clip(asked + random.normal(0, noise), 0, 1))
            name = f"{model}_{general}{medical}_{rows}-seed{seed}"
            about = (base or model, recipe, general, medical, rows, seed, condition, value, items, name)
            made.append(Point("made", 4, model, *about, f"{base or model} {recipe} {name}"))
    return made

"""Texts, and copies of them with signs changed."""

import random

import numpy as np

from data_prep.duplicates.exact import Keys

_SIGNS = "患者发热咳嗽胸痛乏力首选治疗药物检查诊断急性慢性炎症感染手术护理观察病情变化肝肾心肺脾胃"


def texts(count: int, seed: int = 1, length: int = 120) -> list[str]:
    draw = random.Random(seed)  # noqa: S311 - no secret
    return ["".join(draw.choices(_SIGNS, k=length)) for _ in range(count)]


def changed(text: str, *places: int) -> str:
    """Of `length` - 4 shingles each change takes five away and brings five others."""
    return "".join("改" if place in places else sign for place, sign in enumerate(text))


def keys(count: int, seed: int = 0) -> Keys:
    return np.random.default_rng(seed).permutation(count).astype(np.uint64)

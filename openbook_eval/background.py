"""Stems that point at something the exam no longer holds: a case, a figure, a table."""

import re
from collections.abc import Iterator, Mapping

# （1～3题共用题干）, 共用备选答案, (4-6题: what is left of a heading over several questions.
_RANGE = r"\d{1,4}\s{0,3}[-~～—–至]\s{0,3}\d{1,4}\s{0,3}"
_MARK = re.compile(
    rf"[(（]?\s{{0,3}}(?:{_RANGE}题?)?\s{{0,3}}共用(?:题干|备选(?:答案)?|选项)\s{{0,3}}[)）]?"
    rf"|[(（]\s{{0,3}}{_RANGE}题(?:[^)）]{{0,12}}[)）])?"
)
# An age, or a sentence before the last one: the case itself.
_CASE = re.compile(r"\d\s{0,3}岁|[。；;]\s{0,3}[^。；;\s]")
_NO_PERSON = "[^岁男女婴儿孩妇产孕人者例某，。；]"
_UNITS = r"mm[lH]*Hg|[mμu]?mol/L|[mμkn]?g/d?L|I?U(?:/L)?|次/分|/HP|×10\S*/L|cm|kPa|℃|%"
_POINTERS: Mapping[str, re.Pattern[str]] = {
    # 该患者 with nothing before it that could have told of one.
    "patient": re.compile(
        rf"^{_NO_PERSON}{{0,8}}[，。；]?{_NO_PERSON}{{0,6}}"
        "(?:该|此|本|上述|前述)(?:患者|病人|患儿|产妇|孕妇|病例|病儿|婴儿|新生儿)"
    ),
    # Not 心电图示 nor 脑电图中度异常, which tell what a picture shows.
    "figure": re.compile(
        r"暂无图|附图|[如见][右下左上附]?图(?![像书])|(?<!以)[上下]图(?![像书])"
        r"|(?<![电象声脑肌动])图中(?!度)|[（(]图\s{0,3}\d{0,3}[）)]"
    ),
    # A table that was kept has lines or bars.
    "table": re.compile(r"暂无表|[如见][下附上]表(?![现面皮明])(?![^|\n\t]{0,200}[|\n\t])"),
    # The front of the stem is gone: it begins amid a measured value or after one.
    "beginning": re.compile(rf"^\s*(?:[，。、；×✕]|\d+(?:[./～]\d+)?\s*(?:{_UNITS})\s*[，。、；（])"),
}
BACKGROUNDS = ("shared stem", "shared options", *_POINTERS)


def missing_background(stem: str) -> Iterator[str]:
    """What the stem points at and does not hold, by the names of `BACKGROUNDS`; nothing where it stands alone.

    Case questions were cut apart when exams were made. A mark such as （1～3题共用题干） is no loss where the case
    follows it, nor is 上述哪项, which means the options.
    """
    rest = _MARK.sub("", stem)
    if rest != stem and not _CASE.search(rest):
        yield "shared options" if "备选" in stem or "共用选项" in stem else "shared stem"
    yield from (name for name, pattern in _POINTERS.items() if pattern.search(rest))

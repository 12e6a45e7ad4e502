"""The texts of a question as files have them: options and answers in many shapes, markup, what a stem points at."""

import html
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from string import ascii_uppercase

from openbook_eval.types import Question

# Options in one text stand a line each ("A x"; spreadsheets write a backslash and n between), or one after the other.
_LABEL = r"[(（]?[A-Z][)）.．、:：]"
# Repetitions have an end, so that no text takes long.
_DIVIDERS = (rf"(?:\\n|\s){{0,9}}(?:\\n|\n)\s{{0,9}}(?={_LABEL}|[A-Z] )", rf"\s{{1,9}}(?={_LABEL})", rf"(?={_LABEL})")
_OPTION = re.compile(r"[(（]?([A-Z])[ )）.．、:：]\s*(.*)", re.DOTALL)
_BETWEEN_LETTERS = re.compile(r"[\s,，、;；/|.。()（）]+")
_SHOWN = 40


def read_choice(options: object, answer: object, *, counted: bool = False) -> tuple[dict[str, str], str] | str:
    """Return the options by letter and the right letters, or what keeps them from being sure.

    Options are an object, a list or one text; those without a text are none. An answer is letters in either case and
    with anything usual between them, the text of one option, or a list of such; a number only where options are
    numbered, or `counted` from 0. There is none where it is empty.
    """
    named = _named(options)
    if isinstance(named, str):
        return named
    letters = [unicodedata.normalize("NFKC", name).upper() for name in named]
    if letters == [str(number) for number in range(1, len(letters) + 1)]:
        letters = list(ascii_uppercase[: len(letters)])
    if len(set(letters)) < len(letters):
        return f"options have a letter twice: {', '.join(letters)}"
    texts = {letter: text for letter, text in zip(letters, named.values(), strict=False) if text.strip()}
    if len(texts) < 2:
        return f"needs at least two options, has {len(texts)}"
    names = dict(zip(map(str, range(len(letters))) if counted else named, letters, strict=False))
    right = ""
    for part in answer if isinstance(answer, list) else [answer]:
        found = _letters("" if part is None else str(part).strip(), texts, names)
        if found is None:
            what = "may count from 0 or from 1; write the letter" if str(part).isdigit() else "is none of its options"
            return f"answer {str(part)[:_SHOWN]!r} {what}: {', '.join(texts)}"
        right += found
    return texts, right


def _named(options: object) -> dict[str, str] | str:
    """Return the texts by the names that the file gives them, or what is wrong."""
    if isinstance(options, str):
        return _divided(clean(options))
    if isinstance(options, list):
        labelled = _divided("\n".join(map(str, options)))
        if not isinstance(labelled, str) and len(labelled) == len(options):
            return labelled
        options = dict(zip(ascii_uppercase, options, strict=False))
    if not isinstance(options, Mapping):
        return f"options: wants an object of letters and texts, a list of texts or one text, not {options!r}"
    if wrong := [name for name, text in options.items() if not isinstance(text, str | int | float | None)]:
        return f"option {wrong[0]}: wants a text"
    return {str(name).strip(): "" if text is None else str(text) for name, text in options.items()}


def _divided(text: str) -> dict[str, str] | str:
    for divider in _DIVIDERS:
        pieces = [_OPTION.fullmatch(piece.strip()) for piece in re.split(divider, text.strip()) if piece.strip()]
        options = {piece[1]: piece[2] for piece in pieces if piece}
        # Within a line a letter may belong to the text of an option, as in HLA-B; then the row is not sure.
        sure = divider == _DIVIDERS[0] or "".join(options) == ascii_uppercase[: len(options)]
        if len(options) == len(pieces) > 1 and sure:
            return options
    return f"options {text[:_SHOWN]!r} are not each introduced by a letter of their own, as in A. x"


def _letters(answer: str, texts: Mapping[str, str], names: Mapping[str, str]) -> str | None:
    """Return the letters that an answer means, "" where it is empty, None where it means none."""
    bare = _BETWEEN_LETTERS.sub("", unicodedata.normalize("NFKC", answer))
    same = [letter for letter, text in texts.items() if text.strip() == answer]
    if answer in names or not answer:
        return names.get(answer, "")
    if answer.isdigit():
        return None
    if bare and set(bare) <= texts.keys():
        return bare
    if len(same) == 1:
        return same[0]
    return bare.upper() if bare and set(bare.upper()) <= texts.keys() else None


# Markup that an export leaves in a text; an element of one letter is one where it is closed, for p<i is mathematics.
_ATTRIBUTES = r"""(?:\s+[\w:-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>]+))*\s*/?"""
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]\w{1,30});")
_SCRIPT = re.compile(rf"<(su[bp]){_ATTRIBUTES}>([^<>]{{1,30}})</\1\s*>", re.IGNORECASE)
_BREAK = re.compile(rf"\s{{0,9}}<(?:br|/p|/div|/li|/tr|/h[1-6]){_ATTRIBUTES}>\s{{0,9}}", re.IGNORECASE)
_CELL = re.compile(rf"\s{{0,9}}</t[dh]\s{{0,9}}>\s{{0,9}}(?=<t[dh]{_ATTRIBUTES}>)", re.IGNORECASE)
_TAG = re.compile(
    rf"</?([abius]|p|br|div|span|font|strong|em|sub|sup|[uo]l|li|h[1-6]|table|t(?:body|head|foot|r|d|h)|o:p|center)"
    rf"{_ATTRIBUTES}>|<!--.{{0,500}}?-->",
    re.IGNORECASE | re.DOTALL,
)
_RAISED = str.maketrans("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
# What no cleaning brings back: a picture, and cells of a table that reach over others.
_PICTURE = re.compile(r"<(?:img|image|svg)\b|!\[[^\]\n]{0,200}\]\(|\[(?:图片|img)\]|data:image/", re.IGNORECASE)
_MERGED = re.compile(r"""<t[dh]\b[^<>]*\b(?:row|col)span\s*=\s*["']?\s*(?:[2-9]|1\d)""", re.IGNORECASE)


def clean(text: str) -> str:
    """Return a text without HTML, where only markup is lost: entities, tags, tables as lines with bars."""
    if "<" not in text and not _ENTITY.search(text):
        return text
    # Some exports escape twice.
    for _ in range(2):
        text = _ENTITY.sub(lambda found: html.unescape(found[0]).replace("\xa0", " "), text)
    if _MERGED.search(text):
        return text
    text = _CELL.sub(" | ", _SCRIPT.sub(_script, text))
    bare = _TAG.sub(_untagged, _BREAK.sub("\n", text))
    return bare if bare == text else bare.strip()


def _script(found: re.Match[str]) -> str:
    raised = found[1].lower() == "sup"
    moved = found[2].translate(_RAISED if raised else _LOWERED)
    whole = all(one != other for one, other in zip(found[2], moved, strict=True))
    return moved if whole else f"{'^' if raised else '_'}{found[2]}"


def _untagged(found: re.Match[str]) -> str:
    name = (found[1] or "").lower()
    return found[0] if name in set("abius") and f"</{name}>" not in found.string.lower() else ""


def cleaned(question: Question) -> Question:
    """Return the question with all its texts clean; the same object where they are."""
    options = {letter: clean(text) for letter, text in question.options.items()}
    knowledge, explanation = (text and clean(text) for text in (question.knowledge, question.explanation))
    found = replace(question, stem=clean(question.stem), options=options, knowledge=knowledge, explanation=explanation)
    return question if found == question else found


def lacks(question: Question) -> str:
    """Return which part that it asks about a clean question lacks, `no_picture` or `no_table`; "" where it has all."""
    kinds = set(missing_background(question.stem))
    text = "\n".join((question.stem, *question.options.values()))
    if "figure" in kinds or _PICTURE.search(text):
        return "no_picture"
    return "no_table" if _MERGED.search(text) or ("table" in kinds and "|" not in question.stem) else ""


# Stems that point at something the exam no longer holds: a case, a figure, a table.

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
    """Return what the stem points at and does not hold, by the names of `BACKGROUNDS`.

    A mark such as （1～3题共用题干） is no loss where the case follows it, nor is 上述哪项, which means the options.
    """
    rest = _MARK.sub("", stem)
    if rest != stem and not _CASE.search(rest):
        yield "shared options" if "备选" in stem or "共用选项" in stem else "shared stem"
    yield from (name for name, pattern in _POINTERS.items() if pattern.search(rest))

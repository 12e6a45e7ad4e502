"""Take out of a passage what leaks the answer: what says by its letter which option is right or wrong.

The knowledge stays. The time is linear in the text, however hostile.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, pairwise

Span = tuple[int, int]

_BRACKETS = ("（", "(", "【", "[")
# Brackets are taken to close within so many characters.
_BRACKET = 200
# Taking one leak out may join the halves of another. Published passages are through after three rounds; a text that
# needs more than these is made to outlast them.
_ROUNDS = 6

# From "A" to the full-width "Ａ".
_WIDER = 0xFEE0

# So far around a letter it is looked for what makes it a reference.
_REACH = 48
_PAUSES, _STOPS, _BLANKS = "，,、；;：:—", "。．.！!？?…\n", " \t\u3000"
_OPENING, _CLOSING = "（([【「『“‘《", "）)]】」』”’》"
_ALL = ("均", "都", "皆")
_BRACKETED = {"()", "（）", "(）", "（)", "【】", "[]"}
# "Rh（D）", "腺嘌呤（A）": what a bracket abbreviates.
_ABBREVIATED = re.compile(r"(?:[A-Za-zＡ-Ｚａ-ｚ0-9\u2160-\u217f]|维生素|嘌呤|嘧啶|吸光度|当量|多聚)\s?$")
_AFTER_CLAIM = rf"[\s{re.escape(_PAUSES + _STOPS + _CLOSING)}（(【*\"']|[且而故但因]|$"

# "CD4", "LDL-C", "νC=O", "维生素A", "B超": letters of a word, by what stands before or after them.
_LATIN = r"A-Za-zＡ-Ｚａ-ｚ0-9０-９\u0370-\u03ff\u2070-\u209f\u2160-\u217f¹²³"
_WORDS_BEFORE = (
    *("维生素", "维他命", "维生", "辅酶", "免疫球蛋白", "蛋白激酶", "胰岛", "细胞色素", "环孢素", "抗"),
    *("itamin ", "rotein ", "atitis ", "roup ", "ype ", "actor ", "Cyt "),
)
# Looked at after the letter, so that a search leaps from letter to letter.
_NO_WORD_BEFORE = rf"(?<![{_LATIN}+=≡∝×·′°][\s\S])(?<![{_LATIN}][-－–/][\s\S])(?<!\d\.[\s\S])" + "".join(
    rf"(?<!{word}[\s\S])" for word in _WORDS_BEFORE
)
_NO_WORD_AFTER = (
    rf"(?![{_LATIN}=≡°℃%′'·∝⁺⁻]|×(?=[{_LATIN}])|[-－–](?=[{_LATIN}\u4e00-\u9fff])|[+＋](?![A-ZＡ-Ｚ])"
    r"|超|型|族|肽|细胞|淋巴|抗原|抗体|受体|病毒|反应蛋白|选择素|亢进)"
)

_TOPIC = r"(?:[本此该这]|上述)(?:小?题目?|例)"
_LEAD = (
    r"(?:综上(?:所述|可知)?|因此|所以|故此?|因而|从而|由此可?[知见]?|可[知见]|那么|即|但是?|而|且|并且?|以及|总之|显然"
    rf"|其中|同时|排除法|在这里|按[^，。；,;\n（(]{{0,6}}版(?:教材)?|{_TOPIC}[中的]?|(?i:\b(?:so|thus|hence|therefore)\b))[，,：:\s]{{0,2}}"
)
_WHICH = r"(?:唯一|正确|错误|最佳|参考|标准|最终|合适|给出的?|以上|上述|原|的){0,4}"
_SHALL = r"(?:应该?|应当|就|只能|仅|只|给出?的)?"
_CLAIM = rf"{_WHICH}(?:(?<=[确佳考准终适])|(?<=的))(?:答案|选项)"
# After a strong word any letter is an option; after a weak one ("选A", "排除B") only where it ends a clause.
_STRONG = (
    rf"{_WHICH}答案[\])）】]?(?:选项)?{_SHALL}(?:是|为|选择?|有|包括){{0,2}}|{_WHICH}选项{_SHALL}(?:是|为|有|包括)?"
    r"|(?:只|仅|唯)有|剩[余下]"
    r"|(?:正确|错误|对|错|有误|恰当|合适|准确|符合|不符|属于|包括|妥)的(?:一?项|说法|选项|表述|叙述|描述|做法)?"
    rf"{_SHALL}(?:是|为|有|包括)"
    r"|(?i:(?:\b(?:so|thus|hence|therefore),?\s)?(?:\bthe\s)?(?:\b(?:correct|right|best|final)\s)?"
    r"\b(?:answers?|options?|choices?)(?:\s(?:is|are|should\sbe))?(?:\s(?:options?|choices?))?)"
)
_WEAK = (
    r"(?:应该?|应当|可以?|宜|只能|均|都|误|勿|不){0,3}(?<![筛挑入优竞])选(?:择|的是)?|(?:可以?|应)?排除(?:了|掉)?"
    r"|(?:故|应|故不|应不)答|(?i:\bchoose|\bselect)"
)
_STRONG_BEFORE = re.compile(rf"(?:{_LEAD}){{0,4}}(?:{_STRONG})[\s“\"'‘（(\[【*：:]{{0,4}}$")
_WEAK_BEFORE = re.compile(rf"(?:{_LEAD}){{0,4}}(?:{_WEAK})[\s“\"'‘*：:]{{0,4}}$")
# The last character of what these two find; most letters have another one before them.
_ANNOUNCING = frozenset("案项是为选择有括除了掉答应该当就能仅只给出的余下])）】srnet")
_LEADS_BEFORE = re.compile(rf"(?:{_LEAD}){{1,4}}$")
_ENDS = re.compile(_AFTER_CLAIM + "|[而为后]")
# "除了D项，", "弱于A选项": words that govern nothing once the letter is gone.
_GOVERNS = re.compile(r"(?:除了?|相?较于?|相比于?|根?据|[弱强优高低]于|不如|如|同|见|比|与|和)\s?$")
_GOVERNED = re.compile(rf"(?:(?:[之以]?外|而言|来说|相比|所述|的?(?:描述|内容|表述)?来看)[，,]?|(?={_AFTER_CLAIM}))")

_FILLERS = (
    "(?:[均都皆也才则就亦更最较是为的得]|应该?|应当|显然|明显|完全|属于|所述|不够|相对"
    "|说法|叙述|表述|描述|内容|观点|做法)"
)
_JUDGEMENT = (
    r"(?:不?正确(?:的(?:措施|说法|表述|做法|叙述|描述)?)?|不?对的?|错误?(?:更加?明显|选项|答案|项)?的?|有误|不当|欠?不?妥当?|不?准确"
    r"|不?全面|不?符合?(?:题意|题干|要求)?|[与和]题[意干]不符合?|不选|不是|可?排除|不?成立|不?合适|不?恰当|人?造?干扰选?项"
    rf"|过于(?:绝对|片面|笼统)(?:，有?欠妥当?)?|(?:{_TOPIC}的?)?(?:{_CLAIM}|答案|{_WHICH}选择)|[√✓✔×✗✘❌✅]"
    r"|(?i:\s?(?:is|are)\s(?:the\s)?(?:not\s)?(?:correct|incorrect|right|wrong|true|false|best)"
    r"(?:\s(?:answers?|options?|choices?))?))"
)
_KIND = r"\s?(?:[两二三四五][个者]?)?(?:选项|项(?![目链圈下])|答案|选择项)"
# Rightness without a letter: "为本题正确答案", "本题应选", "（对）".
_LETTERLESS = re.compile(
    rf"(?:{_LEAD}){{0,3}}(?:(?:即|故)?[是为]|作为)?{_TOPIC}的?(?:{_WHICH}(?:答案|选项)|正案确答)(?={_AFTER_CLAIM})"
    rf"|(?:即|故)?[是为](?:{_CLAIM}|(?<=故为)答案)(?={_AFTER_CLAIM})"
    rf"|(?:{_LEAD}){{0,3}}{_TOPIC}(?:应该?|应当|宜|故|因此)?选(?:择|非)?(?![项用择题取的])"
    rf"|(?:{_LEAD}){{0,3}}{_WHICH}答案{_SHALL}(?:[是为](?!否)|[:：])|[【\[]{_WHICH}答案[】\]][:：]?"
    r"|[（(](?:对|错|正确|错误|[√✓✔✗✘❌✅])[)）]|(?i:\bthe\s(?:correct|right|best)\s(?:answer|option|choice)\sis\b)"
)
_PAIRS = {a + b for a, b in zip(_OPENING + "（(*\"'", _CLOSING + ")）*\"'", strict=True)}


@dataclass(frozen=True, slots=True)
class _Letters:
    """Patterns for the option letters of one question; `judged`, `named`, `label` are tried where letters end."""

    listed: re.Pattern[str]
    judged: re.Pattern[str]
    named: re.Pattern[str]
    label: re.Pattern[str]
    alone: re.Pattern[str]
    subject: re.Pattern[str]


@cache
def _patterns_of(names: str) -> _Letters:
    """Return the patterns of a question whose options are called by the letters of `names`."""
    one = f"[{names}{''.join(chr(ord(name) + _WIDER) for name in names)}]"
    # "ACDE错" of a question without an option E: what begins with an option's letter may name others.
    more = f"[A-HＡ-Ｈ{one[1:]}"
    first, run = rf"{one}{_NO_WORD_BEFORE}{more}{{0,25}}+{_NO_WORD_AFTER}", rf"{more}{{1,26}}+{_NO_WORD_AFTER}"
    between = r"\s?(?:[、,，;；/&|+和与及或~～至到–—-]|以及|and\b|or\b)\s?"
    end = rf"(?={_AFTER_CLAIM}|为{_TOPIC}|{more}{{1,26}}均?[对错])"
    return _Letters(
        listed=re.compile(rf"{first}(?:{between}{run}){{0,9}}+"),
        judged=re.compile(
            rf"(?:{_KIND})?[”\"’）)\]】*]?{_FILLERS}{{0,5}}"
            rf"(?:[的多痛](?=[）)])|\s?[（(【\[]\s?{_JUDGEMENT}\s?[）)】\]]|\s?[:：.．、—-]{{0,2}}\s?{_JUDGEMENT}{end})"
        ),
        named=re.compile(rf"{_KIND}(?:所述|的(?!是))?[均都皆则]?"),
        label=re.compile(r"\s?(?:[.．](?!\s?[a-z])|[、:：)）])[ \u3000]?"),
        alone=re.compile(r"[。\n]|$"),
        subject=re.compile(rf"(?:^|[，,。；;\n])\s?({one})[是为应指有无属可能与和在不由则因]"),
    )


def remove_leaks(text: str, options: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the passage without leaks, and what was removed, in order.

    _Letters that name an option leave with the words that judge or announce them and with the punctuation around them;
    letters of words (维生素A, B超) and of an option's own text stay. Where removing leaks shows new ones without end,
    nothing is kept.
    """
    places: Sequence[int] = range(len(text))
    for _ in range(_ROUNDS):
        rest = "".join(text[place] for place in places)
        found = _cuts(rest, options)
        if not found:
            gaps = pairwise((-1, *places, len(text)))
            return rest, tuple(text[before + 1 : after] for before, after in gaps if before + 1 < after)
        edges = [0, *chain.from_iterable(found), len(rest)]
        kept = zip(edges[::2], edges[1::2], strict=True)
        places = [place for start, end in kept for place in places[start:end]]
    return "", (text,)


def _cuts(text: str, options: Mapping[str, str]) -> list[Span]:
    """Return leaks and the punctuation around them, in order."""
    own = _own_places(text, options)
    found = [*_references(text, options, own), *(phrase.span() for phrase in _LETTERLESS.finditer(text))]
    grown = [_filled(text, *span) for span in _merged(text, found, over_pauses=True)]
    return _merged(text, [_tidied(text, *span) for span in _merged(text, grown, over_pauses=True)])


def _own_places(text: str, options: Mapping[str, str]) -> set[int]:
    """Return where option texts stand that hold letters themselves ("B超", "A型血"); texts that are a leak are none."""
    words = {option for option in options.values() if len(option) > 1 and set(option) & set(options)}
    return {
        place
        for word in words
        if not re.fullmatch(r"[A-Z\W和与及]+", word) and not any(_references(word, dict.fromkeys(options, ""), set()))
        for found in re.finditer(re.escape(word), text)
        for place in range(*found.span())
    }


def _references(text: str, options: Mapping[str, str], own: set[int]) -> Iterator[Span]:
    """Return letters that stand for an option, each with the words that go with it."""
    if not options:
        return
    patterns = _patterns_of("".join(options))
    # "A是…；B是…；C是…": a passage that goes through the options.
    listing = len({found[1] for found in patterns.subject.finditer(text)}) > 2
    place = 0
    while found := patterns.listed.search(text, place):
        start, place = found.start(), found.start() + _distinct(found[0])
        if start in own:
            continue
        before = text[max(0, start - _REACH) : start]
        if span := _reference(text, (start, place), patterns, options):
            yield span
            place = max(place, span[1])
        elif listing and (_begins_item(before) or patterns.subject.match(text, start - 1)):
            yield start, place


def _distinct(listed: str) -> int:
    """Return the length of the list up to a letter that was there before: "A，A项" are two references."""
    seen: set[str] = set()
    end = 0
    for place, character in enumerate(listed, 1):
        letter = chr(ord(character) - _WIDER) if character > "\uff00" else character
        if letter in seen:
            break
        if "A" <= letter <= "Z":
            seen.add(letter)
            end = place
    return end


def _reference(text: str, letters: Span, patterns: _Letters, options: Mapping[str, str]) -> Span | None:
    """Return what to take out with these letters; None where they are no reference to an option."""
    start, end = letters
    judged, named = patterns.judged.match(text, end), patterns.named.match(text, end)
    if announced := _announced(text, letters, judged, named):
        return announced
    before = text[max(0, start - _REACH) : start]
    if judged:
        leads = _LEADS_BEFORE.search(before)
        return start - (len(before) - leads.start() if leads else 0), judged.end()
    governing = _with_governing(text, (start, named.end() if named else end))
    if named or governing[1] > end:
        return governing
    if text[start - 1 : start] + text[end : end + 1] in _BRACKETED:
        abbreviation = text[start : start + 2].isalpha() or _ABBREVIATED.search(before[:-1])
        return None if abbreviation else (start - 1, end + 1)
    label = None if text[start : start + 2].isalpha() else patterns.label.match(text, end)
    if (label or patterns.alone.match(text, end)) and _begins_item(before):
        return start, label.end() if label else end
    heads_clause = not before or before[-1] in _PAUSES + _STOPS
    if heads_clause and text[end : end + 1] in _ALL and _are_options(text[start:end], options):
        return start, end + 1
    own = options.get(text[start:end], "")
    return letters if len(own) > 1 and text[end : end + 8].lstrip().startswith(own[:4]) else None


def _are_options(listed: str, options: Mapping[str, str]) -> bool:
    """Return whether a list names three options or more in their order and nothing else: "ABDE均", "A、B、C都"."""
    names = [character for character in listed if character.isupper()]
    return len(names) > 2 and names == sorted(set(names) & set(options))


def _announced(text: str, letters: Span, judged: re.Match[str] | None, named: re.Match[str] | None) -> Span | None:
    """Return the letters with the words before them that make them an answer or an option."""
    start, end = letters
    before = text[max(0, start - _REACH) : start]
    after = judged or named
    if before.rstrip(" \t\n\u3000“\"'‘（([【*：:")[-1:].lower() not in _ANNOUNCING:
        return None
    found = _STRONG_BEFORE.search(before)
    # "故可排除（D错）", "答案（A对）": the bracket judges the option whose text stands before it.
    if found and judged and before[-1] in _OPENING:
        return None
    if not found and (after or _ENDS.match(text, end)):
        found = _WEAK_BEFORE.search(before)
    if not found:
        return None
    opened = len(before) - len(before.rstrip(_OPENING + "*\"'"))
    end = after.end() if after else end
    end += text[end : end + 1] == "后" and not after
    while opened and text[end : end + 1] and text[end] in _CLOSING + "*\"'":
        opened, end = opened - 1, end + 1
    span = start - len(before) + found.start(), end
    return span if judged else _with_governing(text, span)


def _with_governing(text: str, span: Span) -> Span:
    """Return a named option with the preposition that governs it, where nothing else follows that it could govern."""
    start, end = span
    before = text[max(0, start - 4) : start]
    governs, governed = _GOVERNS.search(before), _GOVERNED.match(text, end)
    if not governs or not governed:
        return span
    excepted = governs[0].startswith("除") and text[governed.end() : governed.end() + 1] in ("，", ",")
    return start - len(before) + governs.start(), governed.end() + excepted


def _begins_item(before: str) -> bool:
    """Return whether a letter after this text stands where the label of a list item stands."""
    bare = before.rstrip(_BLANKS + "-*#•(（")
    if not bare or bare[-1] in _STOPS + "；;：:":
        return True
    return before[-1] in _BLANKS and not re.match(r"[A-Za-z]", bare[-1])


def _merged(text: str, spans: Iterable[Span], *, over_pauses: bool = False) -> list[Span]:
    """Merge spans that touch, or those with nothing but a pause between them; within brackets a full stop is one."""
    whole: list[Span] = []
    for start, end in sorted(spans):
        bracketed = bool(whole) and text[whole[-1][0] - 1 : whole[-1][0]] in _BRACKETS
        between = _PAUSES + _BLANKS + _STOPS * bracketed if over_pauses else ""
        if whole and not text[whole[-1][1] : start].strip(between):
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole


def _tidied(text: str, start: int, end: int) -> Span:
    """Add the punctuation that the leak would leave hanging."""
    left, right = _last(text, start), _first(text, end)
    before, after = text[left - 1 : left], text[right : right + 1]
    if not before or before in _STOPS + _OPENING:
        hanging = _PAUSES if before and before in _OPENING else _PAUSES + _STOPS.strip("\n")
        while after and after in hanging:
            right = end = _first(text, right + 1)
            # A full stop ends the sentence that is gone; what follows begins the next.
            hanging, after = _PAUSES if after in _PAUSES else "", text[right : right + 1]
        if not after or (after == "\n" and before in ("", "\n")):
            return left, right + len(after)
    elif before in _PAUSES and (not after or after in _PAUSES + _STOPS + _CLOSING):
        return _last(text, left - 1), end
    elif left < start and (not after or after in _PAUSES + _STOPS + _CLOSING):
        return left, end
    return start, right if left < start or before in ("", "\n") else end


def _filled(text: str, start: int, end: int) -> Span:
    """Grow the span over brackets and quotation marks that hold nothing else, and over one without a partner."""
    left, right = _last(text, start), _first(text, end)
    while left > 0 and text[left - 1] + text[right : right + 1] in _PAIRS:
        start, end = left - 1, right + 1
        left, right = _last(text, start), _first(text, end)
    before = text[max(0, start - _BRACKET) : start]
    is_open = max(before.rfind("("), before.rfind("（")) > max(before.rfind(")"), before.rfind("）"))
    return (start, right + 1) if right < len(text) and text[right] in ")）" and not is_open else (start, end)


def _last(text: str, end: int) -> int:
    return len(text[max(0, end - _REACH) : end].rstrip(_BLANKS)) + max(0, end - _REACH)


def _first(text: str, start: int) -> int:
    return start + len(text[start : start + _REACH]) - len(text[start : start + _REACH].lstrip(_BLANKS))

"""Patterns of how answers are written, for the letters of one question; all rules share them.

Chinese and ASCII characters stand side by side, so that a text need not be rewritten before it is read. Repetitions are
possessive ("*+", "++"): no text, however long and hostile, makes a pattern try the same characters twice. What must not
stand before a letter is looked at after the letter: so a search leaps from letter to letter.
"""

import re
from dataclasses import dataclass
from functools import cache

COLON, COMMA, STOP = ":：", ",，", ".．。"
_QUOTES = r"\"'“”‘’`*_"
# What may stand between a word that announces an answer and the letters: "答案是：**【B】**", '"answer": ["A"]'.
OPENING_CHARACTERS = " \t\n\r\u3000:：?？\"'“”‘’`*_(（[【《「『<\\"
_OPENING = rf"[\s{COLON}?？{_QUOTES}(（\[{{【《「『<\\]*+"
_CLOSING = rf"[\s{STOP}{COMMA}{COLON}!！;；、{_QUOTES})）\]}}】》」』>$]*+"
# "B超", "A型", "维生素A": letters that belong to a word.
_NO_WORD_AFTER = r"(?![A-Za-z0-9]|超|型|族|反应蛋白|-?二聚体|语言|组|肽|细胞|淋巴|抗原|抗体|受体|病毒)"
# "钙尔奇D", "凝血酶A": what ends in these characters has a letter for its kind.
_KINDS = "素酶苷酮碱酸醇奇菌毒质"
_NO_WORD_BEFORE = rf"(?<![A-Za-z0-9{_KINDS}][\s\S])(?<!蛋白[\s\S])"
# Nor letters of a formula: "38 C", "1 - B", "x_A".
_NO_NAME_BEFORE = (
    rf"(?<![A-Za-z0-9.\-°_{{^{_KINDS}][\s\S])(?<!蛋白[\s\S])(?<![{_KINDS}][A-Z]、[\s\S])"
    r"(?<!\d [\s\S])(?<!group\s[\s\S])(?<![-+=*/^]\s[\s\S])"
)
# "A patient", but "A is", "A and B".
_NO_ARTICLE = r"(?! +(?!(?:or|and|is|are|was|seems|while|as|because|since|in|with|for)\b)[a-z\d])"
# Between the letters of one answer in a sentence; a line break ends them there.
_BETWEEN = rf"(?:[ \u3000、{COMMA};；/&|+和与及{_QUOTES}]|以及|and\b)++"


def one_of(words: str, then: str = "") -> str:
    """Return a pattern for any of the words, written "one/other", and what follows it; English words begin as words do.

    Each branch begins with its own character, which is what lets a search leap from one such character to the next:
    it is ten times as fast as one whose branches begin with "\\b" or a group.
    """
    return "|".join(
        (rf"{word[0]}(?<![a-z]{word[0]}){word[1:]}" if "a" <= word[0] <= "z" else word) + then
        for word in words.split("/")
    )


def leaping(*alternatives: tuple[str, str] | str) -> re.Pattern[str]:
    """Return the pattern of any of the alternatives, each words, or words and what follows, as `one_of` has them."""
    return re.compile("|".join(one_of(*each) if isinstance(each, tuple) else one_of(each) for each in alternatives))


# Words that make what follows the answer: 答案是, 故选, 的说法是, 而是. One pattern each, beginning with its own
# character: a search for one character leaps through a text several times faster than a search for one of many.
_CHINESE = (
    r"答案[\])）】]?(?:选项)?(?:应该|应当|应|就|只能)?(?:是|为|选|有|选择)*+",
    r"选(?<![不非勿未首可能误]选)(?<!不应选)(?<!不该选)(?<!不会选)(?<!不要选)(?<!无法选)(?:择|项(?:[是为]|(?=[:：])))?",
    r"的(?:说法|选项|表述|一项|做法|观点|行为)?(?:应该|应当|应|就)?(?:是|为|有|包括)",
    r"应(?<!不应)(?:该|当)?[是为]",
    r"而应?[是为]",
)
# "the answer is", "the correct option is", '"choice":', "\boxed{"; from the second letter on, whatever case the first.
_ENGLISH = (
    r"nswers?(?:\s++(?:is|are|should\s++be))?",
    r"NSWERS?(?:\s++(?:IS|ARE))?",
    r"orrect[\s_]*+(?:options?|choices?)(?:\s++(?:is|are))?",
    r"ORRECT\s++(?:OPTION|CHOICE)S?(?:\s++(?:IS|ARE))?",
    r"hoose",
    r"elect(?:ed)?",
    r"hoices?(?:\s++(?:is|are)|(?=[\"']\s*+:))",
    r"boxed\{(?:\\[a-z]+\{)?",
)
_WORDS = "|".join((*_CHINESE, *_ENGLISH))
_ANNOUNCED = rf"[\[(（【]?(?:正确|最佳|参考|标准|最终)?的?(?:{'|'.join(_CHINESE)}|[A-Za-z]?(?:{'|'.join(_ENGLISH)}))"
ANNOUNCEMENT = re.compile(_ANNOUNCED + _OPENING)
CLOSING = re.compile(_CLOSING)
# Letters that are followed so are among what to choose from, not chosen: "从A、B、C、D中选", "A或B".
NOT_CHOSEN = re.compile(r"[ \t]*+(?:或|or\b|(?:[两三四五]个选项)?[中里](?=[选任挑，,的哪只]))")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns for the letters of one question; groups hold the letters."""

    strict: re.Pattern[str]
    dressed: re.Pattern[str]
    leading: re.Pattern[str]
    option_line: re.Pattern[str]
    option_here: re.Pattern[str]
    option_start: re.Pattern[str]
    named: re.Pattern[str]
    announced: re.Pattern[str]
    all_but: re.Pattern[str]


@cache
def patterns_for(options: str) -> Patterns:
    """Return the patterns for a question whose options are called by the letters of `options`."""
    one = f"[{options}]"
    run = rf"{one}++{_NO_WORD_AFTER}"
    letters = rf"({one}{_NO_WORD_BEFORE}{one}*+{_NO_WORD_AFTER}(?:{_BETWEEN}{run})*+)"
    after = (
        rf"(?:[ {_QUOTES}]*+(?:[)）\]】」][ {_QUOTES}]*+[.．{COLON}]?|[.．{COLON}])"
        rf"|[ {_QUOTES}]*+、(?![\s{_QUOTES}]*+{one}{_NO_WORD_AFTER}))"
    )
    return Patterns(
        strict=re.compile(rf"{one}(?:[ 、,，]*+{one})*+"),
        dressed=re.compile(
            rf"(?:{_ANNOUNCED})?{_OPENING}\$?({one}(?:(?:[\s、,，;；/&|+和与及.．\"'*]|and\b)*+{one})*+)"
            rf"{_CLOSING}(?:选项|项)?{_CLOSING}"
        ),
        leading=re.compile(
            rf"[\s\[\](（)）【】:：\-*]*+(?:选项|[Oo]ptions?)?\s*+{letters}"
            rf"(?=\s*$|\s*\n|\s*[{COMMA}{STOP}{COLON};；<(（#)）\]】]"
            rf"|\s*(?:选项|[两三四几]?个?选?项|均|都|皆|是|正确|对|符合)|\s+[^\sa-zA-Z0-9]|\s+(?:is|are)\b)"
        ),
        option_line=re.compile(rf"\s*+[(（]?({one})[)）]?[.．{COLON}、][^\n{options}]*+\s*+"),
        option_here=re.compile(rf"[ \t\-{_QUOTES}(（\[【「]*+({one}){after}"),
        option_start=re.compile(rf"({one})(?<![^\s;；。、,，\-{_QUOTES}(（\[【「][\s\S]){after}"),
        named=re.compile(
            rf"({one}{_NO_NAME_BEFORE}{one}*+){_NO_WORD_AFTER}(?! ?=)"
            rf"(?:{_NO_ARTICLE}|(?<=ption {one})|(?<=swer {one})|(?<=oice {one}))"
        ),
        announced=re.compile(rf"(?:{_WORDS})(?:选项|option)?{_OPENING}({one}++)"),
        all_but=re.compile(
            rf"除了?(?:选项)?\s*{letters}\s*(?:选项|项)?(?:之外|以外|外|(?=[{COMMA}]?其[他余]))"
            r"[^。\n]{0,8}?(?:都|均|皆|全)[^。\n]{0,6}?(?:正确|对|符合|是)"
        ),
    )

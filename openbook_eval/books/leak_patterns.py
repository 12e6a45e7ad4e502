"""Patterns of how passages judge, announce and name options, around the letters of one question.

A search leaps from letter to letter and looks at a few characters on either side; every repetition has an upper bound.
"""

import re
from dataclasses import dataclass
from functools import cache

# From "A" to the full-width "Ａ".
WIDER = 0xFEE0

# So far around a letter it is looked for what makes it a reference.
REACH = 48
PAUSES, STOPS, BLANKS = "，,、；;：:—", "。．.！!？?…\n", " \t\u3000"
OPENING, CLOSING = "（([【「『“‘《", "）)]】」』”’》"
ALL = ("均", "都", "皆")
BRACKETED = {"()", "（）", "(）", "（)", "【】", "[]"}
# "Rh（D）", "腺嘌呤（A）": what a bracket abbreviates.
ABBREVIATED = re.compile(r"(?:[A-Za-zＡ-Ｚａ-ｚ0-9\u2160-\u217f]|维生素|嘌呤|嘧啶|吸光度|当量|多聚)\s?$")
_AFTER_CLAIM = rf"[\s{re.escape(PAUSES + STOPS + CLOSING)}（(【*\"']|[且而故但因]|$"

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
STRONG_BEFORE = re.compile(rf"(?:{_LEAD}){{0,4}}(?:{_STRONG})[\s“\"'‘（(\[【*：:]{{0,4}}$")
WEAK_BEFORE = re.compile(rf"(?:{_LEAD}){{0,4}}(?:{_WEAK})[\s“\"'‘*：:]{{0,4}}$")
# The last character of what these two find; most letters have another one before them.
ANNOUNCING = frozenset("案项是为选择有括除了掉答应该当就能仅只给出的余下])）】srnet")
LEADS_BEFORE = re.compile(rf"(?:{_LEAD}){{1,4}}$")
ENDS = re.compile(_AFTER_CLAIM + "|[而为后]")
# "除了D项，", "弱于A选项": words that govern nothing once the letter is gone.
GOVERNS = re.compile(r"(?:除了?|相?较于?|相比于?|根?据|[弱强优高低]于|不如|如|同|见|比|与|和)\s?$")
GOVERNED = re.compile(rf"(?:(?:[之以]?外|而言|来说|相比|所述|的?(?:描述|内容|表述)?来看)[，,]?|(?={_AFTER_CLAIM}))")

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
LETTERLESS = re.compile(
    rf"(?:{_LEAD}){{0,3}}(?:(?:即|故)?[是为]|作为)?{_TOPIC}的?(?:{_WHICH}(?:答案|选项)|正案确答)(?={_AFTER_CLAIM})"
    rf"|(?:即|故)?[是为](?:{_CLAIM}|(?<=故为)答案)(?={_AFTER_CLAIM})"
    rf"|(?:{_LEAD}){{0,3}}{_TOPIC}(?:应该?|应当|宜|故|因此)?选(?:择|非)?(?![项用择题取的])"
    rf"|(?:{_LEAD}){{0,3}}{_WHICH}答案{_SHALL}(?:[是为](?!否)|[:：])|[【\[]{_WHICH}答案[】\]][:：]?"
    r"|[（(](?:对|错|正确|错误|[√✓✔✗✘❌✅])[)）]|(?i:\bthe\s(?:correct|right|best)\s(?:answer|option|choice)\sis\b)"
)


@dataclass(frozen=True, slots=True)
class Letters:
    """Patterns for the option letters of one question; `judged`, `named`, `label` are tried where letters end."""

    listed: re.Pattern[str]
    judged: re.Pattern[str]
    named: re.Pattern[str]
    label: re.Pattern[str]
    alone: re.Pattern[str]
    subject: re.Pattern[str]


@cache
def patterns_of(names: str) -> Letters:
    """Return the patterns of a question whose options are called by the letters of `names`."""
    one = f"[{names}{''.join(chr(ord(name) + WIDER) for name in names)}]"
    # "ACDE错" of a question without an option E: what begins with an option's letter may name others.
    more = f"[A-HＡ-Ｈ{one[1:]}"
    first, run = rf"{one}{_NO_WORD_BEFORE}{more}{{0,25}}+{_NO_WORD_AFTER}", rf"{more}{{1,26}}+{_NO_WORD_AFTER}"
    between = r"\s?(?:[、,，;；/&|+和与及或~～至到–—-]|以及|and\b|or\b)\s?"
    end = rf"(?={_AFTER_CLAIM}|为{_TOPIC}|{more}{{1,26}}均?[对错])"
    return Letters(
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

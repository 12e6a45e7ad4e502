"""Rows with signs that are not for readers: HTML, entities, tokens of chat templates, headers of other data sets."""

from collections.abc import Iterable

import polars as pl

from data_prep.cleaning.suspects import QUESTION, close_look, matches
from data_prep.spec import Cleaning

# One of these literals is in all that the patterns below find.
_SUSPECT = (
    r"<|&[a-z#]|\[/|\[INST|\[gMASK|\[UNK|\[PAD|\[url|\[URL|\[img|\[IMG|\]\(|## |Below is an instruction|\*\*Possible"
)
# Names of HTML only, so that `<iostream>`, `List<String>`, `<mask>`, `P<0.05` and `a<b` are none; tags of one letter
# where they close or carry an attribute, but for <p>.
_TAG = (
    r"(?i)</?(?:html|head|body|div|span|p|br|hr|img|table|thead|tbody|tr|td|th|ul|ol|li|h[1-6]|strong|em|font|sup|sub"
    r"|script|style|iframe|audio|video|center|form|button|blockquote|pre)(?:\s[^<>]{0,500})?/?>"
    r"|</[abius]>|<(?:a|link|meta|input)\s+[a-z-]+\s*="
)
_ENTITY = (
    r"&(?:lt|gt|amp|quot|apos|nbsp|[lr][ds]quo|[mn]dash|middot|hellip|deg|times|plusmn|[lg]e"
    r"|#\d{1,6}|#x[\da-fA-F]{1,5});"
)
_LEFT_OVER = (
    # Tokens of chat templates and tokenizers.
    r"<\|[A-Za-z_]{2,30}\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:bos|eos|pad|unk|sop|eop)>|\[(?:gMASK|UNK|PAD)\]"
    # Alpaca's word for an empty field, which its translations hold in many forms.
    r"|(?i:<\s*(?:no\s?-?(?:input|output)|n/a|无输[入出][^<>]{0,3}|无)\s*>)"
    # A picture or page that is only promised: <插入流程图> as the whole answer.
    r"|^\W*<[^<>\n]*\p{Han}[^<>\n]*>\W*$"
    # Headers of instruction data and of CQADupStack's questions.
    r"|(?m:^#{2,3} (?:Instruction|Response|Input|Human|Assistant|User|System|指令)\s*[:：])"
    r"|Below is an instruction that describes a task|\*\*Possible Duplicate"
    # Bulletin board code, and pictures, which no model of text can see.
    r"|(?i:\[/(?:url|img|b|i|color|size|quote)\]|\[(?:url|img)[=\]])|!\[[^\]\n]{0,200}\]\("
)
_ASKS_FOR_TAGS = r"(?i)html|xml|css|svg|javascript|网页|网站|标签|代码|表单"


def markup(_settings: Cleaning) -> pl.Expr:
    """Markup stands where text should; HTML stays where the question is about it, entities there only inside it."""
    tag, entity = matches(_TAG), matches(_ENTITY)
    asked = QUESTION.str.contains(_ASKS_FOR_TAGS) & tag
    found = (matches(_LEFT_OVER) | ((tag | entity) & ~asked)).alias("found")

    def look(rows: pl.DataFrame) -> Iterable[bool]:
        return rows.select(found)["found"]

    return close_look(matches(_SUSPECT), look)

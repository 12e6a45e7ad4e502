"""The patterns that the rules share.

Chinese and ASCII signs stand side by side in them, so that a text need not be rewritten before it is read. Repetitions
are possessive ("*+", "++"): no text, however long and hostile, makes a pattern try the same signs twice. Letters are
those of any exam, A to H; the matcher keeps the ones that the question has.
"""

import re

COLON, COMMA, STOP = ":：", ",，", ".．。"
_QUOTES = r"\"'“”‘’`*_"
# Between the letters of one answer in a sentence; a line break ends them there.
_BETWEEN = rf"[ \u3000、{COMMA};；/&|+和与及{_QUOTES}]++"
# What must not stand before is looked at after the first letter: so a search leaps from letter to letter.
_ALONE = r"(?<![A-Za-z0-9][\s\S])"
_RUN = r"[A-H]++(?![A-Za-z0-9])"
LETTERS = rf"([A-H]{_ALONE}[A-H]*+(?![A-Za-z0-9])(?:{_BETWEEN}{_RUN})*+)"
# What may stand between a word that announces an answer and the letters: "答案是：**【B】**", '"answer": ["A"]'.
OPENING_SIGNS = " \t\n\r\u3000:：?？\"'“”‘’`*_(（[【《「『<\\"
OPENING = rf"[\s{COLON}?？{_QUOTES}(（\[{{【《「『<\\]*+"
CLOSING = rf"[\s{STOP}{COMMA}{COLON}!！;；、{_QUOTES})）\]}}】》」』>]*+"
# What begins an option: "A. ", "(B) ", "**C**: "; "A、" only where no other letter follows.
_AFTER_LETTER = rf"[ {_QUOTES})）\]】」]*+(?:[.．{COLON})）]|、(?!\s*+[A-H](?![A-Za-z0-9])))"
OPTION_HERE = re.compile(rf"[ \t\-{_QUOTES}(（\[【「]*+([A-H]){_AFTER_LETTER}")
OPTION_START = re.compile(rf"([A-H])(?<![^\s;；。\-{_QUOTES}(（\[【「][\s\S]){_AFTER_LETTER}")

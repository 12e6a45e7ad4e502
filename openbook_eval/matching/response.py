"""Make a response readable: plain letters, no reasoning trace, nothing after the answer to this one question."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from openbook_eval.matching.mentions import Sentence, sentences
from openbook_eval.matching.patterns import Patterns

# Lists of options are looked for in so many characters.
BEGINNING = 4000
# Marks of the turn's end and of parts of an answer that models were trained to write; not part of what they say.
_TOKENS = re.compile(r"<(?:eo[a-z]|/?s|\|[a-z_]{2,20}\|)>")
# Who repeats so many characters is in a loop.
_END, _LOOPED = 20_000, 40
# The end of a prompt in which a chat template may open thinking.
_OPENING = 60
# How model families write that they begin to think, and that they end. The prompt may have begun it already.
THINKING = {
    "tags": (r"<(?:seed:)?(?:think|thinking|reasoning|thought)>", r"</(?:seed:)?(?:think|thinking|reasoning|thought)>"),
    "magistral": (r"\[THINK\]", r"\[/THINK\]"),
    "kimi": (r"◁think▷", r"◁/think▷"),
    "huatuo-o1": (r"(?:\A|\n)## Thinking\b", r"(?:\A|\n)## Final Response\b"),
    "gpt-oss": (r"<\|channel\|>(?:analysis|commentary)\b", r"<\|channel\|>final[^<]{0,40}<\|message\|>"),
    # Decoded without its special tokens.
    "gpt-oss-stripped": (r"\A\s*analysis(?=[A-Z\u4e00-\u9fff])", r"assistantfinal"),
    "gemma": (r"<\|channel>thought\b", r"<channel\|>"),
    "medgemma": (r"<unused94>", r"<unused95>"),
}
_THINKING = [(re.compile(begin), re.compile(end)) for begin, end in THINKING.values()]

# Of which every one of these holds one.
_MAY_THINK = (
    "think>", "thinking>", "reasoning>", "thought>", "THINK]", "think▷", "## ",
    "channel", "analysis", "tfinal", "<unused",
)  # fmt: skip

# Full-width letters, and traditional forms of the characters that the rules look for; options are compared as they are.
_FORMS = str.maketrans(
    "ＡＢＣＤＥＦＧＨａｂｃｄｅｆｇｈⒶⒷⒸⒹⒺⒻⒼⒽⓐⓑⓒⓓⓔⓕⓖⓗ選項應該為對錯誤確無說題與據綜這擇論結",
    "ABCDEFGHabcdefghABCDEFGHabcdefgh选项应该为对错误确无说题与据综这择论结",
)
_OTHER_FORMS = re.compile(f"[{''.join(map(chr, _FORMS))}]")

# Where a model goes on to another question, or gives the instruction back: the frames of common exam prompts and ours.
# The place is looked at after the first character, not before it: so the search leaps from one to the next.
_AT_START = r"(?<![^\s。].)"
_NEXT_QUESTION = re.compile(
    rf"【{_AT_START}(?:材料|要求|题目|问题)】|问{_AT_START}题?\s*+[:：]|题{_AT_START}目?\s*+[:：]"
    rf"|Q{_AT_START}(?:uestion)?\s*+[:：]|请{_AT_START}你?(?:回答|运用|根据|从|按|直接|选择|选出|阅读)|以{_AT_START}下是中国",
    re.DOTALL,
)
_COURTESY = 20
# Before it stands nothing, or at most the number of an item.
_NOTHING = re.compile(r"[\s。:：]*+(?:\d{1,3}[.、])?\s*+")
# "for example [answer]A": an answer in an instruction is a form, not an answer.
_EXAMPLE = re.compile(
    r"(?:例如|比如|形如|示例|例[:：]|e\.g\.)[\s:：,，\"“]*+(?:[\[(（【]?(?:正确)?答案[\])）】]?\s*+[:：]?)?\s*+[A-H]++"
)
_FORM = re.compile(r"[A-H]++[^A-H]{0,14}示例")
_EXAMPLE_BLOCK = re.compile(r"下面是[一几]个例子")


def plain(text: str) -> str:
    """Return letters as ASCII, traditional cue characters as simplified ones, no control tokens; all else as it is."""
    if not text.isascii() and _OTHER_FORMS.search(text):
        text = text.translate(_FORMS)
    return _TOKENS.sub("\n", text) if "<" in text else text


def without_thought(text: str) -> str | None:
    """Return the text after the last thinking of any family of THINKING; None where one was begun and not ended."""
    for mark in _MAY_THINK:
        if mark in text:
            break
    else:
        return text
    for begin, end in _THINKING:
        for last in [*end.finditer(text)][-1:]:
            text = text[last.end() :]
        if begin.search(text):
            return None
    return text


def ends_thinking(prompt: str, text: str) -> bool:
    """Return whether a response to a prompt has no thinking that goes on: the prompt may end in its opening."""
    return without_thought(f"...{prompt[-_OPENING:]}{text}") is not None


def ends(text: str) -> str:
    """Return the first and the last part of a text beyond any answer's length, without the rounds of a last loop."""
    if len(text) > 2 * _END:
        text = f"{text[:_END]}\n{text[-_END:]}"
    end = len(text)
    before = text.rfind(text[-_LOOPED:], 0, -1)
    if before < 0 or end <= _LOOPED:
        return text
    period = end - _LOOPED - before
    unit = text[-period:]
    while end >= 4 * period and text.startswith(unit, end - 2 * period):
        end -= period
    # The last round is cut off somewhere: its last line is none.
    return text[:end].rpartition("\n")[0] if end < len(text) and "\n" in unit else text[:end]


def own_answer(text: str) -> tuple[str, str]:
    """Return the part of the text that answers this question, and what follows where the text gives a question back.

    A response may run on into further questions: what stands before them is the answer. One that begins with a question
    or an instruction gives it back, at times after a word of courtesy: an answer stands after the last such place.
    """
    if "例" in text or "e.g." in text:
        text = _EXAMPLE.sub("", text)
        text = _FORM.sub("", text) if "示例" in text else text
        if block := _EXAMPLE_BLOCK.search(text):
            text = text[: block.start()]
    first = _NEXT_QUESTION.search(text)
    if not first:
        return text, ""
    head = text[: first.start()]
    if len(head) >= _COURTESY or "答案" in head:
        return head, ""
    *_, last = _NEXT_QUESTION.finditer(text, first.start())
    return "" if _NOTHING.fullmatch(head) else head, text[last.start() :]


@dataclass(eq=False)  # not frozen, which takes three times as long to make
class Response:
    """A response made readable. `text` is what answers the question; `echoed` says that it gave the question back."""

    text: str
    options: Mapping[str, str]
    multi: bool
    echoed: bool
    patterns: Patterns

    @cached_property
    def sentences(self) -> list[Sentence]:
        """Return the sentences with the options that they name."""
        return self.sentences_of(self.text)

    def sentences_of(self, text: str) -> list[Sentence]:
        """Return the sentences of a part of the text."""
        return sentences(text, self.options, self.patterns)

    def part(self, text: str) -> "Response":
        """Return a part of the text as a response of its own."""
        return replace(self, text=text)


class Reading(NamedTuple):
    """What a rule reads: letters, or the reason why it is sure that there are none; `by_text` where no letter stood."""

    letters: str = ""
    reason: str | None = None
    by_text: bool = False


Rule = Callable[[Response], Reading | None]


def read_option_list(response: Response, start: int) -> str:
    """Return the letters of the option lines from `start` on, while they ascend."""
    first = response.patterns.option_here.match(response.text, start)
    if not first:
        return ""
    letters: str = first.group(1)
    for found in response.patterns.option_start.finditer(response.text, first.end(), start + BEGINNING):
        if found.group(1) <= letters[-1]:
            break
        letters += found.group(1)
    return letters


def one_answer(text: str) -> str | None:
    """Return the letters of several runs if none returns or all runs are the same, with at most one slip; or None."""
    runs = re.findall("[A-Z]+", text)
    letters = "".join(runs)
    if len(set(runs)) == 1 or len(set(letters)) >= len(letters) - (len(runs) > 2):
        return letters
    return None


def bare_letters(text: str, patterns: Patterns) -> str:
    """Return the letters of a text that is nothing else, in a row or with commas between; "" where one comes twice."""
    letters = re.sub("[^A-Z]", "", text) if patterns.strict.fullmatch(text) else ""
    return letters if len(set(letters)) == len(letters) else ""


def is_list(starts: str) -> bool:
    """Return whether options in a row begin there; the first may stand behind a question mark, where none begins."""
    return "AB" in starts or "BC" in starts

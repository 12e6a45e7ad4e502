"""The prompt: book first, then the rule, then the question and its options.

The book stands first so that an engine with a prefix cache reads a book that many questions share only once.
"""

from typing import Literal

from openbook_eval.types import ABSTENTION, CHINESE_NAMES, Book, QType, Question

Frame = Literal["paper", "reading", "authors"]

# Raised with every change of a frame's text below, together with the version in its task files.
VERSIONS: dict[Frame, str] = {"paper": "1.0", "reading": "1.0"}

_TYPE_NAMES: dict[QType, str] = {"single": "单项选择题", "multi": "多项选择题"}
_LETTERS: dict[QType, str] = {"single": "正确选项的字母", "multi": "全部正确选项的字母"}


def build_prompt(question: Question, book: Book, frame: Frame = "paper") -> str:
    """Return the text that is put to the model; it ends where the letters are due, for chat and base models alike.

    The paper's rule (section 3): answer only from the given information and directly output the right option. The frame
    `reading` adds what to answer when the material does not tell. Without a book both are the same: no material is
    there that could fail to tell. The frame `authors` is that of the authors' closed-book evaluations of CMB
    (github.com/WangRongsheng/CareGPT, eval/eval_baichuan53b.py at 7b4da61); it has no room for a book.
    """
    before, after = around_book(question, bool(book.entries), frame)
    return f"{before}{book.text}{after}"


def around_book(question: Question, has_book: bool, frame: Frame) -> tuple[str, str]:
    """Return the prompt before and behind its book; without one all of it stands behind."""
    options = "\n".join(f"{letter}. {text}" for letter, text in question.options.items())
    if frame == "authors":
        named = question.exam != "other"
        exam = f"{CHINESE_NAMES[question.exam]}中{question.exam_class}考试" if named else "医学考试"
        rule = f"以下是中国{exam}的一道{_TYPE_NAMES[question.qtype]}，不需要做任何分析和解释，直接输出答案选项。"
        return "", f"{rule}\n{question.stem}\n{options}"
    rule = f"{'请只根据上面的材料' if has_book else '请'}回答下面的{_TYPE_NAMES[question.qtype]}，"
    rule += f"不做任何分析和解释，直接输出{_LETTERS[question.qtype]}。"
    if frame == "reading" and has_book:
        rule += f"如果材料没有给出答案，不要选择任何选项，只输出“{ABSTENTION}”。"
    asked = f"【要求】\n{rule}\n\n【题目】\n{question.stem}\n{options}\n\n答案："
    return ("【材料】\n", f"\n\n{asked}") if has_book else ("", asked)

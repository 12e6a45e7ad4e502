"""The one prompt: book first, then the rule, then the question and its options.

The book stands first so that an engine with a prefix cache reads a book that many questions share only once.
"""

from openbook_eval.book import Book
from openbook_eval.question import QType, Question

# Raised with every change of the text below, together with the version in the task files.
VERSION = "1.0"

_TYPE_NAMES: dict[QType, str] = {"single": "单项选择题", "multi": "多项选择题"}
_LETTERS: dict[QType, str] = {"single": "正确选项的字母", "multi": "全部正确选项的字母"}


def render(question: Question, book: Book) -> str:
    """The text that is put to the examinee; it ends where the letters are due, for chat and base models alike.

    The rule is the paper's (section 3): answer only from the given information and directly output the right option.
    """
    parts = []
    if book.entries:
        parts.append(f"【材料】\n{book.text}\n")
    parts.append(f"【要求】\n{_rule(question.qtype, bool(book.entries))}\n")
    options = "\n".join(f"{letter}. {text}" for letter, text in question.options.items())
    parts.append(f"【题目】\n{question.stem}\n{options}\n")
    return "\n".join(parts) + "\n答案："


def _rule(qtype: QType, has_book: bool) -> str:
    source = "请只根据上面的材料" if has_book else "请"
    return f"{source}回答下面的{_TYPE_NAMES[qtype]}，不做任何分析和解释，直接输出{_LETTERS[qtype]}。"

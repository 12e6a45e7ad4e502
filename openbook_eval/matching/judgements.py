"""Rules for responses that call options right or wrong one by one."""

import re
from collections.abc import Mapping

from openbook_eval.matching.response import BEGINNING, Reading, Response
from openbook_eval.matching.statements import declared

_MAY_JUDGE = re.compile("[✓✔√✗✘×❌✅错]|确(?![答的])|对[，,；;。]|orrect")


def judged_list(response: Response) -> Reading | None:
    """`A：正确。B：错误。`, `A. 畸形 ✓`: a list that says of each option whether it is right."""
    text = response.text
    # A cheap look first: such a list begins with A or B and goes on to C or D.
    if not ("A" in text or "B" in text) or not ("C" in text or "D" in text or len(response.options) < 3):
        return None
    if not _MAY_JUDGE.search(text):
        return None
    needed = min(3, len(response.options))
    verdicts: dict[str, bool] = {}
    for found in response.grammar.option_verdict.finditer(text, 0, BEGINNING):
        verdicts.setdefault(found.group(1), _is_positive(found.group(2), found.group(3)))
    # Whoever goes through the options and then names an answer means that one.
    if len(verdicts) < needed or declared(response):
        return None
    return _from_verdicts(response, verdicts)


def judged(response: Response) -> Reading | None:
    """`选项B正确，A、C错误`: options called right or wrong in running text."""
    verdicts: dict[str, bool] = {}
    for found in response.grammar.judged.finditer(response.text):
        for letter in re.findall("[A-Z]", found.group(1)):
            # The last word on an option counts, and stands last.
            verdicts.pop(letter, None)
            verdicts[letter] = _is_positive(found.group(2), found.group(3))
    return _from_verdicts(response, verdicts) if verdicts else None


def _is_positive(negation: str, verdict: str) -> bool:
    return not negation and verdict.lower() not in {"错误", "错", "incorrect", "wrong", "✗", "✘", "×", "❌"}


def _from_verdicts(response: Response, verdicts: Mapping[str, bool]) -> Reading | None:
    """The right ones; of a single-choice question with several right ones the odd one out, which was asked for."""
    right = [letter for letter, positive in verdicts.items() if positive]
    wrong = [letter for letter, positive in verdicts.items() if not positive]
    if not right:
        return None
    if response.multi or len(right) == 1:
        return Reading("".join(right))
    if len(wrong) == 1 and len(verdicts) == len(response.options):
        return Reading(wrong[0])
    return Reading(right[-1])

"""The provider `generated`: a model writes the knowledge for a question from its stem and options, not told the answer.

What it writes may be wrong; such entries are marked as generated wherever they go.
"""

import logging
import re
from collections.abc import Sequence

from openbook_eval.errors import OpenbookError
from openbook_eval.models.cache import ResponseCache
from openbook_eval.models.chat_api import ask_all
from openbook_eval.models.endpoints import FINAL, EndpointSettings, Reply, Request, checked_address
from openbook_eval.types import Question

CHARACTERS = 300
_SEED = 20240726

# The options carry no letters here, so that the text cannot name any.
_PROMPT = """请为下面这道医学考题写一段参考资料，供答题者查阅。

【要求】
1. 写出判断每一个选项所需要的教科书知识，如定义、机制、诊断标准、数值、适应证和禁忌证，各选项涉及的内容都要写到。
2. 只陈述知识本身：不给选项编号或加字母，不说哪个选项正确或错误，不作答。
3. 用连贯的中文正文来写，不用标题、列表、表格或任何标记，不超过{characters}个字。
4. 只写有把握的内容。

【题目】
{stem}

【选项】
{options}

直接写出参考资料正文："""

# A full stop of Latin script ends a sentence only before a blank: "7." may have been on its way to 7.35.
_SENTENCE_ENDS = re.compile(r"(?:[。！？!?]|\.(?=\s))[”’」』）)]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_log = logging.getLogger(__name__)


def prompt(question: Question) -> str:
    """Return what the model is asked; it holds stem and options and nothing else of the question."""
    options = "\n".join(f"- {text}" for text in question.options.values())
    return _PROMPT.format(characters=CHARACTERS, stem=question.stem, options=options)


def knowledge(reply: Reply) -> str | None:
    """Return the reply without its thinking as one line, up to its last whole sentence where it was cut; else None."""
    text = reply.answer()
    if text is None:
        return None
    if reply.finish == "length":
        ends = [found.end() for found in _SENTENCE_ENDS.finditer(text)]
        text = text[: ends[-1]] if ends else ""
    return _CONTROL.sub(" ", text).strip() or None


def generate(
    questions: Sequence[Question], *, endpoint: str, model: str, parallel: int = 8, max_tokens: int = 512
) -> dict[str, str]:
    """Return texts by question id, as `model` wrote them; a log line counts the questions that got none.

    `endpoint` is an OpenAI-compatible server's address; its key is read from OPENAI_API_KEY. Replies are kept in the
    response cache, so that a call after a failure goes on from there. Raises OpenbookError for a faulty setting, and
    where the endpoint fails.
    """
    settings = EndpointSettings(
        base_url=checked_address(endpoint, "endpoint"),
        model=model,
        num_concurrent=parallel,
        max_retries=3,
        seed=_SEED,
    )
    # Greedy, so that asking again would say the same.
    payload = {"model": model, "temperature": 0.0, "seed": _SEED, "max_tokens": max_tokens}
    messages = {question.id: [{"role": "user", "content": prompt(question)}] for question in questions}
    requests = {key: Request.of({**payload, "messages": message}, settings) for key, message in messages.items()}
    outcome = ask_all(list(requests.values()), settings, ResponseCache(settings.identity))
    texts = {key: text for key, reply in outcome.replies.items() if (text := knowledge(reply))}
    found = {name: texts[request.key] for name, request in requests.items() if request.key in texts}
    failures = outcome.failures.values()
    # A prompt that was refused would be refused again.
    again = [str(outcome.stopped)] if outcome.stopped else [each.said for each in failures if each.reason not in FINAL]
    if again:
        raise OpenbookError(
            f"{endpoint}: stopped with {len(found)} of {len(requests)} texts written and kept ({again[0]}); "
            "the same command goes on from there"
        )
    if missing := len(requests) - len(found):
        refused = f"the endpoint refused {len(failures)} ({next(iter(failures)).said})" if failures else "none refused"
        empty = "else the reply held none (a thinking model needs more max_tokens than its thoughts)"
        _log.warning("%d of %d questions got no text: %s, %s", missing, len(requests), refused, empty)
    return found

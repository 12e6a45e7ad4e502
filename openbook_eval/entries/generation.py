"""The provider `generated`: a model writes the knowledge for a question from its stem and options, not told the answer.

What it writes may be wrong; such entries are marked as generated wherever they go.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import orjson
from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from openbook_eval.entries.endpoint import SEED, TEMPERATURE, Endpoint, Reply, Stopped, after_thinking, ask
from openbook_eval.entries.journal import Journal, Row
from openbook_eval.errors import OpenbookError
from openbook_eval.types import Question

# Raised with every change of the text below: answers to another prompt are other answers.
VERSION = "1.0"
CHARACTERS = 300

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
    """The text that is put to the model; it holds stem and options and nothing else of the question."""
    options = "\n".join(f"- {text}" for text in question.options.values())
    return _PROMPT.format(characters=CHARACTERS, stem=question.stem, options=options)


def knowledge(reply: Reply) -> str | None:
    """The text of an entry in one line, None where the reply holds none.

    What a thinking model says comes behind its last `</think>`; thinking that does not end is no knowledge. A reply cut
    at `max_tokens` ends at its last whole sentence. One stopped by a content filter holds none.
    """
    if reply.finish == "content_filter":
        return None
    text = after_thinking(reply.text)
    if text is None:
        return None
    if reply.finish == "length":
        ends = [found.end() for found in _SENTENCE_ENDS.finditer(text)]
        text = text[: ends[-1]] if ends else ""
    return _CONTROL.sub(" ", text).strip() or None


def generate(
    questions: Sequence[Question],
    *,
    endpoint: str,
    model: str,
    parallel: int = 8,
    max_tokens: int = 512,
    cache: Path | None = None,
) -> dict[str, str]:
    """Texts by question id, as `model` wrote them; a question that got none is missing, and a log line counts those.

    `endpoint` is the address of an OpenAI-compatible server; its key is read from OPENAI_API_KEY. Answers are kept in
    the cache's folder `generated`, and asked for once; empty ones are not kept. Raises OpenbookError for a faulty
    setting, and where the endpoint fails: what was answered is kept then and the next call goes on from there.
    """
    server = Endpoint(endpoint, model.strip(), max_tokens)
    if parallel < 1:
        raise OpenbookError(f"parallel: must be 1 or more, not {parallel}")
    prompts = {question.id: prompt(question) for question in questions}
    keys = {name: _key(server, text) for name, text in prompts.items()}
    journal = Journal((cache or user_cache_path("openbook-eval")) / "generated" / _file_name(server))

    def texts() -> dict[str, str]:
        by_key = _texts(journal)
        return {name: by_key[key] for name, key in keys.items() if key in by_key}

    found = texts()
    refusals: dict[str, str] = {}
    # Questions with one prompt are asked once.
    if wanted := {key: (name, prompts[name]) for name, key in keys.items() if name not in found}:
        try:
            refusals = _write(wanted, server, journal, parallel, answered=bool(found))
        except Stopped as stopped:
            raise OpenbookError(
                f"{endpoint}: stopped with {len(texts())} of {len(keys)} texts written and kept "
                f"({stopped}); the same command goes on from there"
            ) from stopped
        # Read again: where two runs wrote the same text, both take the one that was written first.
        found = texts()
    if missing := [key for name, key in keys.items() if name not in found]:
        _log.warning("%d of %d questions got no text: %s", len(missing), len(keys), _why(missing, refusals))
    return found


def _write(
    wanted: Mapping[str, tuple[str, str]], server: Endpoint, journal: Journal, parallel: int, *, answered: bool
) -> dict[str, str]:
    """Asks for (question id, prompt) by key, keeps what holds a text; returns the refusals by key."""
    with _progress(len(wanted)) as advance:

        def keep(key: str, reply: Reply) -> None:
            if knowledge(reply):
                row = Row(
                    key=key,
                    question=wanted[key][0],
                    model=server.model,
                    prompt=VERSION,
                    finish=reply.finish,
                    response=reply.text,
                )
                journal.append(row)
            advance()

        pairs = [(key, text) for key, (_, text) in wanted.items()]
        return ask(pairs, server, keep, parallel=parallel, answered=answered)


def _texts(journal: Journal) -> dict[str, str]:
    """Texts by key; of two answers to one prompt the first."""
    texts: dict[str, str] = {}
    for row in journal.rows():
        if text := knowledge(Reply(row.response, row.finish)):
            texts.setdefault(row.key, text)
    return texts


def _key(server: Endpoint, text: str) -> str:
    return hashlib.sha256(orjson.dumps([*_settings(server), text])).hexdigest()


def _file_name(server: Endpoint) -> str:
    readable = re.sub(r"[^\w.-]+", "_", server.model, flags=re.ASCII).lstrip(".")[:60]
    return f"{readable}-{hashlib.sha256(orjson.dumps(_settings(server))).hexdigest()[:12]}.jsonl"


def _settings(server: Endpoint) -> list[object]:
    """What determines an answer besides the prompt.

    The address does not: a local server has another port at every start; the model's name says what it serves.
    """
    return [server.model, VERSION, TEMPERATURE, SEED, server.max_tokens]


def _why(missing: Sequence[str], refusals: Mapping[str, str]) -> str:
    reasons = []
    refused = [refusals[key] for key in missing if key in refusals]
    if empty := len(missing) - len(refused):
        reasons.append(f"{empty} replies held none (a thinking model needs more max_tokens than its thoughts)")
    if refused:
        reasons.append(f"the endpoint refused {len(refused)} ({refused[0]})")
    return ", ".join(reasons)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """Shows progress on stderr, in a terminal as a bar, else as ten log lines; yields what to call at each answer."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("writing entries"), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if done * 10 // total > (done - 1) * 10 // total:
            _log.info("%d of %d replies came", done, total)

    yield advance

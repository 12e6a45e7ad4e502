"""Replies that were kept, in the journal that all backends write: what was answered once is asked no more."""

import os
from pathlib import Path

from platformdirs import user_cache_path
from pydantic import ValidationError

from openbook_eval.api.replies import Reply
from openbook_eval.api.settings import Settings
from openbook_eval.backend.journal import Answer, Journal

# The folder of the journals; "none" keeps no answers and takes none that were kept.
_FOLDER = "OPENBOOK_ANSWERS"


class Answers:
    """The replies of one model at one host, by the key of the request."""

    def __init__(self, settings: Settings) -> None:
        """Reads what was kept. Raises OpenbookError where the journal cannot be read."""
        folder = os.environ.get(_FOLDER)
        where = Path(folder) if folder else user_cache_path("openbook-eval") / "answers"
        self._journal = None if folder == "none" else Journal(where, settings.identity)
        kept = self._journal.answers() if self._journal else {}
        self.replies = {key: reply for key, answer in kept.items() if (reply := _reply(answer))}

    def keep(self, key: str, reply: Reply) -> None:
        """Writes a reply at once. Raises OpenbookError where it cannot be written."""
        self.replies[key] = reply
        if self._journal:
            # The whole reply as it came, so that thinking and token counts of a resumed run are those of a run in one.
            text = reply.model_dump_json(exclude_defaults=True)
            self._journal.append(
                Answer(key=key, text=text, finish=reply.finish, generated=reply.completion_tokens or 0)
            )


def _reply(answer: Answer) -> Reply | None:
    try:
        return Reply.model_validate_json(answer.text)
    except ValidationError:
        return None

"""What stands for the response to a question that got none: it is marked neither right nor wrong."""


class Unanswered(str):
    """Empty text that knows why there is none. lm-eval hands responses on as they are, so this reaches the marking."""

    __slots__ = ("reason",)
    reason: str

    def __new__(cls, reason: str) -> "Unanswered":
        """`reason` in a word or two."""
        text = super().__new__(cls, "")
        text.reason = reason
        return text

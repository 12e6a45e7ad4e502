"""Why a command failed, in the one line of its log that helps most."""

import re
import signal
from collections.abc import Sequence

# In the order in which they are looked for: what we say ourselves, then what stands behind most failures.
_TELLING = (
    re.compile(r"^(?:openbook-eval|data-prep): (?P<reason>.+)"),
    re.compile(r"(?P<reason>(?:torch\.\w*\.?OutOfMemoryError|RuntimeError)?:? ?CUDA (?:error: )?out of memory.*)"),
    re.compile(r"(?P<reason>[\w.]*(?:Error|Exception)?:? ?(?:\[Errno 28\] )?No space left on device.*)"),
    re.compile(r"(?P<reason>[\w.]*(?:Error|Exception)?:? ?\[Errno \d+\] .+)"),
)
# The last line of a traceback; of several the last says what ended the program, but for what accelerate says of that.
_RAISED = re.compile(r"^(?P<reason>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b(?::.*)?)$")
_ABOUT_A_CHILD = "subprocess.CalledProcessError"
# What rich and loggers put before a message.
_PREFIX = re.compile(r"^\[[a-z]+\d*\]:\s*|^\x1b\[[\d;]*m|\(EngineCore\S*(?: pid=\d+)?\) ")


def reason(log: str, code: int) -> str:
    """The line of `log` that says why a command ended with `code`; negative codes are signals that ended it."""
    lines = [_PREFIX.sub("", line).strip() for line in log.splitlines()]
    for pattern in _TELLING:
        if found := _last(lines, pattern):
            return _whole(lines, found)
    if code < 0:
        return _by_signal(-code)
    if found := _last([line for line in lines if not line.startswith(_ABOUT_A_CHILD)], _RAISED):
        return _whole(lines, found)
    said = next((line for line in reversed(lines) if line), "and said nothing")
    return f"ended with exit code {code}: {said}"


def _last(lines: Sequence[str], pattern: re.Pattern[str]) -> str | None:
    return next((match["reason"].strip() for line in reversed(lines) if (match := pattern.search(line))), None)


def _whole(lines: Sequence[str], found: str) -> str:
    """A line that ends in a colon with the line after it, which is the first of several faults."""
    if not found.endswith(":"):
        return found
    place = max(place for place, line in enumerate(lines) if line.endswith(found))
    return f"{found} {next((line for line in lines[place + 1 :] if line), '')}".strip()


def _by_signal(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = str(number)
    of_memory = "; the machine may have run out of memory" if number == signal.SIGKILL else ""
    return f"was ended by the signal {name}{of_memory}"

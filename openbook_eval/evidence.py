"""What a text gives away: the options whose text stands in it."""

import re
import unicodedata
from collections.abc import Mapping


def plain(text: str) -> str:
    """Return the text without whitespace, every character in one form (NFKC, lower case), fit to be compared."""
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


def options_held(text: str, options: Mapping[str, str]) -> str:
    """Return letters, sorted, of the options whose text stands in `text`.

    An option that is part of a longer one (`肝` of `肝硬化`) is held only where it stands apart from it, and one that
    begins or ends in a digit (`16`) not inside another number (`160`, `1.16`).
    """
    rest, held = plain(text), []
    for letter, option in sorted(options.items(), key=lambda item: (-len(plain(item[1])), item[0])):
        wanted = plain(option)
        if wanted and wanted in rest and (cut := _without(rest, wanted)) != rest:
            held.append(letter)
            # Options of one text hold or fail together; a longer one hides the shorter ones inside it.
            if not any(plain(other) == wanted for name, other in options.items() if name != letter):
                rest = cut
    return "".join(sorted(held))


def apart(wanted: str) -> str:
    """Return a pattern for `wanted` (not empty) where it is no part of a longer number."""
    before = r"(?<!\d)(?<!\d\.)" if wanted[0].isdecimal() else ""
    after = r"(?!\.?\d)" if wanted[-1].isdecimal() else ""
    return f"{before}{re.escape(wanted)}{after}"


def _without(text: str, wanted: str) -> str:
    if not (wanted[0].isdecimal() or wanted[-1].isdecimal()):
        return text.replace(wanted, "\n")
    return re.sub(apart(wanted), "\n", text)

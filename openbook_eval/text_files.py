"""The bytes of a text file as text, in whatever encoding Chinese files come."""

import re

from openbook_eval.errors import ExamError

_PRIVATE_USE = re.compile("[\ue000-\uf8ff]")


def decode(data: bytes, label: str) -> str:
    """Text of a file in UTF-8 (with or without BOM), UTF-16 with BOM, or gb18030, as Chinese files come.

    Raises ExamError naming the file by `label`, and the line that is none of these.
    """
    try:
        return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        failure = ExamError(f"{label}: line {line} is neither UTF-8 nor gb18030; save the file as UTF-8")
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        raise failure from None
    # Big5 and others decode as gb18030 too, but into characters that no Chinese text contains.
    if _PRIVATE_USE.search(text):
        raise failure
    return text

"""Text files in the encodings they come in; bytes that are no text are refused with their line."""

import pytest

from openbook_eval.errors import ExamError
from openbook_eval.files import decode


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_text_is_read_in_every_encoding_it_comes_in(encoding: str) -> None:
    assert decode("医学考试：甲乙丙".encode(encoding), "f") == "医学考试：甲乙丙"


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"ok\n\xff\xff\xff", 2),
        ("一\n二\n".encode() + b"\xff\xff\n", 3),
        ("下列何者屬於護理評估的主觀資料，請選出正確的一項".encode("big5"), 1),  # would pass for gb18030
    ],
)
def test_bytes_of_no_known_encoding_are_refused_with_their_line(data: bytes, line: int) -> None:
    with pytest.raises(ExamError, match=rf"^f: line {line} is neither UTF-8 nor gb18030; save the file as UTF-8$"):
        decode(data, "f")

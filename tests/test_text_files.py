"""Text files in the encodings they come in; bytes that are no text are refused with their line."""

import pytest

from openbook_eval.errors import ExamError
from openbook_eval.files import decode

TEXT = "医学考试：甲乙丙"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_text_is_read_in_every_encoding_it_comes_in(encoding: str) -> None:
    assert decode(TEXT.encode(encoding), "f") == TEXT


def test_bytes_of_no_known_encoding_are_refused_with_their_line() -> None:
    with pytest.raises(ExamError, match=r"^f: line 2 is neither UTF-8 nor gb18030; save the file as UTF-8$"):
        decode(b"ok\n\xff\xff\xff", "f")


def test_the_line_that_is_wrong_is_named_in_a_file_that_is_utf_8_else() -> None:
    with pytest.raises(ExamError, match=r"^f: line 3 is neither"):
        decode("一\n二\n".encode() + b"\xff\xff\n", "f")


def test_big5_is_not_taken_for_gb18030() -> None:
    with pytest.raises(ExamError, match=r"^f: line 1 is neither"):
        decode("下列何者屬於護理評估的主觀資料，請選出正確的一項".encode("big5"), "f")

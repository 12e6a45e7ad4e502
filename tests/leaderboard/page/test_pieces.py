"""The data of the page are scripts from which no text can break out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openbook_eval.leaderboard.page import pieces

# Any code point, half surrogate pairs and controls as well.
TEXT = st.text(st.characters(exclude_categories=()))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


def whole(value: Any) -> Any:
    """`value` as the page gets it: half surrogate pairs are U+FFFD, and no key is JavaScript's own."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {"proto" if key == "__proto__" else whole(key): whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(JSON)
def test_a_value_comes_out_as_it_went_in(value: Any) -> None:
    assert json.loads(pieces.encoded(value)) == whole(value)


@settings(deadline=None)
@given(TEXT)
def test_no_text_holds_what_ends_a_script_or_a_line_of_it(text: str) -> None:
    encoded = pieces.encoded({text: [text, f"</script>{text}<!--&\u2028\u2029"]}).decode("utf-8")
    assert not re.search("[<>&\u2028\u2029\n\r\0]", encoded)


def test_a_piece_is_one_call_of_one_function() -> None:
    assert pieces.script("board", {"a": "</script>医"}) == (
        b'openbook.piece("board",{"a":"\\u003c/script\\u003e\xe5\x8c\xbb"});\n'
    )


def test_a_key_of_javascripts_own_is_an_entry_like_others() -> None:
    assert json.loads(pieces.encoded({"__proto__": {"__proto__": 1}, "a": "__proto__"})) == {
        "proto": {"proto": 1},
        "a": "__proto__",
    }
    assert json.loads(pieces.encoded({'"__proto__': '{"__proto__":1}'})) == {'"__proto__': '{"__proto__":1}'}


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert json.loads(pieces.encoded(["a\ud800b", "\udfff"])) == ["a\ufffdb", "\ufffd"]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_null(number: float) -> None:
    assert pieces.encoded([number]) == b"[null]"


def test_what_json_has_no_word_for_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError):
        pieces.encoded({1, 2})


def test_a_piece_has_the_name_of_its_file(tmp_path: Path) -> None:
    pieces.write(tmp_path, "items-0", [])
    assert (tmp_path / "items-0.js").read_bytes() == b'openbook.piece("items-0",[]);\n'

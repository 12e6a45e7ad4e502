"""A tokenizer with a token for every character, in Qwen2's form: what is looked up is looked up sign by sign."""

from functools import cache
from typing import Any

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (END_OF_TEXT, START, END)
_ASCII = range(32, 127)
# GB 2312 holds 6,763 Chinese characters, the 3,755 common ones first, and signs, Greek and numerals before them.
_SIGN_ROWS, _COMMON_ROWS, _RARE_ROWS = range(0xA1, 0xAA), range(0xB0, 0xD8), range(0xD8, 0xF8)
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def _row(rows: range) -> str:
    codes = (bytes((row, column)) for row in rows for column in range(0xA1, 0xFF))
    return "".join(code.decode("gb2312", "ignore") for code in codes)


COMMON, RARE = _row(_COMMON_ROWS), _row(_RARE_ROWS)
LETTERS = "".join(chr(code) for code in _ASCII if chr(code).isalnum())


@cache
def vocabulary() -> dict[str, int]:
    """Tokens as byte-level BPE writes them: special ones, single bytes, beginnings of characters, characters."""
    tokens = [*SPECIAL, *_bytes().values()]
    tokens += dict.fromkeys(_written(character.encode()[:2]) for character in _several_bytes() if _is_long(character))
    tokens += map(_written, map(str.encode, _several_bytes()))
    return {token: number for number, token in enumerate(tokens)}


@cache
def numbers() -> dict[str, int]:
    """The token of every character that has one to itself, and of the special texts."""
    known = vocabulary()
    single = {chr(code): known[_written(bytes([code]))] for code in (*_ASCII, ord("\n"))}
    return single | {text: known[text] for text in SPECIAL} | {c: known[_written(c.encode())] for c in _several_bytes()}


def tokenizer() -> Any:
    """The tokenizer as transformers loads and saves it. Needs the engine's libraries."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    # transformers loads every tokenizer of a qwen2 model with Qwen2's own splitting of text; saved with any other, the
    # same text would have other tokens after loading.
    qwen2 = Qwen2Tokenizer()._tokenizer
    made = Tokenizer(BPE(vocab=vocabulary(), merges=_merges()))
    made.normalizer, made.pre_tokenizer, made.decoder = qwen2.normalizer, qwen2.pre_tokenizer, qwen2.decoder
    made.add_special_tokens([AddedToken(text, special=True) for text in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END, pad_token=END_OF_TEXT, chat_template=_CHATML, model_max_length=32768
    )


def _merges() -> list[tuple[str, str]]:
    """Bytes become characters, and no two characters become one token."""
    merges: dict[tuple[str, str], None] = {}
    for character in _several_bytes():
        code = character.encode()
        if _is_long(character):
            merges[_written(code[:1]), _written(code[1:2])] = None
        merges[_written(code[:-1]), _written(code[-1:])] = None
    return list(merges)


@cache
def _several_bytes() -> str:
    return _row(_SIGN_ROWS) + COMMON + RARE


def _is_long(character: str) -> bool:
    return len(character.encode()) == 3


@cache
def _bytes() -> dict[int, str]:
    """How byte-level BPE writes the 256 bytes: printable ones as they are, the others as signs from U+0100 on.

    As GPT-2 introduced it (Radford et al. 2019).
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    written = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return dict(sorted(written.items()))


def _written(code: bytes) -> str:
    return "".join(_bytes()[byte] for byte in code)

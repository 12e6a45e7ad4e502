"""Rows with what leads to a person: numbers of phones, identity cards and bank cards, mail addresses, chat accounts."""

import re
from collections.abc import Callable, Iterable
from datetime import date

import numpy as np
from numpy.typing import NDArray
from polars import DataFrame, Expr, any_horizontal, col

from data_prep.cleaning.suspects import close_look, matches, one_by_one
from data_prep.signs import Kind, Signs
from data_prep.spec import Cleaning

# Digits of the shortest number.
_SHORTEST = 11
# One of these is in all that the patterns below find. Each alone is searched for ten times faster than all as one.
_SUSPECT = (
    r"[0-9]{11}",
    r"1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}",
    r"[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}",
    r"@[A-Za-z0-9]",
    "微信|薇信|威信|扣扣|QQ|qq|Qq|VX|vx|Vx|WeChat|Wechat|wechat|Weixin|weixin",
)
# No part of a decimal, a link, a drug approval (国药准字Z20...), any other code or a longer number.
_APART = r"(?<![0-9A-Za-z._/=-])"
# The eleven digits of Chinese mobile numbers; no sum of money or count of people, and no round number.
_MOBILE = re.compile(
    rf"{_APART}(?:\+?86[ -]?)?(?!\d{{3}}0{{8}})1[3-9]\d([ -]?)\d{{4}}\1\d{{4}}(?!\d|[.,]\d|%|\s?[元美万亿个人])", re.A
)
_IDENTITY = re.compile(rf"{_APART}[1-9]\d{{16}}[\dXx](?![\dA-Za-z])", re.A)
_CARD = re.compile(rf"{_APART}\d{{4}}([ -]?)\d{{4}}\1\d{{4}}\1\d{{3,4}}(?:\1\d{{1,3}})?(?![\dA-Za-z]|\.\d)", re.A)
# UnionPay, Visa, Mastercard, American Express and the Industrial and Commercial Bank of China (ISO/IEC 7812).
_ISSUED = re.compile(r"62\d{14,17}|4\d{15}|5[1-5]\d{14}|3[47]\d{13}|9558\d{15}")
# Bounded as RFC 5321 bounds them, so that no text makes the search slow.
_MAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@((?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24})", re.A)
# RFC 2606 keeps these for examples.
_EXAMPLE = re.compile(r"(?:.*\.)?example(?:\.[a-z]+)?", re.I)
_QQ = re.compile(
    r"(?<![A-Za-z])(?:[Qq]{2}|扣扣)(?:交流)?群?(?:号码?)?\s{0,3}[:：是为]?\s{0,3}[1-9]\d{4,10}(?![\d.%万亿人元个名])",
    re.A,
)
# Tencent's rule for names: a letter, then letters, digits, _ or -, 6 to 20 in all. Those without a cue such as 号 must
# hold a digit, for `微信：WeChat` is a translation.
_NAME = r"[A-Za-z][\w-]{5,19}(?![\w.-])"
_WECHAT = re.compile(
    r"(?:[微薇威]信|(?<![A-Za-z])(?:[Vv][Xx]|[Ww]e[Cc]hat|[Ww]eixin))"
    rf"(?:\s?(?:号码?|账号|帐号|ID|id)\s{{0,3}}[:：是为]?\s{{0,3}}{_NAME}|\s{{0,3}}[:：]\s{{0,3}}(?=[A-Za-z_-]{{1,19}}\d){_NAME})",
    re.A,
)
# GB 11643-1999: the weights of the first 17 digits, and the check digit by the remainder of their sum by 11.
_WEIGHTS, _CHECK_DIGITS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"


def traces(signs: Signs) -> NDArray[np.bool_]:
    """Whether each row has digits enough for a number, or a character that is in all names and addresses."""
    return signs.with_any(Kind.ACCOUNT) | (signs.count(Kind.DIGIT) >= _SHORTEST)


def personal(_settings: Cleaning) -> Expr:
    """A number or a name in the row leads to a person."""
    suspect = any_horizontal(*map(matches, _SUSPECT))

    def look(rows: DataFrame) -> Iterable[bool]:
        return rows.select(close_look(suspect, one_by_one(_names_someone))).to_series()

    return close_look(col("traces"), look)


def _names_someone(text: str) -> bool:
    return any(found(text) for found in _KINDS)


def _mobile(text: str) -> bool:
    return _MOBILE.search(text) is not None


def _identity(text: str) -> bool:
    return any(_sound_identity(match[0]) for match in _IDENTITY.finditer(text))


def _sound_identity(number: str) -> bool:
    """Whether the date of birth is one and the last digit is that of the others."""
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _WEIGHTS, strict=False))
    return _CHECK_DIGITS[total % 11] == number[-1].upper()


def _card(text: str) -> bool:
    numbers = (re.sub("[ -]", "", match[0]) for match in _CARD.finditer(text))
    return any(_ISSUED.fullmatch(number) and _luhn(number) for number in numbers)


def _luhn(number: str) -> bool:
    """ISO/IEC 7812: from the right every second digit counts twice, its digits added; the sum ends in 0."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0


def _mail(text: str) -> bool:
    return any(not _EXAMPLE.fullmatch(match[1]) for match in _MAIL.finditer(text))


def _account(text: str) -> bool:
    return bool(_QQ.search(text) or _WECHAT.search(text))


_KINDS: tuple[Callable[[str], bool], ...] = (_mobile, _identity, _card, _mail, _account)

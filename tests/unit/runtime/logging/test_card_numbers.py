"""What is taken for a card number, and what is not."""

from uuid import UUID

import pytest

from runtime.logging.card_numbers import holds_card_number, may_hold_card_number, without_card_numbers

CARDS = [
    "4111111111111111",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "4111.1111.1111.1111",
    "4111\u00a01111\u00a01111\u00a01111",
    "\uff14" + "\uff11" * 15,
    "\u0664" + "\u0661" * 15,
    "4222222222222",
    "5555555555554444",
    "2223003122003222",
    "2200000000000004",
    "378282246310005",
    "3782 822463 10005",
    "30569309025904",
    "3530111333300000",
    "6200000000000005",
    "6304000000000000",
    "6011000990139424",
]


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("around", ["{}", "card: {}.", '{{"a":{}}}', "x_{}_y", "({})"])
def test_a_card_number_is_found_and_masked(card: str, around: str) -> None:
    text = around.format(card)
    assert holds_card_number(text)
    assert may_hold_card_number(text.encode())
    assert without_card_numbers(text) == around.format("***")


VISA = "4111111111111111"
SEPARATORS = [
    *" .-/_,:;|*+#=~'\\\t\n",
    "  ", " - ", "\u00a0", "\u00ad", "\u00b7", "\u200b", "\u200d", "\u2060", "\u2013", "\u2022", "\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_whatever_separates_the_digits_a_card_number_is_found(separator: str) -> None:
    groups = separator.join(VISA[at : at + 4] for at in range(0, 16, 4))
    for text in (groups, separator.join(VISA), f"card {groups} 12/27 123", f"15: {groups}"):
        assert holds_card_number(text)
        assert may_hold_card_number(text.encode())
        assert VISA[-4:] not in without_card_numbers(text)


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"%{ord(digit):02x}" for digit in VISA),
        "".join(f"%25{ord(digit):02x}" for digit in VISA),
        "4111%201111%201111%201111",
        "".join(f"&#{ord(digit)};" for digit in VISA),
        "".join(f"&#x{ord(digit):x};" for digit in VISA),
        "4111&nbsp;1111&nbsp;1111&nbsp;1111",
        "".join(chr(0x1D7CE + int(digit)) for digit in VISA),
        "\u2074" + "\u00b9" * 15,
        "\u2463" + "\u2460" * 15,
    ],
)
def test_however_the_digits_are_encoded_a_card_number_is_found(text: str) -> None:
    assert holds_card_number(text)
    assert may_hold_card_number(text.encode())
    assert without_card_numbers(text) == "***"


def test_an_ean_is_no_card_number_where_trade_codes_are_expected() -> None:
    assert holds_card_number("4607071000036")
    assert not holds_card_number("4607071000036", may_be_trade_code=True)
    assert holds_card_number("4222222222222", may_be_trade_code=True), "its check digit is not that of an EAN"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "354707071000036",
        "867400020316620",
        "410011234567897",
        "4111 1111 1111 1112",
        "55.75583, 37.61730",
        "4111111111111112",
        "+79001234567",
        "1795422252440",
        "1795422252440407",
        "1000000000000",
        "00000000000000000",
        str(UUID(int=0x41111111111111111111111111111111)),
        "12345678-4111-1111-1111-111111111111",
        "deadbeef4111111111111111",
        "41111111111111114111111111111111",
        "4111 1111 1111 1111 1111",
        "2026-11-23T12:00:00.000000Z",
    ],
)
def test_what_is_no_card_number_is_let_through(text: str) -> None:
    assert not holds_card_number(text)
    assert without_card_numbers(text) == text


def test_what_has_too_few_digits_is_let_through_without_a_closer_look() -> None:
    assert not may_hold_card_number('{"title": "Сталкер", "phone": "+79001234567", "amount": 129700}'.encode())

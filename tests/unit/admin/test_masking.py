"""Personal data on pages before somebody reveals it."""

import pytest

from admin.masking import masked_contact, masked_title
from billing.orders import Contact


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        (Contact("anna.k@example.com", "+79161234567"), ["a•••@•••.com", "+7•••67"]),
        (Contact(phone="+4915112345678"), ["+4•••78"]),
        (Contact("a@b.example.org"), ["a•••@•••.org"]),
        (Contact(), []),
    ],
)
def test_a_contact_shows_too_little_to_know_it(contact: Contact, shown: list[str]) -> None:
    assert masked_contact(contact) == shown


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Mir *4242", "Mir *4242"),
        ("2200 70** **** 4242", "**** **** **** 4242"),
        ("YooMoney 410011234567891", "YooMoney ***********7891"),
        ("SberPay, anna@example.com", "SberPay, ***"),
        ("+79161234567", "***"),
        ("4111111111111111", "***"),
        (None, ""),
    ],
)
def test_a_method_shows_no_more_than_four_digits(title: str | None, shown: str) -> None:
    assert masked_title(title) == shown

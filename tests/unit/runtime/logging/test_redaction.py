"""Contacts and credentials are masked wherever they stand, and nothing else is."""

from typing import Any

import pytest

from runtime.logging.redaction import redact

SIGNED = "eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.c2ln"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("from viewer@example.com", "from ***"),
        ("email=viewer%40example.com", "email=***"),
        ("call +7 (900) 123-45-67 now", "call *** now"),
        ("key bk_0123456789ab_" + "A-b_" * 10, "key ***"),
        ("Bearer abc.def/ghi=", "Bearer ***"),
        ("Authorization: Basic c2hvcDprZXk=", "Authorization: *** ***"),
        ("charge with pm_1QabcDEFghi", "charge with ***"),
        ("key sk_test_51Habc", "key ***"),
        ("signed by whsec_MfKQ9r8", "signed by ***"),
        ("key live_" + "a1B2" * 8, "key ***"),
        (f"body {SIGNED}", "body ***"),
        ("amqp://billing:pa55@host:5672/", "amqp://billing:***@host:5672/"),
        ("redis://:pa55@host/", "redis://:***@host/"),
        ("GET /pay?token=abc123&order=7", "GET /pay?token=***&order=7"),
        ('{"Password": "pa55", "Amount": 100}', '{"Password": "***", "Amount": 100}'),
        ("paid with 4111111111111111", "paid with ***"),
    ],
)
def test_a_secret_is_masked_by_its_form(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "name", ["email", "customer_contact", "X-Signature", "cookie", "RebillId", "saved_method", "payment_method_id"]
)
def test_a_secret_is_masked_by_its_name(name: str) -> None:
    assert redact({name: "anything", "amount": 1}) == {name: "***", "amount": 1}


@pytest.mark.parametrize(
    "value",
    [
        "the token is wrong",
        "payment 0192f0c4-7e1c-7a51-b1f5-5a2b8c7d9e10 at billing.payments.inbox/3/1024",
        "postgresql://host:5432/billing",
        {"contact": None, "save_method": False},
        {0: 5},
    ],
)
def test_what_is_no_secret_stays(value: Any) -> None:
    assert redact(value) == value

"""The enumeration of reasons: complete, documented, and the only place where a reason's text is written."""

import ast
from pathlib import Path

import pytest

from billing.reasons import Kind, Reason, Recovery, http_reason, markdown_table

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "reasons.md"
SOURCES = [
    path
    for folder in ("billing", "providers", "streams")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "sandbox" not in path.parts
]


def test_the_table_in_the_docs_is_the_enumeration() -> None:
    assert markdown_table() in DOCUMENT.read_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("insufficient_funds", Reason.INSUFFICIENT_FUNDS),
        ("3d_secure_failed", Reason.AUTHENTICATION_FAILED),
        ("http_503", Reason.HTTP_ERROR),
        (http_reason(408), Reason.HTTP_ERROR),
        ("corrected: the bank's statement lists it", Reason.CORRECTED),
        ("a_reason_of_the_next_release", Reason.OTHER),
        ("", Reason.OTHER),
    ],
)
def test_a_text_is_classified(text: str, reason: Reason) -> None:
    assert Reason.of(text) is reason


@pytest.mark.parametrize(
    "reason", [Reason.DECLINED, Reason.INSUFFICIENT_FUNDS, Reason.UNSUPPORTED_CURRENCY, Reason.OTHER]
)
def test_a_decline_counts_in_approval_rates(reason: Reason) -> None:
    assert reason.kind in (Kind.ISSUER, Kind.PROVIDER)


@pytest.mark.parametrize(
    "reason",
    [Reason.EXPIRED, Reason.ROLLED_BACK, Reason.VOIDED, Reason.NOT_SENT, Reason.PROVIDER_DISABLED, Reason.BREAKER_OPEN,
     Reason.UNREACHABLE, Reason.RATE_LIMITED, Reason.CREDENTIALS, Reason.CORRECTED, Reason.ORDER_NOT_FOUND],
)  # fmt: skip
def test_what_nobody_declined_does_not_count_in_approval_rates(reason: Reason) -> None:
    assert reason.kind not in (Kind.ISSUER, Kind.PROVIDER)


@pytest.mark.parametrize(
    ("reason", "recovery"),
    [
        (Reason.INSUFFICIENT_FUNDS, Recovery.RETRY_LATER),
        (Reason.ISSUER_UNAVAILABLE, Recovery.RETRY_LATER),
        (Reason.CARD_EXPIRED, Recovery.NEW_METHOD),
        (Reason.FRAUD_SUSPECTED, Recovery.NEVER),
        (Reason.NOT_SENT, Recovery.RETRY_NOW),
    ],
)
def test_a_decline_is_retried_without_the_customer_only_where_time_helps(reason: Reason, recovery: Recovery) -> None:
    assert reason.recovery is recovery


def test_other_providers_are_tried_where_the_reason_depends_on_the_provider() -> None:
    assert {reason.value for reason in Reason if reason.try_elsewhere} == {
        "3d_secure_failed",
        "amount_too_small",
        "declined",
        "invalid_request",
        "issuer_unavailable",
        "limit_exceeded",
        "return_urls_required",
        "unsupported",
        "unsupported_amount",
        "unsupported_capture_mode",
        "unsupported_currency",
        "unsupported_item",
        "unsupported_tax",
    }


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_reason_is_a_member_never_a_text(path: Path) -> None:
    """Of calls that take a reason by name; the reasons of rejected callbacks are texts for people."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.keyword) and node.arg == "reason" and isinstance(node.value, ast.Constant):
            assert not isinstance(node.value.value, str), f"line {node.value.lineno}"

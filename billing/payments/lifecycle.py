"""The life cycle of a payment, as data. The diagrams in docs/life-cycle.md are generated from these tables."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing.vocabulary import PaymentStatus as S


class Fact(StrEnum):
    """A fact about a payment's money, established by evidence."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    PARTLY_REFUNDED = "partly refunded"
    WHOLLY_REFUNDED = "wholly refunded"
    FAILED = "failed"
    EXPIRED = "expired"


#: (status, fact) → the next status. A pair that is not here changes nothing: the fact is not new.
#: FAILED, EXPIRED and VOIDED are left only by evidence that the customer's money was taken after all.
TRANSITIONS: Final = MappingProxyType(
    {
        (S.PENDING, Fact.AUTHORIZED): S.AUTHORIZED,
        (S.PENDING, Fact.CAPTURED): S.CAPTURED,
        (S.PENDING, Fact.VOIDED): S.VOIDED,
        (S.PENDING, Fact.FAILED): S.FAILED,
        (S.PENDING, Fact.EXPIRED): S.EXPIRED,
        (S.AUTHORIZED, Fact.CAPTURED): S.CAPTURED,
        (S.AUTHORIZED, Fact.VOIDED): S.VOIDED,
        (S.AUTHORIZED, Fact.EXPIRED): S.EXPIRED,
        (S.AUTHORIZED, Fact.FAILED): S.FAILED,
        (S.CAPTURED, Fact.PARTLY_REFUNDED): S.PARTIALLY_REFUNDED,
        (S.CAPTURED, Fact.WHOLLY_REFUNDED): S.REFUNDED,
        (S.PARTIALLY_REFUNDED, Fact.PARTLY_REFUNDED): S.PARTIALLY_REFUNDED,
        (S.PARTIALLY_REFUNDED, Fact.WHOLLY_REFUNDED): S.REFUNDED,
        (S.FAILED, Fact.AUTHORIZED): S.AUTHORIZED,
        (S.FAILED, Fact.CAPTURED): S.CAPTURED,
        (S.EXPIRED, Fact.AUTHORIZED): S.AUTHORIZED,
        (S.EXPIRED, Fact.CAPTURED): S.CAPTURED,
        (S.VOIDED, Fact.CAPTURED): S.CAPTURED,
    }
)


#: Status → the statuses to which an operator's correction of one operation can lead. The correction changes the amounts,
#: and the status follows from them (:meth:`billing.payments.decision.Draft.derive_status`).
CORRECTIONS: Final = MappingProxyType(
    {
        S.PENDING: frozenset({S.AUTHORIZED, S.CAPTURED, S.FAILED}),
        S.AUTHORIZED: frozenset({S.CAPTURED, S.VOIDED, S.FAILED}),
        S.CAPTURED: frozenset({S.AUTHORIZED, S.VOIDED, S.PARTIALLY_REFUNDED, S.REFUNDED, S.FAILED}),
        S.PARTIALLY_REFUNDED: frozenset({S.CAPTURED, S.REFUNDED}),
        S.REFUNDED: frozenset({S.CAPTURED, S.PARTIALLY_REFUNDED}),
        S.VOIDED: frozenset({S.AUTHORIZED, S.CAPTURED, S.FAILED}),
        S.FAILED: frozenset({S.AUTHORIZED, S.CAPTURED, S.VOIDED}),
        S.EXPIRED: frozenset({S.AUTHORIZED, S.CAPTURED, S.VOIDED, S.FAILED}),
    }
)


def mermaid() -> str:
    """:data:`TRANSITIONS` as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> PENDING"]
    lines += [f"    {source} --> {target}: {fact}" for (source, fact), target in TRANSITIONS.items()]
    return "\n".join(lines) + "\n"


def mermaid_corrections() -> str:
    """:data:`CORRECTIONS` as a Mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    lines += [
        f"    {source} --> {target}" for source, targets in CORRECTIONS.items() for target in S if target in targets
    ]
    return "\n".join(lines) + "\n"

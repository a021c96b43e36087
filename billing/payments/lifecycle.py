"""The life cycle of a payment, as data. The diagram in the docs is generated from this table."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final

from billing.vocabulary import PaymentStatus as S


class Fact(StrEnum):
    """What evidence can tell of a payment's money."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    PARTLY_REFUNDED = "partly refunded"
    WHOLLY_REFUNDED = "wholly refunded"
    FAILED = "failed"
    EXPIRED = "expired"


#: (status, fact) → the next status. A pair that is not here changes nothing: the fact is old news.
#: FAILED, EXPIRED and VOIDED can be left again only by evidence that the customer's money was taken after all.
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


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> PENDING"]
    lines += [f"    {source} --> {target}: {fact}" for (source, fact), target in TRANSITIONS.items()]
    return "\n".join(lines) + "\n"

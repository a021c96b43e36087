"""The vocabulary of the product, close to that of its providers."""

from enum import StrEnum


class PaymentStatus(StrEnum):
    PENDING = "PENDING"
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    VOIDED = "VOIDED"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class OperationType(StrEnum):
    AUTHORIZE = "AUTHORIZE"
    CAPTURE = "CAPTURE"
    VOID = "VOID"
    REFUND = "REFUND"
    RECURRING = "RECURRING"
    CHARGEBACK = "CHARGEBACK"
    """The bank took the money back for the customer, by the provider's statement."""
    CHARGEBACK_UNDONE = "CHARGEBACK_UNDONE"
    """Money of a chargeback came back to us."""


class OperationStatus(StrEnum):
    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class CaptureMode(StrEnum):
    ONE_STAGE = "ONE_STAGE"
    """Authorize and capture at once."""
    TWO_STAGE = "TWO_STAGE"
    """Hold, then capture whole or in part, or void."""


class ItemType(StrEnum):
    PHYSICAL = "PHYSICAL"
    DIGITAL = "DIGITAL"
    UNSPECIFIED = "UNSPECIFIED"


class Tax(StrEnum):
    """Rate of the value added tax in an item's price. Each provider maps these to its own codes, as data."""

    NONE = "none"
    VAT_0 = "vat0"
    VAT_5 = "vat5"
    VAT_7 = "vat7"
    VAT_10 = "vat10"
    VAT_20 = "vat20"
    VAT_22 = "vat22"
    VAT_5_105 = "vat5_105"
    VAT_7_107 = "vat7_107"
    VAT_10_110 = "vat10_110"
    VAT_20_120 = "vat20_120"
    VAT_22_122 = "vat22_122"


class Action(StrEnum):
    """What a request asks of a provider."""

    CREATE = "CREATE"
    """Open an order the customer can pay (AUTHORIZE in two stages, AUTHORIZE and CAPTURE in one)."""
    CAPTURE = "CAPTURE"
    VOID = "VOID"
    REFUND = "REFUND"
    ROLLBACK = "ROLLBACK"
    """Close the order whatever its state: prevent payment, refund what was paid."""
    RECUR = "RECUR"
    """Charge a saved method, the customer absent."""
    INQUIRE = "INQUIRE"
    """Inquire about the order and its operations."""


class MethodStatus(StrEnum):
    """Whether a saved method may be charged."""

    ACTIVE = "ACTIVE"
    DEAD = "DEAD"
    """The bank or the provider will not charge it any more."""
    REMOVED = "REMOVED"
    """The customer does not want it charged any more."""


class Lane(StrEnum):
    """Whose provider calls a request waits behind."""

    INTERACTIVE = "interactive"
    """A person may be waiting."""
    RENEWAL = "renewal"
    """A charge of a subscription's saved method, the customer absent: it never keeps the others waiting."""


class Outcome(StrEnum):
    """How a provider call ended. The complete taxonomy: an adapter reports nothing else."""

    SUCCEEDED = "SUCCEEDED"
    DECLINED = "DECLINED"
    PENDING = "PENDING"
    """Accepted; a callback or an inquiry brings the result."""
    NOT_SENT = "NOT_SENT"
    """The provider certainly did not process it: safe to send again."""
    UNKNOWN = "UNKNOWN"
    """Timeout, 5xx, broken connection: the provider may have processed it."""


class LearntBy(StrEnum):
    """How the end of an operation was learnt."""

    ANSWER = "answer"
    """The answer to the call that carried it out."""
    CALLBACK = "callback"
    INQUIRY = "inquiry"
    """The answer to a question about the order."""
    STATEMENT = "statement"
    """A line of the provider's statement."""
    OPERATOR = "operator"
    """An operator's correction or record."""

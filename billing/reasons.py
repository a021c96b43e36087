"""Why an operation failed or a provider call ended as it did: one enumeration for the domain, adapters and reports.

A reason travels and is stored as its text, so a release that does not know it passes it on unchanged;
:meth:`Reason.of` classifies a text.
"""

from enum import StrEnum
from typing import Final, Self


class Kind(StrEnum):
    """Whose reason it is. Approval rates count ``ISSUER`` and ``PROVIDER`` only."""

    ISSUER = "issuer"
    """The bank that issued the card declined."""
    PROVIDER = "provider"
    """The provider declined, acted on its own, or did not answer as documented."""
    CUSTOMER = "customer"
    """The customer failed a step, or used a method that is not valid."""
    CANCELLED = "cancelled"
    """We, the shop or the provider closed the order before it was paid."""
    ABANDONED = "abandoned"
    """The customer did not pay in time."""
    OURS = "ours"
    """Nothing was declined: the call was not sent, our request was wrong, or an operator decided."""


class Recovery(StrEnum):
    """What helps."""

    RETRY_NOW = "retry_now"
    """Send the same request again."""
    RETRY_LATER = "retry_later"
    """Send the same request again after some time, without the customer."""
    NEW_METHOD = "new_method"
    """The customer has to act: pay again, use another method, or call the bank."""
    NEVER = "never"
    """Do not repeat the request."""


#: The reason depends on the provider: another one may accept the payment. A card that is empty, expired or blocked is
#: so at every provider, and a payment that looks fraudulent is not tried elsewhere.
TRY_ELSEWHERE: Final = True

_HTTP: Final = "http_"


class Reason(StrEnum):
    """One reason: its text on the wire and in tables, its kind, what helps, its meaning, whether to try elsewhere."""

    kind: Kind
    recovery: Recovery
    meaning: str
    try_elsewhere: bool

    # Declined by the issuer.
    AUTHENTICATION_REQUIRED = (
        "authentication_required",
        Kind.ISSUER,
        Recovery.NEW_METHOD,
        "The bank demands that the customer authenticates.",
    )
    CALL_ISSUER = "call_issuer", Kind.ISSUER, Recovery.NEW_METHOD, "The customer has to call the bank."
    CARD_EXPIRED = "card_expired", Kind.ISSUER, Recovery.NEW_METHOD, "The card has expired."
    DECLINED = (
        "declined",
        Kind.ISSUER,
        Recovery.NEW_METHOD,
        "Declined; the provider gives no reason, or one we do not map.",
        TRY_ELSEWHERE,
    )
    FRAUD_SUSPECTED = (
        "fraud_suspected",
        Kind.ISSUER,
        Recovery.NEVER,
        "The payment looks fraudulent, or the card is lost or stolen.",
    )
    INSUFFICIENT_FUNDS = "insufficient_funds", Kind.ISSUER, Recovery.RETRY_LATER, "The account has too little money."
    ISSUER_UNAVAILABLE = (
        "issuer_unavailable",
        Kind.ISSUER,
        Recovery.RETRY_LATER,
        "The bank did not answer.",
        TRY_ELSEWHERE,
    )
    LIMIT_EXCEEDED = (
        "limit_exceeded",
        Kind.ISSUER,
        Recovery.RETRY_LATER,
        "A limit of the card or the method is exceeded.",
        TRY_ELSEWHERE,
    )

    # The customer.
    AUTHENTICATION_FAILED = (
        "3d_secure_failed",
        Kind.CUSTOMER,
        Recovery.NEW_METHOD,
        "The customer did not pass 3-D Secure.",
        TRY_ELSEWHERE,
    )
    INVALID_CARD = "invalid_card", Kind.CUSTOMER, Recovery.NEW_METHOD, "Number, date or code of the card is wrong."
    METHOD_DEAD = (
        "method_dead",
        Kind.CUSTOMER,
        Recovery.NEW_METHOD,
        "Not sent: an earlier charge of the saved method was declined for good.",
    )
    METHOD_REMOVED = (
        "method_removed",
        Kind.CUSTOMER,
        Recovery.NEW_METHOD,
        "Not sent: the saved method was removed.",
    )
    METHOD_REVOKED = "method_revoked", Kind.CUSTOMER, Recovery.NEW_METHOD, "The customer revoked the saved method."
    PAID_MEANWHILE = (
        "paid_meanwhile",
        Kind.CUSTOMER,
        Recovery.NEVER,
        "The customer paid before the order could be closed.",
    )
    EXPIRED = "expired", Kind.ABANDONED, Recovery.NEW_METHOD, "The customer did not pay in time."

    # Closed before it was paid.
    ROLLED_BACK = "rolled_back", Kind.CANCELLED, Recovery.NEVER, "The payment was cancelled."
    WITHDRAWN = "withdrawn", Kind.CANCELLED, Recovery.NEVER, "The charge was withdrawn before it was sent."
    VOIDED = "voided", Kind.CANCELLED, Recovery.NEVER, "The order was voided at the provider."

    # The provider does not take it.
    ALREADY_REFUNDED = (
        "already_refunded",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider has refunded all of it before.",
    )
    RETURN_URLS_REQUIRED = (
        "return_urls_required",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider's page needs `return_urls`, and the payment has none.",
        TRY_ELSEWHERE,
    )
    AMOUNT_TOO_SMALL = (
        "amount_too_small",
        Kind.PROVIDER,
        Recovery.NEVER,
        "Below the provider's least amount.",
        TRY_ELSEWHERE,
    )
    UNSUPPORTED = "unsupported", Kind.PROVIDER, Recovery.NEVER, "The provider's API cannot express it.", TRY_ELSEWHERE
    UNSUPPORTED_AMOUNT = (
        "unsupported_amount",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider does not take an amount, or the price of an item, of so many decimals.",
        TRY_ELSEWHERE,
    )
    UNSUPPORTED_CAPTURE_MODE = (
        "unsupported_capture_mode",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider, as our merchant is set up there, does not take one-stage payments, or two-stage ones.",
        TRY_ELSEWHERE,
    )
    UNSUPPORTED_CURRENCY = (
        "unsupported_currency",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider does not take the currency.",
        TRY_ELSEWHERE,
    )
    UNSUPPORTED_ITEM = (
        "unsupported_item",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider's receipts have no such payment subject, payment method or measure of an item.",
        TRY_ELSEWHERE,
    )
    UNSUPPORTED_REFUND = (
        "unsupported_refund",
        Kind.PROVIDER,
        Recovery.NEVER,
        "No cart of fewer units or lower prices, as the provider wants it, comes to this amount: refund items.",
    )
    UNSUPPORTED_TAX = (
        "unsupported_tax",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider has no code for the tax rate.",
        TRY_ELSEWHERE,
    )

    # The provider acted without us.
    CAPTURED_BY_PROVIDER = (
        "captured_by_provider",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The provider captured without a request of ours, as in one stage.",
    )
    HOLD_RELEASED = "hold_released", Kind.PROVIDER, Recovery.NEVER, "The provider released the hold."
    REFUNDED_AT_PROVIDER = (
        "refunded_at_provider",
        Kind.PROVIDER,
        Recovery.NEVER,
        "Refunded at the provider without a request of ours.",
    )
    UNDONE_AT_PROVIDER = (
        "undone_at_provider",
        Kind.PROVIDER,
        Recovery.NEVER,
        "The refund succeeded, and the provider's statement shows that it was undone: the customer did not get it.",
    )

    # Our request was wrong, or an operator decided.
    CORRECTED = (
        "corrected",
        Kind.OURS,
        Recovery.NEVER,
        "An operator corrected or recorded the operation; the operator's reason follows a colon.",
    )
    INVALID_REQUEST = (
        "invalid_request",
        Kind.OURS,
        Recovery.NEVER,
        "The provider rejects the request as invalid.",
        TRY_ELSEWHERE,
    )
    INVALID_STATE = "invalid_state", Kind.OURS, Recovery.NEVER, "The order is not in a state that allows the operation."
    MERCHANT_BALANCE = (
        "merchant_balance",
        Kind.OURS,
        Recovery.RETRY_LATER,
        "Our balance at the provider is too low for the refund.",
    )
    ORDER_NOT_FOUND = "order_not_found", Kind.OURS, Recovery.NEVER, "The provider has no such order."
    PAYMENT_MOVED_ON = (
        "payment_moved_on",
        Kind.OURS,
        Recovery.NEVER,
        "The payment moved on to another provider; this closes its order here.",
    )

    # The call was not sent.
    BREAKER_OPEN = (
        "breaker_open",
        Kind.OURS,
        Recovery.RETRY_LATER,
        "Not sent: almost every recent call to the provider failed.",
    )
    CREDENTIALS = "credentials", Kind.OURS, Recovery.RETRY_LATER, "Not processed: the provider rejects our credentials."
    NOT_SENT = "not_sent", Kind.OURS, Recovery.RETRY_NOW, "Not sent."
    PROVIDER_BUSY = (
        "provider_busy",
        Kind.OURS,
        Recovery.RETRY_LATER,
        "Not processed: another operation on the order is in progress.",
    )
    PROVIDER_DISABLED = (
        "provider_disabled",
        Kind.OURS,
        Recovery.RETRY_LATER,
        "Not sent: an operator switched the provider off.",
    )
    QUEUE_FULL = "queue_full", Kind.OURS, Recovery.RETRY_LATER, "Not sent: too many calls to the provider are waiting."
    RATE_LIMITED = "rate_limited", Kind.OURS, Recovery.RETRY_LATER, "Not processed: too many calls in a short time."
    TOO_LATE = "too_late", Kind.OURS, Recovery.RETRY_LATER, "Not sent: the time in which it may be sent is over."
    UNREACHABLE = "unreachable", Kind.OURS, Recovery.RETRY_LATER, "Not sent: no connection to the provider."

    # The call's outcome is unknown.
    ADAPTER_ERROR = "adapter_error", Kind.OURS, Recovery.RETRY_NOW, "Unknown outcome: a defect of the adapter."
    ALREADY_KNOWN = (
        "already_known",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the provider already has a call with this key.",
    )
    CONNECTION_BROKEN = "connection_broken", Kind.PROVIDER, Recovery.RETRY_NOW, "Unknown outcome: the connection broke."
    DEADLINE = "deadline", Kind.PROVIDER, Recovery.RETRY_NOW, "Unknown outcome: the call exceeded its deadline."
    HTTP_ERROR = (
        "http_error",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: an HTTP error. Written with its status, as in `http_503`.",
    )
    IN_PROGRESS = (
        "in_progress",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the provider is still processing the first call.",
    )
    NOT_NAMED = (
        "not_named",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the provider's own name of the order is not known yet.",
    )
    NOT_TOLD_APART = (
        "not_told_apart",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the answer does not say which refund it is about.",
    )
    PROCESSING = (
        "processing",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the provider is still processing the call.",
    )
    PROVIDER_TROUBLE = (
        "provider_trouble",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: an internal error of the provider.",
    )
    SEARCH_TOO_LONG = (
        "search_too_long",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the provider's list is too long to search.",
    )
    TIMEOUT = "timeout", Kind.PROVIDER, Recovery.RETRY_NOW, "Unknown outcome: no answer in time."
    UNKNOWN_STATUS = (
        "unknown_status",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the provider reports a status that we do not know.",
    )
    UNREADABLE_ANSWER = (
        "unreadable_answer",
        Kind.PROVIDER,
        Recovery.RETRY_NOW,
        "Unknown outcome: the answer cannot be read.",
    )

    OTHER = "other", Kind.PROVIDER, Recovery.NEVER, "A reason that this release does not know. Its own text is kept."

    def __new__(cls, text: str, kind: Kind, recovery: Recovery, meaning: str, try_elsewhere: bool = False) -> Self:
        reason = str.__new__(cls, text)
        reason._value_ = text
        reason.kind = kind
        reason.recovery = recovery
        reason.meaning = meaning
        reason.try_elsewhere = try_elsewhere
        return reason

    @classmethod
    def of(cls, text: str) -> "Reason":
        """The reason that ``text`` stands for: exact, with a detail after a colon, or ``http_`` with a status.
        Anything else, be it of another release or an old row, is :attr:`OTHER`."""
        known = _BY_TEXT.get(text) or _BY_TEXT.get(text.partition(":")[0])
        if known is not None:
            return known
        return cls.HTTP_ERROR if text.startswith(_HTTP) else cls.OTHER


_BY_TEXT: Final = {reason.value: reason for reason in Reason}


def http_reason(status: int) -> str:
    """:attr:`Reason.HTTP_ERROR` with its status, such as ``http_503``."""
    return f"{_HTTP}{status}"


def markdown_table() -> str:
    """The enumeration as the table in ``docs/reasons.md``."""
    rows = ["| Reason | Kind | What helps | Other providers | Meaning |", "|---|---|---|---|---|"]
    rows += [
        f"| `{r.value}` | {r.kind} | {r.recovery} | {'tried' if r.try_elsewhere else ''} | {r.meaning} |"
        for r in Reason
    ]
    return "\n".join(rows) + "\n"

"""What each member of the API's schemas means: one meaning for a name, wherever it stands, unless its schema says more.

A test demands an entry for every member that a schema does not describe itself.
"""

from typing import Any, Final

_MEANINGS: Final = {
    "amount": "minor units of the currency",
    "at": "when it happened, UTC",
    "authorized": "held or paid so far, minor units",
    "capture_mode": "`ONE_STAGE`: captured when the customer pays; `TWO_STAGE`: held, then captured or voided by a command",
    "captured": "taken so far, refunds not deducted, minor units",
    "cart": "what the customer buys; the amount is its total",
    "cause": "when it is answered",
    "contact": "where the fiscal receipt goes",
    "created_at": "when it was recorded, UTC",
    "currency": "ISO 4217",
    "customer_id": "the customer, by your own id",
    "data": "the entries, in the order that the operation names",
    "detail": "more about this one, for people",
    "email": "an e-mail address",
    "errors": "the fields at fault, each with what is wrong",
    "expires_on": "its last day; null: the provider does not tell",
    "failure": "where the customer returns to after the payment was not made",
    "id": "of this, given by the service; the same for every repeat of the command that made it",
    "items": "the lines of the cart, one for each product",
    "kind": "what happened; stable, for programs",
    "live": "the process answers",
    "measure": "unit of measure",
    "metadata": "your own keys and values; kept as they are",
    "method": "payment method",
    "has_more": "whether there is a next page",
    "next_cursor": "send it as `cursor` for the next page; null on the last",
    "operations": "calls for money, made or tried, oldest first; of an event, those that the change touched",
    "order_id": "the order that the payment pays, given by the service",
    "payment": "the payment after the command; null while that is not known",
    "payment_id": "the payment",
    "payment_url": "where the customer pays; null while the provider has not given it, and for a payment that needs none",
    "phone": "a phone number in E.164 form",
    "pointer": "the field, as a JSON pointer (RFC 6901) from the root of the body; the name of a parameter after the `/`",
    "problems": "all types of problems",
    "product_id": "the product, by your own id",
    "provider": "the payment provider; another one after a failover",
    "provider_reason": "why it failed, as the provider says it; null: it did not say",
    "provider_ref": "what the provider calls it; null: not told",
    "quantity": "units",
    "ready": "whether commands and callbacks can be accepted",
    "reasons": "what does not work; requests that need it are answered with 503",
    "receipt": "codes of the fiscal data format for this line",
    "refunded": "given back so far, minor units",
    "request_id": "of this request, as in `X-Request-Id` and in our logs",
    "resolution": "what helps",
    "return_urls": "where the provider sends the customer back to; some providers need it",
    "status": "what it is now; later releases may add values",
    "subject": "payment subject",
    "success": "where the customer returns to after the payment was made",
    "summary": "what happened, in words that may change",
    "tax": "the tax that the price includes",
    "title": "for people",
    "type": "what it is; later releases may add values",
    "unit_price": "of one unit, minor units, tax included",
    "updated_at": "when it last changed, UTC",
    "version": "grows with every change of the payment",
}
#: (schema, member) → its meaning there.
_SPECIAL: Final = {
    ("CartLineOut", "refunded"): "units given back by refunds that name items, refunds in progress included",
    ("PaymentMethodView", "title"): "brand and last digits, for people; null: the provider does not tell",
    ("PaymentMethodView", "provider"): "the payment provider that charges it",
    ("PaymentMethodView", "reason"): "why it cannot be charged any more; null while it can",
    ("PaymentMethodView", "status"): "`ACTIVE`, `DEAD` (its bank or provider refused it for good) or `REMOVED`",
    ("PaymentMethodView", "updated_at"): "since when it has its status, UTC",
    ("ItemIn", "title"): "as the customer sees it, also on the receipt",
    ("ItemView", "title"): "as the customer sees it, also on the receipt",
    ("CartLineOut", "title"): "as the customer sees it, also on the receipt",
    ("ProviderReasonOut", "code"): "the provider's own code",
    ("ProviderReasonOut", "message"): "the provider's own words, for people, personal data masked",
    ("OperationOut", "status"): "`PENDING`, `SUCCESS`, `FAIL` or `UNKNOWN`: the provider has not reported how it ended",
    (
        "OperationResult",
        "status",
    ): "`PENDING`, `SUCCESS`, `FAIL` or `UNKNOWN`: the provider has not reported how it ended",
    ("OperationOut", "type"): "`AUTHORIZE`, `CAPTURE`, `VOID`, `REFUND` or `RECURRING`",
    ("OperationResult", "type"): "`AUTHORIZE`, `CAPTURE`, `VOID`, `REFUND` or `RECURRING`",
    ("Problem", "type"): "the type's URI; it leads to its description and never changes",
    ("Problem", "status"): "the HTTP status",
    ("Problem", "title"): "what it is, for people",
    ("ProblemType", "type"): "the type's URI; it never changes",
    ("ProblemType", "status"): "the HTTP status",
    ("ProblemType", "title"): "what it is, for people",
    ("FieldError", "detail"): "what is wrong, for people",
}


def describe(name: str, schema: dict[str, Any]) -> None:
    """Add the meaning of every member of the schema ``name`` that has none."""
    for member, described in schema.get("properties", {}).items():
        meaning = _SPECIAL.get((name, member)) or _MEANINGS.get(member)
        if meaning is not None:
            described.setdefault("description", meaning)

"""Stripe's balance transactions as statements."""

from typing import Final

import msgspec

from providers.base import own_id
from providers.statements import LineKind, StatementLine
from providers.stripe import requests
from providers.stripe.objects import Reference, UnixSeconds, WithMetadata, id_of, moment

#: ``reporting_category`` → what a line is. It comes before ``type``: what a partial capture releases has the type of a
#: refund (https://docs.stripe.com/reports/reporting-categories).
CATEGORIES: Final[dict[str, LineKind]] = {
    "charge": LineKind.CHARGE,
    "partial_capture_reversal": LineKind.CHARGE,
    "refund": LineKind.REFUND,
    "refund_failure": LineKind.REFUND_UNDONE,
    "charge_failure": LineKind.ADJUSTMENT,
    "dispute": LineKind.CHARGEBACK,
    "dispute_reversal": LineKind.CHARGEBACK_UNDONE,
    "payout": LineKind.PAYOUT,
    "payout_reversal": LineKind.PAYOUT_FAILED,
    "fee": LineKind.FEE,
    "network_cost": LineKind.FEE,
    "tax": LineKind.FEE,
    "risk_reserved_funds": LineKind.RESERVE,
    "platform_earning": LineKind.ADJUSTMENT,
    "platform_earning_refund": LineKind.ADJUSTMENT,
    "other_adjustment": LineKind.ADJUSTMENT,
    "topup": LineKind.ADJUSTMENT,
    "topup_reversal": LineKind.ADJUSTMENT,
}
#: ``type`` → what a line is, where the account has no categories.
TYPES: Final[dict[str, LineKind]] = {
    "charge": LineKind.CHARGE,
    "payment": LineKind.CHARGE,
    "refund": LineKind.REFUND,
    "payment_refund": LineKind.REFUND,
    "payout": LineKind.PAYOUT,
    "stripe_fee": LineKind.FEE,
}


class _Fee(msgspec.Struct):
    amount: int
    type: str


class Source(WithMetadata):
    """The cause of a movement: a charge, a refund, a dispute, a payout. ``amount``, ``amount_captured``: minor units of
    its own currency, which the customer sees."""

    id: str
    amount: int | None = None
    amount_captured: int | None = None
    currency: str | None = None
    charge: Reference = None
    payment_intent: Reference = None


class BalanceTransaction(msgspec.Struct):
    """A movement on the balance. ``amount`` and ``fee``: minor units of the balance's currency, debits negative.
    ``source``: an id where Stripe does not expand it."""

    id: str
    type: str
    amount: int
    fee: int
    currency: str
    created: UnixSeconds
    source: Source | str | None = None
    reporting_category: str | None = None
    fee_details: tuple[_Fee, ...] = ()
    available_on: UnixSeconds | None = None
    status: str | None = None


def line(transaction: BalanceTransaction, payout_ref: str | None, *, live: bool | None) -> StatementLine:
    """A movement, of whatever type. ``payout_ref``: the payout whose movements were asked for."""
    category, type = transaction.reporting_category, transaction.type
    kind = CATEGORIES.get(category or "") or (TYPES.get(type) if category is None else None) or LineKind.OTHER
    source = transaction.source if isinstance(transaction.source, Source) else None
    source_ref = transaction.source.id if isinstance(transaction.source, Source) else transaction.source
    intent, charge = (None, None) if source is None else (id_of(source.payment_intent), id_of(source.charge))
    is_payout = kind in (LineKind.PAYOUT, LineKind.PAYOUT_FAILED)
    amount, currency = _presented(transaction, source)
    exchanged = currency != transaction.currency
    at, available = moment(transaction.created), moment(transaction.available_on)
    assert at is not None, transaction.id
    return StatementLine(
        kind=kind,
        line_ref=transaction.id,
        amount=amount,
        currency=currency.upper(),
        at=at,
        own_id=None if source is None else own_id(source.named(requests.OPERATION)),
        order_ref=intent,
        provider_ref=source_ref,
        aliases=tuple(ref for ref in (charge,) if ref),
        settled=transaction.amount if exchanged else None,
        settlement_currency=transaction.currency.upper() if exchanged else None,
        fee=transaction.fee,
        fee_tax=_tax(transaction),
        available_on=None if available is None else available.date(),
        payout_ref=source_ref if is_payout else payout_ref,
        status=transaction.status,
        raw_type=category or type,
        test=live is False,
    )


def _presented(transaction: BalanceTransaction, source: Source | None) -> tuple[int, str]:
    """Amount and currency as the customer sees them: where they were exchanged, those of the cause, with the movement's
    sign."""
    if source is None or source.currency is None or source.currency == transaction.currency:
        return transaction.amount, transaction.currency
    stated = source.amount if source.amount_captured is None else source.amount_captured
    if stated is None:
        return transaction.amount, transaction.currency
    return (abs(stated) if transaction.amount >= 0 else -abs(stated)), source.currency


def _tax(transaction: BalanceTransaction) -> int | None:
    taxes = [fee.amount for fee in transaction.fee_details if fee.type == "tax"]
    return sum(taxes) if transaction.fee_details else None

"""A journal, and the postings of a payment, as one list of timeline entries."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from billing.messages import (
    CreatePayment,
    Message,
    PaymentChanged,
    PaymentOutcome,
    ProviderCallback,
    ProviderReason,
    ProviderRequest,
    ProviderResult,
    RefundPayment,
    ReportOutcome,
    RollbackPayment,
    WithdrawCharge,
)
from billing.messages import decode_envelope as decode
from billing.messages.subscription_commands import Wake
from billing.messages.subscription_events import Notice, SubscriptionChanged
from billing.money import Money
from billing.signals import signals_for
from runtime.logging.redaction import redact
from storage.journal.timeline import Decided, Posted

_KINDS: Final[dict[type[Message], str]] = {
    ProviderResult: "result",
    ProviderCallback: "callback",
    PaymentOutcome: "outcome",
    Wake: "wake-up",
}
#: What a subscription asks of its payments.
_TO_PAYMENTS: Final = (CreatePayment, RefundPayment, RollbackPayment, WithdrawCharge, ReportOutcome)


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. ``position``: partition/offset in the inbox of the message itself, or of the message it
    follows from. ``recomputed``: not on record, computed from what is."""

    at: datetime
    kind: str
    summary: str
    actor: str | None
    position: str
    data: Any
    recomputed: bool = False


class _Output(msgspec.Struct):
    value: msgspec.Raw


def timeline_entries(journal: Sequence[Decided], postings: Sequence[Posted]) -> list[TimelineEntry]:
    """The entries of a payment's journal and postings, in the order of the stream; what follows from a message comes
    after it."""
    open_postings = {posting.id: posting for posting in postings}
    outputs = [_outputs(decided) for decided in journal]
    named = {id for messages in outputs for id in _posted(messages)}
    entries = []
    currency = next(
        (message.currency for messages in outputs for message in messages if isinstance(message, PaymentChanged)), None
    )
    for decided, messages in zip(journal, outputs, strict=True):
        entries.append(_message(decided, currency))
        if (refusal := decided.refusal) is not None:
            entries.append(_entry(decided, "refusal", f"{refusal.code}: {refusal.detail}", refusal))
        entries += [entry for message in messages for entry in _output(decided, message)]
        # Events of early releases do not name their postings: those go by their time.
        early = {id for id, p in open_postings.items() if id not in named and p.posted_at <= decided.recorded_at}
        entries += [
            _posting(decided, open_postings.pop(id)) for id in (*_posted(messages), *early) if id in open_postings
        ]
    if journal:
        entries += [_posting(journal[-1], posting) for posting in open_postings.values()]
    return entries


def _message(decided: Decided, currency: str | None) -> TimelineEntry:
    envelope = decode(decided.message.encode())
    message = envelope.open()
    data = {"id": envelope.id, "source": envelope.source, "sent_at": envelope.time, "type": envelope.type}
    return TimelineEntry(
        at=decided.recorded_at,
        kind=_KINDS.get(type(message), "command"),
        summary=_summary(message, currency),
        actor=decided.actor or envelope.source,
        position=f"{decided.partition}/{decided.offset}",
        data=_plain({**data, "message": message}),
    )


def _outputs(decided: Decided) -> list[Message]:
    outputs = msgspec.json.decode(decided.outputs, type=list[_Output])
    return [decode(bytes(output.value)).open() for output in outputs]


def _posted(messages: Sequence[Message]) -> list[UUID]:
    return [view.id for message in messages if isinstance(message, PaymentChanged) for view in message.postings]


def _output(decided: Decided, message: Message) -> Iterator[TimelineEntry]:
    if isinstance(message, ProviderRequest):
        summary = f"{message.action.value} {Money(message.amount, message.currency)} of {message.provider}"
        yield _entry(decided, "call", summary, message)
    elif isinstance(message, PaymentChanged):
        yield _entry(decided, "transition", _transition(message), message)
        for signal in signals_for(message):
            yield _entry(decided, "signal", f"{signal.routing_key} ({signal.message_id})", signal, recomputed=True)
    elif isinstance(message, SubscriptionChanged):
        yield _entry(decided, "transition", _subscription_transition(message), message)
        for attempt in message.attempts:
            amount = Money(attempt.amount, attempt.currency)
            tried = f"period {attempt.period}, attempt {attempt.number}: {attempt.state.value} {amount}"
            why = "" if attempt.reason is None else f" ({attempt.reason})"
            yield _entry(decided, "attempt", f"{tried}{why}, payment {attempt.payment_id}", attempt)
        if message.access is not None:
            until = message.access.valid_until
            ends = "no access" if until is None else f"{', '.join(message.access.products)} until {_at(until)}"
            yield _entry(decided, "access", ends, message.access)
        for notice in message.notices:
            yield _entry(decided, "notice", _letter(notice), notice)
    elif isinstance(message, _TO_PAYMENTS):
        name = message.TYPE.removeprefix("billing.").removesuffix(".v1")
        yield _entry(decided, "payment", f"{name} {message.payment_id}", message)


def _entry(decided: Decided, kind: str, summary: str, data: object, *, recomputed: bool = False) -> TimelineEntry:
    return TimelineEntry(
        at=decided.recorded_at,
        kind=kind,
        summary=summary,
        actor=None,
        position=f"{decided.partition}/{decided.offset}",
        data=_plain(data),
        recomputed=recomputed,
    )


def _posting(decided: Decided, posting: Posted) -> TimelineEntry:
    lines = ", ".join(f"{account} {Money(amount, posting.currency)}" for account, amount in posting.lines)
    return msgspec.structs.replace(_entry(decided, "posting", lines, posting), at=posting.posted_at)


def _summary(message: Message, currency: str | None) -> str:
    name = message.TYPE.removeprefix("billing.").removesuffix(".v1")
    if isinstance(message, ProviderResult):
        took = f"in {message.duration_ms:.0f} ms"
        said = _said(message.provider_reason)
        return " ".join(filter(None, (message.action.value, message.outcome.value, took, message.reason, said)))
    if isinstance(message, ProviderCallback):
        observed = message.observed
        seen = [observed.status.value] if observed.status else []
        seen += [" ".join(filter(None, (o.type, o.status, _said(o.provider_reason)))) for o in observed.operations]
        seen += ["asked"] if message.ask else []
        return " ".join(filter(None, (f"{message.provider}: {', '.join(seen)}", _said(observed.provider_reason))))
    if isinstance(message, PaymentOutcome):
        why = "" if message.reason is None else f" ({message.reason})"
        return f"payment {message.payment_id} {message.state}, operation {message.operation_state}{why}"
    if isinstance(message, Wake):
        return f"{name} at {_at(message.at)}, provider {message.provider_state.value}"
    fields = {
        name: ",".join(value) if isinstance(value, tuple) else value
        for name in _SHOWN
        if (value := getattr(message, name, None)) not in (None, ())
    }
    if currency is not None and isinstance(amount := fields.get("amount"), int):
        fields["amount"] = str(Money(amount, currency))
    return " ".join((name, *(f"{key}={redact(str(value))}" for key, value in fields.items())))


#: Members of a command that its summary shows.
_SHOWN: Final = (
    "operation_id", "provider", "route", "alternatives", "amount", "reason", "operator", "follow_up", "when", "until", "by",
    "line", "case", "undone",
)  # fmt: skip


def _said(said: ProviderReason | None) -> str | None:
    """The provider's own words, in brackets."""
    return None if said is None else f"({': '.join(filter(None, (said.code, said.message)))})"


def _transition(event: PaymentChanged) -> str:
    before = "none" if event.previous_status is None else event.previous_status.value
    moved = f"{before} → {event.status.value}" if before != event.status.value else f"{before}, unchanged"
    operations = ", ".join(f"{o.type.value} {o.status.value}" for o in event.operations)
    contradicted = "" if event.contradiction is None else f"; the provider contradicts: {event.contradiction}"
    return f"v{event.version} {moved}" + (f" ({operations})" if operations else "") + contradicted


def _subscription_transition(event: SubscriptionChanged) -> str:
    before = "none" if event.previous_status is None else event.previous_status.value
    moved = f"{before} → {event.status.value}" if before != event.status.value else f"{before}, unchanged"
    ahead = "" if event.next_action_at is None else f"; next: {event.next_action} at {_at(event.next_action_at)}"
    return f"v{event.version} {moved}{ahead}"


def _letter(notice: Notice) -> str:
    facts = ("at", "access_until", "ends_at", "next_try_at")
    known = [f"{name} {_at(value)}" for name in facts if (value := getattr(notice, name)) is not None]
    return ", ".join((notice.name, str(Money(notice.amount, notice.currency)), *known))


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _plain(value: object) -> Any:
    return redact(msgspec.to_builtins(value))

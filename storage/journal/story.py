"""A journal, and the postings of a payment, as one list of timeline entries."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum
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
from billing.messages.subscription_events import AccessView, AttemptView, Notice, SubscriptionChanged
from billing.money import Money
from billing.reasons import Reason
from billing.sentence import Code, Sentence, Value, joined
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
    summary: Sentence
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
            why = joined(": ", refusal.code, Sentence(refusal.detail))
            entries.append(_entry(decided, "refusal", why, refusal))
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
        summary = Sentence(
            "%(action)s %(amount)s of %(provider)s",
            action=message.action, amount=Money(message.amount, message.currency), provider=message.provider,
        )  # fmt: skip
        yield _entry(decided, "call", summary, message)
    elif isinstance(message, PaymentChanged):
        yield _entry(decided, "transition", _transition(message), message)
        for signal in signals_for(message):
            sent = joined(" ", signal.routing_key, _in_brackets(str(signal.message_id)))
            yield _entry(decided, "signal", sent, signal, recomputed=True)
    elif isinstance(message, SubscriptionChanged):
        yield _entry(decided, "transition", _subscription_transition(message), message)
        for attempt in message.attempts:
            yield _entry(decided, "attempt", _attempt(attempt), attempt)
        if message.access is not None:
            yield _entry(decided, "access", _access(message.access), message.access)
        for notice in message.notices:
            yield _entry(decided, "notice", _letter(notice), notice)
    elif isinstance(message, _TO_PAYMENTS):
        yield _entry(decided, "payment", joined(" ", name_of(message), str(message.payment_id)), message)


def _entry(decided: Decided, kind: str, summary: Sentence, data: object, *, recomputed: bool = False) -> TimelineEntry:
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
    lines = [joined(" ", account, Money(amount, posting.currency)) for account, amount in posting.lines]
    return msgspec.structs.replace(_entry(decided, "posting", joined(", ", *lines), posting), at=posting.posted_at)


def _summary(message: Message, currency: str | None) -> Sentence:
    if isinstance(message, ProviderResult):
        took = Sentence("in %(took)s ms", took=round(message.duration_ms))
        why, said = _reason(message.reason), _said(message.provider_reason)
        return joined(" ", message.action, message.outcome, took, why, said)
    if isinstance(message, ProviderCallback):
        return _callback(message)
    if isinstance(message, PaymentOutcome):
        outcome = Sentence(
            "payment %(payment)s %(state)s, operation %(operation)s",
            payment=str(message.payment_id), state=Code(message.state), operation=Code(message.operation_state or "none"),
        )  # fmt: skip
        return joined(" ", outcome, _in_brackets(_reason(message.reason)))
    if isinstance(message, Wake):
        return Sentence(
            "%(command)s at %(time)s, provider %(state)s",
            command=name_of(message), time=message.at, state=message.provider_state,
        )  # fmt: skip
    shown = {name: value for name in SHOWN if (value := getattr(message, name, None)) not in (None, ())}
    fields = [joined("=", Code(name), _field(name, value, currency)) for name, value in shown.items()]
    return joined(" ", name_of(message), *fields)


#: Members of a command that its summary shows.
SHOWN: Final = (
    "operation_id", "provider", "route", "alternatives", "amount", "reason", "operator", "follow_up", "when", "until", "by",
    "line", "case", "undone",
)  # fmt: skip


def name_of(message: Message | type[Message]) -> Code:
    """``billing.payment.capture.v1`` → ``payment.capture``."""
    return Code(message.TYPE.removeprefix("billing.").removesuffix(".v1"))


def _field(name: str, value: object, currency: str | None) -> Value:
    if isinstance(value, Enum | datetime):
        return value
    if name == "amount" and currency is not None and isinstance(value, int):
        return Money(value, currency)
    text: str = redact(",".join(value) if isinstance(value, tuple) else str(value))
    return text


def _callback(message: ProviderCallback) -> Sentence:
    observed = message.observed
    operations = [joined(" ", o.type, o.status, _said(o.provider_reason)) for o in observed.operations]
    seen = joined(", ", observed.status, *operations, Sentence("asked") if message.ask else None)
    return joined(" ", joined(": ", message.provider, seen), _said(observed.provider_reason))


def _reason(text: str | None) -> Value | None:
    """The reason as a code where this release knows it; what follows a colon are words of a person."""
    if text is None:
        return None
    head, colon, detail = text.partition(": ")
    if head not in _REASONS:
        return text
    return joined(": ", Reason.of(head), detail) if colon else Reason.of(head)


_REASONS: Final = frozenset(Reason)


def _in_brackets(value: Value | None) -> Sentence | None:
    return None if value is None else Sentence("(%(value)s)", value=value)


def _said(said: ProviderReason | None) -> Sentence | None:
    """The provider's own words, in brackets."""
    return None if said is None else _in_brackets(joined(": ", said.code or None, said.message or None))


def _moved(before: Enum | None, after: Enum) -> Sentence:
    state = Code("none") if before is None else before
    if before == after:
        return Sentence("%(state)s, unchanged", state=state)
    return joined(" → ", state, after)


def _transition(event: PaymentChanged) -> Sentence:
    operations = [joined(" ", operation.type, operation.status) for operation in event.operations]
    changed = _changed(
        event.version,
        _moved(event.previous_status, event.status),
        _in_brackets(joined(", ", *operations)) if operations else None,
    )
    if event.contradiction is None:
        return changed
    contradiction = Sentence(event.contradiction)
    return joined("; ", changed, Sentence("the provider contradicts: %(contradiction)s", contradiction=contradiction))


def _subscription_transition(event: SubscriptionChanged) -> Sentence:
    changed = _changed(event.version, _moved(event.previous_status, event.status))
    if event.next_action_at is None or event.next_action is None:
        return changed
    ahead = Sentence("next: %(action)s at %(time)s", action=Code(event.next_action), time=event.next_action_at)
    return joined("; ", changed, ahead)


def _changed(version: int, *what: Value | None) -> Sentence:
    return joined(" ", Sentence("v%(version)s", version=version), *what)


def _attempt(attempt: AttemptView) -> Sentence:
    tried = Sentence(
        "period %(period)s, attempt %(attempt)s: %(state)s %(amount)s",
        period=attempt.period, attempt=attempt.number, state=attempt.state,
        amount=Money(attempt.amount, attempt.currency),
    )  # fmt: skip
    paid_by = Sentence("payment %(payment)s", payment=str(attempt.payment_id))
    return joined(", ", joined(" ", tried, _in_brackets(_reason(attempt.reason))), paid_by)


def _access(access: AccessView) -> Sentence:
    if access.valid_until is None:
        return Sentence("no access")
    return Sentence("%(products)s until %(time)s", products=", ".join(access.products), time=access.valid_until)


def _letter(notice: Notice) -> Sentence:
    known = [joined(" ", Code(name), value) for name in TIMES if (value := getattr(notice, name)) is not None]
    return joined(", ", Code(notice.name), Money(notice.amount, notice.currency), *known)


#: Members of a letter that its summary shows.
TIMES: Final = ("at", "access_until", "ends_at", "next_try_at")


def _plain(value: object) -> Any:
    return redact(msgspec.to_builtins(value))

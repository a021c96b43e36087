"""A payment's journal and postings told as one list: what came, what followed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from billing.messages import Envelope, Message, PaymentChanged, ProviderCallback, ProviderRequest, ProviderResult
from billing.messages import decode_envelope as decode
from billing.money import Money
from billing.payments.decision import Decision
from billing.signals import signals_for
from runtime.logging.redaction import redact
from storage.journal.replay import Unreplayable, replay
from storage.journal.timeline import Decided, Posted

_KINDS: Final[dict[type[Message], str]] = {ProviderResult: "result", ProviderCallback: "callback"}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. ``position``: partition/offset in the inbox of the message it is, or follows from.

    ``recomputed``: not on record as such, worked out again from what is.
    """

    at: datetime
    kind: str
    summary: str
    actor: str | None
    position: str
    data: Any
    recomputed: bool = False


class _Output(msgspec.Struct):
    value: msgspec.Raw


def entries(journal: Sequence[Decided], postings: Sequence[Posted]) -> list[Entry]:
    """Everything in the order of the stream; what follows from a message stands behind it."""
    decisions = _decisions(journal)
    open_postings = {posting.id: posting for posting in postings}
    told = []
    for index, decided in enumerate(journal):
        envelope = decode(decided.message.encode())
        message = envelope.open()
        position = f"{decided.partition}/{decided.offset}"
        told.append(_message(decided, envelope, message, position))
        decision = decisions[index] if index < len(decisions) else None
        if (refusal := decided.refusal) is not None:
            told.append(_entry(decided, "refusal", f"{refusal.code}: {refusal.detail}", refusal))
        told += _followed(decided)
        if decision is not None:
            ids = [posting.id for posting in decision.postings]
        else:  # the code has changed since: go by the time
            ids = [id for id, posting in open_postings.items() if posting.posted_at <= decided.recorded_at]
        told += [_posting(decided, open_postings.pop(id)) for id in ids if id in open_postings]
    if journal:
        told += [_posting(journal[-1], posting) for posting in open_postings.values()]
    return told


def _decisions(journal: Sequence[Decided]) -> list[Decision]:
    """The decisions as far as they can be made again."""
    decisions = []
    try:
        for decision in replay(journal):
            decisions.append(decision)  # noqa: PERF402 - what came before a failure is wanted
    except Unreplayable:
        return decisions
    return decisions


def _message(decided: Decided, envelope: Envelope, message: Message, position: str) -> Entry:
    kind = _KINDS.get(type(message), "command")
    data = {"id": envelope.id, "source": envelope.source, "sent_at": envelope.time, "type": envelope.type}
    return Entry(
        at=decided.recorded_at,
        kind=kind,
        summary=_summary(message),
        actor=decided.actor or envelope.source,
        position=position,
        data=_plain({**data, "message": message}),
    )


def _followed(decided: Decided) -> list[Entry]:
    told = []
    for output in msgspec.json.decode(decided.outputs, type=list[_Output]):
        message = decode(bytes(output.value)).open()
        if isinstance(message, ProviderRequest):
            summary = f"{message.action.value} {Money(message.amount, message.currency)} of {message.provider}"
            told.append(_entry(decided, "call", summary, message))
        elif isinstance(message, PaymentChanged):
            told.append(_entry(decided, "transition", _transition(message), message))
            told += [
                _entry(decided, "signal", f"{signal.routing_key} ({signal.message_id})", signal, recomputed=True)
                for signal in signals_for(message)
            ]
    return told


def _entry(decided: Decided, kind: str, summary: str, data: object, *, recomputed: bool = False) -> Entry:
    return Entry(
        at=decided.recorded_at,
        kind=kind,
        summary=summary,
        actor=None,
        position=f"{decided.partition}/{decided.offset}",
        data=_plain(data),
        recomputed=recomputed,
    )


def _posting(decided: Decided, posting: Posted) -> Entry:
    lines = ", ".join(f"{account} {Money(amount, posting.currency)}" for account, amount in posting.lines)
    return msgspec.structs.replace(_entry(decided, "posting", lines, posting), at=posting.posted_at)


def _summary(message: Message) -> str:
    name = message.TYPE.removeprefix("billing.").removesuffix(".v1")
    if isinstance(message, ProviderResult):
        took = f"in {message.duration_ms:.0f} ms"
        return " ".join(filter(None, (message.action.value, message.outcome.value, took, message.reason)))
    if isinstance(message, ProviderCallback):
        observed = message.observed
        words = [observed.status.value] if observed.status else []
        words += [f"{o.type.value} {o.status.value}" for o in observed.operations]
        return f"{message.provider}: {', '.join(words)}"
    said = {
        name: ",".join(value) if isinstance(value, tuple) else value
        for name in ("operation_id", "provider", "route", "alternatives", "amount", "reason", "operator", "follow_up")
        if (value := getattr(message, name, None)) not in (None, ())
    }
    return " ".join((name, *(f"{key}={redact(str(value))}" for key, value in said.items())))


def _transition(event: PaymentChanged) -> str:
    before = "none" if event.previous_status is None else event.previous_status.value
    moved = f"{before} → {event.status.value}" if before != event.status.value else f"{before}, unchanged"
    operations = ", ".join(f"{o.type.value} {o.status.value}" for o in event.operations)
    return f"v{event.version} {moved}" + (f" ({operations})" if operations else "")


def _plain(value: object) -> Any:
    return redact(msgspec.to_builtins(value))

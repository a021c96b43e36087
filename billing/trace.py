"""One payment's way through all processes as a trace, rebuilt from its journal: for every payment, whenever somebody asks.

Ids follow from the messages' own, so a trace is the same whenever it is made.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec

from billing.messages import CreatePayment, Envelope, Message, ProviderCallback, ProviderResult
from billing.sentence import Code, Sentence, joined

_RESULT: Final = "/result"
_NANOSECONDS: Final = 1_000_000_000


class Step(msgspec.Struct, frozen=True):
    """A message of the payment's inbox, and when what follows from it was decided (UTC)."""

    envelope: Envelope
    message: Message
    decided_at: datetime


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Something that took time, in UTC. ``id`` and ``parent``: 16 hexadecimal digits, ``parent`` empty where nothing of the
    payment caused it. ``process``: who did it."""

    id: str
    parent: str
    name: Sentence
    process: str
    start: datetime
    end: datetime
    attributes: dict[str, str]


class Trace(msgspec.Struct, frozen=True):
    """``id``: 32 hexadecimal digits, the client's own where it sent one. ``spans``: in the order of their start."""

    id: str
    spans: list[Span]


def span_id(message_id: str) -> str:
    """The id of what a message brought about."""
    return sha256(message_id.encode()).hexdigest()[:16]


def rebuild(payment_id: UUID, steps: Sequence[Step]) -> Trace:
    """The trace of a payment: each message from when it was written until it was decided, each provider call as long as it took.
    The causes of client commands and callbacks are outside; a result's is its call, a call's the message it followed
    from."""
    spans = [span for step in steps for span in _spans(step)]
    first = next((step.envelope.traceparent for step in steps if step.envelope.traceparent), None)
    trace_id = payment_id.hex if first is None else first.split("-")[1]
    return Trace(trace_id, sorted(spans, key=lambda span: (span.start, span.end)))


def otlp(trace: Trace) -> dict[str, Any]:
    """The trace as an OTLP/JSON export request: what any collector takes at ``/v1/traces``."""
    by_process: dict[str, list[Span]] = {}
    for span in trace.spans:
        by_process.setdefault(span.process, []).append(span)
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes({"service.name": f"billing.{process}"})},
                "scopeSpans": [{"scope": {"name": "billing"}, "spans": [_exported(trace, span) for span in spans]}],
            }
            for process, spans in by_process.items()
        ]
    }


def _spans(step: Step) -> Iterable[Span]:
    envelope, message = step.envelope, step.message
    parent = ""
    if isinstance(message, ProviderResult):
        # A result's id is that of its request, which ends in the id of the message that the request followed from.
        request = envelope.id.removesuffix(_RESULT)
        cause = "/".join(request.split("/")[2:])
        parent = span_id(request)
        attributes = {
            "provider": message.provider,
            "action": message.action.value,
            "outcome": message.outcome.value,
            "operation": str(message.operation_id),
        }
        if message.reason is not None:
            attributes["reason"] = message.reason
        yield Span(
            id=parent,
            parent=span_id(cause) if cause else "",
            name=joined(" ", message.provider, message.action),
            process="provider_calls",
            start=envelope.time - timedelta(milliseconds=message.duration_ms),
            end=envelope.time,
            attributes=attributes,
        )
    attributes = {"message": envelope.id}
    if envelope.actor is not None:
        attributes["actor"] = envelope.actor
    yield Span(
        id=span_id(envelope.id),
        parent=parent,
        name=_name(message),
        process="payments",
        start=envelope.time,
        # The clocks of two processes may differ by more than the message took.
        end=max(envelope.time, step.decided_at),
        attributes=attributes,
    )


def _name(message: Message) -> Sentence:
    if isinstance(message, CreatePayment):
        return Sentence("create payment")
    if isinstance(message, ProviderResult):
        return Sentence("result of %(action)s", action=message.action)
    if isinstance(message, ProviderCallback):
        return Sentence("callback of %(provider)s", provider=message.provider)
    return joined("", Code(message.TYPE.split(".")[2].replace("_", " ")))


def _exported(trace: Trace, span: Span) -> dict[str, Any]:
    return {
        "traceId": trace.id,
        "spanId": span.id,
        "parentSpanId": span.parent,
        "name": str(span.name),
        "kind": 3 if span.process == "provider_calls" else 5,
        "startTimeUnixNano": _nanoseconds(span.start),
        "endTimeUnixNano": _nanoseconds(span.end),
        "attributes": _attributes(span.attributes),
    }


def _nanoseconds(at: datetime) -> str:
    """Unix time. A text, as OTLP's JSON has numbers of 64 bits."""
    microseconds = (at - datetime.fromtimestamp(0, at.tzinfo)) // timedelta(microseconds=1)
    return str(microseconds * (_NANOSECONDS // 1_000_000))


def _attributes(values: dict[str, str]) -> list[dict[str, Any]]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in values.items()]

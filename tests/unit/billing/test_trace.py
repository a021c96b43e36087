"""A payment's trace, rebuilt from its journal."""

import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from billing.messages import Envelope, Message, ProviderCallback, ProviderResult
from billing.messages.provider import Observation
from billing.trace import Span, Step, Trace, otlp, rebuild, span_id
from billing.vocabulary import Action, Outcome, PaymentStatus
from tests.support.factories import NOW, a_create

PAYMENT, OPERATION = UUID(int=7), uuid4()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def at(milliseconds: float) -> datetime:
    return NOW + timedelta(milliseconds=milliseconds)


def step(message: Message, id: str, written: float, decided: float, traceparent: str | None = None) -> Step:
    envelope = Envelope.wrap(
        message, id=id, source="/test", subject=str(PAYMENT), time=at(written), traceparent=traceparent
    )
    return Step(envelope, message, at(decided))


def history(traceparent: str | None = None) -> Trace:
    result = ProviderResult(
        PAYMENT, OPERATION, "stripe", Action.CREATE, Outcome.SUCCEEDED, duration_ms=120.0, reason=None
    )
    callback = ProviderCallback(PAYMENT, "stripe", "evt", Observation(PaymentStatus.CAPTURED))
    return rebuild(
        PAYMENT,
        [
            step(a_create(PAYMENT), "create", 0, 10, traceparent),
            step(result, f"{OPERATION}/CREATE/create/result", 150, 155),
            step(callback, "stripe/evt", 900, 905),
        ],
    )


def named(trace: Trace, name: str) -> Span:
    return next(span for span in trace.spans if span.name == name)


def test_a_call_took_as_long_as_its_result_says_and_followed_from_the_command() -> None:
    trace = history()
    call = named(trace, "stripe CREATE")
    assert (call.start, call.end) == (at(30), at(150))
    assert call.parent == named(trace, "create payment").id
    assert named(trace, "result of CREATE").parent == call.id
    assert call.attributes["outcome"] == "SUCCEEDED"


def test_spans_are_in_the_order_of_their_start_and_a_callback_has_no_cause_of_ours() -> None:
    trace = history()
    assert [span.name for span in trace.spans] == [
        "create payment", "stripe CREATE", "result of CREATE", "callback of stripe",
    ]  # fmt: skip
    assert trace.spans[-1].parent == ""


def test_the_trace_is_the_clients_where_it_sent_one_and_else_follows_from_the_payment() -> None:
    assert history(TRACEPARENT).id == "0af7651916cd43dd8448eb211c80319c"
    assert history().id == PAYMENT.hex


def test_the_same_journal_makes_the_same_ids() -> None:
    assert history() == history()
    assert len(span_id("create")) == 16


def test_a_question_followed_from_the_follow_up_whose_id_has_strokes_itself() -> None:
    follow_up = f"{OPERATION}/chase/0"
    result = ProviderResult(PAYMENT, OPERATION, "stripe", Action.INQUIRE, Outcome.UNKNOWN, reason="timeout")
    trace = rebuild(PAYMENT, [step(result, f"{OPERATION}/INQUIRE/{follow_up}/result", 5, 6)])
    call = named(trace, "stripe INQUIRE")
    assert call.parent == span_id(follow_up)
    assert call.attributes["reason"] == "timeout"


def test_clocks_that_differ_make_no_span_end_before_it_began() -> None:
    trace = rebuild(PAYMENT, [step(a_create(PAYMENT), "create", 10, 5)])
    assert trace.spans[0].end == trace.spans[0].start


def test_otlp_has_times_in_nanoseconds_as_texts_and_a_service_for_each_process() -> None:
    exported = json.loads(json.dumps(otlp(history())))
    services = [one["resource"]["attributes"][0]["value"]["stringValue"] for one in exported["resourceSpans"]]
    assert services == ["billing.payments", "billing.provider_calls"]
    (call,) = exported["resourceSpans"][1]["scopeSpans"][0]["spans"]
    assert int(call["endTimeUnixNano"]) - int(call["startTimeUnixNano"]) == 120_000_000
    assert int(call["startTimeUnixNano"]) == int(at(30).timestamp() * 1000) * 1_000_000
    assert (len(call["traceId"]), len(call["spanId"]), len(call["parentSpanId"])) == (32, 16, 16)

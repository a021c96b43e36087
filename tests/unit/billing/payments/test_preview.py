"""What a preview says is what then happens."""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from billing.ledger.postings import Posting
from billing.messages import (
    AmendPayment,
    CapturePayment,
    CorrectPayment,
    Envelope,
    FollowUpOperation,
    Message,
    PaymentChanged,
    PaymentMessage,
    ProviderResult,
    RefundLine,
    RefundPayment,
    ReplyTo,
    RollbackPayment,
    VoidPayment,
)
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.payments.preview import preview, standing
from billing.signals import Access, signals_for
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import (
    NOW,
    a_payment,
    an_order,
    apply,
    authorized,
    captured,
    later,
    opened,
    performed,
    told,
)

OPERATION = UUID(int=1)
ANNA = "anna@cinema.example"


def over_the_wire(message: Message) -> Message:
    envelope = Envelope.wrap(message, id="1", source="/test", subject="1", time=NOW)
    return msgspec.json.decode(envelope.encode(), type=Envelope).open()


class Stream:
    """The payment as the agent has it: every message comes over the wire, and at a time of its own."""

    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        self.now = later(3600)
        self.postings: list[Posting] = []
        self.events: list[PaymentChanged] = []
        self.refusals: list[str] = []

    def tell(self, message: Message) -> list[Message]:
        self.now += timedelta(seconds=5)
        decision = decide(self.payment, over_the_wire(message), self.now)
        assert decision.payment is not None
        self.payment = decision.payment
        self.postings += decision.postings
        self.events += [decision.event] if decision.event else []
        self.refusals += [decision.refusal.code] if decision.refusal else []
        return list(decision.requests)

    def lines(self) -> list[list[tuple[str, int]]]:
        return [[(str(entry.account), entry.amount) for entry in posting.entries] for posting in self.postings]

    def signals(self) -> list[tuple[str, tuple[str, ...]]]:
        return [
            (signal.routing_key, signal.body.products if isinstance(signal.body, Access) else ())
            for event in self.events
            for signal in signals_for(event)
        ]


@st.composite
def worlds(draw: st.DrawFn) -> Payment:
    """A payment with a past: held or paid, in part captured, refunds done, declined or under way."""
    mode = draw(st.sampled_from(CaptureMode))
    prices = draw(st.lists(st.integers(1, 1000), min_size=1, max_size=3))
    payment = a_payment(order=an_order(*prices), capture_mode=mode)
    payment = apply(payment, opened(payment))
    reached = draw(st.sampled_from([None, PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED, PaymentStatus.FAILED]))
    if reached is not None:
        payment = apply(payment, told(payment, reached))
    for number in range(draw(st.integers(0, 3))):
        id = UUID(int=100 + number)
        amount = draw(st.none() | st.integers(1, max(prices)))
        line = draw(st.none() | st.integers(1, len(prices)))
        command: Message = draw(
            st.sampled_from(
                [
                    RefundPayment(payment.id, id, "asked", amount),
                    RefundPayment(payment.id, id, "asked", items=(RefundLine(f"film-{line}", 1),) if line else ()),
                    CapturePayment(payment.id, id),
                    VoidPayment(payment.id, id, "asked"),
                    RollbackPayment(payment.id, id, "asked"),
                ]
            )
        )
        payment = apply(payment, command)
        operation = payment.operation(id)
        outcome = draw(st.none() | st.sampled_from(Outcome))
        if operation is not None and outcome is not None:
            payment = apply(payment, performed(payment, id, outcome))
    if draw(st.booleans()):
        payment = apply(
            payment, AmendPayment(payment.id, UUID(int=99), ANNA, "fraud", refunds_blocked=draw(st.booleans()))
        )
    return payment


@st.composite
def commands(draw: st.DrawFn, payment: Payment) -> PaymentMessage:
    version = draw(st.sampled_from([None, payment.version, payment.version - 1]))
    some = draw(st.sampled_from([o.id for o in payment.operations]))
    amount = draw(st.none() | st.integers(0, payment.order.amount + 1))
    lines = draw(st.lists(st.builds(RefundLine, st.sampled_from(["film-1", "film-2"]), st.integers(1, 2)), max_size=2))
    guard = {"operator": ANNA, "if_version": version}
    return draw(
        st.sampled_from(
            [
                CapturePayment(payment.id, OPERATION, amount, reason="due", **guard),
                VoidPayment(payment.id, OPERATION, "asked", **guard),
                RefundPayment(payment.id, OPERATION, "asked", amount, tuple(lines), **guard),
                RollbackPayment(payment.id, OPERATION, "asked", **guard),
                CorrectPayment(payment.id, UUID(int=2), some, True, ANNA, "console", if_version=version),
                CorrectPayment(payment.id, UUID(int=2), some, False, ANNA, "console", if_version=version),
                AmendPayment(
                    payment.id, OPERATION, ANNA, "fraud", refunds_blocked=True, redrive=True, if_version=version
                ),
                FollowUpOperation(payment.id, some, 0, True, ANNA, "asked"),
            ]
        )
    )


@given(data=st.data(), payment=worlds(), outcome=st.sampled_from([None, Outcome.SUCCEEDED, Outcome.DECLINED]))
def test_the_preview_says_what_then_happens(data: st.DataObject, payment: Payment, outcome: Outcome | None) -> None:
    command = data.draw(commands(payment))
    said = preview(payment, command, NOW)
    stream = Stream(payment)
    requests = stream.tell(command)
    course = said.at_once
    asked = next((r for r in requests if getattr(r, "action", None) is not Action.INQUIRE), None)
    assert (said.on_success is None) == (said.on_decline is None) == (asked is None)
    if outcome is not None:
        assume(asked is not None)
        assert asked is not None
        chosen = said.on_success if outcome is Outcome.SUCCEEDED else said.on_decline
        assert chosen is not None
        course = chosen
        reason = "declined" if outcome is Outcome.DECLINED else None
        stream.tell(
            ProviderResult(
                payment.id, asked.operation_id, asked.provider, asked.action, outcome, reason=reason, books=asked.books
            )
        )
    assert ([said.refusal.code] if said.refusal else []) == stream.refusals
    assert course.after == standing(stream.payment)
    assert [[(e.account, e.amount) for e in lines] for lines in course.postings] == stream.lines()
    assert [(s.routing_key, s.products) for s in course.signals] == stream.signals()


def test_a_partial_refund_shows_both_ends() -> None:
    payment = captured(order=an_order(59_900, 10_000))
    said = preview(payment, RefundPayment(payment.id, OPERATION, "asked", items=(RefundLine("film-2", 1),)), NOW)
    assert said.refusal is None
    assert said.at_once.after.amounts.reserved == 10_000
    assert said.at_once.after.amounts.refundable == 59_900
    assert [(r.action, r.type, r.amount) for r in said.at_once.requests] == [
        (Action.REFUND, OperationType.REFUND, 10_000)
    ]
    assert said.on_success is not None
    assert said.on_success.operation is OperationStatus.SUCCESS
    assert said.on_success.after.status is PaymentStatus.PARTIALLY_REFUNDED
    assert said.on_success.after.access == ("film-1",)
    assert [(s.routing_key, s.products) for s in said.on_success.signals] == [
        ("auth.deny_access", ("film-2",)),
        ("notify.refunded", ()),
    ]
    assert said.on_decline is not None
    assert said.on_decline.operation is OperationStatus.FAIL
    assert said.on_decline.after == said.before
    assert said.on_decline.postings == said.on_decline.signals == ()


def test_the_same_consequences_at_another_time_are_an_equal_preview() -> None:
    payment = captured()
    refund = RefundPayment(payment.id, OPERATION, "asked", 100)
    again = msgspec.structs.replace(refund, operation_id=UUID(int=5), reply_to=ReplyTo(3, "x"))
    assert preview(payment, refund, NOW) == preview(payment, again, later(86_400))


def test_a_preview_survives_its_storage() -> None:
    payment = authorized()
    said = preview(payment, CapturePayment(payment.id, OPERATION), NOW)
    assert msgspec.json.decode(msgspec.json.encode(said), type=type(said)) == said


@pytest.mark.parametrize("version", [0, 99])
def test_a_command_for_another_version_is_refused_in_the_preview_too(version: int) -> None:
    payment = captured()
    said = preview(payment, RefundPayment(payment.id, OPERATION, "asked", 100, if_version=version), NOW)
    assert said.refusal is not None
    assert said.refusal.code == "version_changed"
    assert said.at_once.after == said.before
    assert said.on_success is None

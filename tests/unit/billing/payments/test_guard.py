"""A person's command is carried out on the payment that they saw, once, and with an approval that is another person's."""

from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest

from billing.messages import (
    AmendPayment,
    Approval,
    CapturePayment,
    CorrectPayment,
    Envelope,
    Message,
    RefundPayment,
    ReplyTo,
    RollbackPayment,
    VoidPayment,
    decode_envelope,
)
from billing.messages.catalogue import BASELINE_TYPES
from billing.orders import Contact
from billing.payments.decide import decide
from billing.payments.model import Payment
from billing.vocabulary import Outcome
from tests.support.factories import NOW, apply, authorized, captured, later, performed

OPERATION = UUID(int=1)
ANNA = "anna@cinema.example"
BORIS = "boris@cinema.example"
REPLY_TO = ReplyTo(0, "waiting")


def a_refund(payment: Payment, **fields: object) -> RefundPayment:
    values = {"payment_id": payment.id, "operation_id": OPERATION, "reason": "asked", "operator": ANNA}
    return msgspec.convert(values | {"amount": 100} | fields, RefundPayment)


def test_a_command_for_another_version_is_refused() -> None:
    payment = captured()
    decision = decide(payment, a_refund(payment, if_version=payment.version - 1, reply_to=REPLY_TO), NOW)
    assert decision.refusal is not None
    assert decision.refusal.code == "version_changed"
    assert decision.payment is payment
    assert decision.reply is not None
    assert decision.reply.refusal == decision.refusal


COMMANDS: dict[str, tuple[Callable[[], Payment], Callable[[Payment, int], Message]]] = {
    "capture": (authorized, lambda p, v: CapturePayment(p.id, OPERATION, operator=ANNA, reason="due", if_version=v)),
    "void": (authorized, lambda p, v: VoidPayment(p.id, OPERATION, "asked", operator=ANNA, if_version=v)),
    "refund": (captured, lambda p, v: RefundPayment(p.id, OPERATION, "asked", 100, operator=ANNA, if_version=v)),
    "rollback": (captured, lambda p, v: RollbackPayment(p.id, OPERATION, "asked", operator=ANNA, if_version=v)),
    "correct": (
        authorized,
        lambda p, v: CorrectPayment(p.id, UUID(int=2), p.charge.id, False, ANNA, "console", if_version=v),
    ),
    "amend": (captured, lambda p, v: AmendPayment(p.id, OPERATION, ANNA, "fraud", refunds_blocked=True, if_version=v)),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_guarded_command_knows_its_version(name: str) -> None:
    world, command = COMMANDS[name]
    payment = world()
    refused = decide(payment, command(payment, payment.version + 1), NOW)
    assert refused.refusal is not None
    assert refused.refusal.code == "version_changed"
    accepted = decide(payment, command(payment, payment.version), NOW)
    assert accepted.refusal is None
    assert accepted.payment is not None
    assert accepted.payment.version == payment.version + 1


@pytest.mark.parametrize("name", COMMANDS)
def test_a_double_click_is_one_command(name: str) -> None:
    world, command = COMMANDS[name]
    payment = world()
    message = command(payment, payment.version)
    once = decide(payment, message, NOW).payment
    assert once is not None
    again = decide(once, message, later(1))
    assert again.refusal is None, "the version moved on by the command itself"
    assert again.payment is once
    assert not again.requests


def test_nobody_approves_their_own_command() -> None:
    payment = captured()
    own = Approval(UUID(int=3), ANNA, NOW)
    decision = decide(payment, a_refund(payment, approval=own), NOW)
    assert decision.refusal is not None
    assert decision.refusal.code == "approval_invalid"
    other = Approval(UUID(int=3), BORIS, NOW)
    assert decide(payment, a_refund(payment, approval=other), NOW).refusal is None


def test_an_approval_without_the_name_of_who_asks_is_refused() -> None:
    payment = captured()
    decision = decide(payment, a_refund(payment, operator=None, approval=Approval(UUID(int=3), BORIS, NOW)), NOW)
    assert decision.refusal is not None
    assert decision.refusal.code == "approval_invalid"


def test_blocked_refunds_are_refused_until_they_are_allowed_again() -> None:
    payment = captured()
    blocked = apply(payment, AmendPayment(payment.id, UUID(int=8), ANNA, "fraud", refunds_blocked=True))
    for command in (a_refund(payment), RollbackPayment(payment.id, OPERATION, "asked")):
        refusal = decide(blocked, command, NOW).refusal
        assert refusal is not None
        assert refusal.code == "refunds_blocked"
    allowed = apply(blocked, AmendPayment(payment.id, UUID(int=9), ANNA, "cleared up", refunds_blocked=False))
    assert decide(allowed, a_refund(payment), NOW).refusal is None


def test_a_refund_that_is_under_way_is_not_stopped_by_a_block() -> None:
    payment = captured()
    payment = apply(
        payment,
        a_refund(payment),
        AmendPayment(payment.id, UUID(int=8), ANNA, "fraud", refunds_blocked=True),
    )
    payment = apply(payment, performed(payment, OPERATION, Outcome.SUCCEEDED))
    assert payment.refunded == 100


def test_an_amendment_changes_contact_and_metadata_and_no_money() -> None:
    payment = captured()
    message = AmendPayment(
        payment.id,
        UUID(int=8),
        ANNA,
        "typed wrong",
        contact=Contact("right@mail.example"),
        metadata={"a": "1", "b": None},
    )
    after = apply(payment, message)
    assert after.order.contact == Contact("right@mail.example")
    assert after.order.metadata == {"a": "1"}
    same = msgspec.structs.replace(after, order=payment.order, version=payment.version, updated_at=payment.updated_at)
    assert same == payment


def test_the_end_of_access_is_not_amended() -> None:
    payment = captured()
    message = AmendPayment(payment.id, UUID(int=8), ANNA, "longer", metadata={"access_until": "2030-01-01T00:00:00Z"})
    refusal = decide(payment, message, NOW).refusal
    assert refusal is not None
    assert refusal.code == "amendment_impossible"


def test_a_note_leaves_the_payment_as_it_is_and_answers() -> None:
    payment = captured()
    message = AmendPayment(payment.id, UUID(int=8), ANNA, "called", note="Will call again", reply_to=REPLY_TO)
    decision = decide(payment, message, NOW)
    assert decision.payment is payment
    assert decision.event is None
    assert decision.reply is not None


def test_a_redriven_payment_grants_its_access_again() -> None:
    payment = captured()
    decision = decide(payment, AmendPayment(payment.id, UUID(int=8), ANNA, "access is missing", redrive=True), NOW)
    assert decision.event is not None
    assert decision.event.entitlement is not None
    assert decision.event.entitlement.products == ("film-1",)
    assert decision.event.entitlement.before == ()
    assert decision.event.version == payment.version + 1
    assert not decision.postings


def test_a_redriven_refunded_payment_denies_its_access_again() -> None:
    payment = captured()
    payment = apply(payment, a_refund(payment, amount=payment.captured))
    payment = apply(payment, performed(payment, OPERATION, Outcome.SUCCEEDED))
    decision = decide(payment, AmendPayment(payment.id, UUID(int=8), ANNA, "still open", redrive=True), NOW)
    assert decision.event is not None
    assert decision.event.entitlement is not None
    assert decision.event.entitlement.products == ()
    assert decision.event.entitlement.before == ("film-1",)


def test_an_earlier_release_reads_a_guarded_command() -> None:
    class OldRefund(msgspec.Struct, frozen=True):
        payment_id: UUID
        operation_id: UUID
        reason: str
        amount: int | None = None

    payment = captured()
    message = a_refund(payment, if_version=7, approval=Approval(UUID(int=3), BORIS, NOW))
    envelope = Envelope.wrap(message, id="1", source="/admin", subject=str(payment.id), time=NOW)
    data = decode_envelope(envelope.encode()).data
    assert msgspec.json.decode(data, type=OldRefund) == OldRefund(payment.id, OPERATION, "asked", 100)


def test_a_command_without_a_guard_has_the_bytes_of_the_earlier_release() -> None:
    message = RefundPayment(UUID(int=1), UUID(int=2), "asked", 100)
    assert not {"operator", "if_version", "approval"} & msgspec.json.decode(msgspec.json.encode(message)).keys()


def test_the_new_type_waits_until_every_worker_knows_it() -> None:
    assert AmendPayment.TYPE not in BASELINE_TYPES

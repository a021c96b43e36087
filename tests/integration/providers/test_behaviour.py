"""What every provider must do, whatever its ways: each operation, struck by each fault, ends as it was asked for, and
money moves once in the provider's own record."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from billing.messages import (
    CapturePayment,
    ExpirePayment,
    FollowUpOperation,
    RefundLine,
    RefundPayment,
    RollbackPayment,
    VoidPayment,
)
from billing.orders import Contact
from billing.payments.model import Payment
from billing.vocabulary import Action, CaptureMode, OperationStatus, Outcome, PaymentStatus
from tests.support.factories import a_create, an_order
from tests.support.named_providers import StripeWorld, TBankWorld
from tests.support.provider_life import Life, items_of
from tests.support.sandbox import API_KEY, ProviderWorld, running
from tests.support.yookassa import YooKassaWorld

WORLDS = {"yandex-pay": ProviderWorld, "yookassa": YooKassaWorld, "stripe": StripeWorld, "tbank": TBankWorld}
#: Of a call → how it may end, by the taxonomy.
CALL_FAULTS: dict[str, set[Outcome]] = {
    "timeout_after_commit": {Outcome.UNKNOWN},
    "error_500_after_commit": {Outcome.UNKNOWN},
    "error_500_before_commit": {Outcome.UNKNOWN},
    "connection_reset": {Outcome.UNKNOWN},
    "rate_limited": {Outcome.NOT_SENT},
    "key_refused": {Outcome.NOT_SENT},
    "slow": {Outcome.SUCCEEDED, Outcome.PENDING},
}
#: Where the adapter GETs before it writes, the HTTP client itself repeats the GET, and nothing is felt.
READS_FIRST = {
    *(("stripe", action) for action in ("capture", "capture part", "void", "refund", "refund part", "refund items")),
    *((name, "rollback") for name in ("stripe", "yookassa")),
}
CALLBACK_FAULTS = ("callback_lost", "callback_twice", "callback_reordered", "callback_before_answer")
#: How long the adapter waits, and how long what is struck takes, seconds and milliseconds.
DEADLINE_S = 1.0
DELAYS_MS = {"timeout_after_commit": 1500, "slow": 100, "callback_reordered": 200, "callback_before_answer": 200}
PRICES = (60_000, 40_000)
WHOLE = sum(PRICES)


@pytest.fixture(params=WORLDS, scope="module")
async def world(request, tmp_path_factory) -> AsyncIterator[ProviderWorld]:
    made = WORLDS[request.param](tmp_path_factory.mktemp(request.param), DEADLINE_S)
    async with running(made) as world:
        yield world


@pytest.fixture
async def life(world: ProviderWorld) -> AsyncIterator[Life]:
    yield Life(world)
    await world.ask("DELETE", "/_sandbox/faults")


async def opened(life: Life, mode: CaptureMode = CaptureMode.ONE_STAGE, **fields: Any) -> Payment:
    await life.world.tell("merchant", two_stage=mode is CaptureMode.TWO_STAGE)  # where it is the merchant's setting
    await life.tell(a_create(order=an_order(*PRICES), provider=life.world.adapter.name, capture_mode=mode, **fields))
    return await life.settled()


async def charge(life: Life, method: str | None) -> Payment:
    """Another payment, with a method that was saved, the customer absent."""
    life.payment = None
    return await life.tell(a_create(order=an_order(*PRICES), provider=life.world.adapter.name, saved_method=method))


async def paid(life: Life, mode: CaptureMode = CaptureMode.ONE_STAGE, **fields: Any) -> Payment:
    await opened(life, mode, **fields)
    await life.pays()
    wanted = PaymentStatus.CAPTURED if mode is CaptureMode.ONE_STAGE else PaymentStatus.AUTHORIZED
    return await reached(life, wanted)


async def reached(life: Life, status: PaymentStatus) -> Payment:
    """Whatever the callbacks do: what was not told is asked."""
    for _ in range(40):
        payment = await life.settled()
        if payment.status is status:
            return payment
        await ask(life)
    raise AssertionError(f"{life.payment}")


async def ask(life: Life) -> None:
    """The inquiry that a chase makes in its time."""
    assert life.payment is not None
    await life.tell(ExpirePayment(life.payment.id))


async def acted(life: Life, action: str) -> Payment:
    """Do ``action`` to a payment that is ready for it, struck by what comes next; what it became."""
    payment = life.payment
    if action == "create":
        await opened(life)
        await life.pays()
        return await reached(life, PaymentStatus.CAPTURED)
    assert payment is not None
    if action == "charge":
        await charge(life, payment.method_ref)
        return await reached(life, PaymentStatus.CAPTURED)
    message, wanted = {
        "capture": (CapturePayment(payment.id, uuid4()), PaymentStatus.CAPTURED),
        "capture part": (CapturePayment(payment.id, uuid4(), PRICES[0], items_of(payment, 1)), PaymentStatus.CAPTURED),
        "void": (VoidPayment(payment.id, uuid4(), "asked"), PaymentStatus.VOIDED),
        "refund": (RefundPayment(payment.id, uuid4(), "asked"), PaymentStatus.REFUNDED),
        "refund part": (RefundPayment(payment.id, uuid4(), "asked", PRICES[1]), PaymentStatus.PARTIALLY_REFUNDED),
        "refund items": (
            RefundPayment(payment.id, uuid4(), "asked", items=(RefundLine("film-1", 1),)),
            PaymentStatus.PARTIALLY_REFUNDED,
        ),
        "rollback": (RollbackPayment(payment.id, uuid4(), "asked"), PaymentStatus.REFUNDED),
    }[action]
    await life.tell(message)
    return await reached(life, wanted)


async def ready(life: Life, action: str) -> None:
    if action in ("capture", "capture part", "void"):
        await paid(life, CaptureMode.TWO_STAGE)
    elif action == "charge":
        payment = await paid(life, save_method=True)
        assert payment.method_ref is not None
    elif action != "create":
        await paid(life)
    life.outcomes.clear()
    life.world.callbacks.clear()


MOVED = {
    "create": (WHOLE, 0),
    "capture": (WHOLE, 0),
    "capture part": (PRICES[0], 0),
    "void": (0, 0),
    "refund": (WHOLE, WHOLE),
    "refund part": (WHOLE, PRICES[1]),
    "refund items": (WHOLE, PRICES[0]),
    "rollback": (WHOLE, WHOLE),
    "charge": (WHOLE, 0),
}
#: What is struck of an action that consists of several calls, where it is not the first of them.
STRUCK = {"charge": "recur"}


async def strike(life: Life, fault: str, operation: str = "*") -> None:
    """The next call, or the next callback; those after it go well."""
    await life.world.tell(
        "faults",
        fault=fault,
        provider=life.world.adapter.name,
        operation=operation,
        count=1,
        delay_ms=DELAYS_MS.get(fault),
    )


async def once(life: Life, action: str) -> None:
    """Money moved as asked, once, and our books say the same."""
    payment = life.payment
    assert payment is not None
    book = await life.book()
    assert (book["captured"], book["refunded"]) == MOVED[action] == (payment.captured, payment.refunded)
    done = [o["type"] for o in book["operations"] if o["status"] == "SUCCESS"]
    assert done.count("CAPTURE") <= 1
    assert done.count("REFUND") <= 1
    assert not any(o.is_open for o in payment.operations)
    keys = {key.partition("/")[0] for key in book["keys"]}
    assert keys <= {str(o.id) for o in payment.operations}, "a repeat goes by the same key"


@pytest.mark.parametrize("fault", CALL_FAULTS)
@pytest.mark.parametrize("action", MOVED)
async def test_a_call_that_is_struck_ends_as_asked_and_moves_money_once(life: Life, action: str, fault: str):
    await ready(life, action)
    await strike(life, fault, STRUCK.get(action, "*"))
    await acted(life, action)
    await once(life, action)
    first, outcome = life.outcomes[0]
    assert first != Action.INQUIRE
    if fault == "connection_reset" and (life.world.adapter.name, action) in READS_FIRST:
        fault = "slow"
    assert outcome in CALL_FAULTS[fault]


@pytest.mark.parametrize("fault", CALLBACK_FAULTS)
@pytest.mark.parametrize("action", MOVED)
async def test_whatever_becomes_of_its_callbacks_an_operation_ends_as_asked(life: Life, action: str, fault: str):
    await ready(life, action)
    await strike(life, fault, STRUCK.get(action, "*"))
    await acted(life, action)
    await once(life, action)


@pytest.mark.parametrize("fault", ["timeout_after_commit", "error_500_before_commit", "rate_limited"])
@pytest.mark.parametrize("action", ["create", "capture", "refund", "charge"])
async def test_an_inquiry_that_is_struck_too_is_made_again(life: Life, action: str, fault: str):
    await ready(life, action)
    await strike(life, "error_500_after_commit", STRUCK.get(action, "*"))
    await strike(life, fault, "inquire")
    await acted(life, action)
    await once(life, action)


async def test_a_refund_that_takes_time_is_made_once(life: Life):
    await ready(life, "refund part")
    await strike(life, "refund_later")
    await acted(life, "refund part")
    await once(life, "refund part")


async def test_a_refund_that_fails_later_gives_nothing_back(life: Life):
    await ready(life, "refund part")
    await strike(life, "refund_fails_later")
    assert life.payment is not None
    await life.tell(RefundPayment(life.payment.id, uuid4(), "asked", PRICES[1]))
    for _ in range(40):
        payment = await chased(life)
        if payment.operations[-1].status is OperationStatus.FAIL:
            break
        await asyncio.sleep(0.02)
    # T-Bank never says which refund failed.
    unknown = life.world.adapter.name == "tbank"
    assert payment.operations[-1].status is (OperationStatus.UNKNOWN if unknown else OperationStatus.FAIL)
    assert (payment.status, payment.refunded) == (PaymentStatus.CAPTURED, 0)
    assert (await life.book())["refunded"] == 0


async def chased(life: Life) -> Payment:
    """Callbacks heard, and what is open asked about."""
    payment = await life.hear()
    for operation in payment.operations:
        if operation.is_open:
            payment = await life.tell(FollowUpOperation(payment.id, operation.id, operation.follow_ups))
    return payment


#: A bank's reason in the provider's words → in ours. What a provider has more words for is in its unit tests.
DECLINES = {
    "yandex-pay": {
        "INSUFFICIENT_FUNDS": "insufficient_funds",
        "CARD_EXPIRED": "card_expired",
        "FRAUD": "fraud_suspected",
        "ISSUER_UNAVAILABLE": "issuer_unavailable",
        "LIMIT_EXCEEDED": "limit_exceeded",
        "3DS_FAILED": "3d_secure_failed",
        "TO_BE_INVENTED": "declined",
    },
    "yookassa": {
        "insufficient_funds": "insufficient_funds",
        "card_expired": "card_expired",
        "fraud_suspected": "fraud_suspected",
        "issuer_unavailable": "issuer_unavailable",
        "payment_method_limit_exceeded": "limit_exceeded",
        "3d_secure_failed": "3d_secure_failed",
        "call_issuer": "call_issuer",
        "invalid_csc": "invalid_card",
        "permission_revoked": "method_revoked",
        "to_be_invented": "declined",
    },
    "stripe": {
        "insufficient_funds": "insufficient_funds",
        "expired_card": "card_expired",
        "fraudulent": "fraud_suspected",
        "issuer_not_available": "issuer_unavailable",
        "card_velocity_exceeded": "limit_exceeded",
        "payment_intent_authentication_failure": "3d_secure_failed",
        "authentication_required": "authentication_required",
        "incorrect_cvc": "invalid_card",
        "revocation_of_authorization": "method_revoked",
        "to_be_invented": "declined",
    },
    "tbank": {
        "1051": "insufficient_funds",
        "1054": "card_expired",
        "1034": "fraud_suspected",
        "1091": "issuer_unavailable",
        "1061": "limit_exceeded",
        "101": "3d_secure_failed",
        "1001": "call_issuer",
        "1014": "invalid_card",
        "7777": "declined",
    },
}


async def failed(life: Life) -> Payment:
    """By the answer, or by the callback that comes."""
    assert life.payment is not None
    if life.payment.status is PaymentStatus.PENDING:
        await life.called_back()
    assert life.payment.status is PaymentStatus.FAILED
    return life.payment


async def test_a_declined_charge_says_why_and_takes_nothing(life: Life):
    method = (await paid(life, save_method=True)).method_ref
    for word, reason in DECLINES[life.world.adapter.name].items():
        await strike(life, f"decline:{word}", "recur")
        await charge(life, method)
        payment = await failed(life)
        assert (word, payment.reason) == (word, reason)
        assert not any(o.is_open for o in payment.operations)
        assert await taken(life) == 0


async def test_a_method_that_was_revoked_is_not_charged(life: Life):
    method = (await paid(life, save_method=True)).method_ref
    await strike(life, "method_revoked", "recur")
    await charge(life, method)
    payment = await failed(life)
    # Two of them have no word for it.
    assert payment.reason == ("method_revoked" if payment.provider in ("yookassa", "stripe") else "declined")
    assert await taken(life) == 0


async def test_a_method_that_nobody_saved_cannot_be_charged(life: Life):
    await charge(life, "1/2")
    payment = await failed(life)
    assert payment.captured == await taken(life) == 0


async def taken(life: Life) -> int:
    """By all orders of the payment, in the provider's own record, whatever they are called."""
    assert life.payment is not None
    ours = {str(operation.id) for operation in life.payment.operations}
    orders = (await life.world.ask("GET", "/_sandbox/book"))["orders"]
    return sum(order["captured"] for order in orders if ours & set(order["keys"]))


async def test_a_customer_whom_the_bank_declines_is_told_why(life: Life):
    for word, reason in DECLINES[life.world.adapter.name].items():
        life.payment = None
        await opened(life)
        await life.pays("decline", word)
        if life.world.adapter.name == "stripe":  # a declined card leaves its page open to another
            assert (await chased(life)).status is PaymentStatus.PENDING
        else:
            assert (word, (await failed(life)).reason) == (word, reason)
        book = await life.book()
        assert (book["authorized"], book["captured"]) == (0, 0)


async def test_a_call_in_trouble_is_logged_with_what_was_said_and_without_what_opens_doors(life: Life):
    method = (await paid(life, save_method=True)).method_ref
    assert method is not None
    contact = Contact(email="customer@example.com", phone="+79001234567")
    order = msgspec.structs.replace(an_order(*PRICES), contact=contact)
    await strike(life, "error_500_after_commit", "recur")
    life.payment = None
    with capture_logs() as logs:
        await life.tell(a_create(order=order, provider=life.world.adapter.name, saved_method=method))
    (trouble,) = [entry for entry in logs if entry["log_level"] == "warning" and entry["action"] == Action.RECUR]
    assert trouble["outcome"] == Outcome.UNKNOWN
    said = trouble["exchanges"][-1]
    assert said["status"] == 500
    assert said["call"].startswith("POST /")
    assert said["sent"]
    for private in ("customer@example.com", "9001234567", "Film 1", API_KEY, *method.split("/")):
        assert private not in str(logs), private


async def test_a_provider_that_is_not_there_was_not_sent_anything(world: ProviderWorld):
    nowhere = world.make_adapter(url="http://127.0.0.1:1")
    await nowhere.start()
    try:
        life = Life(world)
        life.world = _Elsewhere(world, nowhere)  # type: ignore[assignment]
        await life.tell(a_create(order=an_order(*PRICES), provider=nowhere.name))
    finally:
        await nowhere.close()
    assert life.outcomes == [(Action.CREATE, Outcome.NOT_SENT)]


class _Elsewhere:
    """The world with another adapter."""

    def __init__(self, world: ProviderWorld, adapter: Any) -> None:
        self._world = world
        self.adapter = adapter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

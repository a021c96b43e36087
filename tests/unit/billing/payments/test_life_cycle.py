"""Any commands, results, callbacks and repeats, in any order: the money stays right."""

from datetime import timedelta
from uuid import UUID, uuid5

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from billing.messages import (
    AmendPayment,
    CapturePayment,
    CorrectPayment,
    ExpirePayment,
    FollowUpOperation,
    Message,
    Observation,
    ObservedOperation,
    ProviderCallback,
    ProviderRequest,
    ProviderResult,
    RecordChargeback,
    RecordMovement,
    RefundLine,
    RefundPayment,
    ReplyTo,
    ReportOutcome,
    RollbackPayment,
    UndoRefund,
    VoidPayment,
    WithdrawCharge,
)
from billing.orders import FIRST, RENEWAL, Cart, SubscriptionRef
from billing.payments.decide import decide
from billing.payments.model import Operation, Payment
from billing.vocabulary import Action, CaptureMode, LearntBy, OperationStatus, OperationType, Outcome, PaymentStatus
from tests.support.factories import NOW, a_create, an_order

STATUSES = st.sampled_from([None, *PaymentStatus])
REASONS = st.sampled_from(["declined", "issuer_unavailable", "insufficient_funds"])
UNSENT = st.sampled_from(["unreachable", "too_late", "method_removed", "method_dead"])
REPLY_TO = ReplyTo(1, "waiting")
#: Message → how it shows the end of an operation.
_LEARNT = {
    ProviderCallback: LearntBy.CALLBACK,
    CorrectPayment: LearntBy.OPERATOR,
    RecordMovement: LearntBy.OPERATOR,
    UndoRefund: LearntBy.STATEMENT,
    RecordChargeback: LearntBy.STATEMENT,
}


def charge_of(payment: Payment) -> Operation:
    """The operation that takes or holds the customer's money."""
    return [o for o in payment.operations if o.type in (OperationType.AUTHORIZE, OperationType.RECURRING)][-1]


def learnt_by(message: Message) -> LearntBy:
    if isinstance(message, ProviderResult):
        return LearntBy.INQUIRY if message.action is Action.INQUIRE else LearntBy.ANSWER
    return _LEARNT[type(message)]


class LifeCycle(RuleBasedStateMachine):
    """A payment, and a world that says anything about it."""

    payment: Payment

    @initialize(
        mode=st.sampled_from(CaptureMode),
        prices=st.lists(st.integers(1, 1000), min_size=1, max_size=3),
        saved=st.sampled_from([None, "method-1"]),
        alternatives=st.sampled_from([(), ("stripe",), ("stripe", "tbank")]),
        purpose=st.sampled_from([None, FIRST, RENEWAL]),
    )
    def create(
        self,
        mode: CaptureMode,
        prices: list[int],
        saved: str | None,
        alternatives: tuple[str, ...],
        purpose: str | None,
    ) -> None:
        self.now = NOW
        self.balances: dict[str, int] = {}
        self.posted: set[UUID] = set()
        self.history: list[Message] = []
        self.requests: list[ProviderRequest] = []
        self.settled_by_word: set[UUID] = set()
        subscription = None if purpose is None else SubscriptionRef(UUID(int=14), 1, 1, purpose)
        order = msgspec.structs.replace(an_order(*prices), subscription=subscription)
        message = a_create(UUID(int=7), order=order, capture_mode=mode, saved_method=saved, alternatives=alternatives)
        decision = decide(None, message, self.now)
        assert decision.payment is not None
        self.payment = decision.payment
        self.requests += decision.requests

    def tell(self, message: Message) -> None:
        before = self.payment
        self.now += timedelta(seconds=1)
        decision = decide(before, message, self.now)
        after = decision.payment
        assert after is not None
        assert after.version - before.version == (after is not before)
        assert (decision.event is not None) == (after is not before)
        told = after.order.subscription is not None and (after is not before or isinstance(message, ReportOutcome))
        assert (decision.outcome is not None) == told
        if after.withdrawn is not None:
            assert not [r for r in decision.requests if r.action in (Action.CREATE, Action.RECUR)], "charged once more"
        self._watch_unknown(before, after, message)
        self._watch_failover(before, after, message)
        self._watch_learnt(before, after, message)
        for posting in decision.postings:
            assert posting.id not in self.posted, "posted twice"
            self.posted.add(posting.id)
            for entry in posting.entries:
                account = str(entry.account)
                self.balances[account] = self.balances.get(account, 0) + entry.amount
        for request in decision.requests:
            assert after.operation(request.operation_id) is not None, "asked before it was on record"
        if getattr(message, "reply_to", None) is not None:
            assert decision.reply is not None or decision.requests, (
                "the caller gets a reply, now or after the provider's answer"
            )
        self.payment = after
        self.requests += decision.requests
        self.history.append(message)

    def _watch_unknown(self, before: Payment, after: Payment, message: Message) -> None:
        """Unknown never becomes failed without evidence from the provider or a named operator."""
        evidence = isinstance(message, ProviderResult | ProviderCallback | CorrectPayment)
        for operation in before.operations:
            now = after.operation(operation.id)
            assert now is not None, "an operation never vanishes"
            if operation.status is OperationStatus.UNKNOWN and now.status is OperationStatus.FAIL:
                assert evidence
                if isinstance(message, ProviderResult):
                    assert message.outcome in (Outcome.DECLINED, Outcome.SUCCEEDED, Outcome.PENDING)

    def _watch_learnt(self, before: Payment, after: Payment, message: Message) -> None:
        """How an end was learnt is kept with it, and changes only with another end."""
        if isinstance(message, WithdrawCharge):
            return  # what was not sent ends without a word
        for now in after.operations:
            was = before.operation(now.id)
            if not now.is_open and (was is None or was.status is not now.status):
                assert now.learnt_by is learnt_by(message)
            elif was is not None:
                assert (now.learnt_by, now.occurred_at) == (was.learnt_by, was.occurred_at)

    def _watch_failover(self, before: Payment, after: Payment, message: Message) -> None:
        """A payment moves on from an order that was declined or never sent, and from no other."""
        if after.provider == before.provider:
            return
        left = before.operation(charge_of(before).id)
        assert left is not None
        assert (before.status, before.authorized) == (PaymentStatus.PENDING, 0)
        if isinstance(message, ProviderResult) and message.outcome is Outcome.NOT_SENT:
            assert left.outcome is None, "a call before this one may have arrived"
        else:
            assert isinstance(message, ProviderResult | ProviderCallback), "declined on evidence only"

    def operation(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from([o.id for o in self.payment.operations]))

    @rule(key=st.integers(0, 3), amount=st.none() | st.integers(0, 3000), with_cart=st.booleans())
    def capture(self, key: int, amount: int | None, with_cart: bool) -> None:
        cart = None
        if with_cart and amount:
            first = self.payment.order.cart.items[0]
            cart = Cart((msgspec.structs.replace(first, unit_price=amount),))
        self.tell(CapturePayment(self.payment.id, self.key("capture", key), amount, cart, REPLY_TO))

    @rule(key=st.integers(0, 2))
    def void(self, key: int) -> None:
        self.tell(VoidPayment(self.payment.id, self.key("void", key), "changed their mind", REPLY_TO))

    @rule(key=st.integers(0, 9), amount=st.none() | st.integers(-1, 1500))
    def refund(self, key: int, amount: int | None) -> None:
        self.tell(RefundPayment(self.payment.id, self.key("refund", key), "asked", amount, reply_to=REPLY_TO))

    @rule(key=st.integers(10, 19), line=st.integers(0, 2), quantity=st.integers(0, 2))
    def refund_item(self, key: int, line: int, quantity: int) -> None:
        items = self.payment.order.cart.items
        product = items[line % len(items)].product_id
        lines = (RefundLine(product, quantity),)
        self.tell(RefundPayment(self.payment.id, self.key("refund", key), "asked", None, lines, REPLY_TO))

    @rule(key=st.integers(0, 2))
    def rollback(self, key: int) -> None:
        self.tell(RollbackPayment(self.payment.id, self.key("rollback", key), "fraud", REPLY_TO))

    @rule()
    def withdraw(self) -> None:
        self.tell(WithdrawCharge(self.payment.id, "cancelled"))

    @rule()
    def report(self) -> None:
        self.tell(ReportOutcome(self.payment.id))

    @rule()
    def expire(self) -> None:
        self.tell(ExpirePayment(self.payment.id))

    @rule(data=st.data(), succeeded=st.booleans(), number=st.integers(0, 50))
    def correct(self, data: st.DataObject, succeeded: bool, number: int) -> None:
        correction = self.key("correct", number)
        self.tell(
            CorrectPayment(
                self.payment.id, correction, self.operation(data), succeeded, "Olga", "bank statement", REPLY_TO
            )
        )

    @rule(line=st.integers(0, 3), amount=st.integers(0, 1500), undone=st.booleans(), data=st.data())
    def charge_back(self, line: int, amount: int, undone: bool, data: st.DataObject) -> None:
        provider = self.some_provider(data)
        self.tell(RecordChargeback(self.payment.id, provider, f"line-{line}", "dispute-1", amount, undone))

    @rule(line=st.integers(0, 3), data=st.data(), whole=st.booleans())
    def undo_refund(self, line: int, data: st.DataObject, whole: bool) -> None:
        operation = self.payment.operation(self.operation(data))
        assert operation is not None
        amount = operation.amount if whole else 1
        self.tell(UndoRefund(self.payment.id, self.some_provider(data), f"line-{line}", operation.id, amount))

    @rule(
        line=st.integers(0, 3),
        type=st.sampled_from(["CAPTURE", "REFUND"]),
        amount=st.integers(0, 1500),
        ref=st.sampled_from([None, "ref-1", "ref-2"]),
        data=st.data(),
    )
    def record(self, line: int, type: str, amount: int, ref: str | None, data: st.DataObject) -> None:
        provider = self.some_provider(data)
        self.tell(
            RecordMovement(
                self.payment.id, provider, f"line-{line}", type, amount, "Olga", "by hand", ref, reply_to=REPLY_TO
            )
        )

    @rule(
        blocked=st.sampled_from([None, False, True]),
        seat=st.sampled_from([None, "11", "12"]),
        redrive=st.booleans(),
        behind=st.sampled_from([None, 0, 1]),
    )
    def amend(self, blocked: bool | None, seat: str | None, redrive: bool, behind: int | None) -> None:
        amounts, operations = self.amounts(), self.payment.operations
        self.tell(
            AmendPayment(
                self.payment.id,
                self.key("amend", 1),
                "Olga",
                "by hand",
                metadata={"seat": seat},
                refunds_blocked=blocked,
                redrive=redrive,
                reply_to=REPLY_TO,
                if_version=None if behind is None else self.payment.version - behind,
            )
        )
        assert (self.amounts(), self.payment.operations) == (amounts, operations)

    def some_provider(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted({o.provider for o in self.payment.operations})))

    @rule(data=st.data())
    def follow_up(self, data: st.DataObject) -> None:
        operation = self.payment.operation(self.operation(data))
        assert operation is not None
        self.tell(FollowUpOperation(self.payment.id, operation.id, data.draw(st.integers(0, operation.follow_ups))))

    @precondition(lambda self: self.requests)
    @rule(
        data=st.data(),
        outcome=st.sampled_from(Outcome),
        status=STATUSES,
        url=st.booleans(),
        listed=st.booleans(),
        reason=REASONS,
        unsent=UNSENT,
        reply_to=st.sampled_from([None, REPLY_TO]),
    )
    def answer(
        self,
        data: st.DataObject,
        outcome: Outcome,
        status: PaymentStatus | None,
        url: bool,
        listed: bool,
        reason: str,
        unsent: str,
        reply_to: ReplyTo | None,
    ):
        request = data.draw(st.sampled_from(self.requests))
        observed = None
        if request.action is Action.INQUIRE:
            operations = (self.observed(request.operation_id, data),) if listed else ()
            observed = Observation(status, operations, reason if status is PaymentStatus.FAILED else None)
        self.tell(
            ProviderResult(
                request.payment_id,
                request.operation_id,
                request.provider,
                request.action,
                outcome,
                payment_url="https://pay.example/1" if url and request.action is Action.CREATE else None,
                reason={Outcome.DECLINED: reason, Outcome.NOT_SENT: unsent}.get(outcome),
                observed=observed if outcome is Outcome.SUCCEEDED else None,
                reply_to=reply_to,
            )
        )

    @rule(status=STATUSES, data=st.data(), with_operation=st.booleans(), reason=REASONS, ask=st.booleans())
    def callback(
        self, status: PaymentStatus | None, data: st.DataObject, with_operation: bool, reason: str, ask: bool
    ) -> None:
        operations = (self.observed(self.operation(data), data),) if with_operation else ()
        provider = data.draw(st.sampled_from(sorted({o.provider for o in self.payment.operations})))
        observed = Observation(status, operations, reason if status is PaymentStatus.FAILED else None)
        self.tell(ProviderCallback(self.payment.id, provider, "event", observed, ask=ask))

    @precondition(lambda self: self.history)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        self.tell(data.draw(st.sampled_from(self.history)))

    @precondition(lambda self: self.history and not isinstance(self.history[-1], FollowUpOperation | ExpirePayment))
    @rule()
    def repeat_at_once(self) -> None:
        """The same message twice in a row moves no money the second time."""
        balances, amounts = dict(self.balances), self.amounts()
        self.tell(self.history[-1])
        assert (self.balances, self.amounts()) == (balances, amounts)

    def observed(self, operation_id: UUID, data: st.DataObject) -> ObservedOperation:
        operation = self.payment.operation(operation_id)
        assert operation is not None
        return ObservedOperation(operation.type, data.draw(st.sampled_from(OperationStatus)), operation_id)

    def key(self, what: str, number: int) -> UUID:
        return uuid5(self.payment.id, f"{what}/{number}")

    def amounts(self) -> tuple[int, int, int, int]:
        payment = self.payment
        return payment.authorized, payment.captured, payment.refunded, payment.charged_back

    @invariant()
    def money_is_right(self) -> None:
        payment = self.payment
        payment.check()
        assert sum(self.balances.values()) == 0
        clearing = self.balances.get(f"clearing:{payment.provider}", 0)
        left = payment.captured - payment.refunded - payment.charged_back
        assert clearing == left, "the ledger and the payment disagree"
        assert self.balances.get("chargebacks", 0) == payment.charged_back

    @invariant()
    def nobody_keeps_the_money_of_an_order_that_was_left(self) -> None:
        for provider in {o.provider for o in self.payment.operations} - {self.payment.provider}:
            there = [o for o in self.payment.operations if o.provider == provider]
            taken = [o for o in there if o.type is OperationType.CAPTURE]
            returns = [o for o in there if o.type is OperationType.REFUND]
            assert len(taken) == len(returns) <= 1
            kept = sum(o.amount for o in returns if o.is_open)
            assert self.balances.get(f"clearing:{provider}", 0) == kept, "taken, and not on its way back"
            assert all(o.status is OperationStatus.SUCCESS or o.is_open for o in returns)

    @invariant()
    def nobody_keeps_the_money_of_a_withdrawn_charge(self) -> None:
        payment = self.payment
        if payment.withdrawn is not None:
            given_back = any(o.id == uuid5(payment.id, "withdrawn") for o in payment.operations)
            assert given_back or payment.refundable == 0

    @invariant()
    def amounts_are_those_of_the_successful_operations(self) -> None:
        payment = self.payment
        done = [o for o in payment.standing if o.status is OperationStatus.SUCCESS]

        def total(*types: OperationType) -> int:
            return sum(o.amount for o in done if o.type in types)

        assert payment.captured == total(OperationType.CAPTURE, OperationType.RECURRING)
        assert payment.refunded == total(OperationType.REFUND)
        assert payment.charged_back == total(OperationType.CHARGEBACK) - total(OperationType.CHARGEBACK_UNDONE)
        assert payment.authorized == total(OperationType.AUTHORIZE, OperationType.RECURRING)

    @invariant()
    def status_tells_the_amounts(self) -> None:
        payment = self.payment
        if payment.captured == 0:
            assert payment.status not in (
                PaymentStatus.CAPTURED,
                PaymentStatus.PARTIALLY_REFUNDED,
                PaymentStatus.REFUNDED,
            )
        elif payment.refunded == 0:
            assert payment.status is PaymentStatus.CAPTURED
        elif payment.refunded < payment.captured:
            assert payment.status is PaymentStatus.PARTIALLY_REFUNDED
        else:
            assert payment.status is PaymentStatus.REFUNDED

    @invariant()
    def nobody_is_forgotten(self) -> None:
        for operation in self.payment.operations:
            assert operation.next_follow_up_at is not None or not operation.is_open
        # What an operator said is not asked about: a capture that was none leaves the hold to them.
        corrected = any(operation.corrections for operation in self.payment.operations)
        if self.payment.status is PaymentStatus.AUTHORIZED and not corrected:
            assert any(operation.next_follow_up_at is not None for operation in self.payment.operations)


LifeCycle.TestCase.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestLifeCycle = LifeCycle.TestCase

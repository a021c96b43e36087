"""The rule of evidence: what follows from a provider's view of an order, by comparison with the books. A pure function.

An answer of the provider about the order decides. A callback, and an answer to books that have changed since, only
confirm what was requested, to the unit; where they say anything else the provider is asked. An answer that still
contradicts the books moves nothing: a person has to settle it. docs/guarantees.md states the rule.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

import msgspec

from billing.messages import Observation, ObservedOperation, ProviderReason
from billing.money import Money
from billing.payments.model import CHARGES, Operation, Payment
from billing.reasons import Reason
from billing.vocabulary import Action, CaptureMode, OperationStatus, OperationType, PaymentStatus

_PAID = (PaymentStatus.CAPTURED, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED)
_ENDED = (PaymentStatus.FAILED, PaymentStatus.VOIDED)
_BEFORE = (PaymentStatus.PENDING, PaymentStatus.AUTHORIZED)
#: Open refunds whose sums are tried, at a provider that does not list refunds; of more, only all of them together.
_REFUNDS_TRIED = 10


class Effect(StrEnum):
    """What happened to an operation."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNDONE = "undone"
    """It succeeded, and failed afterwards: the money is back with us."""


class Movement(msgspec.Struct, frozen=True):
    """One consequence. ``operation``: the payment's, with the amount that the provider shows, or a new one. ``reason``: why
    it failed or was undone; ``provider_reason``: in the provider's own words."""

    effect: Effect
    operation: Operation
    reason: str | None = None
    provider_reason: ProviderReason | None = None


class Verdict(msgspec.Struct, frozen=True):
    """``movements`` in their order, or else ``contradiction``: what is not as the books have it, for people.
    ``unfinished``: the provider is still processing something that we did not request."""

    movements: tuple[Movement, ...] = ()
    contradiction: str | None = None
    unfinished: bool = False


def compare(payment: Payment, observed: Observation, now: datetime, *, decides: bool) -> Verdict:
    """What follows from ``observed``, about the order at the payment's provider. ``decides``: it is the provider's answer
    to the present books."""
    comparison = _Comparison(payment, observed, now, decides=decides)
    try:
        comparison.run()
    except _Contradicts as found:
        return Verdict(contradiction=str(found))
    return Verdict(tuple(comparison.movements), unfinished=comparison.unfinished)


class _Contradicts(Exception):
    """The observation says something else than the books."""


class _Comparison:
    """The books while the observation is applied to them."""

    def __init__(self, payment: Payment, observed: Observation, now: datetime, *, decides: bool) -> None:
        self.movements: list[Movement] = []
        self.unfinished = False
        self._payment = payment
        self._observed = observed
        self._now = now
        self._decides = decides
        self._operations = {o.id: o for o in payment.standing}
        self._authorized, self._captured, self._refunded = payment.authorized, payment.captured, payment.refunded
        self._charged_back = payment.charged_back

    def run(self) -> None:
        payment, observed = self._payment, self._observed
        if observed.currency not in (None, payment.order.currency):
            raise _Contradicts(f"the currency is {observed.currency} there, {payment.order.currency} here")
        self._charge()
        # An undone refund makes room for the others.
        for seen in sorted(observed.operations, key=lambda o: o.status is not OperationStatus.FAIL):
            if (operation := self._find(seen)) is not None:
                self._named(operation, seen)
        self._capture()
        self._refunds()
        self._end()

    def _charge(self) -> None:
        payment, observed, charge = self._payment, self._observed, self._payment.charge
        held, taken = observed.authorized, observed.captured
        if observed.status not in (PaymentStatus.AUTHORIZED, *_PAID) and not taken:
            return
        if observed.status is PaymentStatus.AUTHORIZED and charge.type is OperationType.RECURRING:
            return  # it charges only once the money is captured
        if self._authorized:
            self._same("authorized", held, self._authorized)
            return
        if held is None and payment.capture_mode is CaptureMode.ONE_STAGE:
            held = taken
        self._same("authorized", held, charge.amount)
        if payment.status is not PaymentStatus.PENDING:
            self._needs_answer(f"{observed.status} there, {payment.status} here")
        self._uncorrected(charge)
        self._succeed(charge)

    def _named(self, operation: Operation, seen: ObservedOperation) -> None:
        """One of our operations, or one made for the provider's own."""
        what = f"{operation.type} {operation.id}"
        if seen.status is OperationStatus.SUCCESS:
            operation = self._as_given_back(operation, seen)
            self._same(what, seen.amount, operation.amount)
            if operation.status is not OperationStatus.SUCCESS:
                self._named_success(operation, f"{what} succeeded there")
        elif seen.status is OperationStatus.FAIL:
            reason = seen.reason or Reason.DECLINED
            if operation.is_open:
                if operation.type is not OperationType.REFUND:
                    self._needs_answer(f"{what} failed there")
                self._move(Effect.FAILED, operation, reason, seen.provider_reason)
            elif operation.status is OperationStatus.SUCCESS:
                self._undo(operation, f"{what} failed there and succeeded here", seen)

    def _as_given_back(self, operation: Operation, seen: ObservedOperation) -> Operation:
        """A rollback gives back what is left at the provider: less than we asked for, where the staff refunded a part that we
        have not heard of. The operation then has the amount that the provider states, if by its own sum nothing is left."""
        gives_rest = (
            operation.type is OperationType.REFUND and operation.action is Action.ROLLBACK and operation.is_open
        )
        if not gives_rest or seen.amount is None or not 1 <= seen.amount < operation.amount or not self._decides:
            return operation
        if self._refunded_there() != self._captured - self._charged_back:
            return operation
        return msgspec.structs.replace(operation, amount=seen.amount)

    def _named_success(self, operation: Operation, there: str) -> None:
        if not operation.is_open:
            self._needs_answer(f"{there} and failed here")
            self._uncorrected(operation)
        if operation.type in (OperationType.CAPTURE, OperationType.VOID) and self._captured:
            raise _Contradicts(f"{there}, {self._money(self._captured)} are captured here")
        if operation.type is OperationType.REFUND and operation.amount > self._room(operation):
            raise _Contradicts(f"{there}, {self._money(self._room(operation))} can be refunded here")
        if operation.type is OperationType.VOID:
            self._fail_captures()
        self._succeed(operation)

    def _undo(self, operation: Operation, there: str, seen: ObservedOperation) -> None:
        self._needs_answer(there)
        self._uncorrected(operation)
        if operation.type is not OperationType.REFUND:
            raise _Contradicts(there)
        self._refunded -= operation.amount
        self._move(Effect.UNDONE, operation, seen.reason or Reason.DECLINED, seen.provider_reason)

    def _capture(self) -> None:
        taken, in_one_stage = self._observed.captured, self._payment.capture_mode is CaptureMode.ONE_STAGE
        if self._observed.status not in _PAID and not taken:
            if not in_one_stage and not self._captured and any(self._unnamed(OperationType.CAPTURE)):
                self._needs_answer("captured there without a request")
            return
        if self._captured:
            self._same("captured", taken, self._captured)
            return
        requested = self._open(OperationType.CAPTURE)
        if taken is None:
            taken = self._presumed(requested)
        if not 1 <= taken <= self._authorized:
            raise _Contradicts(f"{self._money(taken)} captured there of {self._money(self._authorized)} here")
        for operation in requested:
            if operation.amount == taken:
                self._succeed(operation)
                return
        if not in_one_stage or taken != self._authorized:
            self._needs_answer(f"{self._money(taken)} captured there without a request")
        self._uncorrected(*(o for o in self._operations.values() if o.type is OperationType.CAPTURE))
        self._succeed(self._made_there(OperationType.CAPTURE, taken, Reason.CAPTURED_BY_PROVIDER))

    def _presumed(self, requested: Sequence[Operation]) -> int:
        """What was captured, where the provider does not state it: all that one stage takes, or what we requested."""
        unstated = "captured there, the amount is not stated"
        in_one_stage = self._payment.capture_mode is CaptureMode.ONE_STAGE
        if not (in_one_stage and self._payment.status is PaymentStatus.PENDING):
            self._needs_answer(unstated)
        if requested:
            return requested[0].amount
        if not in_one_stage:
            raise _Contradicts(unstated)
        return self._authorized

    def _refunds(self) -> None:
        observed = self._observed
        unnamed = [o for o in self._unnamed(OperationType.REFUND) if o.status is not OperationStatus.FAIL]
        if unnamed:
            self._needs_answer("refunded there without a request")
        self.unfinished = any(o.status in (OperationStatus.PENDING, OperationStatus.UNKNOWN) for o in unnamed)
        total = self._refunded_there()
        if total is None:
            return
        missing = total - self._refunded
        if missing < 0 or total > self._captured - self._charged_back:
            books = f"{self._money(self._refunded)} of {self._money(self._captured)} here"
            if self._charged_back:
                books += f", {self._money(self._charged_back)} of it charged back"
            raise _Contradicts(f"{self._money(total)} refunded there, {books}")
        for operation in self._explaining(missing, listed=bool(observed.operations), whole=total == self._captured):
            missing -= operation.amount
            self._succeed(operation)
        if missing:
            self._needs_answer(f"{self._money(missing)} refunded there without a request")
            done = [o for o in unnamed if o.status is OperationStatus.SUCCESS]
            self._refunded_without_request(missing, total, done)

    def _refunded_there(self) -> int | None:
        """All that was refunded, where the provider says so."""
        observed, status = self._observed, self._observed.status
        if observed.refunded is not None:
            return observed.refunded
        if status is PaymentStatus.REFUNDED:
            return self._captured
        if status is PaymentStatus.FAILED and self._captured and self._decides:
            # Closed by our own rollback: what was captured was refunded.
            return self._captured if any(o.action is Action.ROLLBACK and o.is_open for o in self._open()) else None
        if status is PaymentStatus.PARTIALLY_REFUNDED and not observed.operations:
            open = self._open(OperationType.REFUND)
            if not self._refunded or open:
                raise _Contradicts("partly refunded there, the amount is not stated")
        return None

    def _explaining(self, missing: int, *, listed: bool, whole: bool) -> Sequence[Operation]:
        """Our open refunds that the provider made, where it does not name them: all when nothing is left, else those
        whose amounts alone add up to it."""
        open = self._open(OperationType.REFUND)
        if whole:
            done, left = [], missing
            for operation in open:
                if operation.amount <= left:
                    done.append(operation)
                    left -= operation.amount
            return done
        if listed or not missing or not open:
            return ()
        found = [chosen for chosen in _choices(open) if sum(o.amount for o in chosen) == missing]
        if len(found) != 1:
            raise _Contradicts(
                f"{self._money(missing)} refunded there, and which of our open refunds that was is not known"
            )
        return found[0]

    def _refunded_without_request(self, missing: int, total: int, unnamed: Sequence[ObservedOperation]) -> None:
        reserved = sum(o.amount for o in self._open(OperationType.REFUND))
        if missing > self._captured - self._charged_back - self._refunded - reserved:
            raise _Contradicts(f"{self._money(missing)} refunded there that open refunds reserve here")
        reason = Reason.ROLLED_BACK if self._observed.status in _ENDED else Reason.REFUNDED_AT_PROVIDER
        named = [(o.provider_ref, o.amount or 0) for o in unnamed if o.provider_ref is not None]
        if sum(amount for _, amount in named) == missing:
            for ref, amount in named:
                made = self._made_there(OperationType.REFUND, amount, reason, f"refund/{ref}")
                self._succeed(msgspec.structs.replace(made, provider_ref=ref))
            return
        self._uncorrected(*(o for o in self._operations.values() if o.type is OperationType.REFUND))
        name = f"refunded/{total}"
        if self._id(OperationType.REFUND, name) in self._operations:
            name += f"/{self._payment.version}"
        self._succeed(self._made_there(OperationType.REFUND, missing, reason, name))

    def _end(self) -> None:
        payment, status = self._payment, self._observed.status
        here = f"{status} there, {payment.status} here"
        if payment.status is PaymentStatus.AUTHORIZED and any(self._unnamed(OperationType.VOID)):
            self._needs_answer("released there without a request")
        if status in _ENDED:
            self._ended(here)
        elif status in _BEFORE and self._decides:
            later = self._captured or payment.status is PaymentStatus.VOIDED
            if later or (self._authorized and status is PaymentStatus.PENDING):
                raise _Contradicts(here)
        if self._decides and (status in _ENDED or 0 < self._captured == self._refunded):
            # A rollback of ours is done with it; a payment made meanwhile is refunded.
            for operation in self._open(OperationType.VOID):
                self._succeed(operation)

    def _ended(self, here: str) -> None:
        """The provider closed the order."""
        payment, observed = self._payment, self._observed
        if self._captured:
            if self._refunded != self._captured:
                raise _Contradicts(here)
        elif self._authorized:
            if payment.status is PaymentStatus.AUTHORIZED:
                self._released(here)
        elif payment.status is PaymentStatus.PENDING:
            self._needs_answer(here)
            reason = Reason.VOIDED if observed.status is PaymentStatus.VOIDED else observed.reason
            self._move(Effect.FAILED, payment.charge, reason or Reason.DECLINED, observed.provider_reason)

    def _released(self, here: str) -> None:
        """The hold ended without a capture."""
        voids = self._open(OperationType.VOID)
        if not voids:
            self._needs_answer(here)
            self._uncorrected(*(o for o in self._operations.values() if o.type is OperationType.VOID))
            voids = [self._made_there(OperationType.VOID, self._authorized, Reason.HOLD_RELEASED)]
        self._fail_captures()
        self._succeed(voids[0])

    def _fail_captures(self) -> None:
        for operation in self._open(OperationType.CAPTURE):
            self._move(Effect.FAILED, operation, Reason.VOIDED)

    def _find(self, seen: ObservedOperation) -> Operation | None:
        """Our operation for one of the provider's: found by our id or by the provider's, or made for it before. A rollback of an unpaid
        order that met a payment is a refund there, which is not the release that we requested."""
        same = [o for o in self._operations.values() if o.type is seen.type]
        ids = (seen.operation_id, self._id(seen.type, f"{seen.type.lower()}/{seen.provider_ref}"))
        found = next((o for o in same if o.id in ids), None)
        if found is not None or seen.provider_ref is None or seen.type in CHARGES:
            return found  # the name of an operation that opened an order is the order's
        return next((o for o in same if o.provider_ref == seen.provider_ref), None)

    def _unnamed(self, type: OperationType) -> Iterable[ObservedOperation]:
        """What the provider has without a request of ours that the books know."""
        return (o for o in self._observed.operations if o.type is type and self._find(o) is None)

    def _open(self, type: OperationType | None = None) -> list[Operation]:
        return [o for o in self._operations.values() if o.is_open and type in (None, o.type)]

    def _room(self, refund: Operation) -> int:
        """What this refund may come to, minor units."""
        reserved = sum(o.amount for o in self._open(OperationType.REFUND) if o.id != refund.id)
        return self._captured - self._charged_back - self._refunded - reserved

    def _same(self, what: str, there: int | None, here: int) -> None:
        if there is not None and there != here:
            raise _Contradicts(f"{what}: {self._money(there)} there, {self._money(here)} here")

    def _needs_answer(self, what: str) -> None:
        """Only the provider's answer may say this."""
        if not self._decides:
            raise _Contradicts(what)

    def _uncorrected(self, *operations: Operation) -> None:
        """What an operator or the provider's statement said of an operation is not overruled by an answer."""
        for operation in operations:
            if operation.corrections:
                raise _Contradicts(f"{operation.type} {operation.id} was corrected here")

    def _succeed(self, operation: Operation) -> None:
        match operation.type:
            case OperationType.AUTHORIZE:
                self._authorized = operation.amount
            case OperationType.RECURRING:
                self._authorized = self._captured = operation.amount
            case OperationType.CAPTURE:
                self._authorized = self._authorized or self._payment.charge.amount
                self._captured += operation.amount
            case OperationType.REFUND:
                self._refunded += operation.amount
            case OperationType.VOID | OperationType.CHARGEBACK | OperationType.CHARGEBACK_UNDONE:
                pass
        self._move(Effect.SUCCEEDED, operation)

    def _move(
        self,
        effect: Effect,
        operation: Operation,
        reason: str | None = None,
        provider_reason: ProviderReason | None = None,
    ) -> None:
        self.movements.append(Movement(effect, operation, reason, provider_reason))
        status = OperationStatus.SUCCESS if effect is Effect.SUCCEEDED else OperationStatus.FAIL
        self._operations[operation.id] = msgspec.structs.replace(operation, status=status)

    def _made_there(self, type: OperationType, amount: int, reason: str, name: str | None = None) -> Operation:
        """An operation that the provider made without a request of ours: the capture in one stage, the release of a hold,
        whatever is done in the provider's console. ``name``: the provider's own; there is only one capture or void."""
        payment = self._payment
        number = sum(o.type is type for o in payment.operations) + 1
        return Operation(
            id=self._id(type, name or f"{type}/provider/{number}"),
            type=type,
            action=Action.INQUIRE,
            status=OperationStatus.PENDING,
            amount=amount,
            provider=payment.provider,
            reason=reason,
            created_at=self._now,
            updated_at=self._now,
        )

    def _id(self, type: OperationType, name: str) -> UUID:
        prefix = f"{self._payment.provider}/" if type is OperationType.REFUND else ""
        return uuid5(self._payment.id, prefix + name)

    def _money(self, amount: int) -> Money:
        return Money(amount, self._payment.order.currency)


def _choices(refunds: Sequence[Operation]) -> Iterable[Sequence[Operation]]:
    """Every choice of one or more of a few refunds; of many, only all of them."""
    if len(refunds) > _REFUNDS_TRIED:
        return (refunds,)
    choices: list[list[Operation]] = [[]]
    for refund in refunds:
        choices += [[*chosen, refund] for chosen in choices]
    return choices[1:]

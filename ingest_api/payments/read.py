"""Reads of one payment: the payment, its operations, its timeline."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, get_args
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from billing.payments.decision import snapshot
from billing.payments.model import Payment
from ingest_api.auth.client import ReadingClient
from ingest_api.dependencies import Injected, Reads
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.openapi.responses import ADMISSION, OWN_PAYMENT, conditional, problems
from ingest_api.payments.views import (
    ExpandedPayment,
    Expansion,
    OperationOut,
    OperationResult,
    expanded,
    operation_result,
    operation_view,
)
from ingest_api.problems import Problem, ProblemError, refused

router: Final = APIRouter(
    prefix="/v1/payments/{payment_id}", tags=["payments"], route_class=ConditionalRoute, dependencies=[CONDITIONAL]
)

_EXPANDABLE: Final = frozenset(get_args(Expansion))
_PATTERN: Final = "^({0})(,({0}))*$".format("|".join(sorted(_EXPANDABLE, reverse=True)))


def _split(values: Any) -> frozenset[str]:
    names = frozenset(name for value in values for name in value.split(","))
    if not names <= _EXPANDABLE:
        raise PydanticCustomError("expand", "Should be order, cart or both, separated by a comma")
    return names


#: ``?expand=order,cart``: members that a payment's JSON has on request.
Expand = Annotated[
    frozenset[Expansion],
    BeforeValidator(_split),
    WithJsonSchema({"type": "string", "pattern": _PATTERN}),
    Query(
        default_factory=frozenset,
        description="`order`, `cart` or both, separated by a comma",
        examples=["order,cart"],
    ),
]

#: Problems that a waiting caller gets when the payments agent refuses a command on a payment.
_COMMAND_REFUSED: Final = (
    Problem.NOT_AUTHORIZED,
    Problem.OPERATION_IN_PROGRESS,
    Problem.OUTCOME_UNKNOWN,
    Problem.REFUSED,
    Problem.IDEMPOTENCY_KEY_REUSED,
    Problem.AMOUNT_EXCEEDS_AUTHORIZED,
    Problem.CART_REQUIRED,
    Problem.CART_TOTAL_MISMATCH,
    Problem.NOT_CAPTURED,
    Problem.AMOUNT_EXCEEDS_REFUNDABLE,
    Problem.ITEMS_NOT_REFUNDABLE,
    Problem.ALREADY_CLOSED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationList:
    """The operations of a payment, oldest first."""

    data: tuple[OperationOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One thing that happened. ``kind`` is stable, the wording of ``summary`` is not."""

    at: datetime
    kind: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Everything that happened to a payment, oldest first."""

    data: tuple[TimelineEntry, ...]


async def find_payment(reads: Reads, client: str, payment_id: UUID) -> Payment:
    """The client's payment. 404 when it has none with this id. If the command that was to open it was accepted (202)
    and then refused by the payments agent, the problem that a waiting caller received."""
    payment = await reads.payment(client, payment_id)
    if payment is None:
        if (refusal := await reads.refusal(client, payment_id, None)) is not None:
            raise refused(refusal)
        raise ProblemError(Problem.PAYMENT_NOT_FOUND, Problem.PAYMENT_NOT_FOUND.cause)
    return payment


async def _own_payment(dependencies: Injected, client: ReadingClient, payment_id: UUID) -> Payment:
    return await find_payment(dependencies.reads, client, payment_id)


#: The payment of the path, as a parameter of an endpoint: the client's own.
OwnPayment = Annotated[Payment, Depends(_own_payment)]


@router.get(
    "",
    summary="Read a payment",
    responses=conditional("The payment") | problems(*ADMISSION, *OWN_PAYMENT, Problem.INVALID_REQUEST),
)
async def read_payment(payment: OwnPayment, expand: Expand) -> ExpandedPayment:
    """The payment as committed by the payments agent."""
    return expanded(payment, expand)


@router.get(
    "/operations",
    summary="List the operations of a payment",
    responses=conditional("The operations, oldest first") | problems(*ADMISSION, *OWN_PAYMENT),
)
async def read_operations(payment: OwnPayment) -> OperationList:
    """Oldest first."""
    shown = snapshot(payment, payment.operations)
    return OperationList(data=tuple(operation_view(operation) for operation in shown.operations))


@router.get(
    "/operations/{operation_id}",
    summary="Read an operation of a payment",
    responses=conditional("The operation and its payment")
    | problems(*ADMISSION, *OWN_PAYMENT, Problem.OPERATION_NOT_FOUND, *_COMMAND_REFUSED),
)
async def read_operation(
    dependencies: Injected, client: ReadingClient, payment: OwnPayment, operation_id: UUID
) -> OperationResult:
    """If the command was accepted (202) and then refused by the payments agent, this is the problem that a waiting
    caller received."""
    if payment.operation(operation_id) is None:
        if (refusal := await dependencies.reads.refusal(client, payment.id, operation_id)) is not None:
            raise refused(refusal)
        raise ProblemError(Problem.OPERATION_NOT_FOUND, Problem.OPERATION_NOT_FOUND.cause)
    shown = snapshot(payment, payment.operations)
    return operation_result(shown, operation_id, payment.order.metadata, known=True)


@router.get(
    "/timeline",
    summary="Read the timeline of a payment",
    responses=conditional("The timeline, oldest first") | problems(*ADMISSION, *OWN_PAYMENT),
)
async def read_timeline(dependencies: Injected, payment: OwnPayment) -> Timeline:
    """Commands, provider calls, their results, callbacks, transitions, postings and signals in order, contacts masked.
    For people: `kind` is stable, the wording of `summary` is not."""
    entries = await dependencies.reads.timeline(payment.id)
    # Messages, stream positions and the names of operators are internal.
    return Timeline(data=tuple(TimelineEntry(at=e.at, kind=e.kind, summary=str(e.summary)) for e in entries))

"""``/v1/payment-methods``: a customer's saved methods."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Path, Response

from billing.messages import Envelope
from billing.messages.subscription_commands import MethodRemoved
from billing.messages.topics import SUBSCRIPTIONS
from billing.vocabulary import MethodStatus
from ingest_api.auth.client import ReadingClient, WritingClient
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge.etag import CONDITIONAL, ConditionalRoute
from ingest_api.openapi.responses import ADMISSION, conditional, problems
from ingest_api.payments.schemas import Id
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError
from storage.saved_methods import StoredMethod

reads: Final = APIRouter(tags=["payment methods"], route_class=ConditionalRoute, dependencies=[CONDITIONAL])
router: Final = APIRouter(tags=["payment methods"])

MethodId = Annotated[UUID, Path(description="the payment method")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodView:
    """A method that a customer lets you charge again."""

    id: UUID
    customer_id: str
    provider: str
    title: str | None
    expires_on: date | None
    status: MethodStatus
    reason: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodList:
    """The methods of a customer, the first saved first."""

    data: tuple[PaymentMethodView, ...]


def _view(method: StoredMethod) -> PaymentMethodView:
    return PaymentMethodView(
        id=method.id,
        customer_id=method.customer_id,
        provider=method.provider,
        title=method.title,
        expires_on=method.expires_on,
        status=method.status,
        reason=method.reason,
        created_at=method.created_at,
        updated_at=method.status_at,
    )


async def _find(dependencies: Injected, client: str, method_id: UUID) -> StoredMethod:
    """The client's method; 404 when it has none with this id."""
    method = await dependencies.methods.method(client, method_id)
    if method is None:
        raise ProblemError(Problem.PAYMENT_METHOD_NOT_FOUND, Problem.PAYMENT_METHOD_NOT_FOUND.cause)
    return method


@reads.get(
    "/v1/customers/{customer_id:path}/payment-methods",  # an id may have slashes
    summary="List a customer's payment methods",
    responses=conditional("The methods that are not removed, the first saved first")
    | problems(*ADMISSION, Problem.INVALID_REQUEST),
)
async def list_payment_methods(
    dependencies: Injected,
    client: ReadingClient,
    customer_id: Annotated[Id, Path(description="the customer, by your own id")],
) -> PaymentMethodList:
    """What payments with `save_method` saved, without what was removed. A method with status `DEAD` is not charged any
    more: its bank or provider refused it for good."""
    found = await dependencies.methods.methods(client, customer_id)
    return PaymentMethodList(data=tuple(map(_view, found)))


@reads.get(
    "/v1/payment-methods/{method_id}",
    summary="Read a payment method",
    responses=conditional("The payment method")
    | problems(*ADMISSION, Problem.PAYMENT_METHOD_NOT_FOUND, Problem.INVALID_REQUEST),
)
async def read_payment_method(dependencies: Injected, client: ReadingClient, method_id: MethodId) -> PaymentMethodView:
    """Also of a method that was removed."""
    return _view(await _find(dependencies, client, method_id))


@router.delete(
    "/v1/payment-methods/{method_id}",
    status_code=204,
    response_class=Response,
    summary="Remove a payment method",
    responses={
        204: {"description": "The method is removed, now or before"},
        **problems(*ADMISSION, Problem.UPGRADE_IN_PROGRESS, Problem.PAYMENT_METHOD_NOT_FOUND, Problem.INVALID_REQUEST),
    },
)
async def remove_payment_method(dependencies: Injected, client: WritingClient, method_id: MethodId) -> Response:
    """For good. Once it is answered no charge of the method is sent to the provider, not even one that was accepted
    before; such a payment becomes FAILED with reason `method_removed`. A charge that the provider is working on already
    ends as it ends. Subscriptions that are charged with it end with their paid period. A repeat changes nothing; after a
    503 the method is removed, and a repeat tells the subscriptions."""
    method = await _find(dependencies, client, method_id)
    await dependencies.methods.remove(client, method.id)
    await _tell_subscriptions(dependencies, client, method.id)
    return Response(status_code=204)


async def _tell_subscriptions(dependencies: Dependencies, client: str, method_id: UUID) -> None:
    """A repeat tells them again: the first may have been interrupted."""
    charged = await dependencies.subscriptions.charged_with(method_id)
    if charged and not await dependencies.reads.is_understood(MethodRemoved.TYPE):
        raise ProblemError(Problem.UPGRADE_IN_PROGRESS, headers={"Retry-After": str(RETRY_AFTER_S)})
    now = dependencies.clock()
    for id in charged:
        envelope = Envelope.wrap(
            MethodRemoved(id, method_id=method_id, at=now),
            id=f"{id}/removed/{method_id}",
            source=f"/v1/payment-methods/{method_id}",
            subject=str(id),
            time=now,
            actor=f"client:{client}",
        )
        await dependencies.writer.store(SUBSCRIPTIONS.name, str(id).encode(), envelope.encode())

"""Submission of a command: it is stored in Kafka; then the request waits for its reply as long as the client prefers."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Annotated, Final, TypeVar
from uuid import UUID

import msgspec
from fastapi import Depends, Header, Request

from billing.messages import (
    CapturePayment,
    CreatePayment,
    Envelope,
    RefundPayment,
    Reply,
    ReplyTo,
    RollbackPayment,
    VoidPayment,
)
from billing.messages.catalogue import BASELINE_TYPES
from billing.messages.subscription_commands import SubscriptionCommand
from billing.messages.subscription_events import SubscriptionReply
from billing.messages.topics import INBOX, SUBSCRIPTIONS
from billing.payments.model import Payment
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge.prefer import Preference, preference
from ingest_api.edge.trace import trace_of
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError
from runtime.settings import IngestSettings

Command = CreatePayment | CapturePayment | VoidPayment | RefundPayment | RollbackPayment
AnyCommand = Command | SubscriptionCommand
R = TypeVar("R", Reply, SubscriptionReply)

#: A response to a repeat of a command that was stored before.
REPLAYED: Final = "Idempotent-Replayed"

#: Seconds between two reads for a repeat that waits: they double, so that a long wait costs few reads.
READ_PAUSE_FIRST_S: Final = 0.1
READ_PAUSE_MAX_S: Final = 1.0


def preferred_wait(request: Request, settings: IngestSettings) -> Preference:
    """How long the client wants to wait for the outcome, within the bounds of the settings."""
    return preference(request.headers.getlist("prefer"), settings.wait_default_s, settings.wait_max_s)


async def documented_preference(
    request: Request,
    dependencies: Injected,
    _prefer: Annotated[
        str | None,
        Header(
            alias="Prefer",
            description="RFC 7240: `wait=N` waits at most N seconds for the outcome, `respond-async` does not wait",
            examples=["wait=5", "respond-async"],
        ),
    ] = None,
) -> Preference:
    """:func:`preferred_wait` with the header that FastAPI documents."""
    return preferred_wait(request, dependencies.settings)


#: The request's Prefer headers, as a parameter of an endpoint.
Preferred = Annotated[Preference, Depends(documented_preference)]


async def submit(
    dependencies: Dependencies,
    request: Request,
    command: Command,
    *,
    id: str,
    source: str,
    client: str,
    wanted: Preference,
    deadline: float,
) -> tuple[Reply | None, Preference]:
    """Store a command on a payment and wait for its reply until ``deadline`` (:func:`time.monotonic`).

    Returns the reply, ``None`` if there is none in time, and the preference that was applied. ``id`` is the
    envelope's, the same for every repeat. Raises :class:`~ingest_api.kafka.writer.NotStored`, and 503 while a worker
    runs that does not know the command.
    """
    return await _submit(dependencies, request, command, Reply, id, source, client, wanted, deadline)


async def submit_to_subscription(
    dependencies: Dependencies,
    request: Request,
    command: SubscriptionCommand,
    *,
    source: str,
    client: str,
    wanted: Preference,
    deadline: float,
) -> tuple[SubscriptionReply | None, Preference]:
    """:func:`submit` of a command to a subscription."""
    id = f"{command.subscription_id}/{command.command_id}"
    return await _submit(dependencies, request, command, SubscriptionReply, id, source, client, wanted, deadline)


async def _submit(
    dependencies: Dependencies,
    request: Request,
    command: AnyCommand,
    kind: type[R],
    id: str,
    source: str,
    client: str,
    wanted: Preference,
    deadline: float,
) -> tuple[R | None, Preference]:
    topic = SUBSCRIPTIONS if isinstance(command, SubscriptionCommand) else INBOX
    if command.TYPE not in BASELINE_TYPES and not await dependencies.reads.is_understood(command.TYPE):
        raise ProblemError(Problem.UPGRADE_IN_PROGRESS, headers={"Retry-After": str(RETRY_AFTER_S)})

    traceparent = trace_of(request)

    async def store(command: AnyCommand) -> None:
        subject = str(command.subject_id)
        envelope = Envelope.wrap(
            command,
            id=id,
            source=source,
            subject=subject,
            time=dependencies.clock(),
            actor=f"client:{client}",
            traceparent=traceparent,
        )
        await dependencies.writer.store(topic.name, subject.encode(), envelope.encode())

    partition = dependencies.replies.partition
    if wanted.wait_s == 0 or partition is None:
        await store(command)
        return None, wanted if wanted.wait_s == 0 else Preference(0)
    correlation_id = dependencies.new_id()
    with dependencies.waiting.register(correlation_id) as future:
        if future is None:
            await store(command)
            return None, Preference(0)
        await store(msgspec.structs.replace(command, reply_to=ReplyTo(partition, correlation_id)))
        reply = await dependencies.waiting.wait(future, request.receive, deadline)
        assert reply is None or isinstance(reply, kind), "a correlation id belongs to one command"
        return reply, wanted


async def outcome_of_first(
    dependencies: Dependencies,
    request: Request,
    client: str,
    payment_id: UUID,
    is_over: Callable[[Payment], bool],
    deadline: float,
) -> Payment | None:
    """For a repeat: the committed payment once ``is_over``, ``None`` if it is not by ``deadline``
    (:func:`time.monotonic`), the client disconnects or the process shuts down.

    The payments agent replies to a repeat at once, and to the caller of the first command only when there is an
    outcome.
    """
    pause_s = READ_PAUSE_FIRST_S
    while not dependencies.waiting.is_closed and (left_s := deadline - monotonic()) > 0:
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, READ_PAUSE_MAX_S)
        payment = await dependencies.reads.payment(client, payment_id)
        if payment is not None and is_over(payment):
            return payment
        if await request.is_disconnected():
            return None
    return None

"""Submission of a command: it is stored in Kafka; then the request waits for its reply as long as the client prefers."""

import re
from typing import Annotated, Final

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
from billing.messages.topics import INBOX
from ingest_api.dependencies import Dependencies, Injected
from ingest_api.edge.prefer import Preference, preference
from ingest_api.problems import RETRY_AFTER_S, Problem, ProblemError
from runtime.settings import IngestSettings

Command = CreatePayment | CapturePayment | VoidPayment | RefundPayment | RollbackPayment

_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


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
    """Store ``command`` and wait for its reply until ``deadline`` (:func:`time.monotonic`).

    Returns the reply, ``None`` if there is none in time, and the preference that was applied. ``id`` is the
    envelope's, the same for every repeat. Raises :class:`~ingest_api.kafka.writer.NotStored`, and 503 while a worker
    runs that does not know the command.
    """
    if command.TYPE not in BASELINE_TYPES and not await dependencies.reads.is_understood(command.TYPE):
        raise ProblemError(Problem.UPGRADE_IN_PROGRESS, headers={"Retry-After": str(RETRY_AFTER_S)})

    async def store(command: Command) -> None:
        subject = str(command.payment_id)
        traceparent = request.headers.get("traceparent")
        envelope = Envelope.wrap(
            command,
            id=id,
            source=source,
            subject=subject,
            time=dependencies.clock(),
            actor=f"client:{client}",
            traceparent=traceparent if traceparent and _TRACEPARENT.fullmatch(traceparent) else None,
        )
        await dependencies.writer.store(INBOX.name, subject.encode(), envelope.encode())

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
        return await dependencies.waiting.wait(future, request.receive, deadline), wanted

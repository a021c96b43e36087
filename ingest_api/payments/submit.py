"""A command on its way: stored in Kafka, then waited for as long as its client wants to."""

import re
from typing import Final

import msgspec
from starlette.requests import Request

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
from billing.messages.topics import INBOX
from ingest_api.dependencies import Dependencies
from ingest_api.edge.prefer import Preference

Command = CreatePayment | CapturePayment | VoidPayment | RefundPayment | RollbackPayment

_TRACEPARENT: Final = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


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

    Returns the reply, ``None`` where there is none in time, and the preference that was honoured. ``id`` is the
    envelope's, the same for every repeat. Raises :class:`~ingest_api.kafka.writer.NotStored`.
    """

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
    with dependencies.waiting.place(correlation_id) as future:
        if future is None:
            await store(command)
            return None, Preference(0)
        await store(msgspec.structs.replace(command, reply_to=ReplyTo(partition, correlation_id)))
        return await dependencies.waiting.wait(future, request.receive, deadline), wanted

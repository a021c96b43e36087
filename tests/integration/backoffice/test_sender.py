"""A process that sends many commands connects once, and finds each reply, also after its producer failed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice import sender as module
from backoffice.follow_ups import send_follow_ups
from backoffice.sender import Sender
from billing.messages import Envelope, Reply, VoidPayment, decode_envelope
from billing.messages.topics import INBOX, REPLIES
from runtime.clock import utc_now
from runtime.kafka.clients import Producer, new_consumer, new_producer
from runtime.settings import Settings


@pytest.fixture
def settings(database: AsyncEngine, stack: dict[str, Any]) -> Settings:
    url = database.url.render_as_string(hide_password=False)
    return Settings(postgres_url=url, kafka_url=stack["urls"]["kafka"])


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[Producer]:
    """Those that were made."""
    made: list[Producer] = []

    def counted(*args: Any, **options: Any) -> Producer:
        made.append(new_producer(*args, **options))
        return made[-1]

    monkeypatch.setattr(module, "new_producer", counted)
    return made


@pytest.fixture
async def sender(settings: Settings, producers: list[Producer]) -> AsyncIterator[Sender]:
    made = Sender(settings, "/test")
    agent = asyncio.create_task(answering(settings))
    yield made
    agent.cancel()
    await asyncio.gather(agent, return_exceptions=True)
    await made.close()


async def answering(settings: Settings) -> None:
    """Reply to every command of ours, as the agent of payments does."""
    async with new_consumer(settings, INBOX.name, auto_offset_reset="earliest") as inbox, new_producer(settings) as out:
        async for record in inbox:
            envelope = decode_envelope(record.value)
            if envelope.source != "/test":
                continue
            command = envelope.open()
            to = getattr(command, "reply_to", None)
            if to is None:
                continue
            reply = Reply(UUID(envelope.subject), to.correlation_id)
            value = Envelope.wrap(
                reply, id=f"{envelope.id}/reply", source="/a", subject=envelope.subject, time=utc_now()
            )
            await out.send_and_wait(
                REPLIES.name, value.encode(), key=to.correlation_id.encode(), partition=to.partition
            )


async def sent(sender: Sender, wait_s: float = 20.0) -> tuple[UUID, Reply | None]:
    command = VoidPayment(uuid4(), uuid4(), "asked", operator="ann")
    return command.payment_id, await sender.send(INBOX, command, command.operation_id, "ann", Reply, wait_s)


async def test_commands_at_once_share_one_connection_and_each_finds_its_own_reply(
    sender: Sender, producers: list[Producer], settings: Settings
) -> None:
    answers = await asyncio.gather(*(sent(sender) for _ in range(5)))
    answers.append(await sent(sender))
    await send_follow_ups(settings, [(uuid4(), uuid4(), 0)], sender=sender)
    assert [None if reply is None else reply.payment_id for _, reply in answers] == [id for id, _ in answers]
    assert len(producers) == 1


async def test_a_command_without_a_reply_in_time_is_stored_all_the_same(sender: Sender) -> None:
    assert (await sent(sender, 0.0))[1] is None
    assert (await sent(sender))[1] is not None


async def test_after_a_producer_failed_the_next_command_has_a_new_one(
    sender: Sender, producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    await sent(sender)

    async def fail(*_args: Any, **_options: Any) -> None:
        raise KafkaError("fenced")

    monkeypatch.setattr(producers[0], "send_and_wait", fail)
    with pytest.raises(KafkaError):
        await sent(sender)
    assert (await sent(sender))[1] is not None
    assert len(producers) == 2

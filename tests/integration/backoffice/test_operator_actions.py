"""Every action of an operator leaves one row: actor, reason, action and outcome, also if it fails or the process dies."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice import api_clients, commands, corrections, follow_ups, provider_switches
from backoffice.dead_letters import resolution
from backoffice.dead_letters.replay import NotReplayable, Replayer
from backoffice.operators import ActionRefused, InvalidArgument, Operator
from billing.access.scopes import Scope
from billing.messages import ReplyTo
from billing.messages.topics import DEAD_LETTERS, REPLIES
from runtime.settings import Settings
from storage import operator_actions
from tests.support.factories import a_create, a_payment, opened
from tests.support.streams import World

ANN = Operator("ann", "the provider asked for it")


class Crash(BaseException):
    """The process dies here."""


@pytest.fixture
def settings(database: AsyncEngine, stack: dict[str, Any]) -> Settings:
    """Postgres of the test's own, the stack's Kafka."""
    url = database.url.render_as_string(hide_password=False)
    return Settings(postgres_url=url, kafka_url=stack["urls"]["kafka"])


@pytest.fixture(autouse=True)
def without_waiting_for_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_switches, "LOOK_EVERY_S", 0.0)


async def rows(database: AsyncEngine, table: str = "operator_actions") -> list[dict[str, Any]]:
    async with database.connect() as connection:
        return [dict(row) for row in (await connection.execute(text(f"SELECT * FROM {table}"))).mappings()]


async def only_row(database: AsyncEngine) -> tuple[str, str, str, str, str, str]:
    (row,) = await rows(database)
    assert row["at"].tzinfo is not None
    return row["action"], row["actor"], row["reason"], row["subject_kind"], row["subject_id"], row["outcome"]


def expected(action: str, kind: str, id: object, outcome: str = "done") -> tuple[str, str, str, str, str, str]:
    return action, ANN.name, ANN.reason, kind, str(id), outcome


async def a_letter(settings: Settings, topic: str = REPLIES.name) -> tuple[int, int]:
    """A dead letter of a message that no consumer acts on."""
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_url) as producer:
        headers = [("cause", b"a test"), ("consumer", b"a-test"), ("topic", topic.encode())]
        headers += [("partition", b"0"), ("offset", b"7")]
        sent = await producer.send_and_wait(DEAD_LETTERS.name, b"{}", key=uuid4().bytes, headers=headers)
    return sent.partition, sent.offset


async def a_client(settings: Settings, database: AsyncEngine) -> api_clients.IssuedKey:
    """An API client, without the row of its creation."""
    issued = await api_clients.create_client(settings, ANN, "kiosk", [Scope.PAYMENTS_READ], None)
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("DELETE FROM operator_actions"))
    return issued


async def an_open_payment(database: AsyncEngine) -> UUID:
    world = World(database)
    agent = await world.agent()
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    await world.deliver(agent, create, opened(payment))
    return create.payment_id


@pytest.mark.parametrize(("name", "reason"), [("", "a reason"), (" ", "a reason"), ("ann", ""), ("ann", " \n")])
def test_an_operator_without_a_name_or_a_reason_is_refused(name, reason):
    with pytest.raises(ValueError, match="required"):
        Operator(name, reason)


async def test_a_switch_and_its_row_are_written_together(settings, database):
    await provider_switches.disable(settings, ANN, "stripe")
    assert await only_row(database) == expected("disable_provider", "provider", "stripe")
    assert [row["enabled"] for row in await rows(database, "provider_switches")] == [False]


async def test_enabling_a_provider_is_on_record(settings, database):
    await provider_switches.enable(settings, ANN, "stripe")
    assert await only_row(database) == expected("enable_provider", "provider", "stripe")


async def test_a_created_client_is_on_record_without_its_secret(settings, database):
    issued = await api_clients.create_client(settings, ANN, "kiosk", [Scope.PAYMENTS_READ], 50)
    assert await only_row(database) == expected("create_api_client", "api_client", "kiosk")
    (row,) = await rows(database)
    assert row["details"] == {"key": issued.id, "scopes": ["payments:read"], "rate_per_s": 50}
    assert issued.key not in str(row)
    assert issued.key not in repr(issued)


async def test_a_rotated_key_is_on_record(settings, database):
    await a_client(settings, database)
    issued = await api_clients.rotate_key(settings, ANN, "kiosk")
    assert await only_row(database) == expected("rotate_api_key", "api_client", "kiosk")
    assert (await rows(database))[0]["details"]["key"] == issued.id


async def test_a_revoked_key_is_on_record(settings, database):
    issued = await a_client(settings, database)
    assert await api_clients.revoke_key(settings, ANN, issued.id) == "kiosk"
    assert await only_row(database) == expected("revoke_api_key", "api_key", issued.id)


async def test_a_discarded_letter_is_on_record(settings, database):
    place = await a_letter(settings)
    await resolution.discard(settings, ANN, place)
    assert await only_row(database) == expected("discard_dead_letter", "dead_letter", f"{place[0]}-{place[1]}")
    (resolved,) = await rows(database, "dead_letter_resolutions")
    assert (resolved["action"], resolved["actor"], resolved["reason"]) == ("discarded", ANN.name, ANN.reason)


async def test_a_replayed_letter_is_on_record_with_its_new_position(settings, database):
    place = await a_letter(settings)
    outcome = await resolution.replay(settings, ANN, place)
    assert await only_row(database) == expected("replay_dead_letter", "dead_letter", outcome.id)
    (row,) = await rows(database)
    assert row["details"] == {"origin": f"{REPLIES.name}/0/7", "position": outcome.position}
    (resolved,) = await rows(database, "dead_letter_resolutions")
    assert (resolved["action"], resolved["reason"]) == ("replayed", ANN.reason)


async def test_a_query_of_the_provider_is_on_record(settings, database):
    payment = await an_open_payment(database)
    assert await follow_ups.query_provider(settings, ANN, payment) == 1
    assert await only_row(database) == expected("query_provider", "payment", payment)
    assert (await rows(database))[0]["details"] == {"operations": 1}


async def test_a_correction_that_the_payment_refuses_is_on_record_as_refused(settings, database):
    payment, operation = uuid4(), uuid4()
    reply = await corrections.correct(settings, ANN, payment, operation, succeeded=True)
    assert reply is not None
    assert reply.refusal is not None
    assert await only_row(database) == expected("correct_operation", "payment", payment, "refused")
    details = (await rows(database))[0]["details"]
    assert (details["operation"], details["succeeded"], details["code"]) == (str(operation), True, reply.refusal.code)


async def test_a_correction_without_a_reply_is_on_record_as_unanswered(settings, database, monkeypatch):
    monkeypatch.setattr(commands, "REPLY_TIMEOUT_S", 0.5)
    # The reply goes where nobody looks for it.
    monkeypatch.setattr(commands, "ReplyTo", lambda partition, name: ReplyTo(partition + 1, name))
    payment = uuid4()
    assert await corrections.correct(settings, ANN, payment, uuid4(), succeeded=False) is None
    assert await only_row(database) == expected("correct_operation", "payment", payment, "unanswered")


async def test_an_action_that_kafka_did_not_store_is_on_record_as_failed(settings, database):
    payment = await an_open_payment(database)
    settings = settings.model_copy(update={"kafka_url": "127.0.0.1:1"})
    with pytest.raises(KafkaError):
        await follow_ups.query_provider(settings, ANN, payment)
    assert await only_row(database) == expected("query_provider", "payment", payment, "failed")
    assert "KafkaConnectionError" in (await rows(database))[0]["details"]["error"]


async def test_the_row_is_written_before_a_letter_is_sent_and_the_letter_stays_open_if_that_fails(
    settings, database, monkeypatch
):
    place, before = await a_letter(settings), []

    async def send(_replayer: Replayer, _letter: Any) -> str:
        before.append(await only_row(database))
        raise KafkaError("the broker is gone")

    monkeypatch.setattr(Replayer, "send", send)
    with pytest.raises(KafkaError):
        await resolution.replay(settings, ANN, place)
    id = f"{place[0]}-{place[1]}"
    assert before == [expected("replay_dead_letter", "dead_letter", id, "started")]
    assert await only_row(database) == expected("replay_dead_letter", "dead_letter", id, "failed")
    assert await rows(database, "dead_letter_resolutions") == []


async def test_a_letter_of_an_unknown_topic_is_on_record_as_refused_and_stays_open(settings, database):
    place = await a_letter(settings, "somewhere.else")
    with pytest.raises(NotReplayable):
        await resolution.replay(settings, ANN, place)
    id = f"{place[0]}-{place[1]}"
    assert await only_row(database) == expected("replay_dead_letter", "dead_letter", id, "refused")
    assert await rows(database, "dead_letter_resolutions") == []


async def test_an_existing_client_is_on_record_as_refused(settings, database):
    await a_client(settings, database)
    with pytest.raises(ActionRefused):
        await api_clients.create_client(settings, ANN, "kiosk", [Scope.ADMIN], None)
    assert await only_row(database) == expected("create_api_client", "api_client", "kiosk", "refused")
    assert len(await rows(database, "api_keys")) == 1


async def test_a_switch_that_postgres_does_not_store_is_on_record_as_failed(settings, database, monkeypatch):
    async def turn(*_: Any) -> None:
        raise OperationalError("INSERT", {"secret": "value"}, ConnectionError("gone"))

    monkeypatch.setattr(provider_switches, "turn", turn)
    with pytest.raises(OperationalError):
        await provider_switches.disable(settings, ANN, "stripe")
    assert await only_row(database) == expected("disable_provider", "provider", "stripe", "failed")
    assert "secret" not in str(await rows(database))


@pytest.mark.parametrize(
    ("table", "act"),
    [
        ("provider_switches", lambda settings: provider_switches.disable(settings, ANN, "stripe")),
        ("api_clients", lambda settings: api_clients.create_client(settings, ANN, "kiosk", [Scope.ADMIN], None)),
    ],
)
async def test_a_process_that_dies_before_the_commit_leaves_a_started_row_without_effect(
    table, act, settings, database, monkeypatch
):
    async def complete(*_: Any) -> None:
        raise Crash

    monkeypatch.setattr(operator_actions, "complete", complete)
    with pytest.raises(Crash):
        await act(settings)
    assert (await only_row(database))[-1] == "started"
    assert await rows(database, table) == []


async def test_a_process_that_dies_after_kafka_has_the_message_leaves_a_started_row_and_the_letter_open(
    settings, database, monkeypatch
):
    place = await a_letter(settings)

    async def complete(*_: Any) -> None:
        raise Crash

    monkeypatch.setattr(operator_actions, "complete", complete)
    with pytest.raises(Crash):
        await resolution.replay(settings, ANN, place)
    assert (await only_row(database))[-1] == "started"
    assert await rows(database, "dead_letter_resolutions") == []


async def test_replaying_all_leaves_a_row_for_each_letter(settings, database, monkeypatch):
    places = {f"{p}-{o}" for p, o in [await a_letter(settings), await a_letter(settings, "somewhere.else")]}
    listed = await resolution.list_dead_letters(settings, include_resolved=False)
    ours = [one for one in listed if one.letter.id in places]

    async def only_ours(*_: Any, **__: Any) -> list[resolution.DeadLetter]:
        return ours

    monkeypatch.setattr(resolution, "list_dead_letters", only_ours)
    seen: list[resolution.ReplayOutcome] = []
    outcomes = await resolution.replay_all(settings, ANN, seen.append)
    assert outcomes == seen
    assert {outcome.id for outcome in outcomes} == places
    found = {row["subject_id"]: row["outcome"] for row in await rows(database)}
    assert (set(found), sorted(found.values())) == (places, ["done", "refused"])


async def test_an_argument_that_is_not_valid_leaves_no_row(settings, database):
    with pytest.raises(InvalidArgument):
        await provider_switches.disable(settings, ANN, "nobody")
    with pytest.raises(InvalidArgument):
        await api_clients.create_client(settings, ANN, "No Name", [Scope.ADMIN], None)
    with pytest.raises(resolution.NoSuchLetter):
        await resolution.discard(settings, ANN, (0, 999_999_999))
    assert await rows(database) == []

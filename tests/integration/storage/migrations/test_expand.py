"""The schema of this release under the writes of the last one, and a database that the last one filled."""

from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from billing.messages.topics import INBOX
from storage.journal.partitions import create_partitions
from storage.migrate import migrate

#: How release 0006 wrote the journal: every column it does not know becomes an explicit NULL.
LAST_RELEASE = text(
    "INSERT INTO journal SELECT r.* FROM json_populate_recordset(NULL::journal, CAST(:rows AS json)) AS r"
)
ROW = """[{"recorded_at": "2026-11-27T12:00:00Z", "stream_partition": 3, "stream_offset": 7,
           "payment_id": "00000000-0000-0000-0000-000000000001", "version": 1, "message_id": "m", "type": "t",
           "message": {}, "outputs": []}]"""
SUBSCRIPTION = text(
    "INSERT INTO journal (topic, recorded_at, stream_partition, stream_offset, payment_id, message_id, type, message,"
    " outputs) SELECT :topic, recorded_at, stream_partition, stream_offset, payment_id, message_id, type, message,"
    " outputs FROM journal"
)


async def at_revision(engine, revision, change_to=command.downgrade):
    def change(connection):
        config = Config()
        config.set_main_option("script_location", "storage:migrations")
        config.attributes["connection"] = connection
        change_to(config, revision)

    async with engine.connect() as connection:
        await connection.run_sync(change)


async def topics(engine):
    async with engine.connect() as connection:
        return list((await connection.execute(text("SELECT topic FROM journal"))).scalars())


async def test_rows_that_the_last_release_writes_are_of_the_payments_inbox(database):
    async with database.begin() as connection:
        await connection.execute(LAST_RELEASE, {"rows": ROW})
    assert await topics(database) == [INBOX.name]


async def test_rows_that_the_last_release_wrote_are_of_the_payments_inbox(database):
    await at_revision(database, "0006")
    async with database.begin() as connection:
        await create_partitions(connection, datetime.now(UTC).date())
        await connection.execute(LAST_RELEASE, {"rows": ROW})
    await migrate(database)
    assert await topics(database) == [INBOX.name]


async def test_two_inboxes_may_journal_the_same_partition_and_offset(database):
    async with database.begin() as connection:
        await connection.execute(LAST_RELEASE, {"rows": ROW})
        await connection.execute(SUBSCRIPTION, {"topic": "billing.subscriptions.inbox"})
    assert sorted(await topics(database)) == [INBOX.name, "billing.subscriptions.inbox"]


async def test_one_inbox_journals_a_message_once(database):
    async with database.connect() as connection:
        await connection.execute(LAST_RELEASE, {"rows": ROW})
        with pytest.raises(IntegrityError, match="duplicate key"):
            await connection.execute(SUBSCRIPTION, {"topic": INBOX.name})


async def test_an_index_build_that_was_interrupted_is_made_again(database):
    await at_revision(database, "0006")
    await at_revision(database, "0007", command.upgrade)
    async with database.begin() as connection:
        await connection.execute(text("CREATE INDEX journal_default_position ON journal_default (type)"))
    await migrate(database)
    async with database.connect() as connection:
        valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'journal_position'::regclass")
        assert (await connection.execute(valid)).scalar_one()


async def test_what_operators_did_is_never_changed(database):
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO operator_actions (at, actor, action, reason, subject_kind, subject_id, outcome)"
                " VALUES (now(), 'ann', 'switch', 'outage', 'provider', 'stripe', 'done')"
            )
        )
    for change in (
        "UPDATE operator_actions SET actor = 'bob'",
        "UPDATE operator_actions SET outcome = 'failed'",
        "DELETE FROM operator_actions",
        "TRUNCATE operator_actions",
    ):
        with pytest.raises(IntegrityError, match="never changed"):
            async with database.begin() as connection:
                await connection.execute(text(change))


async def test_of_a_started_action_only_the_outcome_is_written_once(database):
    async with database.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO operator_actions (at, actor, action, reason, subject_kind, subject_id, details, outcome)"
                """ VALUES (now(), 'ann', 'switch', 'outage', 'provider', 'stripe', '{"a": 1}', 'started')"""
            )
        )
    for change in ("outcome = 'done', reason = 'another'", "outcome = 'done', details = '{}'"):
        with pytest.raises(IntegrityError, match="never changed"):
            async with database.begin() as connection:
                await connection.execute(text(f"UPDATE operator_actions SET {change}"))
    async with database.begin() as connection:
        await connection.execute(
            text("""UPDATE operator_actions SET outcome = 'done', details = details || '{"b": 2}'""")
        )
    with pytest.raises(IntegrityError, match="never changed"):
        async with database.begin() as connection:
            await connection.execute(text("UPDATE operator_actions SET outcome = 'failed'"))

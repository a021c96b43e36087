"""The audit finds each inconsistency within Postgres."""

from types import SimpleNamespace
from uuid import uuid4

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backoffice.audit import provider
from backoffice.audit.audit import check_books
from backoffice.audit.findings import Findings
from backoffice.audit.streams import check_creates, check_events, check_journal, check_versions
from billing.messages import Message, RecordChargeback
from billing.messages.topics import EVENTS, INBOX
from billing.payments.model import Payment
from billing.vocabulary import PaymentStatus
from storage.inspection import books as sql
from storage.inspection.books import moment
from storage.payments.rows import load_payments
from storage.streams.positions import Consumer
from tests.integration.backoffice.audit.books import PARTITION, captured, damage, recorded
from tests.support.factories import a_create, a_payment, opened, shown, told


async def kinds(engine: AsyncEngine) -> set[str]:
    findings = Findings()
    async with moment(engine) as connection:
        await check_books(connection, findings)
    return {violation.kind for violation in findings.violations}


async def test_consistent_records_have_no_violation(database):
    await captured(database)
    findings = Findings()
    async with moment(database) as connection:
        await check_books(connection, findings)
    assert findings.violations == []
    assert findings.checked == {"payments": 1, "operations": 2, "postings": 1, "journal": 3, "subscriptions": 0}


async def test_a_capture_that_the_provider_showed_when_asked_is_no_violation(database):
    payment, messages = unpaid_with_messages()
    payment = await recorded(database, [*messages, shown(payment, PaymentStatus.CAPTURED)])
    assert (payment.status, await kinds(database)) == (PaymentStatus.CAPTURED, set())
    assert await compared(database, payment) == ([], 0)


async def test_a_capture_whose_callback_was_lost_is_in_flight_until_the_provider_is_asked(database):
    payment, messages = unpaid_with_messages()
    payment = await recorded(database, [*messages, told(payment, PaymentStatus.AUTHORIZED)])
    assert payment.status is PaymentStatus.AUTHORIZED
    assert not any(operation.is_open for operation in payment.operations)
    assert await compared(database, payment) == ([], 1)
    assert await compared(database, payment, settled=True) == (["charge_unsettled"], 0)
    await damage(database, "UPDATE operations SET next_chase_at = NULL")
    assert await compared(database, payment) == (["charge_mismatch"], 0)


def unpaid_with_messages() -> tuple[Payment, list[Message]]:
    create = a_create()
    payment = a_payment(payment_id=create.payment_id, order=create.order)
    return payment, [create, opened(payment)]


async def compared(engine: AsyncEngine, payment: Payment, *, settled: bool = False) -> tuple[list[str], int]:
    """Kinds of violation and differences in flight, if the provider has captured the payment."""
    captured_there = provider.OrderRecord(payment.order_ref, payment.provider, payment.order.amount, 0)
    findings = Findings()
    async with moment(engine) as connection:
        async for charges in sql.charges(connection, payment.provider):
            provider.compare(charges, {payment.order_ref: captured_there}, findings, settled=settled)
    return [violation.kind for violation in findings.violations], findings.checked["in_flight"]


async def charged_back(engine: AsyncEngine) -> Payment:
    """A captured payment with a chargeback, of which a part came back."""
    payment, messages = unpaid_with_messages()
    lines = (
        RecordChargeback(payment.id, payment.provider, "line-1", "dispute-1", 1_000),
        RecordChargeback(payment.id, payment.provider, "line-2", "dispute-1", 400, undone=True),
    )
    return await recorded(engine, [*messages, told(payment, PaymentStatus.CAPTURED), *lines])


async def test_a_chargeback_that_is_booked_is_no_violation(database):
    payment = await charged_back(database)
    assert (payment.charged_back, await kinds(database)) == (600, set())
    async with database.connect() as connection:
        stored = (await load_payments(connection, [payment.id]))[payment.id]
    assert stored.charged_back == 600
    assert {o.type: o.amount for o in stored.operations if o.type not in ("AUTHORIZE", "CAPTURE")} == {
        "CHARGEBACK": 1_000,
        "CHARGEBACK_UNDONE": 400,
    }


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("amounts_mismatch", "UPDATE payments SET charged_back = 601"),
        ("ledger_mismatch", "UPDATE payments SET charged_back = 601"),
        ("amounts_mismatch", "UPDATE payments SET charged_back = NULL"),
        ("amounts_mismatch", "UPDATE payments SET refunded = captured"),
        ("operation_unposted", ("DELETE FROM ledger_entries WHERE operation_id IN (SELECT id FROM operations"
                               " WHERE type = 'CHARGEBACK')")),
        ("operation_unposted", ("DELETE FROM ledger_entries WHERE operation_id IN (SELECT id FROM operations"
                               " WHERE type = 'CHARGEBACK_UNDONE')")),
        ("posting_unfounded", "UPDATE operations SET status = 'FAIL' WHERE type = 'CHARGEBACK'"),
    ],
)  # fmt: skip
async def test_each_inconsistency_of_a_chargeback_is_found(database, kind, statement):
    await charged_back(database)
    await damage(database, statement)
    assert kind in await kinds(database)


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("posting_unbalanced", "UPDATE ledger_entries SET amount = amount - 1 WHERE account = 'revenue'"),
        ("posting_unbalanced", "UPDATE ledger_entries SET currency = 'USD' WHERE account = 'revenue'"),
        ("ledger_mismatch", "UPDATE ledger_entries SET amount = amount * 2"),
        ("amounts_mismatch", "UPDATE payments SET captured = captured - 1"),
        ("amounts_mismatch", "UPDATE payments SET refund_pending = 1"),
        ("amounts_mismatch", "UPDATE payments SET amount = amount - 1"),
        ("operation_unposted", "DELETE FROM ledger_entries"),
        ("posting_unfounded", "UPDATE operations SET status = 'FAIL' WHERE type = 'CAPTURE'"),
        (
            "posting_unfounded",
            "UPDATE ledger_entries SET operation_id = gen_random_uuid(), cause_kind = NULL, cause_id = NULL",
        ),
        ("operation_not_chased", "UPDATE operations SET status = 'UNKNOWN' WHERE type = 'CAPTURE'"),
        ("version_disorder", "UPDATE journal SET version = 3 WHERE stream_offset = 1"),
        ("version_disorder", "DELETE FROM journal WHERE stream_offset = 1"),
        ("version_unjournalled", "DELETE FROM journal WHERE stream_offset = 2"),
        ("version_unjournalled", "DELETE FROM journal"),
    ],
)
async def test_each_inconsistency_is_found(database, kind, statement):
    await captured(database)
    await damage(database, statement)
    assert kind in await kinds(database)


async def test_a_posting_and_its_reversal_cancel_out(database):
    await captured(database)
    await damage(
        database,
        """
        INSERT INTO ledger_entries (posting_id, line, account, amount, currency, payment_id, operation_id, posted_at,
                                    accounting_date)
        SELECT gen_random_uuid(), line, account, -amount, currency, payment_id, operation_id, posted_at, accounting_date
        FROM ledger_entries
        """,
        "UPDATE operations SET status = 'FAIL' WHERE type = 'CAPTURE'",
        "UPDATE payments SET captured = 0",
    )
    # Each line of the reversal has become a posting of its own here: only what stands is of interest.
    assert await kinds(database) == {"posting_unbalanced"}


async def journal(engine: AsyncEngine, buried: frozenset[tuple[str, int, int]] = frozenset()) -> Findings:
    findings = Findings()
    async with moment(engine) as connection:
        await check_journal(connection, Consumer.PAYMENTS, {PARTITION: 0}, buried, findings)
    return findings


async def test_an_offset_neither_journalled_nor_dead_lettered_is_found(database):
    await captured(database)
    assert (await journal(database)).violations == []
    await damage(database, "DELETE FROM journal WHERE stream_offset = 1")
    (violation,) = (await journal(database)).violations
    assert (violation.kind, violation.id) == ("offset_unaccounted", f"{INBOX.name}/0/1")
    assert (await journal(database, frozenset({(INBOX.name, PARTITION, 1)}))).violations == []


async def test_an_offset_journalled_twice_is_found(database):
    await captured(database)
    await damage(
        database,
        """
        INSERT INTO journal SELECT recorded_at + interval '1 s', stream_partition, stream_offset, payment_id, version,
               message_id, type, actor, message, outputs FROM journal WHERE stream_offset = 2
        """,
    )
    (violation,) = (await journal(database)).violations
    assert (violation.kind, violation.id) == ("offset_doubled", f"{INBOX.name}/0/2")


async def test_an_accepted_request_without_a_payment_is_found_unless_it_was_refused(database):
    payment, lost, refused = await captured(database), uuid4(), uuid4()
    await damage(
        database,
        """
        INSERT INTO journal SELECT recorded_at, stream_partition, 7, :refused, NULL, 'm-7', type, actor, message, outputs
        FROM journal WHERE stream_offset = 0
        """,
        refused=refused,
    )
    findings = Findings()
    async with moment(database) as connection:
        await check_creates(
            connection, [(payment.id, PARTITION, 0), (lost, PARTITION, 3), (refused, PARTITION, 7)], findings
        )
    assert [(v.kind, v.id) for v in findings.violations] == [("payment_missing", str(lost))]
    assert findings.checked["requests"] == 3


@pytest.mark.parametrize(
    ("published", "complete", "found"),
    [
        (0b1110, True, []),
        (0b1010, True, ["event_missing"]),
        (0b0110, True, ["event_missing"]),
        (0b1100, True, ["event_missing"]),
        (0b1100, False, []),
    ],
)
async def test_a_version_that_was_never_published_is_found(database, published, complete, found):
    payment = await captured(database)
    assert payment.version == 3
    findings = Findings()
    async with moment(database) as connection:
        await check_versions(connection, {payment.id: published}, findings, complete=complete)
    assert [violation.kind for violation in findings.violations] == found


class EventsLog:
    """``billing.events`` with one partition."""

    def __init__(self, *values):
        self._records = [SimpleNamespace(offset=offset, value=value) for offset, value in enumerate(values)]

    async def bounds(self, topic):
        assert topic == EVENTS.name
        return {0: (0, len(self._records))}

    async def read(self, topic, ranges):
        yield self._records


async def test_an_event_that_cannot_be_read_is_found_and_hides_no_other(database):
    payment = await captured(database)
    published = [
        msgspec.json.encode({"type": "t", "data": {"payment_id": payment.id, "version": version}}) for version in (1, 3)
    ]
    findings = Findings()
    async with moment(database) as connection:
        await check_events(connection, EventsLog(published[0], b"garbage", published[1]), findings)
    assert [(v.kind, v.id) for v in findings.violations] == [
        ("event_unreadable", "0/1"),
        ("event_missing", str(payment.id)),
    ]

"""The audit finds each way in which another service can disagree with Postgres."""

from uuid import uuid4

import pytest

from backoffice.audit import analytics, provider, signals
from backoffice.audit.findings import Findings
from backoffice.audit.provider import OperationRecord, OrderRecord
from backoffice.audit.streams import check_positions
from runtime.kafka.reader import TopicReader
from runtime.settings import Settings
from storage.inspection.books import Charge, moment
from tests.integration.backoffice.audit.books import damage

CAPTURE = OperationRecord("CAPTURE", "SUCCESS")


def an_order(**fields):
    values = {"order_id": "order-1", "provider": "yandex-pay", "captured": 100, "refunded": 0, "operations": [CAPTURE]}
    return OrderRecord(**(values | fields))


def a_charge(**fields):
    values = {
        "payment_id": uuid4(), "order_ref": "order-1", "amount": 100, "captured": 100, "refunded": 0, "open": False,
    }  # fmt: skip
    return Charge(**(values | fields))


def compared(charge, *orders, settled=False):
    findings = Findings()
    provider.compare([charge], {order.order_id: order for order in orders}, findings, settled=settled)
    return findings


def kinds(findings):
    return [violation.kind for violation in findings.violations]


@pytest.mark.parametrize(
    ("charge", "orders", "found"),
    [
        (a_charge(), [an_order()], []),
        (a_charge(captured=0), [], []),
        (a_charge(), [], ["charge_missing"]),
        (a_charge(captured=0), [an_order()], ["charge_mismatch"]),
        (a_charge(), [an_order(captured=0, operations=[])], ["charge_mismatch"]),
        (a_charge(refunded=50), [an_order()], ["charge_mismatch"]),
        (a_charge(refunded=50, open=True), [an_order()], ["charge_mismatch"]),
        (a_charge(captured=120), [an_order(captured=120)], ["charge_excessive"]),
        (a_charge(), [an_order(operations=[CAPTURE, CAPTURE])], ["charge_doubled"]),
    ],
)
def test_a_provider_that_disagrees_is_found(charge, orders, found):
    assert kinds(compared(charge, *orders)) == found


def test_a_charge_not_reported_yet_is_in_flight_unless_settled():
    charge = a_charge(captured=0, open=True)
    findings = compared(charge, an_order())
    assert (kinds(findings), findings.checked["in_flight"]) == ([], 1)
    assert kinds(compared(charge, an_order(), settled=True)) == ["charge_unsettled"]


def test_a_charge_without_a_payment_is_found():
    findings = Findings()
    provider.unknown([an_order(), an_order(order_id="order-2", captured=0, operations=[])], findings)
    assert [(v.kind, v.id) for v in findings.violations] == [("charge_unknown", "order-1")]


@pytest.mark.parametrize(
    ("ours", "theirs", "found"),
    [
        ("CAPTURE|SUCCESS|100", "CAPTURE|SUCCESS|100", []),
        ("CAPTURE|SUCCESS|100", None, ["analytics_missing"]),
        ("CAPTURE|SUCCESS|100", "CAPTURE|PENDING|100", ["analytics_mismatch"]),
        (None, "CAPTURE|SUCCESS|100", ["analytics_extra"]),
    ],
)
def test_differences_in_clickhouse_are_found(ours, theirs, found):
    id, findings = uuid4(), Findings()
    analytics.compare({id: ours} if ours else {}, {id: theirs} if theirs else {}, findings, behind=False)
    assert kinds(findings) == found


def test_a_row_not_delivered_yet_is_in_flight():
    findings = Findings()
    analytics.compare({uuid4(): "CAPTURE|SUCCESS|100"}, {}, findings, behind=True)
    assert (kinds(findings), findings.checked["in_flight"]) == ([], 1)


def test_signals_rejected_for_good_are_found():
    findings = Findings()
    signals.check_dead({"auth.access.dead": 2, "notify.customer.dead": 0}, findings)
    assert [(v.kind, v.id) for v in findings.violations] == [("signal_dead", "auth.access.dead")]


@pytest.mark.parametrize(
    ("consumer", "kind"),
    [("payments", "behind"), ("sink.rabbitmq", "signals_behind"), ("sink.clickhouse", "analytics_behind")],
)
async def test_a_lagging_consumer_is_in_flight_unless_settled(database, log, consumer, kind):
    end = await place(database, log, consumer, before_the_end=True)
    findings = Findings()
    async with moment(database) as connection:
        assert await check_positions(connection, log, findings, settled=False) == {consumer: end}
        assert (kinds(findings), findings.checked["in_flight"]) == ([], end)
        await check_positions(connection, log, findings, settled=True)
    assert kinds(findings) == [kind]


async def test_a_position_past_the_end_of_the_topic_is_found(database, log):
    await place(database, log, "payments", before_the_end=False)
    findings = Findings()
    async with moment(database) as connection:
        await check_positions(connection, log, findings, settled=False)
    assert kinds(findings) == ["position_beyond_log"]


async def place(database, log, consumer, *, before_the_end):
    """Put a consumer before the first message of a partition that has any, or far past its last."""
    partition, end = next((p, end) for p, (_, end) in (await log.bounds("billing.events")).items() if end)
    await damage(
        database,
        "INSERT INTO stream_positions VALUES (:consumer, 'billing.events', :partition, :following)",
        consumer=consumer,
        partition=partition,
        following=0 if before_the_end else 10**12,
    )
    return end


@pytest.fixture
async def log(stack, paid):
    async with TopicReader.open(Settings(kafka_url=stack["urls"]["kafka"])) as log:
        yield log

"""Debian's Prometheus on the running stack: every panel has data, and a fault fires its alerts and ends them.

The rules wait a twentieth of what they do in production, and times of a minute are a few seconds.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import psutil
import pytest
from aiokafka import AIOKafkaProducer

from billing.messages.topics import INBOX
from monitoring import measures as measured
from monitoring.watch import TABLE
from tests.conftest import Stack
from tests.support.prometheus import Prometheus, a_prometheus
from tests.support.shop import Shop, a_shop

#: Block of the monitor → its rows.
Blocks = dict[str, list[dict[str, Any]]]

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

#: Within this a fault is told, and its end: the longest is a breaker's 20 failed calls.
WITHIN_S = 90.0
IN_A_HURRY = {
    "StreamStill": ("> 60", "> 5"),
    "SinkStill": ("> 120", "> 10"),
    "OutageLasts": ("> 60", "> 4"),
    "SignalsStuck": ("> 60", "> 4"),
    "RowsStuck": ("> 600", "> 4"),
    "BooksUnread": ("> 60", "> 12"),
    "JobMissed": ("> 600", "> 75"),
    "ProviderSlow": ("> 10", "> 1"),
    "OutcomeUnknown": ("> 900", "> 5"),
}
#: Panels about what this test does not cause.
NOT_CAUSED = {
    "Suspect statements",
    "Faults of clearing",
    "Days not cleared",
    "Not explained of the clearing account",
    "Lost callbacks of the last cleared day",
    "Since a day of the books was closed",
    "Renewals due",
    "How the last renewals ended",
    "Payments captured in another mode",
    "Payments that contradict their provider",
    "Oldest hold",
    "Refused commands",
    "Refused share of a command",
    "Open discrepancies",
    "Amount of open discrepancies",
    "Event streams",
    "Overdue questions to providers",
    "Oldest parked callback",
}


@pytest.fixture(scope="module")
async def prometheus(running: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    async with a_prometheus(running, folder, IN_A_HURRY) as server:
        yield server


@pytest.fixture
async def shop(stack: dict[str, Any]) -> AsyncIterator[Shop]:
    async with a_shop(stack) as one:
        yield one


@asynccontextmanager
async def suspended(running: Stack, part: str) -> AsyncIterator[None]:
    """It stops answering without closing a connection; in the end it is killed, and comes back."""
    process = psutil.Process(running.pid(part))
    family = [process, *process.children(recursive=True)]
    for member in family:
        member.suspend()
    try:
        yield
    finally:
        for member in family:
            member.kill()
        await asyncio.to_thread(running.up)


@asynccontextmanager
async def selling(shop: Shop) -> AsyncIterator[None]:
    """Payments all the while."""
    task = asyncio.create_task(shop.sell(10_000, 0.2))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


#: Messages that may be before a consumer that is well: the sink of ClickHouse gathers rows for a second.
A_FEW = 50


def behind(shown: Blocks, consumer: str) -> bool:
    """Whether the monitor shows that the consumer has more than a few messages before it."""
    return any(row["consumer"] == consumer and (row["behind"] or 0) > A_FEW for row in shown["streams"])


def held(shown: Blocks, reason: str) -> bool:
    """Whether it shows that workers hold the provider back, and why."""
    return any(reason in row["reason"] for row in shown["providers"])


#: What an operator sees of a fault on the monitor, besides its alerts (docs/operations.md, "Faults, one by one").
SEEN: dict[str, Callable[[Blocks], bool]] = {
    "worker-1": lambda shown: behind(shown, "payments"),
    "rabbitmq": lambda shown: behind(shown, "sink.rabbitmq") and not behind(shown, "sink.clickhouse"),
    "clickhouse": lambda shown: behind(shown, "sink.clickhouse") and not behind(shown, "sink.rabbitmq"),
    "kafka": lambda shown: all(row["behind"] is None for row in shown["streams"]),
    "signals": lambda shown: behind(shown, "sink.rabbitmq"),
    "key_refused": lambda shown: held(shown, "credentials"),
    "error_500_before_commit": lambda shown: held(shown, "http_500") and bool(shown["unknown"]),
    "partition": lambda shown: any(row["consumer"] == "payments" for row in shown["partitions"]),
    "approvals": lambda shown: (
        {row["what"] for row in shown["waiting"]} >= {"approvals: waiting", "approvals: not sent"}
    ),
    "poison": lambda shown: any(row["what"] == "dead letters" and row["number"] for row in shown["waiting"]),
    "ledger": lambda shown: any(row["minor units"] for row in shown["money"] if row["what"].startswith("ledger")),
}


async def seen(running: Stack, fault: str) -> None:
    """Wait until the monitor shows the fault, where it shows it."""
    if fault not in SEEN:
        return
    deadline, blocks = time.monotonic() + WITHIN_S, {}
    while time.monotonic() < deadline:
        looked = await asyncio.to_thread(running.billing, "monitor", "--json")
        blocks = {block["name"]: block["rows"] for block in json.loads(looked.stdout)["blocks"]}
        if SEEN[fault](blocks):
            return
    raise AssertionError(f"the monitor does not show {fault}: {blocks}")


@pytest.mark.parametrize(
    ("part", "alerts"),
    [
        ("worker-1", ("ProcessDown", "StreamStill", "PartitionsUnowned")),
        ("rabbitmq", ("SignalsStuck",)),
        ("clickhouse", ("RowsStuck",)),
        ("kafka", ("KafkaUnacknowledged",)),
        ("postgres", ("OutageLasts", "BooksUnread")),
        ("monitor", ("BooksUnread", "ProcessDown")),
        ("signals", ("SinkStill", "ProcessDown")),
        ("scheduler", ("JobMissed", "ProcessDown")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_part_that_hangs_is_told_and_its_return_too(
    running: Stack, shop: Shop, prometheus: Prometheus, part: str, alerts: tuple[str, ...]
) -> None:
    await prometheus.until(*alerts, fire=False, within_s=WITHIN_S)
    async with selling(shop):
        await asyncio.sleep(3)
        async with suspended(running, part):
            await prometheus.until(*alerts, fire=True, within_s=WITHIN_S + 60)
            await seen(running, part)
        await prometheus.until(*alerts, fire=False, within_s=WITHIN_S)


@pytest.mark.parametrize(
    ("fault", "alerts", "lasting"),
    [
        ({"fault": "error_500_before_commit"}, ("ProviderDown", "ProviderDoubtful"), ("OutcomeUnknown",)),
        ({"fault": "slow", "delay_ms": 2500}, ("ProviderSlow",), ()),
        ({"fault": "key_refused"}, ("ProviderRefusesUs", "ProviderDown"), ()),
    ],
    ids=["fails", "slow", "refuses our key"],
)
async def test_a_provider_that_fails_is_slow_or_refuses_our_key_is_told(
    running: Stack,
    stack: dict[str, Any],
    shop: Shop,
    prometheus: Prometheus,
    fault: dict[str, Any],
    alerts: tuple[str, ...],
    lasting: tuple[str, ...],
) -> None:
    """``lasting``: they end when the payments of the fault are asked about, which is later."""
    url = f"{stack['urls']['sandbox']}/_sandbox/faults"
    await prometheus.until(*alerts, fire=False, within_s=WITHIN_S)
    async with aiohttp.ClientSession() as http, selling(shop):
        async with http.post(url, json=fault | {"provider": "yandex-pay", "rate": 1}) as made:
            made.raise_for_status()
        try:
            await prometheus.until(*alerts, *lasting, fire=True, within_s=WITHIN_S)
            await seen(running, fault["fault"])
        finally:
            async with http.delete(url) as ended:
                ended.raise_for_status()
        await prometheus.until(*alerts, fire=False, within_s=WITHIN_S)


async def test_a_partition_that_stands_still_while_others_move_is_told(
    running: Stack, stack: dict[str, Any], shop: Shop, prometheus: Prometheus
) -> None:
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    try:
        async with selling(shop), connection.transaction():
            held = await connection.fetchval(
                "SELECT partition FROM stream_positions WHERE consumer = 'payments' AND topic = $1 LIMIT 1 FOR UPDATE",
                INBOX.name,
            )
            assert held is not None
            await prometheus.until("StreamStill", fire=True, within_s=WITHIN_S)
            await seen(running, "partition")
        await prometheus.until("StreamStill", fire=False, within_s=WITHIN_S)
    finally:
        await connection.close()


async def test_a_poison_message_is_told_until_somebody_has_dealt_with_it(
    running: Stack, stack: dict[str, Any], prometheus: Prometheus
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=stack["urls"]["kafka"])
    await producer.start()
    await producer.send_and_wait(INBOX.name, b"no message of ours", key=b"poison")
    await producer.stop()
    await prometheus.until("LettersOpen", fire=True, within_s=WITHIN_S)
    await seen(running, "poison")

    listed = await asyncio.to_thread(running.billing, "dead-letters", "list", "--json")
    for letter in json.loads(listed.stdout)["dead_letters"]:
        done = running.billing("dead-letters", "discard", letter["id"], "--actor", "ann", "--reason", "poison")
        assert done.returncode == 0, done.stdout + done.stderr
    await prometheus.until("LettersOpen", fire=False, within_s=WITHIN_S)


async def test_forged_callbacks_are_told(stack: dict[str, Any], prometheus: Prometheus) -> None:
    async with aiohttp.ClientSession() as http:
        for _ in range(20):
            async with http.post(f"{stack['urls']['ingest']}/webhooks/stripe", json={"id": "forged"}) as answer:
                assert answer.status >= 400
    await prometheus.until("CallbacksRejected", fire=True, within_s=WITHIN_S)
    await prometheus.until("CallbacksRejected", fire=False, within_s=WITHIN_S)


async def test_an_entry_without_its_counterpart_is_told(
    running: Stack, stack: dict[str, Any], shop: Shop, prometheus: Prometheus
) -> None:
    await shop.sell(1)
    assert await shop.settled("CAPTURED"), "the ledger has accounts"
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    try:
        await connection.execute("SET session_replication_role = replica")
        posting = await connection.fetchval(
            "INSERT INTO ledger_entries (posting_id, line, account, amount, currency, posted_at, cause_kind, cause_id, source)"
            " SELECT gen_random_uuid(), 0, code, 1, 'RUB', now(), 'test', 'x', 'clearing' FROM ledger_accounts LIMIT 1 RETURNING posting_id"
        )
        await prometheus.until("LedgerUnbalanced", fire=True, within_s=WITHIN_S)
        await seen(running, "ledger")
        await connection.execute("DELETE FROM ledger_entries WHERE posting_id = $1", posting)
        await prometheus.until("LedgerUnbalanced", fire=False, within_s=WITHIN_S)
    finally:
        await connection.close()


async def test_approvals_that_wait_for_a_person_or_for_kafka_are_told(
    running: Stack, stack: dict[str, Any], shop: Shop, prometheus: Prometheus
) -> None:
    alerts = ("ApprovalWaits", "ApprovalNotSent")
    await shop.sell(1)
    assert await shop.settled("CAPTURED"), "there is a payment to ask for"
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    try:
        for decision in (None, "approved"):
            await connection.execute(
                "INSERT INTO approvals (id, action, payment_id, payment_version, currency, type, command, preview, cause,"
                " requested_by, reason, requested_at, expires_at, decided_by, decided_at, decision)"
                " SELECT gen_random_uuid(), 'refund', p.id, p.version, p.currency, 'x', '', '', 'limit', 'ann', 'a test', at,"
                " at + interval '1 day', CASE WHEN $1::text IS NOT NULL THEN 'bob' END,"
                " CASE WHEN $1::text IS NOT NULL THEN at END, $1"
                " FROM (SELECT now() - interval '5 hours' AS at) AS moment, (SELECT * FROM payments LIMIT 1) AS p",
                decision,
            )
        await prometheus.until(*alerts, fire=True, within_s=WITHIN_S)
        await seen(running, "approvals")
        await connection.execute("SET session_replication_role = replica")  # nobody deletes a request
        await connection.execute("DELETE FROM approvals WHERE reason = 'a test'")
        await prometheus.until(*alerts, fire=False, within_s=WITHIN_S)
    finally:
        await connection.close()


async def test_every_panel_has_data(running: Stack, stack: dict[str, Any], shop: Shop, prometheus: Prometheus) -> None:
    """After the faults, which the tests before made: what has no series while all is well has had some."""
    for turn in ("disable", "enable"):
        running.billing("providers", turn, "tbank", "--actor", "ann", "--reason", "a test")
    async with aiohttp.ClientSession() as http, http.get(f"{stack['urls']['admin']}/reports") as page:
        assert page.status < 500
    await shop.sell(20, 0.1)
    await asyncio.sleep(5)
    empty = [one.title for one in TABLE if not one.rare and not await prometheus.ask(one.query)]
    assert empty == []
    never = {one.title for one in TABLE if one.rare and not await prometheus.asked_since_start(one.query)}
    assert never <= NOT_CAUSED


async def test_the_live_page_has_what_processes_tell(shop: Shop, prometheus: Prometheus) -> None:
    await shop.sell(300, 0.2)  # a minute: the page has a point for each
    measures = await measured.Prometheus(prometheus.url).measures()
    assert measures is not None
    told = {one.watched.title: [line.label for line in one.lines] for one in measures}
    assert "yandex-pay PENDING" in told["Calls by outcome"]
    rare = {one.watched.title for one in measures if one.watched.rare}
    assert [title for title, labels in told.items() if not labels and title not in rare] == []


async def test_the_watchdog_fires_all_the_while(prometheus: Prometheus) -> None:
    assert "Watchdog" in await prometheus.firing()

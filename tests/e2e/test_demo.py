"""The whole flow, as the README's first command plays it."""

import asyncio
import json
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import aio_pika
import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from sinks.rabbitmq.publisher import SIGNALS
from tests.conftest import BILLING, Stack

PAYMENTS = 60
PATIENCE_S = 60
#: Where a test is about single payments: the year has a file of its own, test_year.py.
NO_SUBSCRIBERS = ("--subscribers", "0")


def figures(output: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def expect_all_agree(found: dict[str, Any], payments: int) -> None:
    paid = payments * 8 // 10
    assert found["problems"] == []
    assert (found["accepted"], found["captured"], found["declined"]) == (payments, paid, payments // 10)
    assert found["abandoned"] == found["pending"] == payments // 10
    assert found["signals_auth"] == found["signals_notify"] == paid
    assert found["clickhouse_operations"] == payments + paid, "an authorization each, a capture for each that paid"
    assert (found["lost"], found["duplicates"]) == (0, 0)


def test_the_broker_is_apache_kafka(stack):
    assert stack["embedded"]["kafka"] == "apache", "the Tansu stand-in proves nothing about delivery"


def test_every_part_tells_the_same_story(running: Stack):
    demo = running.billing("demo", "--payments", str(PAYMENTS), *NO_SUBSCRIBERS, "--json")
    assert demo.returncode == 0, demo.stderr
    expect_all_agree(figures(demo.stdout), PAYMENTS)


@pytest.mark.parametrize("victim", ["ingest", "worker-1", "sandbox", "signals", "analytics", "clickhouse"])
def test_a_process_killed_during_the_demo_and_started_again_changes_no_figure(running: Stack, victim: str):
    pid = running.pid(victim)
    with subprocess.Popen(
        [*BILLING, "demo", "--payments", str(PAYMENTS), *NO_SUBSCRIBERS, "--json", "--seed", "7"],
        env=running.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as demo:
        wait_for_first_payment(demo)
        psutil.Process(pid).kill()
        running.up()
        output, errors = demo.communicate(timeout=150)
    assert running.pid(victim) != pid
    assert demo.returncode == 0, errors + output
    expect_all_agree(figures(output), PAYMENTS)


def wait_for_first_payment(demo: subprocess.Popen[str]) -> None:
    """The demo says on its error stream when the shop opens."""
    assert demo.stderr is not None
    for line in demo.stderr:
        if "customers:" in line:
            return
    pytest.fail("the demo ended before it began")


async def test_curl_counts_operations_in_clickhouse(stack):
    server, _, database = stack["urls"]["clickhouse"].rpartition("/")
    async with (
        aiohttp.ClientSession() as http,
        http.post(server, params={"database": database}, data=b"SELECT count() FROM operations") as answer,
    ):
        assert answer.status == 200
        assert int(await answer.text()) >= PAYMENTS


async def test_a_plain_consumer_sees_the_signals(running: Stack, stack):
    connection = await aio_pika.connect(stack["urls"]["rabbitmq"])
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(SIGNALS.exchange, "auth.allow_access")
        demo = running.billing("demo", "--payments", "10", *NO_SUBSCRIBERS, "--json")
        assert demo.returncode == 0, demo.stderr
        deadline = time.monotonic() + PATIENCE_S
        seen: set[str] = set()
        while len(seen) < 8 and time.monotonic() < deadline:
            message = await queue.get(timeout=5, fail=False)
            if message is not None:
                body = json.loads(message.body)
                assert body["action"] == "ALLOW_ACCESS"
                assert body["products"]
                seen.add(str(message.message_id))
    assert len(seen) == 8


@pytest.mark.parametrize("sink", ["signals", "analytics"])
async def test_what_a_sink_delivered_and_how_late_can_be_read(stack, sink):
    (port,) = [process["port"] for process in stack["processes"] if process["name"] == sink]
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/metrics") as answer:
        samples = {
            sample.name: sample.value
            for family in text_string_to_metric_families(await answer.text())
            for sample in family.samples
        }
    # How many it was since the process began is not ours to say: a test before may have killed it.
    assert samples["sink_delivered_total"] > 0
    assert samples["sink_lag_seconds_count"] > 0
    assert samples["sink_stuck_seconds"] == 0


async def test_the_metrics_of_the_workers_agree_with_what_was_paid(running: Stack, stack):
    """Counted over one demo: every accepted payment is a decision, every call to a provider ended, nothing lags."""

    async def read() -> Counter[tuple[str, frozenset[tuple[str, str]]]]:
        found: Counter[tuple[str, frozenset[tuple[str, str]]]] = Counter()
        ports = [process["port"] for process in stack["processes"] if process["name"].startswith("worker")]
        async with aiohttp.ClientSession() as http:
            for port in ports:
                async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    for family in text_string_to_metric_families(await answer.text()):
                        for sample in family.samples:
                            found[sample.name, frozenset(sample.labels.items())] += sample.value
        return found

    def total(found: Mapping[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
        return sum(value for (n, given), value in found.items() if n == name and labels.items() <= dict(given).items())

    before = await read()
    demo = await asyncio.to_thread(running.billing, "demo", "--payments", str(PAYMENTS), *NO_SUBSCRIBERS, "--json")
    assert demo.returncode == 0, demo.stderr
    after = await read()

    def grown(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    created = grown("payments_decisions_total", type="billing.payment.create.v1", outcome="changed")
    assert created == PAYMENTS
    assert grown("provider_calls_total", outcome="SUCCEEDED") + grown("provider_calls_total", outcome="PENDING") > 0
    assert grown("provider_call_seconds_count") == grown("provider_calls_total") >= PAYMENTS
    assert grown("stream_batch_messages_sum", consumer="payments") >= 2 * PAYMENTS, "commands and results"
    assert total(after, "stream_lag_messages", consumer="payments") == 0
    assert total(after, "provider_breaker", state="open") == 0
    assert grown("dead_letters_total") == 0

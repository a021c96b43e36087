"""The local stack: comes up whole, stays up, keeps its data, leaves nothing behind. On two servers of its own: one in
Erlang, one under another user, both with processes below them."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import asyncpg
import psutil
import pytest

from deploy.local import rabbitmq
from tests.conftest import BILLING, Stack

PATIENCE_S = 60
PARTS = {"epmd", "rabbitmq", "postgres"}


def status(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.billing("status", "--json").stdout)
    return found


def everything(stack: Stack) -> list[psutil.Process]:
    """The supervisor and all below it."""
    supervisor = psutil.Process(status(stack)["supervisor_pid"])
    return [supervisor, *supervisor.children(recursive=True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("small") / "state")
    stack.environment["BILLING_LOCAL_PARTS"] = "postgres,rabbitmq"
    yield stack
    stack.billing("down")


@pytest.fixture
def small(folder: Stack) -> Stack:
    """The small stack, running."""
    folder.up()
    return folder


def test_status_says_where_everything_is_and_how_it_does(small):
    found = status(small)
    assert {process["name"] for process in found["processes"]} == PARTS
    for process in found["processes"]:
        assert process["healthy"]
        assert psutil.pid_exists(process["pid"])
        assert Path(process["log"]).exists()
        assert process["uptime_s"] > 0
        assert process["rss_mb"] > 0
    assert found["embedded"]["rabbitmq"] == "system"
    assert found["embedded"]["postgres"] in ("system", "wheel")
    assert found["urls"]["kafka"] is found["urls"]["admin"] is None
    assert found["api_key"]
    assert small.billing("status").returncode == 0


def test_up_again_even_twice_at_once_changes_nothing_that_runs(small):
    before = everything(small)
    ups = [
        subprocess.Popen([*BILLING, "up", "--json"], env=small.environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for up in ups:
        found = json.loads(up.communicate(timeout=PATIENCE_S)[0])
        assert {process["pid"] for process in found["processes"]} < {process.pid for process in before}
    assert status(small)["supervisor_pid"] == before[0].pid


@pytest.mark.parametrize("victim", ["postgres", "rabbitmq", "epmd"])
def test_status_tells_a_part_that_hangs_within_ten_seconds(small, victim):
    process = psutil.Process(small.pid(victim))
    process.suspend()
    try:
        stopped_at = time.monotonic()
        while (found := status(small))["phase"] == "ready":
            assert time.monotonic() < stopped_at + 10
            time.sleep(0.2)
        assert (found["phase"], found["problem"]) == ("degraded", f"not healthy: {victim}")
        assert {p["name"]: p["state"] for p in found["processes"]}[victim] == "not answering"
        shown = small.billing("status")
        assert shown.returncode == 1
        assert f"not healthy: {victim}" in shown.stdout
    finally:
        process.resume()
    small.up()
    assert status(small)["phase"] == "ready"


@pytest.mark.parametrize("victim", ["postgres", "rabbitmq"])
def test_a_killed_part_is_back_when_up_returns(small, victim):
    pid = small.pid(victim)
    psutil.Process(pid).kill()
    found = small.up()
    killed = next(process for process in found["processes"] if process["name"] == victim)
    assert killed["healthy"]
    assert killed["pid"] != pid
    assert killed["restarts"] > 0


def declared_on_disk(stack: Stack) -> None:
    """Have RabbitMQ write down what was declared: Mnesia's log keeps up to 2 s of it in memory only."""
    environment = psutil.Process(stack.pid("rabbitmq")).environ()
    control = rabbitmq.script().with_name("rabbitmqctl")
    subprocess.run([control, "eval", "ok = mnesia:sync_log()."], env=environment, check=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("end", ["down", "SIGKILL"])
async def test_nothing_but_data_outlives_the_end(small, end):
    before = status(small)
    kept = f"kept_{end.lower()}"
    postgres = await asyncpg.connect(before["urls"]["postgres"], database="postgres")
    await postgres.execute(f"CREATE TABLE {kept} AS SELECT 7 AS id")
    await postgres.close()
    async with await aio_pika.connect(before["urls"]["rabbitmq"]) as connection:
        channel = await connection.channel(publisher_confirms=True)
        # A quorum queue would do after some seconds only: RabbitMQ 3.10 killed right after one was declared never gets
        # it going again.
        await channel.declare_queue(kept, durable=True)
        await channel.default_exchange.publish(aio_pika.Message(b"7", delivery_mode=2), kept)
    await asyncio.to_thread(declared_on_disk, small)
    processes = everything(small)
    assert len(processes) > 1 + len(PARTS)

    if end == "down":
        assert small.billing("down").returncode == 0
        assert small.billing("status").returncode == 1
        assert status(small)["phase"] == "stopped"
    else:
        processes[0].kill()
    assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []

    after = small.up()
    assert after["urls"] == before["urls"]
    postgres = await asyncpg.connect(after["urls"]["postgres"], database="postgres")
    assert await postgres.fetchval(f"SELECT id FROM {kept}") == 7
    await postgres.close()
    async with await aio_pika.connect(after["urls"]["rabbitmq"]) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(kept)
        async with queue.iterator(timeout=PATIENCE_S) as messages:
            async for message in messages:
                assert message.body == b"7"
                await message.ack()
                break


def test_what_is_not_installed_is_named_with_package_and_setting_and_wiped_without_trace(tmp_path):
    stack = Stack(tmp_path / "state")
    stack.environment |= {"BILLING_LOCAL_PARTS": "kafka", "BILLING_LOCAL_KAFKA": "apache", "PATH": str(tmp_path)}
    failed = stack.billing("up")
    assert failed.returncode == 1
    assert "openjdk" in failed.stderr
    assert "BILLING_KAFKA_URL" in failed.stderr
    assert stack.billing("down", "--wipe").returncode == 0
    assert not stack.state_dir.exists()

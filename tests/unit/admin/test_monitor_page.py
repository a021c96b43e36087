"""The page /monitor: the oldest first, levels in words, and what it still knows without Postgres."""

import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest

import admin
from billing.access.roles import Role
from monitoring.books import Books, ConsumerLag
from monitoring.recent import sample
from runtime.kafka.lag import Lag
from storage.monitoring import Unfinished
from tests.unit.admin.conftest import World
from tests.unit.monitoring.test_view import FINE, NOW

OLD = Unfinished("tbank", "PENDING", 1, NOW - timedelta(hours=2), UUID(int=2))
YOUNG = Unfinished("stripe", "PENDING", 5, NOW - timedelta(minutes=1), UUID(int=1))
STILL = ConsumerLag("payments", "inbox", 3, 10, Lag(7, 90, 90), 0.0)


def show(world: World, **fields: object) -> None:
    world.recent.books = Books(at=NOW, **FINE | fields)
    world.recent.samples += [sample(world.recent.books)] * 3


async def text(world: World) -> str:
    answer = await world.get("/monitor")
    assert answer.status == 200
    return re.sub(r"\s+", " ", await answer.text())


@pytest.fixture
async def monitor(world: World) -> World:
    world.headers = {}
    await world.sign_in(Role.VIEWER)
    return world


async def test_nobody_sees_it_without_a_session(world: World) -> None:
    world.headers = {}
    assert (await world.get("/monitor")).status == 303


async def test_the_oldest_unfinished_payment_is_first_and_says_that_somebody_has_to_act(monitor: World) -> None:
    show(monitor, unfinished=[YOUNG, OLD])
    page = await text(monitor)
    assert page.index("Oldest unfinished payments") < page.index("Outcomes that are not known")
    assert page.index("tbank") < page.index("stripe")
    assert '<h1>Monitor <span class="state bad">act now</span></h1>' in page
    assert f'<a href="/payments/{OLD.payment}"><code>{OLD.payment}</code></a>' in page


async def test_a_consumer_that_stands_still_is_called_so_with_its_line(monitor: World) -> None:
    show(monitor, lags=[STILL])
    page = await text(monitor)
    assert "still" in page
    assert '<svg class="spark"' in page


async def test_the_page_follows_by_a_script_of_ours_and_reads_itself_again_where_the_session_is_over(
    monitor: World,
) -> None:
    show(monitor)
    answer = await monitor.get("/monitor")
    page = await answer.text()
    assert re.findall("<script.*", page) == ['<script src="/static/vendor/htmx.js" defer></script>']
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {rule for rule in policy if "script" in rule or "connect" in rule} == {
        "script-src 'self'", "connect-src 'self'",
    }  # fmt: skip
    monitor.accounts.roles.clear()
    monitor.headers = {"HX-Request": "true"}
    over = await monitor.get("/monitor")
    assert (over.status, over.headers["HX-Refresh"]) == (204, "true")


def test_the_script_is_the_copy_that_its_list_names() -> None:
    vendor = Path(admin.__file__).parent / "static/vendor"
    listed = dict(re.findall(r"^\| `(\S+)` .* `([0-9a-f]{64})` \|$", (vendor / "README.md").read_text(), re.MULTILINE))
    scripts = {file.name: sha256(file.read_bytes()).hexdigest() for file in vendor.iterdir() if file.suffix == ".js"}
    assert scripts == listed


async def test_with_nothing_wrong_every_block_says_what_that_means(monitor: World) -> None:
    show(monitor)
    page = await text(monitor)
    assert "every payment is final" in page
    assert "<h1>Monitor</h1>" in page


async def test_without_postgres_it_shows_what_was_read_last_and_since_when(monitor: World) -> None:
    show(monitor, unfinished=[OLD])
    monitor.recent.failing_since = NOW
    page = await text(monitor)
    assert "PostgreSQL does not answer since" in page
    assert "This is what was read last." in page
    assert "tbank" in page


async def test_before_anything_was_read_it_says_so_and_invents_nothing(monitor: World) -> None:
    page = await text(monitor)
    assert "read for the first time" in page
    assert "every payment is final" not in page
    monitor.recent.failing_since = NOW
    assert "Nothing was read before." in await text(monitor)

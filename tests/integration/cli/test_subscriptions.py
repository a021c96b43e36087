"""``billing plans`` and ``billing subscriptions`` on the running stack: what they answer with, and their exit codes."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.conftest import Stack
from tests.support.integrator import AMOUNT, Integrator, an_integrator

WHO = ("--actor", "olga", "--reason", "asked by phone")


@pytest.fixture
async def integrator(stack: dict[str, Any]) -> AsyncIterator[Integrator]:
    async with an_integrator(stack) as one:
        yield one


@pytest.fixture
async def records(stack: dict[str, Any]) -> AsyncIterator[Any]:
    """What operators did to a subject, and how it ended."""
    postgres = await asyncpg.connect(stack["urls"]["postgres"])

    async def read(subject: object) -> list[tuple[str, str, str]]:
        rows = await postgres.fetch(
            "SELECT action, actor, outcome FROM operator_actions WHERE subject_id = $1 ORDER BY id", str(subject)
        )
        return [tuple(row) for row in rows]

    yield read
    await postgres.close()


def run(running: Stack, *arguments: object, code: int = 0) -> Any:
    """What the command writes as JSON; its lines for people without ``--json``."""
    done = running.billing(*map(str, arguments))
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr


async def test_a_plan_is_made_priced_and_shown_and_who_did_so_is_on_record(running: Stack, records: Any) -> None:
    plan = f"sport-{uuid4().hex[:8]}"
    mine = (plan, "--client", "demo")
    run(running, "plans", "create", *mine, "--title", "Sport", "--group", "cinema", *WHO)
    assert "there is a plan" in run(running, "plans", "create", *mine, "--title", "Sport", *WHO, code=1)
    terms = ("--amount", 79_900, "--product", "sport", "--product", "hd", "--interval", "YEAR", "--tax", "vat20")
    made = run(running, "plans", "price", *mine, *terms, *WHO, "--json")
    assert (made["version"], made["amount"], made["products"]) == (1, 79_900, ["sport", "hd"])
    too_long = run(running, "plans", "price", *mine, *terms, "--count", 999, *WHO, code=1)
    assert "a period is 1 to 3 YEAR" in too_long

    shown = run(running, "plans", "show", *mine, "--json")
    assert (shown["group"], [price["id"] for price in shown["prices"]]) == ("cinema", [made["id"]])
    assert plan in [p["id"] for p in run(running, "plans", "list", "--client", "demo", "--json")["plans"]]
    assert "another has no plan" in run(running, "plans", "show", plan, "--client", "another", code=1)
    assert await records(plan) == [
        ("create_plan", "olga", "done"),
        ("create_plan", "olga", "refused"),
        ("add_price", "olga", "done"),
        ("add_price", "olga", "refused"),
    ]


@pytest.mark.parametrize(
    ("plan", "options", "fault"),
    [
        ("Sport/1", (), "id: Should be at most 64 lower-case letters"),
        ("s" * 65, (), "id: Should be at most 64 lower-case letters"),
        ("sport", ("--group", "the cinema"), "group: Should be at most 64 lower-case letters"),
        ("sport", ("--title", " "), "title: Should have a visible character"),
    ],
)
def test_a_plan_that_rest_would_not_take_is_not_made(
    running: Stack, plan: str, options: tuple[str, ...], fault: str
) -> None:
    mine = ("--client", f"client-{uuid4().hex[:8]}")
    assert fault in run(running, "plans", "create", plan, *mine, "--title", "Sport", *options, *WHO, code=2)
    assert run(running, "plans", "list", *mine, "--json") == {"plans": []}


async def test_a_subscription_is_found_and_shown_with_its_story(running: Stack, integrator: Integrator) -> None:
    id = await integrator.subscribe("ann")
    (listed,) = run(running, "subscriptions", "list", "--customer", f"ann-{integrator.plan}", "--json")["subscriptions"]
    assert (listed["subscription_id"], listed["status"]) == (str(id), "ACTIVE")
    nobody = ("--plan", integrator.plan, "--status", "ENDED", "--client", "demo", "--json")
    assert run(running, "subscriptions", "list", *nobody) == {"subscriptions": []}

    shown = run(running, "subscriptions", "show", id, "--json")
    assert [(p["number"], p["amount"], p["status"]) for p in shown["periods"]] == [(1, AMOUNT, "PAID")]
    assert [(a["purpose"], a["state"]) for a in shown["attempts"]] == [("FIRST", "PAID")]
    assert "life: 1" in run(running, "subscriptions", "show", id)
    entries = run(running, "subscriptions", "timeline", id, "--json")["entries"]
    assert {"command", "outcome", "transition"} <= {entry["kind"] for entry in entries}
    for command in ("show", "timeline"):
        assert "there is no subscription" in run(running, "subscriptions", command, UUID(int=1), code=1)


async def test_support_extends_at_the_time_of_the_subscriptions_clock(
    running: Stack, integrator: Integrator, records: Any
) -> None:
    id = await integrator.subscribe("bob")
    extended = run(running, "subscriptions", "extend", id, "--until", "2026-03-15T12:00:00+03:00", *WHO, "--json")
    assert extended["subscription"]["period"]["end_at"] == "2026-03-15T09:00:00Z"
    early = run(running, "subscriptions", "extend", id, "--until", "2026-02-01T12:00", *WHO, "--json", code=1)
    assert early["refusal"]["code"] == "invalid_end"
    assert "is not a time" in run(running, "subscriptions", "extend", id, "--until", "soon", *WHO, code=2)
    assert await records(id) == [("extend_subscription", "olga", "done"), ("extend_subscription", "olga", "refused")]


async def test_support_cancels_at_the_end_or_now_with_a_refund(
    running: Stack, integrator: Integrator, records: Any
) -> None:
    id = await integrator.subscribe("cleo")
    leaving = run(running, "subscriptions", "cancel", id, *WHO, "--json")
    assert leaving["subscription"]["cancel_at"] == "2026-02-28T09:00:00Z"
    assert "refunded" not in leaving
    assert "--now" in run(running, "subscriptions", "cancel", id, "--refund", "FULL", *WHO, code=2)
    ended = run(running, "subscriptions", "cancel", id, "--now", "--refund", "FULL", *WHO, "--json")
    assert (ended["subscription"]["status"], ended["refunded"]) == ("ENDED", AMOUNT)
    assert "refused, subscription_ended" in run(running, "subscriptions", "cancel", id, "--now", *WHO, code=1)
    assert "there is no subscription" in run(running, "subscriptions", "cancel", UUID(int=1), *WHO, code=1)
    assert "reason is required" in run(
        running, "subscriptions", "cancel", id, "--reason", " ", "--actor", "olga", code=2
    )
    assert await records(id) == [
        ("cancel_subscription", "olga", "done"),
        ("cancel_subscription", "olga", "done"),
        ("cancel_subscription", "olga", "refused"),
    ]

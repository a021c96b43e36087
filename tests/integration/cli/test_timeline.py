"""``billing timeline``."""

import json
from uuid import uuid4

import msgspec
import pytest
from billing_client import BillingClient, Cart, Contact, Item, NewPayment, ReturnUrls
from sqlalchemy import text

from billing.messages import PaymentChanged, decode_envelope
from runtime.postgres import create_engine

# Not a subscription's: other tests of the same stack may have some, and those grant nothing by themselves.
_PAYMENT_WITH_SIGNALS = """
    SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id
    WHERE p.captured > 0 AND o.subscription IS NULL LIMIT 1
"""


@pytest.fixture(scope="session")
async def captured(paid, settings) -> tuple[str, list]:
    """A paid payment, and the times of its journal with the messages published then."""
    engine = create_engine(settings)
    async with engine.connect() as connection:
        id = (await connection.execute(text(_PAYMENT_WITH_SIGNALS))).scalar_one()
        journal = await connection.execute(
            text("SELECT recorded_at, outputs::text FROM journal WHERE payment_id = :id ORDER BY stream_offset"),
            {"id": id},
        )
        rows = journal.all()
    await engine.dispose()
    return str(id), rows


def _timeline(stack, *arguments: str) -> dict:
    done = stack.billing("timeline", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_lists_everything_in_order_from_the_command_to_the_signals(paid, captured):
    report = _timeline(paid, captured[0])
    kinds = [entry["kind"] for entry in report["entries"]]
    assert kinds[:2] == ["command", "call"]
    assert {"command", "call", "result", "callback", "transition", "posting", "signal"} <= set(kinds)
    times = [entry["at"] for entry in report["entries"]]
    assert times == sorted(times)
    assert all(entry["recomputed"] for entry in report["entries"] if entry["kind"] == "signal")
    assert all("/" in entry["position"] for entry in report["entries"])
    assert any("→ CAPTURED" in entry["summary"] for entry in report["entries"])
    assert report["entries"][0]["actor"]


async def test_contacts_and_keys_are_masked(paid, stack):
    new = NewPayment(
        customer_id="customer-1",
        currency="RUB",
        amount=29_900,
        cart=Cart([Item("film-1", "Stalker", 1, 29_900)]),
        contact=Contact(email="masked-viewer@cinema.example", phone="+79161234567"),
        return_urls=ReturnUrls("https://cinema.example/paid", "https://cinema.example/unpaid"),
    )
    async with BillingClient(stack["urls"]["ingest"], stack["api_key"]) as billing:
        created = await billing.create_payment(new, wait_s=20)
    report = _timeline(paid, str(created.id))
    assert report["state"]["order"]["contact"] == "***"
    assert not [value for value in ("masked-viewer", "9161234567", stack["api_key"]) if value in json.dumps(report)]


def test_the_state_at_each_time_is_the_one_published_then(paid, captured):
    id, rows = captured
    last = {}
    for recorded_at, outputs in rows:
        for output in msgspec.json.decode(outputs, type=list[dict[str, msgspec.Raw]]):
            message = decode_envelope(bytes(output["value"])).open()
            if isinstance(message, PaymentChanged):
                last[recorded_at] = message
    assert len(last) >= 2
    for at, event in last.items():
        report = _timeline(paid, id, "--at", at.isoformat())
        state = report["state"]
        assert (state["status"], state["version"]) == (event.status, event.version)
        assert state.get("captured", 0) == event.captured
        assert max(entry["at"] for entry in report["entries"]) <= at.isoformat().replace("+00:00", "Z")
    assert _timeline(paid, id, "--at", "2020-01-01T00:00:00Z")["state"] is None


def test_a_table_for_people(paid, captured):
    done = paid.billing("timeline", captured[0])
    assert done.returncode == 0, done.stderr
    assert "CAPTURED" in done.stdout


def test_an_unknown_payment_and_an_invalid_time_are_errors(paid, captured):
    unknown = str(uuid4())
    done = paid.billing("timeline", unknown)
    assert (done.returncode, done.stderr.strip()) == (1, f"there is no payment {unknown}")
    assert paid.billing("timeline", captured[0], "--at", "yesterday").returncode == 2


def test_the_waterfall_has_the_calls_within_the_payments_time(paid, captured, tmp_path):
    trace = _timeline(paid, captured[0], "--waterfall")
    spans = trace["spans"]
    assert spans[0]["name"] == "create payment"
    (call,) = [span for span in spans if span["name"].endswith(" CREATE") and span["process"] == "provider_calls"]
    assert call["parent"] == spans[0]["id"]
    assert "create payment" in paid.billing("timeline", captured[0], "--waterfall").stdout

    file = tmp_path / "trace.json"
    assert paid.billing("timeline", captured[0], "--otlp", str(file)).returncode == 0
    assert len(json.loads(file.read_text())["resourceSpans"]) == 2

"""The log of every process at debug level, over a whole demo: no contact, key, token or card number in any of them."""

import asyncio
import base64
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer

from billing.messages.topics import CALLBACKS, EVENTS, INBOX, REQUESTS
from tests.conftest import REUSE, Stack
from tests.e2e.test_bad_input import BODY

PATIENCE_S: Final = 120
CARD: Final = "4000 0566 5566 5556"
EMAIL: Final = "log-test-viewer@cinema.example"
PHONE: Final = "+79125550177"
TOKEN: Final = "eyJhbGciOiJFUzI1NiJ9.eyJsb2ciOiJ0ZXN0In0.c2lnbmF0dXJlLW9mLXRoZS10ZXN0"
METHOD: Final = "pm_1LogTestSavedMethod"
WRONG_KEY: Final = "bk_0123456789ab_LogTestKeyThatNobodyHas-0123456789abcdef"
#: Everything that passes through the service in this test, in the spellings in which it may appear.
PASSED: Final = (
    CARD,
    CARD.replace(" ", ""),
    EMAIL,
    EMAIL.replace("@", "%40"),
    PHONE,
    PHONE.removeprefix("+"),
    TOKEN,
    METHOD,
    WRONG_KEY,
)
PROCESSES: Final = ("ingest", "worker-1", "signals", "analytics", "scheduler", "admin", "sandbox")


@pytest.fixture(scope="module")
def debugging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, at debug level."""
    reuse = os.environ.get(REUSE)
    stack = Stack(Path(reuse) if reuse else tmp_path_factory.mktemp("debug") / "state")
    stack.environment["BILLING_LOG_LEVEL"] = "debug"
    try:
        stack.up()
        yield stack
    finally:
        if not reuse:
            stack.billing("down")


async def test_no_log_holds_what_must_not_be_read(debugging: Stack) -> None:
    status = json.loads(debugging.billing("status", "--json").stdout)
    demo = debugging.billing("demo", "--payments", "20", "--subscribers", "0", "--json")
    assert demo.returncode == 0, demo.stderr
    await pay(status)
    await probe(status)
    await poison(status)
    await settled(debugging)

    logs = {path.stem: path for path in (debugging.state_dir / "logs").glob("*.log")}
    assert set(PROCESSES) <= set(logs)
    secrets = json.loads((debugging.state_dir / "memory.json").read_text())["secrets"]
    assert secrets
    encoded = [base64.b64encode(f"billing:{secret}".encode()).decode() for secret in secrets.values()]
    held = {
        name: [secret for secret in (*PASSED, *secrets.values(), *encoded) if secret in text]
        for name, path in logs.items()
        if (text := path.read_text(errors="replace"))
    }
    assert {name: found for name, found in held.items() if found} == {}

    # The test would prove nothing about a process that is silent, or masks nothing because nothing came its way.
    assert '"level": "debug"' in logs["worker-1"].read_text()
    assert "***" in logs["worker-1"].read_text()
    for consumer in ("worker-1", "signals", "analytics"):
        assert '"dead letter"' in logs[consumer].read_text(), consumer


async def pay(status: dict[str, Any]) -> None:
    """Payments at every provider by a customer with contacts."""
    headers = {"Authorization": f"Bearer {status['api_key']}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        for provider in ("yandex-pay", "yookassa", "stripe", "tbank"):
            body = BODY | {"provider": provider, "contact": {"email": EMAIL, "phone": PHONE}}
            async with http.post(
                f"{status['urls']['ingest']}/v1/payments", json=body, headers={"Idempotency-Key": f"logs-{provider}"}
            ) as answer:
                assert answer.status in {201, 202}, await answer.text()


async def probe(status: dict[str, Any]) -> None:
    """What clients send and must not: cards, keys that nobody has, forged callbacks."""
    url = status["urls"]["ingest"]
    key = f"Bearer {status['api_key']}"
    async with aiohttp.ClientSession() as http:
        requests: list[tuple[str, str, dict[str, str], bytes]] = [
            ("POST", "/v1/payments", {"Authorization": key, "Idempotency-Key": CARD}, json.dumps(BODY).encode()),
            ("POST", "/v1/payments", {"Authorization": key}, json.dumps(BODY | {"customer_id": CARD}).encode()),
            ("POST", "/v1/payments", {"Authorization": f"Bearer {WRONG_KEY}"}, b'{"email": "%s"}' % EMAIL.encode()),
            ("GET", f"/v1/payments?customer_id={EMAIL}&token={TOKEN}", {"Cookie": f"session={TOKEN}"}, b""),
            ("GET", f"/v1/payments/{METHOD}", {"Authorization": key}, b""),
            ("POST", "/webhooks/yandex-pay/v1/webhook", {}, TOKEN.encode()),
            ("POST", "/webhooks/stripe", {"Stripe-Signature": f"t=1,v1={TOKEN}"}, EMAIL.encode()),
            ("POST", "/webhooks/tbank", {}, json.dumps({"Token": TOKEN, "Pan": CARD, "Phone": PHONE}).encode()),
            ("POST", "/webhooks/yookassa", {}, json.dumps({"object": {"payment_method": {"id": METHOD}}}).encode()),
        ]
        for method, path, headers, body in requests:
            async with http.request(method, url + path, headers=headers, data=body) as answer:
                await answer.read()
        key_of_a_program = {"Authorization": f"Bearer {WRONG_KEY}"}
        async with http.get(f"{status['urls']['admin']}/v1/analytics", headers=key_of_a_program) as answer:
            await answer.read()
    await sign_in_wrongly(f"{status['urls']['admin']}/sign-in")


async def sign_in_wrongly(url: str) -> None:
    """As somebody who is not on the staff, with a password, and one who mistakes the password for the address."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        async with http.get(url) as answer:
            token = re.search(r'name="form_token" value="([0-9a-f]+)"', await answer.text())
        assert token is not None
        for email in (EMAIL, TOKEN):
            fields = {"form_token": token[1], "email": email, "password": WRONG_KEY, "code": ""}
            async with http.post(url, data=fields, allow_redirects=False) as answer:
                assert answer.status == 401


async def poison(status: dict[str, Any]) -> None:
    """Messages that no consumer can read, full of what must not be shown."""
    producer = AIOKafkaProducer(bootstrap_servers=status["urls"]["kafka"])
    await producer.start()
    value = json.dumps({"email": EMAIL, "phone": PHONE, "card": CARD, "token": TOKEN, "method": METHOD}).encode()
    typed = json.dumps(
        {
            "specversion": "1.0",
            "id": EMAIL,
            "source": "/test",
            "type": f"billing.{METHOD}",
            "subject": CARD,
            "time": "2026-01-01T00:00:00Z",
            "data": {"token": TOKEN},
        }
    ).encode()
    for topic in (INBOX, REQUESTS, CALLBACKS, EVENTS):
        for body in (value, typed, f"{EMAIL} {CARD} {TOKEN}".encode()):
            await producer.send_and_wait(topic.name, body, key=b"log-test", headers=[("authorization", TOKEN.encode())])
    await producer.stop()


async def settled(stack: Stack) -> None:
    """Every consumer has met its poison."""
    logs = [stack.state_dir / "logs" / f"{name}.log" for name in ("worker-1", "signals", "analytics")]
    deadline = time.monotonic() + PATIENCE_S
    while not all('"dead letter"' in log.read_text() for log in logs):
        assert time.monotonic() < deadline, "a consumer has written no dead letter"
        await asyncio.sleep(0.5)


def test_standard_output_is_for_results(debugging: Stack) -> None:
    status = debugging.billing("status", "--json")

    assert isinstance(json.loads(status.stdout), dict)
    assert Path(debugging.state_dir / "logs" / "ingest.log").exists()

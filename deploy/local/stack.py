"""The whole local stack: which parts there are, from settings and what is on the machine."""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from billing.settings import Settings
from deploy.local import kafka, postgres, rabbitmq
from deploy.local.layout import Layout, Memory
from deploy.local.part import Part, answers, beats

#: The one merchant of the local stack, at the provider sandbox.
MERCHANT = "6b2a9d0e-1c1f-4a53-9a54-5f3c0b7a1d10"


@dataclass(frozen=True)
class Stack:
    """What to start, in order; where everything is; what is embedded and what is not ours."""

    parts: Sequence[Part]
    urls: dict[str, str | None]
    embedded: dict[str, str]
    environment: dict[str, str]
    api_key: str


def compose(settings: Settings, layout: Layout, memory: Memory, workers: int) -> Stack:
    """Choose the parts. Raises :class:`deploy.local.kafka.PartUnavailable` where one cannot be had."""
    parts: list[Part] = []
    embedded: dict[str, str] = {}

    def part_or_external(name: str, external: str, *, local: str) -> str:
        embedded[name] = "external" if external else local
        return external

    kafka_url = part_or_external("kafka", settings.kafka_url, local=_broker(settings))
    if not kafka_url:
        part = kafka.apache(layout, memory) if embedded["kafka"] == "apache" else kafka.tansu(memory)
        parts.append(part)
        kafka_url = f"127.0.0.1:{part.port}"
    postgres_url = part_or_external("postgres", settings.postgres_url, local="")
    if not postgres_url:
        part, embedded["postgres"] = postgres.part(layout, memory)
        parts.append(part)
        postgres_url = postgres.url(memory)
    rabbitmq_url = part_or_external("rabbitmq", settings.rabbitmq_url, local="system")
    if not rabbitmq_url:
        parts.extend(rabbitmq.parts(layout, memory))
        rabbitmq_url = rabbitmq.url(memory)
    clickhouse_url = part_or_external("clickhouse", settings.clickhouse_url, local="chdb")
    if not clickhouse_url:
        port = memory.port("clickhouse")
        parts.append(_own("clickhouse", port, {"BILLING_LOCAL_CLICKHOUSE_PORT": str(port)}, own=False))
        clickhouse_url = f"http://billing:{memory.secret('clickhouse')}@127.0.0.1:{port}/billing"

    ingest_port, sandbox_port = memory.port("ingest"), memory.port("sandbox")
    ingest_url = part_or_external("ingest", settings.ingest_url, local="process")
    sandbox_url = part_or_external("sandbox", settings.sandbox_url, local="process")
    api_key = "billing_local_" + memory.secret("api-key")
    urls = {
        "ingest": ingest_url or f"http://127.0.0.1:{ingest_port}",
        "admin": None,
        "sandbox": sandbox_url or f"http://127.0.0.1:{sandbox_port}",
        "postgres": postgres_url,
        "kafka": kafka_url,
        "rabbitmq": rabbitmq_url,
        "clickhouse": clickhouse_url,
    }
    environment = {
        "BILLING_STATE_DIR": str(layout.root),
        "BILLING_KAFKA_IDEMPOTENCE": str(embedded["kafka"] != "tansu").lower(),
        "BILLING_INGEST_PORT": str(ingest_port),
        "BILLING_SANDBOX_PORT": str(sandbox_port),
        "BILLING_SANDBOX_CALLBACK_URL": f"{urls['ingest']}/webhooks/yandex-pay",
        "BILLING_YANDEX_PAY_URL": f"{urls['sandbox']}/yandex-pay",
        "BILLING_YANDEX_PAY_MERCHANT_ID": MERCHANT,
        "BILLING_YANDEX_PAY_API_KEY": memory.secret("yandex-pay"),
        "BILLING_API_KEYS": json.dumps({"demo": hashlib.sha256(api_key.encode()).hexdigest()}),
        "BILLING_LOCAL_CLICKHOUSE_PASSWORD": memory.secret("clickhouse"),
        # What the machine's environment says of settings stays in force below what the stack itself decides.
    } | {f"BILLING_{name.upper()}_URL": url for name, url in urls.items() if url is not None}

    if not sandbox_url:
        parts.append(_own("sandbox", sandbox_port, ready=f"{urls['sandbox']}/_sandbox/health"))
    if not ingest_url:
        parts.append(_own("ingest", ingest_port, ready=f"{urls['ingest']}/readyz"))
    names = [f"worker-{n}" for n in range(1, workers + 1)]
    parts.extend(_beating(layout, name, name.partition("-")[0]) for name in [*names, "signals", "analytics"])
    return Stack(parts, urls, embedded, environment, api_key)


def _broker(settings: Settings) -> str:
    if settings.local_kafka != "auto":
        return settings.local_kafka
    return "apache" if kafka.has_java() else "tansu"


def _own(name: str, port: int, env: dict[str, str] | None = None, *, ready: str = "", own: bool = True) -> Part:
    """One of our processes that serves HTTP."""
    check = answers(ready or f"http://127.0.0.1:{port}/ping")
    return Part(name, (*_billing(), "run", name), check, env=env or {}, port=port, own=own)


def _beating(layout: Layout, name: str, command: str) -> Part:
    """One of our processes that shows its health by touching a file."""
    beat = layout.beats / name
    env = {"BILLING_HEARTBEAT_FILE": str(beat)}

    async def forget() -> None:
        beat.unlink(missing_ok=True)

    return Part(name, (*_billing(), "run", command), beats(beat), env=env, own=True, prepare=forget)


def _billing() -> tuple[str, ...]:
    return (sys.executable, "-m", "cli.main")


def base_environment() -> dict[str, str]:
    """What every child inherits: the machine's environment, line by line logs."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}

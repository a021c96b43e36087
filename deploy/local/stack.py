"""The whole local stack: which parts there are, from settings and what is on the machine."""

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deploy.local import kafka, postgres, rabbitmq
from deploy.local.layout import Layout, Memory
from deploy.local.part import Part, Stage, answers, beats
from runtime.settings import LocalStackSettings, Settings

#: More than a worker gives the provider calls in progress, seconds.
WORKER_STOP_S: Final = 30.0


@dataclass(frozen=True)
class Stack:
    """What to start, in order; where everything is; what is embedded and what is not ours."""

    parts: Sequence[Part]
    urls: dict[str, str | None]
    embedded: dict[str, str]
    environment: dict[str, str]
    api_key: str
    migrates: bool
    """Whether everything that migrations are about is there."""


def compose(settings: Settings, layout: Layout, memory: Memory, workers: int) -> Stack:
    """Choose the parts. Raises :class:`deploy.local.part.PartUnavailable` where one cannot be had."""
    parts: list[Part] = []
    embedded: dict[str, str] = {}
    urls: dict[str, str | None] = {}
    chosen = set(filter(None, settings.local_parts.split(",")))

    def local(name: str, external: str) -> bool:
        """Whether to start it here: nobody else runs it, and it is among the chosen."""
        wanted = not chosen or name in chosen
        embedded[name] = "external" if external else "none"
        urls[name] = external or None
        return wanted and not external

    for name, external in (("ingest", settings.ingest_url), ("admin", ""), ("sandbox", settings.sandbox_url)):
        if local(name, external):
            urls[name], embedded[name] = f"http://127.0.0.1:{memory.port(name)}", "process"
    if local("postgres", settings.postgres_url):
        part, embedded["postgres"] = postgres.part(layout, memory)
        parts.append(part)
        urls["postgres"] = postgres.url(memory)
    if local("kafka", settings.kafka_url):
        embedded["kafka"] = _broker(settings)
        part = kafka.apache(layout, memory) if embedded["kafka"] == "apache" else kafka.tansu(memory)
        parts.append(part)
        urls["kafka"] = f"127.0.0.1:{part.port}"
    if local("rabbitmq", settings.rabbitmq_url):
        embedded["rabbitmq"] = "system"
        parts.extend(rabbitmq.parts(layout, memory))
        urls["rabbitmq"] = rabbitmq.url(memory)
    if local("clickhouse", settings.clickhouse_url):
        embedded["clickhouse"] = "chdb"
        parts.append(_clickhouse(memory))
        urls["clickhouse"] = f"http://billing:{memory.secret('clickhouse')}@127.0.0.1:{parts[-1].port}/billing"

    api_key = "billing_local_" + memory.secret("api-key")
    environment = {
        "BILLING_STATE_DIR": str(layout.root),
        "BILLING_KAFKA_IDEMPOTENCE": str(embedded["kafka"] != "tansu").lower(),
        "BILLING_SANDBOX_CALLBACK_URL": f"{urls['ingest']}/webhooks",
        "BILLING_TEST_CLOCKS": "true",
        "BILLING_API_KEYS": json.dumps({"demo": hashlib.sha256(api_key.encode()).hexdigest()}),
        # What the machine's environment says of settings stays in force below what the stack itself decides.
    } | {f"BILLING_{name.upper()}_URL": url for name, url in urls.items() if url is not None}
    environment |= _provider_environment(str(urls["sandbox"]), memory)

    for name, health in (("sandbox", "/_sandbox/health"), ("ingest", "/readyz"), ("admin", "/livez")):
        if embedded[name] == "process":
            parts.append(_serving(name, memory.port(name), health, memory.port(f"{name}-metrics")))
    beating = [f"worker-{n}" for n in range(1, workers + 1)] if not chosen or "worker" in chosen else []
    parts.extend(_beating(layout, name, memory.port(name)) for name in beating)
    single = [name for name in ("signals", "analytics", "scheduler", "monitor") if not chosen or name in chosen]
    parts.extend(_beating(layout, name, memory.port(name)) for name in single)
    migrates = all(urls[name] for name in ("postgres", "kafka", "rabbitmq", "clickhouse"))
    return Stack(parts, urls, embedded, environment, api_key, migrates)


def _provider_environment(sandbox_url: str, memory: Memory) -> dict[str, str]:
    """Settings with which the sandbox stands for every provider."""
    # Adapters and their libraries take a second to load; commands that start nothing do not need them.
    from providers import registry  # noqa: PLC0415
    from providers.plugin import SandboxAddress  # noqa: PLC0415
    from providers.settings import environment  # noqa: PLC0415

    address = SandboxAddress(sandbox_url, memory.secret, ("127.0.0.0/8",))
    found: dict[str, str] = {}
    for settings in registry.sandbox_settings(address).values():
        found |= environment(settings)
    return found


def _broker(settings: LocalStackSettings) -> str:
    if settings.local_kafka != "auto":
        return settings.local_kafka
    return "apache" if kafka.has_java() else "tansu"


def _clickhouse(memory: Memory) -> Part:
    """ClickHouse's engine in a process of ours, a server to all others."""
    port = memory.port("clickhouse")
    env = {
        "BILLING_LOCAL_CLICKHOUSE_PORT": str(port),
        "BILLING_LOCAL_CLICKHOUSE_PASSWORD": memory.secret("clickhouse"),
        "TZ": "UTC",  # the engine's own time zone
    }
    return Part(
        "clickhouse", (*_billing(), "run", "clickhouse"), answers(f"http://127.0.0.1:{port}/ping"), env=env, port=port
    )


def _serving(name: str, port: int, health: str, metrics_port: int) -> Part:
    """One of our processes that serves HTTP, and its numbers at a port of their own."""
    return Part(
        name,
        (*_billing(), "run", name),
        answers(f"http://127.0.0.1:{port}{health}"),
        env={f"BILLING_{name.upper()}_PORT": str(port), "BILLING_METRICS_PORT": str(metrics_port)},
        port=port,
        stage=Stage.OURS,
    )


def _beating(layout: Layout, name: str, metrics_port: int) -> Part:
    """One of our processes that shows its health by touching a file, and perhaps its numbers at a port."""
    beat = layout.beats / name
    kind, _, _ = name.partition("-")
    env = {"BILLING_HEARTBEAT_FILE": str(beat), "BILLING_METRICS_PORT": str(metrics_port)}

    async def forget() -> None:
        beat.unlink(missing_ok=True)

    return Part(
        name,
        (*_billing(), "run", kind),
        beats(beat),
        env=env,
        port=metrics_port,
        stage=Stage.OURS,
        prepare=forget,
        stop_s=WORKER_STOP_S,
    )


def _billing() -> tuple[str, ...]:
    return (sys.executable, "-m", "cli.main")


def base_environment() -> dict[str, str]:
    """What every child inherits: the machine's environment, line by line logs."""
    return {**os.environ, "PYTHONUNBUFFERED": "1"}

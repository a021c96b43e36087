"""``billing verify`` on the running stack."""

import json
import subprocess
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
from aiokafka import AIOKafkaProducer
from sqlalchemy import text

from analytics.clickhouse import connect
from backoffice.audit.analytics import check_analytics
from backoffice.audit.findings import Findings
from backoffice.audit.streams import buried
from billing.messages import CreatePayment
from billing.messages.topics import INBOX
from deploy.local.connect import settings_of_running_stack
from runtime.kafka.reader import TopicReader
from runtime.settings import Settings
from storage.inspection.books import auditing_engine, moment
from tests.conftest import BILLING


async def test_after_a_demo_everything_is_checked_without_violation(paid, stack):
    done = paid.billing("verify", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["violations"]) == (0, []), done.stdout + done.stderr
    for what in ("payments", "operations", "postings", "journal", "offsets", "requests", "events", "charges", "queues"):
        assert report["checked"][what] > 0, what
    assert report["checked"]["analytics_operations"] == report["checked"]["operations"]
    connection = await asyncpg.connect(stack["urls"]["postgres"])
    creates = "SELECT count(*), count(DISTINCT payment_id) FROM journal WHERE type = $1"
    requests, payments = await connection.fetchrow(creates, CreatePayment.TYPE)
    await connection.close()
    # A shop that heard nothing repeats its request under the same key: the same payment.
    assert (report["checked"]["requests"], report["checked"]["payments"]) == (requests, payments)


def test_the_table_says_that_there_is_no_violation(paid):
    done = paid.billing("verify")
    assert done.returncode == 0
    assert "no violation" in done.stdout


def test_exit_code_1_for_a_violation_and_2_for_an_unavailable_service(paid, migrated, stack):
    """Another, empty database under the same Kafka: its positions are missing, so are the payments."""
    _, name = migrated
    url = urlunsplit(urlsplit(stack["urls"]["postgres"])._replace(path=f"/{name}"))
    found = paid.billing  # the stack's own environment, with one variable changed
    environment = {**paid.environment, **_environment(paid), "BILLING_POSTGRES_URL": url}
    done = _verify(environment)
    kinds = {violation["kind"] for violation in json.loads(done.stdout)["violations"]}
    assert done.returncode == 1, done.stderr
    assert kinds == {"charge_unknown", "analytics_extra"}
    assert found("verify", "--json").returncode == 0
    assert _verify({**environment, "BILLING_SANDBOX_URL": "http://127.0.0.1:9"}).returncode == 2


def _environment(stack) -> dict[str, str]:
    return json.loads((stack.state_dir / "stack.json").read_text())["environment"]


def _verify(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:

    command = [*BILLING, "verify", "--json", "--wait", "0"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_settings_come_from_the_environment_or_from_the_stack(paid, stack):
    assert settings_of_running_stack(paid.environment).kafka_url == stack["urls"]["kafka"]
    elsewhere = {"BILLING_POSTGRES_URL": "postgresql://elsewhere/billing", "BILLING_STATE_DIR": str(paid.state_dir)}
    settings = settings_of_running_stack(elsewhere)
    assert (settings.postgres_url, settings.kafka_url) == ("postgresql://elsewhere/billing", "")


async def test_a_message_of_the_payments_agent_in_the_dead_letters_is_accounted_for(paid, stack):
    settings = Settings(kafka_url=stack["urls"]["kafka"])
    offset = int(uuid4()) % 10**12 + 10**12
    headers = [("consumer", b"payments"), ("topic", b"billing.payments.inbox"), ("partition", b"3"),
               ("offset", str(offset).encode()), ("offset", b"7")]  # fmt: skip
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_url)
    await producer.start()
    await producer.send_and_wait("billing.dead-letters", b"{}", headers=headers)
    await producer.stop()
    async with TopicReader.open(settings) as log:
        findings = Findings()
        assert (INBOX.name, 3, offset) in await buried(log, findings)
    assert findings.checked["dead_letters"] > 0


async def test_analytics_are_compared_by_hour_and_then_by_operation(paid, stack, database):
    """Copied operations: one changed, one deleted, one that ClickHouse never had."""
    settings = Settings(postgres_url=stack["urls"]["postgres"], clickhouse_url=stack["urls"]["clickhouse"])
    source = auditing_engine(settings)
    async with source.connect() as connection:
        rows = (await connection.execute(text("SELECT * FROM operations ORDER BY id"))).mappings().all()
    await source.dispose()
    columns = ", ".join(rows[0])
    values = ", ".join(f":{name}" for name in rows[0])
    async with database.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        plain = [{**row, "cart": None, "provider_reason": None} for row in rows]
        await connection.execute(text(f"INSERT INTO operations ({columns}) VALUES ({values})"), plain)
        changed, deleted, new = rows[0]["id"], rows[1]["id"], uuid4()
        await connection.execute(text("UPDATE operations SET amount = amount + 1 WHERE id = :id"), {"id": changed})
        await connection.execute(text("DELETE FROM operations WHERE id = :id"), {"id": deleted})
        extra = {**plain[2], "id": new}
        await connection.execute(text(f"INSERT INTO operations ({columns}) VALUES ({values})"), [extra])
    clickhouse = await connect(settings.clickhouse_url)
    findings = Findings()
    async with moment(database) as connection:
        await check_analytics(connection, clickhouse, findings, behind=False)
    await clickhouse.close()
    assert {(violation.kind, violation.id) for violation in findings.violations} == {
        ("analytics_mismatch", str(changed)),
        ("analytics_extra", str(deleted)),
        ("analytics_missing", str(new)),
    }


async def test_the_auditor_cannot_write(stack):
    engine = auditing_engine(Settings(postgres_url=stack["urls"]["postgres"]))
    async with moment(engine) as connection:
        answer = await connection.execute(text("SHOW transaction_read_only"))
        assert answer.scalar_one() == "on"
    await engine.dispose()

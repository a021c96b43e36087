"""Questions to the servers beside us that answer in JSON: Prometheus and Alertmanager."""

from collections.abc import Mapping
from typing import Any, Final

import aiohttp
import msgspec

#: What goes wrong on the way.
ERRORS: Final = (aiohttp.ClientError, TimeoutError, msgspec.MsgspecError)


def open_session(timeout_s: float) -> aiohttp.ClientSession:
    """A session whose requests end within the time; an answer that is no success is an error."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s), raise_for_status=True)


async def read(session: aiohttp.ClientSession, url: str, type_: Any, params: Mapping[str, str] | None = None) -> Any:
    """The answer, as ``type_``. Raises :data:`ERRORS`."""
    async with session.get(url, params=params) as answer:
        return msgspec.json.decode(await answer.read(), type=type_)

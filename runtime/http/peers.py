"""Who is at the other end of a connection."""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Final

from pydantic import IPvAnyNetwork
from starlette.requests import Request

#: A proxy adds one of these; a client of ours that needs none of them has none.
_FORWARDED: Final = ("x-forwarded-for", "forwarded")


def is_direct_from(request: Request, networks: Iterable[IPvAnyNetwork]) -> bool:
    """Whether the request comes from one of these networks without a proxy in between. A proxy's own address says nothing
    of who asks."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        address = ip_address(request.client.host)
    except ValueError:
        return False
    return any(address in network for network in networks)

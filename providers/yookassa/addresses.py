"""Who may send notifications: they are not signed, so the sender's address is all there is to judge by."""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

#: As published: https://yookassa.ru/developers/using-api/webhooks#ip
PUBLISHED: Final = (
    "185.71.76.0/27",
    "185.71.77.0/27",
    "77.75.153.0/25",
    "77.75.156.11",
    "77.75.156.35",
    "77.75.154.128/25",
    "2a02:5180::/32",
)


class Addresses:
    """A list of addresses and networks. Raises :class:`ValueError` when made of something else."""

    def __init__(self, listed: Iterable[str]) -> None:
        self._networks: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(text) for text in listed)

    def has(self, peer: str | None) -> bool:
        """Whether an address is on the list; an IPv4 address may come in IPv6's clothes."""
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

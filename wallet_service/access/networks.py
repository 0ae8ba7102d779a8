"""The network address of a client behind proxies, and the prefix that stands for its network. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
_PREFIX_OF_VERSION = {4: 24, 6: 56}


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The address that a request came from.

    From the right, the addresses of `X-Forwarded-For` are those that our own proxies wrote; the first that is no
    trusted proxy is the client. What stands left of it is only what the client said.

    Args:
        peer: the other end of the connection.
        forwarded_for: the header, or an empty text.
        trusted: networks of our own proxies.
    """
    client = peer
    for said in reversed([part.strip() for part in forwarded_for.split(",") if part.strip()]):
        if not _is_in(client, trusted):
            break
        if not _is_address(said):
            break
        client = said
    return client


def network_of(address: str) -> str:
    """What stands for everybody near an address: the /24 of IPv4, the /56 of IPv6; other texts for themselves."""
    if not _is_address(address):
        return address
    found = ip_address(address)
    if isinstance(found, IPv6Address):
        found = found.ipv4_mapped or IPv6Address(int(found))  # without the name of an interface
    return str(ip_network(f"{found}/{_PREFIX_OF_VERSION[found.version]}", strict=False))


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

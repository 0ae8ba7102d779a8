"""Whose request it is behind proxies, and what stands for a network."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from wallet_service.access.networks import client_address, network_of

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))


@pytest.mark.parametrize(
    ("peer", "header", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # no proxy of ours: what it says is only said
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),  # 1.2.3.4 was sent along by the client
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.7, 10.0.0.8", "10.0.0.7"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("2001:db8::1", "2a01:e0a::5", "2a01:e0a::5"),
        ("unix:", "198.51.100.1", "unix:"),
    ],
)
def test_the_client_behind_trusted_proxies(peer: str, header: str, client: str) -> None:
    assert client_address(peer, header, TRUSTED) == client


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("2a01:e0a:1:2345::5", "2a01:e0a:1:2300::/56"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unix:", "unix:"),
    ],
)
def test_the_network_of_an_address(address: str, network: str) -> None:
    assert network_of(address) == network

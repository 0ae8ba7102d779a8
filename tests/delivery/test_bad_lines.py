"""Between a worker and Apple lies a network: whatever it does, the phone has the new card once it heals."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.conftest import OpenSystem
from tests.routes.test_balance_event import iphone_shows
from tests.system import System, eventually
from wallet_service.simulators.tcp_proxy import Fault, TcpProxy

SHORT = {"WALLET_LEASE_S": "3", "WALLET_APNS_TIMEOUT_S": "1", "WALLET_GOOGLE_TIMEOUT_S": "1"}


def behind(system: System, proxy: TcpProxy) -> None:
    """Send the workers that start from now on through the proxy."""
    settings = system.services.settings.model_copy(update={"apns_url": f"https://127.0.0.1:{proxy.port}"})
    object.__setattr__(system.services, "settings", settings)


@pytest.mark.parametrize("fault", ["delay", "black hole", "reset", "half close"])
def test_a_bad_line_costs_time_and_nothing_else(open_system: OpenSystem, fault: Fault) -> None:
    system = open_system(**SHORT)
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    apns = urlsplit(system.apns.url)
    with TcpProxy((str(apns.hostname), apns.port or 443)) as proxy:
        behind(system, proxy)
        with system.working():
            system.set_points("M-1", 1, sequence=1)
            iphone_shows(phone, "1")
            proxy.fail(fault)
            system.set_points("M-1", 2, sequence=2)
            if fault == "delay":
                iphone_shows(phone, "2")
            else:
                eventually(lambda: system.rows("SELECT FROM deliveries WHERE attempts > 0 AND kind = 'apple'"))
            proxy.fail("none")
            system.set_points("M-1", 3, sequence=3)
            iphone_shows(phone, "3")
            eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
    assert len(system.rows("SELECT FROM registrations")) == 1

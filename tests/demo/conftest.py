"""A session as the demo sets it, in a test's own system."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from rich.console import Console

from tests.conftest import OpenSystem
from wallet_service.access.roles import Role
from wallet_service.clock import system_clock
from wallet_service.demo.brand import MEMBERS, POINTS, STORES, TOUR_MEMBER
from wallet_service.demo.installation import Api, DemoInstallation
from wallet_service.demo.page import DemoPage
from wallet_service.demo.session import SHOP, DemoSession
from wallet_service.demo.staff import StaffMember
from wallet_service.demo.tour_record import Timeline

STAFF = (
    StaffMember("Léa Martin", "lea@maison-lumiere.example", Role.MARKETING, (), "marketing-password"),
    StaffMember("Paul Durand", "paul@maison-lumiere.example", Role.STORE, (SHOP,), "store-password"),
)


@dataclass(frozen=True)
class Playing:
    """A page that is open, and what stands behind it."""

    url: str
    session: DemoSession
    installation: DemoInstallation

    def get(self, path: str, **headers: str) -> requests.Response:
        """One request as a browser sends it."""
        return requests.get(f"{self.url}{path}", headers=headers, timeout=20)

    def press(self, move: str, *, script: bool = False, language: str = "fr", **headers: str) -> requests.Response:
        """A button, with or without the page's script."""
        headers |= {"Origin": headers.get("Origin", self.url)} | ({"Accept": "application/json"} if script else {})
        return requests.post(f"{self.url}/do/{move}", data={"lang": language}, headers=headers, timeout=20)

    def wait_for_points(self, points: str) -> None:
        """Until the iPhone shows them."""
        serial = self.session.serial_number
        self.installation.iphone.wait_until(lambda phone: phone.shows(serial).text("points") == points, 60)


@pytest.fixture
def playing(open_system: OpenSystem) -> Iterator[Playing]:
    """Claire's card on both phones, the worker at work, the page open."""
    system = open_system(master="builtin")
    with system.working():
        installation = DemoInstallation(
            url=system.url,
            apis={POINTS.program_id: Api(f"{system.url}/api/v1", system.api.key)},
            apns=system.apns,
            google=system.google,
            iphone=system.iphone(),
            android=system.android(),
            environment=system.environment,
        )
        installation.api("PUT", f"/stores/{SHOP}", STORES[SHOP])
        installation.api("PUT", f"/members/{TOUR_MEMBER}", MEMBERS[TOUR_MEMBER])
        session = DemoSession(installation)
        timeline = Timeline(_silent(), system_clock)
        with timeline.step("The CRM reports a purchase of 79.90 €") as step:
            step.note("Android shows {points} points", system_clock(), points=79)
        page = DemoPage(session, installation, timeline, staff=STAFF, settle_s=20)
        with session.playing(), page.serving():
            yield Playing(page.url, session, installation)


def _silent() -> Console:
    return Console(quiet=True)

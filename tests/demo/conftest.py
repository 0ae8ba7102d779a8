"""A scene as the demo sets it, in a test's own house."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests
from rich.console import Console

from tests.conftest import OpenHouse
from wallet_service.clock import system_clock
from wallet_service.demo.brand import HEROINE, MEMBERS, POINTS, STORES
from wallet_service.demo.page import DemoPage
from wallet_service.demo.scene import SHOP, Scene
from wallet_service.demo.stage import Api, Stage
from wallet_service.demo.timeline import Timeline


@dataclass(frozen=True)
class Playing:
    """A page that is open, and what stands behind it."""

    url: str
    scene: Scene
    stage: Stage

    def get(self, path: str, **headers: str) -> requests.Response:
        """One request as a browser sends it."""
        return requests.get(f"{self.url}{path}", headers=headers, timeout=20)

    def press(self, move: str, *, script: bool = False, language: str = "fr", **headers: str) -> requests.Response:
        """A button, with or without the page's script."""
        headers |= {"Origin": headers.get("Origin", self.url)} | ({"Accept": "application/json"} if script else {})
        return requests.post(f"{self.url}/do/{move}", data={"lang": language}, headers=headers, timeout=20)

    def wait_for_points(self, points: str) -> None:
        """Until the iPhone shows them."""
        serial = self.scene.serial_number
        self.stage.iphone.wait_until(lambda phone: phone.shows(serial).text("points") == points, 20)


@pytest.fixture
def playing(open_a_house: OpenHouse) -> Iterator[Playing]:
    """Claire's card on both phones, the worker at work, the page open."""
    house = open_a_house(master="builtin")
    with house.working():
        stage = Stage(
            url=house.url,
            apis={POINTS.program_id: Api(f"{house.url}/api/v1", house.api.key)},
            apns=house.apns,
            google=house.google,
            iphone=house.iphone(),
            android=house.android(),
        )
        stage.api("PUT", f"/stores/{SHOP}", STORES[SHOP])
        stage.api("PUT", f"/members/{HEROINE}", MEMBERS[HEROINE])
        scene = Scene(stage)
        timeline = Timeline(_silent(), system_clock)
        with timeline.step("The CRM reports a purchase of 79.90 €") as step:
            step.note("Android shows {points} points", system_clock(), points=79)
        page = DemoPage(scene, stage, timeline)
        with scene.playing(), page.serving():
            yield Playing(page.url, scene, stage)


def _silent() -> Console:
    return Console(quiet=True)

"""The middleware before Flask: the same answers with it and without it; what is not a phone's request passes."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from tests.system import PASS_TYPE, System
from tests.web.phone_calls import Caller, Pass
from wallet_service import create_app
from wallet_service.web.device_middleware import DeviceMiddleware


@pytest.fixture
def both(system: System) -> tuple[Client, Client]:
    """The app with its middleware, and Flask alone."""
    app = create_app(system.services)
    middleware = app.wsgi_app
    assert isinstance(middleware, DeviceMiddleware)
    return Client(app), Client(middleware._behind)


def test_the_same_answer_with_the_middleware_and_without(system: System, both: tuple[Client, Client]) -> None:
    one, phone = Pass.of(system, system.enrol()), Caller(system)
    phone.register(one)
    tag = phone.changed().json()["lastUpdated"]
    modified = phone.fetch(one).headers["Last-Modified"]
    key = {"Authorization": f"ApplePass {one.token}"}
    newest = f"/apple/v1/passes/{PASS_TYPE}/{one.serial}"
    listing = f"/apple/v1/devices/device-1/registrations/{PASS_TYPE}"
    for path, headers, status in (
        (newest, key, 200),
        (newest.replace("/v1", "//v1"), key, 200),
        (newest, key | {"If-Modified-Since": modified}, 304),
        (newest, key | {"If-Modified-Since": "Saturday, 21-Nov-26 09:00:00 GMT"}, 200),
        (newest, {"Authorization": "ApplePass wrong"}, 401),
        (newest, {"Authorization": f"Bearer {one.token}"}, 401),
        (newest, {}, 401),
        (listing, {}, 200),
        (f"{listing}?passesUpdatedSince={tag}", {}, 204),
        (f"{listing}?other=1&passesUpdatedSince={tag}", {}, 204),
        (f"{listing}?passesUpdatedSince=%30", {}, 200),
        (f"{listing}?passesUpdatedSince=x", {}, 200),
        (listing.replace("device-1", "device-2"), {}, 204),
    ):
        through, behind = (client.get(path, headers=headers) for client in both)
        assert (through.status_code, behind.status_code) == (status, status), path
        if status != 200 or "passes/" not in path:
            assert through.data == behind.data
        for name in ("Last-Modified", "Cache-Control", "Content-Type"):
            assert through.headers.get(name) == behind.headers.get(name)


@pytest.mark.parametrize(
    "path", ["/healthz", "/apple/v1/nothing", "/apple/v1/passes/a/b/c", "/apple/v1/passes/a/%C3%A9"]
)
def test_what_is_no_question_of_a_phone_is_flasks(both: tuple[Client, Client], path: str) -> None:
    through, behind = (client.get(path) for client in both)
    assert (through.status_code, through.data) == (behind.status_code, behind.data)


def test_a_failure_is_told_in_flasks_way(system: System, both: tuple[Client, Client]) -> None:
    """The database is away: a bare 503, which a phone tries again, and never a page."""
    through, _ = both
    system.services.statements._url = "postgresql://127.0.0.1:9/nowhere"
    system.services.statements.close()
    answer = through.get(f"/apple/v1/devices/device-1/registrations/{PASS_TYPE}")
    assert (answer.status_code, answer.data) == (503, b"")
    assert "Content-Type" not in answer.headers

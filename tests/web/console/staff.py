"""Somebody of the staff at the console, as their browser is: every page that it gets is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.system import System
from tests.web.page_reader import Page, read_page
from wallet_service.access.roles import OPERATOR
from wallet_service.access.users import invite, set_password
from wallet_service.web.headers import Audience, headers_for

PASSWORD = "correct horse battery lumière"
_SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Staff:
    """One person with one browser."""

    client: FlaskClient
    program_id: str
    email: str

    def get(self, path: str, *, status: int = 200, **options: Any) -> Page:
        """Open a page of the programme (or any, where `path` begins with /console)."""
        return self._checked(self.client.get(self._address(path), **options), status)

    def post(self, path: str, data: Any = None, *, status: int = 303, **options: Any) -> Page | str:
        """Send a form; returns the address that it leads to, or the page that refuses it."""
        headers = _SAME_ORIGIN | options.pop("headers", {})
        answer = self.client.post(self._address(path), data=data or {}, headers=headers, **options)
        if answer.status_code == 303 == status:
            return str(answer.headers["Location"])
        return self._checked(answer, status)

    def follow(self, path: str, data: Any = None) -> Page:
        """Send a form that is accepted, and open where it leads."""
        location = self.post(path, data)
        assert isinstance(location, str)
        return self.get(location)

    def _address(self, path: str) -> str:
        return path if path.startswith("/console") else f"/console/{self.program_id}{path}"

    def _checked(self, answer: TestResponse, status: int) -> Page:
        assert answer.status_code == status, f"{answer.status_code}: {answer.text[:2000]}"
        page = read_page(answer.text)
        assert page.faults() == [], page.faults()
        assert page.title.split(" – ")[0]
        names = ("X-Content-Type-Options", "Permissions-Policy", "Cache-Control", "Cross-Origin-Opener-Policy")
        wanted = headers_for(Audience.CONSOLE, https=False)
        assert {name: answer.headers[name] for name in names} == {name: wanted[name] for name in names}
        return page


def new_person(system: System, role: str = "admin", *, stores: tuple[str, ...] = (), locale: str | None = None) -> str:
    """Somebody of that role, with `PASSWORD`; returns their address."""
    services = system.services
    email = f"{role}-{len(system.rows('SELECT id FROM users'))}@example.com"
    with services.sessions.begin() as db:
        invited = invite(
            db,
            OPERATOR,
            email=email,
            name="Léa Martin",
            locale=locale,
            program_id="lumiere",
            role=role,
            store_ids=stores,
            now=system.clock(),
        )
        set_password(db, OPERATOR, services.passwords, invited.user_id, PASSWORD, now=system.clock())
    return email


def sign_in(system: System, role: str = "admin", *, stores: tuple[str, ...] = (), locale: str = "en") -> Staff:
    """A new person of that role, signed in through the page."""
    staff = Staff(system.app.test_client(), "lumiere", new_person(system, role, stores=stores, locale=locale))
    location = staff.post("/console/sign-in", {"email": staff.email, "password": PASSWORD})
    assert isinstance(location, str)
    assert urlsplit(location).path == "/console/"
    return staff

"""One's own account: browsers by name, the frame of one's programme; and the words that no programme may be called."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.system import System
from tests.web.console.staff import PASSWORD, sign_in
from wallet_service.documents.programs import RESERVED_IDS, read_program
from wallet_service.errors import Invalid

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0"


def test_browsers_have_the_names_that_people_know(system: System) -> None:
    staff = sign_in(system, "marketing", locale="fr")
    form = {"email": staff.email, "password": PASSWORD}
    other = system.app.test_client()
    headers = {"Sec-Fetch-Site": "same-origin", "User-Agent": FIREFOX}
    assert other.post("/console/sign-in", data=form, headers=headers).status_code == 303
    page = staff.get("/console/account")
    assert "Firefox sur Windows" in page.text
    assert "Navigateur inconnu" in page.text
    assert "Mozilla" not in page.text


@pytest.mark.parametrize("path", ["/console/account", "/console/account/password"])
def test_ones_own_pages_are_within_ones_programme(system: System, path: str) -> None:
    page = sign_in(system, "marketing").get(path)
    (side, _) = page.all("nav", **{"aria-label": "Main navigation"})
    assert [link.get("href") for link in side.iter("a")][:2] == ["/console/lumiere/", "/console/lumiere/offers"]
    assert "Team" not in "".join(side.itertext()), "that is for others"
    assert "Cercle Lumière" in page.text


def test_before_the_second_step_there_is_no_programme_around_a_page(system: System) -> None:
    staff = sign_in(system, "marketing")
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE users SET totp_sealed = 'x'"))
    page = staff.get("/console/second-factor")
    assert "Cercle Lumière" not in page.text
    assert "/console/lumiere" not in {each.get("href") for each in page.tree.iter("a")}


def test_no_programme_has_the_name_of_a_page(system: System) -> None:
    first = {
        str(rule).split("/")[2]
        for rule in system.app.url_map.iter_rules()
        if str(rule).startswith("/console/") and str(rule) != "/console/"
    }
    assert first - {"<program_id>"} == RESERVED_IDS


def test_such_a_programme_is_refused_at_its_path(tmp_path: Path) -> None:
    path = tmp_path / "program.toml"
    document = 'name = "A"\nbrand = "A"\nlocales = ["fr"]\ntime_zone = "Europe/Paris"\ntemplate = "points-card"\n'
    path.write_text('id = "lumiere"\n' + document, encoding="utf-8")
    assert read_program(path).id == "lumiere"
    for reserved in sorted(RESERVED_IDS):
        path.write_text(f'id = "{reserved}"\n' + document, encoding="utf-8")
        with pytest.raises(Invalid) as refused:
            read_program(path)
        assert [(fault.path, fault.code) for fault in refused.value.faults] == [("id", "reserved_id")]

"""Overlays in the console (checks C3, C4, C6, C7, C13, C17, C20, C22)."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.routes.test_overlays import BLACK, strip
from tests.system import System
from tests.web.console.staff import Staff, sign_in
from tests.web.console.test_offers import add_stores
from tests.web.console.test_stores import refusal
from tests.web.page_reader import Page

PARIS = ZoneInfo("Europe/Paris")


def day_of(system: System) -> datetime:
    """Tomorrow, by the clock of the programme."""
    return system.clock().astimezone(PARIS) + timedelta(days=1)


def form(system: System, **changes: Any) -> dict[str, Any]:
    """What a browser sends of an overlay for tomorrow."""
    return {
        "title": "Black Friday",
        "code": "",
        "template": "points-card",
        "starts_at_local": f"{day_of(system):%Y-%m-%d}T08:00",
        "ends_at_local": f"{day_of(system):%Y-%m-%d}T23:30",
        "priority": "",
        "colours.background": "#101010",
        "colours.text": "#FFFFFF",
        "colours.label": "#FFD400",
        "words.fr.points_label": "Points noirs",
        "words.fr.brand": "",
        "words.en.points_label": "Black points",
        "_act": "save",
    } | changes


def fields_of(page: Page) -> dict[str, Any]:
    """What a browser would send of the page's form, untouched."""
    (found,) = page.all("form", data_overlay_form="")
    return {
        name: each.get("value") or ""
        for each in found.iter("input")
        if (name := each.get("name")) is not None and each.get("type") not in ("file", "checkbox")
    }


def picture(colour: str = "#cc0000") -> tuple[io.BytesIO, str, str]:
    """A strip that fits, as a browser sends it."""
    return io.BytesIO(strip(colour)), "strip.png", "image/png"


def saved(staff: Staff, path: str, data: dict[str, Any]) -> str:
    """Send a form that is accepted; returns the address that it leads to."""
    location = staff.post(path, data, content_type="multipart/form-data")
    assert isinstance(location, str)
    return location


def test_c17_c4_an_overlay_is_drafted_published_and_withdrawn_with_one_entry_for_each_step(system: System) -> None:
    system.enrol()
    marketing = sign_in(system, "marketing", locale="fr")
    assert "Aucun habillage." in marketing.get("/overlays").text
    location = saved(marketing, "/overlays/new", form(system))
    code = f"black-friday-{day_of(system):%y%m%d}"
    assert f"/overlays/{code}" in location
    page = marketing.get(location)
    assert "Enregistré." in page.text
    assert "Personne ne le voit. Une fois publié, il arrive le" in page.text
    assert "1 carte" in page.text
    assert "Points noirs" in page.text
    kept = system.api.ok("GET", f"/overlays/{code}")
    assert kept["state"] == "draft"
    assert kept["colours"] == BLACK
    assert kept["words"] == {"fr": {"points_label": "Points noirs"}, "en": {"points_label": "Black points"}}
    assert datetime.fromisoformat(kept["starts_at"]).astimezone(PARIS).hour == 8
    page = marketing.follow(f"/overlays/{code}/publish", {"_version": "1"})
    assert "Publié. Le" in page.text
    assert system.api.ok("GET", f"/overlays/{code}")["state"] == "scheduled"
    assert "Programmée" in marketing.get("/overlays").text
    page = marketing.get(f"/overlays/{code}/withdraw")
    assert "Il n’arrive pas sur les cartes." in page.text
    assert "Retiré. C’est de nouveau un brouillon" in marketing.follow(f"/overlays/{code}/withdraw").text
    assert system.api.ok("GET", f"/overlays/{code}")["state"] == "draft"
    actions = [
        row["action"] for row in system.rows("SELECT action FROM journal WHERE object_kind = 'overlay' ORDER BY id")
    ]
    assert actions == ["overlay_created", "overlay_published", "overlay_withdrawn"]
    assert marketing.get(f"/overlays/{code}/delete").one("form", action=f"/console/lumiere/overlays/{code}/delete")
    assert "a été supprimé" in marketing.follow(f"/overlays/{code}/delete").text
    assert system.api("GET", f"/overlays/{code}").status_code == 404


def test_while_it_holds_the_page_says_so_and_cards_have_it(system: System) -> None:
    card = system.enrol()
    marketing = sign_in(system, "marketing", locale="en")
    now = system.clock().astimezone(PARIS)
    begins = now - timedelta(minutes=5)
    data = form(system, code="evening", starts_at_local=f"{begins:%Y-%m-%dT%H:%M}")
    page = marketing.get(saved(marketing, "/overlays/new", data))
    assert "Published now, it comes to 1 card within the hour" in page.text
    page = marketing.follow("/overlays/evening/publish", {"_version": "1"})
    assert "It is on 1 card and leaves them by itself on" in page.text
    assert "It leaves 1 card within the hour" in marketing.get("/overlays/evening/withdraw").text
    assert system.card(card["serial_number"])["state"] == "active"
    data = form(system, code="night", title="Night", priority="5")
    saved(marketing, "/overlays/new", data)
    marketing.post("/overlays/night/publish", {"_version": "1"})
    assert "While “Night” holds" in marketing.get("/overlays/evening").text
    assert "While “" not in marketing.get("/overlays/night").text


def test_a_picture_is_brought_seen_and_taken_away(system: System) -> None:
    marketing = sign_in(system, "marketing")
    saved(marketing, "/overlays/new", form(system, code="red") | {"images.strip": picture()})
    assert system.api.ok("GET", "/overlays/red")["images"] == ["strip"]
    assert "Strip of the iPhone card" in marketing.get("/overlays/red").text
    answer = marketing.client.get("/console/lumiere/overlays/red/images/strip")
    assert answer.data == strip("#cc0000")
    assert answer.mimetype == "image/png"
    marketing.get("/overlays/red/images/hero", status=404)
    data = fields_of(marketing.get("/overlays/red/edit"))
    assert data["title"] == "Black Friday"
    saved(marketing, "/overlays/red/edit", data | {"remove.strip": "on"})
    assert system.api.ok("GET", "/overlays/red")["images"] == []
    assert system.api.ok("GET", "/overlays/red")["colours"] == BLACK


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"title": ""}, "Nom : Remplissez ce champ."),
        ({"colours.background": "black"}, "Fond : Saisissez une couleur comme #101010"),
        ({"colours.text": "#111111"}, "se ressemblent trop"),
        ({"ends_at_local": "2020-01-01T10:00"}, "Cet habillage finit avant de commencer."),
        ({"starts_at_local": ""}, "Du : Saisissez une date et une heure."),
        ({"words.fr.points_changed": "Vos points ont changé"}, "garde les repères"),
    ],
)
def test_c22_c20_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    system: System, changes: dict[str, str], expected: str
) -> None:
    marketing = sign_in(system, "marketing", locale="fr")
    data = form(system, code="wrong") | changes
    page = refusal(marketing.post("/overlays/new", data, status=422, content_type="multipart/form-data"))
    assert expected in page.text.replace("\u202f", " ").replace("\xa0", " ")
    assert page.title.startswith("Erreur")
    kept = fields_of(page)
    assert kept["words.en.points_label"] == "Black points"
    assert kept["title"] == data["title"]
    assert system.api("GET", "/overlays/wrong").status_code == 404


def test_a_picture_that_does_not_fit_is_refused_with_its_size(system: System) -> None:
    marketing = sign_in(system, "marketing", locale="fr")
    data = form(system, code="wrong") | {"images.strip": (io.BytesIO(b"no picture"), "strip.png", "image/png")}
    page = refusal(marketing.post("/overlays/new", data, status=422, content_type="multipart/form-data"))
    assert page.text.count("1\u202f125 × 432 pixels") == 3  # in the summary, at the field, and as advice
    assert system.api("GET", "/overlays/wrong").status_code == 404, "nothing of the form is kept"


def test_c6_the_same_form_twice_makes_one_overlay_and_another_of_that_name_gets_its_own_code(system: System) -> None:
    marketing = sign_in(system, "marketing")
    first = saved(marketing, "/overlays/new", form(system) | {"images.strip": picture()})
    assert saved(marketing, "/overlays/new", form(system) | {"images.strip": picture()}) == first
    assert len(system.rows("SELECT id FROM overlays")) == 1
    assert len(system.rows("SELECT id FROM journal WHERE action = 'overlay_created'")) == 1
    assert saved(marketing, "/overlays/new", form(system, priority="3")) != first
    data = form(system, code="taken")
    saved(marketing, "/overlays/new", data)
    page = refusal(
        marketing.post("/overlays/new", data | {"priority": "9"}, status=422, content_type="multipart/form-data")
    )
    assert "Another overlay has this code." in page.text
    marketing.post("/overlays/taken/publish", {"_version": "1"})
    marketing.post("/overlays/taken/publish", {"_version": "1"})
    assert len(system.rows("SELECT id FROM journal WHERE action = 'overlay_published'")) == 1


def test_c7_who_saves_an_older_version_sees_both_and_loses_nothing(system: System) -> None:
    marketing, colleague = sign_in(system, "marketing"), sign_in(system, "admin")
    saved(marketing, "/overlays/new", form(system, code="black"))
    mine = fields_of(marketing.get("/overlays/black/edit"))
    theirs = fields_of(colleague.get("/overlays/black/edit"))
    saved(colleague, "/overlays/black/edit", theirs | {"title": "Theirs"})
    page = refusal(
        marketing.post("/overlays/black/edit", mine | {"title": "Mine"}, status=409, content_type="multipart/form-data")
    )
    assert "Yours: Mine" in page.text
    assert "Saved: Theirs" in page.text
    saved(marketing, "/overlays/black/edit", fields_of(page))
    assert system.api.ok("GET", "/overlays/black")["title"] == "Mine"
    page = refusal(marketing.post("/overlays/black/publish", {"_version": "1"}, status=409))
    assert "Somebody changed this overlay" in page.text


def test_an_overlay_that_is_over_does_not_change_and_is_not_published(system: System) -> None:
    marketing = sign_in(system, "marketing")
    saved(marketing, "/overlays/new", form(system, code="past"))
    saved(marketing, "/overlays/new", form(system, code="draft", title="Draft"))
    marketing.post("/overlays/past/publish", {"_version": "1"})
    system.clock.advance(timedelta(days=3))
    again = sign_in(system, "marketing")
    page = again.get("/overlays/past")
    assert "It was over on" in page.text
    data = fields_of(again.get("/overlays/past/edit"))
    page = refusal(
        again.post("/overlays/past/edit", data | {"title": "New"}, status=422, content_type="multipart/form-data")
    )
    assert "This overlay is over" in page.text
    assert "would be over already" in again.get("/overlays/draft").text
    refusal(again.post("/overlays/draft/publish", {"_version": "1"}, status=409))


def test_one_that_changes_nothing_is_not_published(system: System) -> None:
    marketing = sign_in(system, "marketing")
    nothing = {name: "" for name in form(system) if name.startswith(("colours", "words"))}
    page = marketing.get(saved(marketing, "/overlays/new", form(system, code="none") | nothing))
    assert "It changes nothing yet" in page.text
    assert "Publish" not in [("".join(each.itertext())) for each in page.all("button")]
    refusal(marketing.post("/overlays/none/publish", {"_version": "1"}, status=409))


def test_a_time_that_was_not_touched_keeps_its_seconds(system: System) -> None:
    begins = (system.clock() + timedelta(hours=3)).replace(second=0, microsecond=123456)
    document = {"title": "T", "starts_at": begins.isoformat(), "ends_at": (begins + timedelta(1)).isoformat()}
    system.api.ok("PUT", "/overlays/exact", document | {"colours": BLACK})
    marketing = sign_in(system, "marketing")
    data = fields_of(marketing.get("/overlays/exact/edit"))
    saved(marketing, "/overlays/exact/edit", data | {"title": "U"})
    kept = system.api.ok("GET", "/overlays/exact")
    assert kept["title"] == "U"
    assert datetime.fromisoformat(kept["starts_at"]) == begins


def test_c3_the_technical_role_looks_and_a_store_manager_does_not(system: System) -> None:
    saved(sign_in(system, "marketing"), "/overlays/new", form(system, code="black"))
    technical = sign_in(system, "technical")
    page = technical.get("/overlays/black")
    assert page.all("a", href="/console/lumiere/overlays/black/edit") == []
    assert "Create an overlay" not in technical.get("/overlays").text
    for path in ("/overlays/new", "/overlays/black/edit", "/overlays/black/delete", "/overlays/black/withdraw"):
        technical.get(path, status=403)
    refusal(technical.post("/overlays/black/publish", {"_version": "1"}, status=403))
    add_stores(system)
    manager = sign_in(system, "store", stores=("lyon",))
    manager.get("/overlays", status=403)
    assert "Overlays" not in manager.get("/").text


def test_c13_without_a_script_a_button_draws_the_phones_with_what_is_typed(system: System) -> None:
    marketing = sign_in(system, "marketing", locale="fr")
    data = form(system) | {"_act": "previews", "_language": "fr", "title": ""}
    page = marketing.post("/overlays/new", data, status=200, content_type="multipart/form-data")
    drawn = [each.get("alt") or "" for each in refusal(page).all("img")]
    assert len(drawn) == 2
    assert all("Points noirs" in words for words in drawn)
    fragment = marketing.client.post(
        "/console/lumiere/overlays/previews", data=data, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert fragment.status_code == 200
    assert "Points noirs" in fragment.text
    wrong = data | {"colours.background": "black"}
    page = marketing.post("/overlays/new", wrong, status=200, content_type="multipart/form-data")
    assert "Points noirs" not in " ".join(each.get("alt") or "" for each in refusal(page).all("img"))
    assert system.rows("SELECT id FROM overlays") == []

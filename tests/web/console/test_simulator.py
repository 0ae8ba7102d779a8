"""The simulator and the reasons of a card's places in the console (checks C4, C7, C17, C18, C34, C40, C92, C96)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.routes.test_offer import STORE, publish
from tests.system import System
from tests.web.console.staff import Staff, sign_in
from tests.web.page_reader import Page

PARIS = {"latitude": 48.859, "longitude": 2.362, "name": "Paris Marais"}


@pytest.fixture
def shops(system: System) -> System:
    """Two stores, an offer for gold members in Lyon, and a member."""
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon Bellecour"})
    system.api.ok("PUT", "/stores/paris", PARIS)
    publish(system, timedelta(hours=1), target={"tiers": ["Or"]})
    system.enrol("claire@example.com", card_number="C-100", favourite_store_id="paris")
    return system


def page_of(answer: Page | str) -> Page:
    assert isinstance(answer, Page)
    return answer


def simulated(staff: Staff, status: int = 200, **typed: Any) -> Page:
    return page_of(staff.post("/simulator", {"location_off": ""} | typed, status=status))


def test_a_profile_is_shown_what_phones_do_at_a_store_and_beyond_it(shops: System) -> None:
    marketing = sign_in(shops, "marketing")
    assert marketing.get("/simulator").one("select", name="store_id").get("id")
    page = simulated(marketing, store_id="lyon", tier="Or", points="45.7588, 4.832\n")
    assert "The card is on the lock screen for Lyon Bellecour, 0 m away: “20% off today”" in page.text
    assert "The card stays away: Lyon Bellecour is 112 m away, 12 m more than the 100 m" in page.text
    assert page.text.count("Google does not publish the distance.") == 2
    assert "table 4-2" in page.text
    assert "Offer “20% off knitwear” is running until" in page.text
    (picture,) = [each for each in page.all("img") if (each.get("src") or "").startswith("data:image/webp")]
    assert "Maison Lumière" in (picture.get("alt") or "")
    assert "20% off today" in (picture.get("alt") or "")


def test_an_offer_for_others_is_named_with_its_condition(shops: System) -> None:
    page = simulated(sign_in(shops, "marketing"), store_id="lyon")
    assert "is running, but not for this member: it is for another tier." in page.text
    assert "“Round the corner”" in page.text
    off = simulated(sign_in(shops, "marketing"), store_id="lyon", location_off=["", "on"])
    assert "the phone does not let Wallet use the location" in off.text
    assert not off.all("figure")


def test_a_path_in_time_and_in_french_with_names_of_stores(shops: System) -> None:
    staff = sign_in(shops, "marketing", locale="fr")
    later = (shops.clock() + timedelta(hours=3)).strftime("%Y-%m-%d %H:%M")
    page = simulated(staff, tier="Or", points=f"lyon bellecour\n45,7578; 4,8320 @ {later}+00:00\nParis Marais")
    assert "«\u202f−20 % aujourd’hui\u202f»" in page.text
    assert "est terminée depuis" in page.text
    assert "«\u202fÀ deux pas\u202f»" in page.text
    assert "sans texte particulier" in page.text


def test_c18_what_cannot_be_read_is_said_and_kept(shops: System) -> None:
    staff = sign_in(shops, "marketing", locale="fr")
    page = simulated(staff, 422, points="nulle part\nlyon @ demain", at="2026-03-29T02:30")
    assert page.title.startswith("Erreur")
    assert "Cette nuit-là, les horloges sautent cette heure." in page.text
    page = simulated(staff, 422, points="nulle part\nlyon @ demain")
    assert "La ligne «\u202fnulle part\u202f» n’est ni l’identifiant d’un magasin ni des coordonnées." in page.text
    assert "L’heure de la ligne «\u202flyon @ demain\u202f» est illisible." in page.text
    assert "nulle part" in (page.one("textarea", name="points").text or "")
    assert "au moins un point" in simulated(staff, 422).text
    assert "Aucun membre" in simulated(staff, 422, store_id="lyon", member="C-999").text


def test_c92_c96_a_member_is_named_in_the_form_alone_and_each_look_is_in_the_journal(shops: System) -> None:
    staff = sign_in(shops, "marketing")
    page = simulated(staff, store_id="paris", member="C-100")
    assert "With the card of Claire Moreau" in page.text
    assert all("C-100" not in (each.get("href") or "") + (each.get("action") or "") for each in page.tree.iter())
    again = page_of(staff.post("/card-places", {"member": "C-100"}, status=200))
    assert "The stores of the card of Claire Moreau" in again.text
    rows = shops.rows("SELECT action, object_kind, object_id, changes FROM journal WHERE action = 'places_looked_at'")
    number = str(shops.rows("SELECT id FROM members")[0]["id"])
    assert [(row["object_kind"], row["object_id"], row["changes"]) for row in rows] == [("member", number, {})] * 2
    assert all("C-100" not in str(row) and "claire" not in str(row) for row in shops.rows("SELECT * FROM journal"))
    assert "Looked at the places of a card" in staff.get("/journal").text


def test_a_look_at_nobody_leaves_no_entry(shops: System) -> None:
    staff = sign_in(shops, "marketing")
    assert "There is no such member" in page_of(staff.post("/card-places", {"member": "C-1"}, status=422)).text
    assert not shops.rows("SELECT FROM journal WHERE action = 'places_looked_at'")


def test_why_these_stores(shops: System) -> None:
    shops.api.ok("PUT", "/stores/bis", {"name": "Lyon bis", "latitude": 45.7577, "longitude": 4.832})
    publish(shops, timedelta(hours=1), code="tous", title={"en": "For all"}, store_ids=["bis", "lyon"])
    page = page_of(sign_in(shops, "marketing").post("/card-places", {"member": "claire@example.com"}, status=200))
    chosen, left = (
        [" ".join("".join(row.itertext()).split()) for row in each.iter("tr")] for each in page.all("table")
    )
    assert [row.split(" ")[0] for row in chosen[1:]] == ["Paris", "Lyon"]
    assert "It is the favourite store." in chosen[1]
    assert chosen[1].endswith("0 m")
    assert "Lyon Bellecour An offer for this member is running there.For all" in chosen[2]
    assert left[1:] == [
        "Lyon bis For all Not on the card: it is too close to Lyon Bellecour, and one of the two is enough."
    ]


def test_c40_technical_people_see_an_identifier_and_no_name(shops: System) -> None:
    staff = sign_in(shops, "technical")
    for page in (
        simulated(staff, store_id="paris", member="claire@example.com"),
        page_of(staff.post("/card-places", {"member": "claire@example.com"}, status=200)),
    ):
        assert "card of claire@example.com" in page.text
        assert "Claire" not in page.text
        assert "Moreau" not in page.text


def test_somebody_of_a_store_looks_up_by_card_number_and_names_own_stores_alone(shops: System) -> None:
    staff = sign_in(shops, "store", stores=("paris",))
    assert "There is no such member" in simulated(staff, 422, store_id="paris", member="claire@example.com").text
    assert "With the card of Claire Moreau" in simulated(staff, store_id="paris", member="C-100").text
    assert "neither a store" in simulated(staff, 422, points="lyon").text
    assert "There is no store" in simulated(staff, 422, store_id="paris", favourite_store_id="lyon").text
    beside = simulated(staff, points="45.7578, 4.832")
    assert "an offer of another store" in beside.text
    assert "knitwear" not in beside.text


def test_a_till_looks_up_nobody(shops: System) -> None:
    staff = sign_in(shops, "till", stores=("paris",))
    assert not staff.get("/simulator").all("input", name="member")
    staff.post("/simulator", {"store_id": "paris", "member": "C-100"}, status=403)
    staff.get("/card-places", status=403)

"""The list of offers in the console, and who sees what of it (checks C3, C7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.system import System
from tests.web.console.staff import sign_in

STORES: dict[str, dict[str, Any]] = {
    "lyon": {"name": "Lyon Bellecour", "latitude": 45.757, "longitude": 4.832, "address": {"city": "Lyon"}},
    "paris": {"name": "Paris Marais", "latitude": 48.859, "longitude": 2.362, "groups": ["grands"]},
}


def add_stores(system: System) -> None:
    for store_id, document in STORES.items():
        system.api.ok("PUT", f"/stores/{store_id}", document)


def add_offer(
    system: System, code: str = "SOIE", *, begins_h: float = 1, lasts_h: float = 24, publish: bool = False, **more: Any
) -> int:
    """An offer at Lyon that begins so many hours from now."""
    starts_at = system.clock() + timedelta(hours=begins_h)
    document = {
        "code": code,
        "title": {"fr": f"Offre {code}", "en": f"Offer {code}"},
        "store_ids": ["lyon"],
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=lasts_h)).isoformat(),
    }
    offer_id: int = system.api.ok("POST", "/offers", document | more)["id"]
    if publish:
        system.api.ok("POST", f"/offers/{offer_id}/publish")
    return offer_id


def test_the_list_has_a_tab_for_each_state_with_its_count(system: System) -> None:
    add_stores(system)
    marketing = sign_in(system, "marketing", locale="fr")
    page = marketing.get("/offers")
    assert "Aucune offre en cours. Une offre apparaît sur la carte de vos clients" in page.text
    assert page.one("nav", aria_label="Offres par état") is not None
    assert "Annulées" not in page.text
    add_offer(system, "DRAFT")
    add_offer(system, "SOON", publish=True)
    add_offer(system, "NOW", begins_h=-1, publish=True, uses_total=10)
    gone = add_offer(system, "GONE", publish=True)
    system.api.ok("POST", f"/offers/{gone}/cancel")
    tabs = marketing.get("/offers").one("nav", aria_label="Offres par état")
    words = ["".join(link.itertext()) for link in tabs.iter("a")]
    assert words == ["En cours 1", "Programmées 1", "Brouillons 1", "Terminées 0", "Annulées 1"]
    running = marketing.get("/offers")
    assert "Offre NOW" in running.text
    assert "0 sur 10" in running.text
    assert "Offre SOON" not in running.text
    assert "Offre SOON" in marketing.get("/offers?state=scheduled").text
    assert "Offre DRAFT" in marketing.get("/offers?state=draft").text
    system.clock.advance(timedelta(days=3))
    again = sign_in(system, "marketing", locale="fr")
    assert "Offre NOW" in again.get("/offers?state=ended").text


def test_marketing_filters_by_store(system: System) -> None:
    add_stores(system)
    add_offer(system, "LYON", publish=True)
    add_offer(system, "PARIS", publish=True, store_ids=["paris"])
    add_offer(system, "ALL", publish=True, store_ids=[])
    marketing = sign_in(system, "marketing")
    page = marketing.get("/offers?state=scheduled&store=marais")
    assert "Offre PARIS" in page.text
    assert "Offre ALL" in page.text
    assert "Offre LYON" not in page.text
    assert "No offer is like that" in marketing.get("/offers?state=scheduled&store=brest").text


def test_c3_a_store_manager_sees_the_offers_of_their_own_store_and_no_foreign_draft(system: System) -> None:
    add_stores(system)
    add_offer(system, "LYON")
    add_offer(system, "PARIS", publish=True, store_ids=["paris"])
    add_offer(system, "ALL", publish=True, store_ids=[])
    add_offer(system, "IDEA", store_ids=[])
    add_offer(system, "GROUP", publish=True, store_ids=[], groups=["grands"])
    manager = sign_in(system, "store", stores=("lyon",))
    assert "Offre LYON" in manager.get("/offers?state=draft").text
    assert "Offre IDEA" not in manager.get("/offers?state=draft").text
    scheduled = manager.get("/offers?state=scheduled").text
    assert "Offre ALL" in scheduled
    assert "Offre PARIS" not in scheduled
    assert "Offre GROUP" not in scheduled
    assert "Offre GROUP" in sign_in(system, "store", stores=("paris",)).get("/offers?state=scheduled").text

"""Who may open which page of offers (checks C2, C3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system import System
from tests.web.console.staff import sign_in
from tests.web.console.test_offers import add_offer, add_stores

WRITERS, READERS = ("admin", "marketing", "store"), ("till", "technical")
PAGES: dict[str, tuple[str, str, dict[str, int]]] = {
    "offers_offers": ("GET", "/offers", {"writer": 200, "reader": 200}),
    "offers_form_new": ("GET", "/offers/new", {"writer": 200, "reader": 403}),
    "offers_form_edit": ("GET", "/offers/{id}/edit", {"writer": 200, "reader": 403}),
    "offers_form_previews": ("POST", "/offers/previews", {"writer": 200, "reader": 403}),
    "offers_form_audience": ("POST", "/offers/audience", {"writer": 200, "reader": 403}),
    "offers_check_offer": ("GET", "/offers/{id}", {"writer": 200, "reader": 200}),
    "offers_check_drop": ("GET", "/offers/{id}/drop", {"writer": 200, "reader": 403}),
    "offers_check_copy": ("POST", "/offers/{id}/copy", {"writer": 303, "reader": 403}),
    "offers_check_publish": ("POST", "/offers/{id}/publish", {"writer": 303, "reader": 403}),
    "offers_check_unpublish": ("POST", "/offers/{id}/unpublish", {"writer": 303, "reader": 403}),
    "offers_check_end": ("GET", "/offers/{id}/end", {"writer": 409, "reader": 403}),
}
"""Endpoint → method, address, and what writers and readers of offers are answered, in the order of an offer’s life."""


def test_c2_every_page_of_offers_has_its_row(system: System) -> None:
    names = {rule.endpoint.removeprefix("console.") for rule in system.app.url_map.iter_rules()}
    assert {name for name in names if name.startswith("offers_")} == set(PAGES)


@pytest.mark.parametrize("role", [*WRITERS, *READERS])
def test_c2_each_role_opens_what_the_table_says(system: System, role: str) -> None:
    add_stores(system)
    offer_id = add_offer(system)
    stores = ("lyon",) if role in ("store", "till") else ()
    staff, kind = sign_in(system, role, stores=stores), "writer" if role in WRITERS else "reader"
    for method, path, wanted in PAGES.values():
        answered = staff.client.open(
            f"/console/lumiere{path.format(id=offer_id)}", method=method, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert answered.status_code == wanted[kind], path


@pytest.mark.parametrize("role", ["store", "till"])
def test_c3_offers_of_other_stores_do_not_exist(system: System, role: str) -> None:
    add_stores(system)
    offer_id = add_offer(system, store_ids=["paris"], publish=True)
    staff = sign_in(system, role, stores=("lyon",))
    for method, path, wanted in PAGES.values():
        if "{id}" in path and (role == "store" or wanted["reader"] == 200):
            answered = staff.client.open(
                f"/console/lumiere{path.format(id=offer_id)}", method=method, headers={"Sec-Fetch-Site": "same-origin"}
            )
            assert answered.status_code == 404, path


def test_c3_offers_of_another_programme_do_not_exist(system: System) -> None:
    add_stores(system)
    known: dict[str, Any] = {"id": add_offer(system)}
    marketing = sign_in(system, "marketing")
    marketing.get(f"/offers/{known['id'] + 1}", status=404)
    marketing.get(f"/console/elsewhere/offers/{known['id']}", status=404)
    marketing.get(f"/offers/{2**70}", status=404)
    marketing.get(f"/offers?page={2**70}")

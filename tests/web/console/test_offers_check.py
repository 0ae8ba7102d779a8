"""The page of one offer: what is checked, published, taken back, ended, copied (checks C4, C20, C32, C33)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.system import System
from tests.web.console.staff import sign_in
from tests.web.console.test_offers import STORES, add_offer, add_stores
from tests.web.console.test_stores import refusal

LYON = (45.757, 4.832)


def test_what_is_to_be_looked_at_before_publishing_is_said(system: System) -> None:
    add_stores(system)
    never_open = {"mo": [], "exceptions": {}, "tu": [{"from": "03:00", "to": "03:01"}]}
    system.api.ok("PUT", "/stores/lyon", STORES["lyon"] | {"opening_hours": never_open})
    for number in range(10):
        system.api.ok(
            "PUT", f"/stores/s{number}", {"name": f"S{number}", "latitude": 45.0 + number / 10, "longitude": 4.0}
        )
    add_offer(system, "FIRST", priority=5, publish=True)
    add_offer(system, "PARIS", store_ids=["paris"], publish=True)
    add_offer(system, "LATER", begins_h=30, publish=True)
    marketing = sign_in(system, "marketing", locale="fr")
    bare = add_offer(system, "BARE", lasts_h=1.5, title={"fr": "Nue"}, proximity_text={"fr": "Venez"})
    words = marketing.get(f"/offers/{bare}").text.replace("\u202f", " ")
    assert "5 points à vérifier" in words
    assert "Elle dure moins de deux heures." in words
    assert "Fermé pendant toute l’offre : Lyon Bellecour." in words
    assert "Lyon Bellecour : « Offre FIRST » a lieu en même temps et passe avant." in words
    assert "English : il manque le titre" in words
    assert "English : il manque le texte d’écran verrouillé." in words
    assert "Offre PARIS" not in words
    assert "Offre LATER" not in words
    wide = add_offer(system, "WIDE", store_ids=[])
    assert "Elle concerne 12 magasins. Une carte contient dix lieux" in marketing.get(f"/offers/{wide}").text
    fine = add_offer(system, "FINE", store_ids=["s0"])
    assert "à vérifier" not in marketing.get(f"/offers/{fine}").text


def test_an_offer_that_begins_in_quiet_hours_is_said_to_wait(system: System) -> None:
    add_stores(system)
    with system.services.sessions.begin() as db:
        pressure = '{"quiet_from": "00:00", "quiet_until": "23:59:59"}'
        db.execute(text("UPDATE programs SET document = document || jsonb_build_object('pressure', CAST(:p AS jsonb))"),
                   {"p": pressure})  # fmt: skip
    marketing = sign_in(system, "marketing")
    assert "quiet hours" in marketing.get(f"/offers/{add_offer(system, 'NOTIFIES', notify=True)}").text
    assert "It begins in quiet" not in marketing.get(f"/offers/{add_offer(system, 'QUIET')}").text


def test_c4_c32_a_publication_is_taken_back_before_the_start_and_no_card_was_announced(system: System) -> None:
    add_stores(system)
    card = system.enrol(home={"latitude": LYON[0], "longitude": LYON[1]})
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    before = system.card(card["serial_number"])["version"]
    offer_id = add_offer(system)
    manager = sign_in(system, "store", stores=("lyon",), locale="fr")
    page = manager.follow(f"/offers/{offer_id}/publish", {"_version": "1"})
    assert "Publiée. Elle apparaît le" in page.text
    assert "sur < 5 cartes et s’efface le" in page.text
    assert [each.get("name") for each in page.all("input", value="2")] == ["_version"]
    page = manager.follow(f"/offers/{offer_id}/unpublish", {"_version": "2"})
    assert "La publication est annulée." in page.text
    system.clock.advance(timedelta(hours=2))
    with system.working():
        phone.refresh()
        assert [one.text for one in phone.near(*LYON)] != ["Offre SOIE"]
    assert system.card(card["serial_number"])["version"] == before
    assert system.api.ok("GET", f"/offers/{offer_id}")["state"] == "draft"
    actions = [
        each["action"] for each in system.rows("SELECT action FROM journal WHERE actor_kind = 'user' ORDER BY id")
    ]
    assert actions[-2:] == ["offer_published", "offer_unpublished"]


def test_c33_an_offer_that_is_ended_now_is_gone_from_the_cards(system: System) -> None:
    add_stores(system)
    card = system.enrol(home={"latitude": LYON[0], "longitude": LYON[1]})
    phone = system.iphone()
    manager = sign_in(system, "store", stores=("lyon",), locale="fr")
    with system.working():
        phone.open_link(card["links"]["card"])
        offer_id = add_offer(system, begins_h=-1, publish=True)
        phone.wait_until(lambda it: [one.text for one in it.near(*LYON)] == ["Offre SOIE"], 20)
        asked = manager.get(f"/offers/{offer_id}/end")
        assert "< 5 cartes perdront cette offre dans l’heure." in asked.text
        page = manager.follow(f"/offers/{offer_id}/end", {"_version": "2"})
        assert "Terminée. L’offre s’efface d’elle-même des cartes" in page.text
        phone.wait_until(lambda it: "Offre SOIE" not in [one.text for one in it.near(*LYON)], 20)
    proof = system.api.ok("GET", f"/cards/{card['serial_number']}")
    assert proof["version"] > 1


def test_c20_what_was_changed_after_the_page_was_opened_is_not_published(system: System) -> None:
    add_stores(system)
    offer_id = add_offer(system)
    marketing = sign_in(system, "marketing")
    system.api.ok("PATCH", f"/offers/{offer_id}", {"title": {"fr": "Autre"}})
    page = refusal(marketing.post(f"/offers/{offer_id}/publish", {"_version": "1"}, status=409))
    assert "Somebody changed this offer after you opened the page." in page.text
    assert "Autre" in page.text
    assert system.api.ok("GET", f"/offers/{offer_id}")["state"] == "draft"


@pytest.mark.parametrize("act", ["unpublish", "end"])
def test_what_the_state_forbids_is_said_and_changes_nothing(system: System, act: str) -> None:
    add_stores(system)
    offer_id = add_offer(system, publish=True, begins_h=-1 if act == "unpublish" else 1)
    page = refusal(sign_in(system, "marketing").post(f"/offers/{offer_id}/{act}", {}, status=409))
    assert "state no longer allows that" in page.text
    assert system.api.ok("GET", f"/offers/{offer_id}")["version"] == 2


def test_a_draft_that_would_be_over_cannot_be_published(system: System) -> None:
    add_stores(system)
    offer_id = add_offer(system, lasts_h=1)
    system.clock.advance(timedelta(hours=3))
    marketing = sign_in(system, "marketing")
    page = marketing.get(f"/offers/{offer_id}")
    assert "would be over already" in page.text
    assert "Publish" not in ["".join(each.itertext()) for each in page.all("button")]
    marketing.post(f"/offers/{offer_id}/publish", {"_version": "1"}, status=409)


def test_c19_a_copy_is_made_once_and_opens_as_a_draft(system: System) -> None:
    add_stores(system)
    offer_id = add_offer(system, publish=True)
    marketing = sign_in(system, "marketing")
    sent = {"_code": marketing.get(f"/offers/{offer_id}").one("input", name="_code").get("value")}
    first = marketing.post(f"/offers/{offer_id}/copy", sent)
    assert first == marketing.post(f"/offers/{offer_id}/copy", sent)
    assert isinstance(first, str)
    assert marketing.get(first).one("input", name="code").get("value") == "SOIE-2"
    assert [each["code"] for each in system.api.ok("GET", "/offers")["items"]] == ["SOIE", "SOIE-2"]


def test_a_draft_is_dropped_after_a_question(system: System) -> None:
    add_stores(system)
    offer_id, published = add_offer(system), add_offer(system, "OTHER", publish=True)
    marketing = sign_in(system, "marketing", locale="fr")
    assert "Abandonner le brouillon" in marketing.get(f"/offers/{offer_id}/drop").text
    assert system.api.ok("GET", f"/offers/{offer_id}")["state"] == "draft"
    assert "Le brouillon est abandonné." in marketing.follow(f"/offers/{offer_id}/drop").text
    assert "Offre SOIE" in marketing.get("/offers?state=cancelled").text
    marketing.get(f"/offers/{published}/drop", status=409)


def test_a_running_offer_changes_in_texts_and_end_and_not_in_its_start(system: System) -> None:
    add_stores(system)
    offer_id = add_offer(system, begins_h=-1, publish=True)
    marketing = sign_in(system, "marketing", locale="fr")
    page = marketing.get(f"/offers/{offer_id}/edit")
    assert page.all("input", name="starts_at_local") == page.all("input", name="store_ids") == []
    ends = page.one("input", name="ends_at_local").get("value") or ""
    forged = {"starts_at_local": "2020-01-01T10:00", "store_ids": "paris"}
    sent = {"title.fr": "Encore mieux", "ends_at_local": ends, "_version": "2", "priority": "0"} | forged
    told = marketing.follow(f"/offers/{offer_id}/edit", sent)
    assert "A modifié une offre – Léa Martin" in told.text
    assert "titre" in told.text
    offer = system.api.ok("GET", f"/offers/{offer_id}")
    assert offer["title"] == {"fr": "Encore mieux"}
    assert offer["store_ids"] == ["lyon"]
    assert offer["version"] == 3
    past = sent | {"_version": "3", "ends_at_local": "2020-02-01T10:00"}
    over = refusal(marketing.post(f"/offers/{offer_id}/edit", past, status=422))
    assert over.title.startswith("Erreur")


def test_the_editor_of_an_offer_that_is_over_leads_to_its_page(system: System) -> None:
    add_stores(system)
    offer = add_offer(system, "OVER", lasts_h=1, publish=True)
    marketing = sign_in(system, "marketing")
    marketing.get(f"/offers/{offer}/edit")
    system.clock.advance(timedelta(hours=9))
    for answer in (
        marketing.client.get(f"/console/lumiere/offers/{offer}/edit"),
        marketing.client.post(
            f"/console/lumiere/offers/{offer}/edit", data={"title.fr": "x"}, headers={"Sec-Fetch-Site": "same-origin"}
        ),
    ):
        assert answer.status_code == 303
        assert "no longer allows" in marketing.get(answer.headers["Location"]).text


def test_a_page_with_very_many_members_comes_before_its_number(system: System) -> None:
    add_stores(system)
    with system.services.sessions.begin() as db:
        db.execute(
            text(
                "INSERT INTO members (program_id, member_id, card_number, created_at, updated_at) "
                "SELECT 'lumiere', 'N-' || n, 'N-' || n, now(), now() FROM generate_series(1, 400) n"
            )
        )
        db.execute(text("INSERT INTO balances (member_pk) SELECT id FROM members ON CONFLICT DO NOTHING"))
    offer = add_offer(system, "MANY", publish=True)
    marketing = sign_in(system, "marketing")
    page = marketing.get(f"/offers/{offer}")
    assert "will get this offer" not in page.text
    assert len(page.all("a", href=f"/console/lumiere/offers/{offer}?count=1")) == 1
    assert "0 cardholders will get this offer" in marketing.get(f"/offers/{offer}?count=1").text


def test_c76_checking_and_publishing_ask_nothing_that_was_said(system: System) -> None:
    add_stores(system)
    offer = add_offer(system, "ONCE")
    marketing = sign_in(system, "marketing")
    page = marketing.get(f"/offers/{offer}")
    main = page.one("main")
    assert not [each for tag in ("textarea", "select") for each in main.iter(tag)]
    assert {each.get("type") for each in main.iter("input")} == {"hidden"}

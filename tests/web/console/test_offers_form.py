"""The form of an offer, its previews and its audience (checks C3, C4, C6, C7, C17 to C20, C22, C29 to C31)."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from tests.system import System
from tests.web.console.staff import PASSWORD, Staff, sign_in
from tests.web.console.test_offers import add_offer, add_stores
from tests.web.console.test_stores import refusal
from tests.web.page_reader import Page

PARIS = ZoneInfo("Europe/Paris")


def form(system: System, **changes: Any) -> dict[str, Any]:
    """What a browser sends of an offer at Lyon, tomorrow."""
    day = (system.clock().astimezone(PARIS) + timedelta(days=1)).date()
    return {
        "store_ids": ["", "lyon"],
        "everywhere": "",
        "title.fr": "Un foulard offert",
        "text.fr": "Dès 150 € d’achat.",
        "proximity_text.fr": "Un foulard vous attend",
        "title.en": "A scarf for you",
        "text.en": "From €150.",
        "proximity_text.en": "A scarf awaits you",
        "code": "",
        "starts_at_local": f"{day}T10:00",
        "ends_at_local": f"{day}T20:00",
        "favourite": "any",
        "target.purchased_within_days": "",
        "target.purchased_at": "anywhere",
        "target.consent": "",
        "uses_per_member": "",
        "uses_total": "",
        "priority": "0",
        "radius_m": "",
        "notify": "",
        "_act": "check",
    } | changes


def fields_of(page: Page) -> dict[str, Any]:
    """What a browser would send of the page's form, untouched."""
    (found,) = page.all("form", data_offer_form="")
    sent: dict[str, list[str]] = {}
    for each in found.iter():
        name = each.get("name")
        if name is None or each.tag == "button":
            continue
        if each.tag == "textarea":
            sent.setdefault(name, []).append((each.text or "").removeprefix("\n"))
        elif each.tag == "select":
            options = list(each.iter("option"))
            chosen = next((one for one in options if one.get("selected") is not None), options[0])
            sent.setdefault(name, []).append(chosen.get("value") or "")
        elif each.get("type") != "checkbox" or each.get("checked") is not None:
            sent.setdefault(name, []).append(each.get("value") or "")
    return dict(sent)


def test_c17_c4_an_offer_is_drafted_checked_and_published_with_one_entry_for_each_step(system: System) -> None:
    add_stores(system)
    manager = sign_in(system, "store", stores=("lyon",), locale="fr")
    new = manager.get("/offers/new")
    assert new.one("input", name="store_ids").get("value") == "lyon", "their own store is chosen already"
    page = manager.follow("/offers/new", form(system))
    assert "Un foulard offert" in page.text
    assert "« Un foulard vous attend »".replace("« ", "«\u202f").replace(" »", "\u202f»") in page.text
    (offer,) = system.api.ok("GET", "/offers")["items"]
    assert offer["state"] == "draft"
    assert offer["code"] == f"un-foulard-offert-{offer['starts_at'][2:10].replace('-', '')}"
    published = manager.follow(f"/offers/{offer['id']}/publish", {"_version": "1"})
    assert "Publiée. Elle apparaît le" in published.text
    assert system.api.ok("GET", f"/offers/{offer['id']}")["state"] == "scheduled"
    entries = system.rows("SELECT action, actor_name FROM journal WHERE object_kind = 'offer' ORDER BY id")
    assert [each["action"] for each in entries] == ["offer_drafted", "offer_published"]
    assert {each["actor_name"] for each in entries} == {"Léa Martin"}
    assert "A publié une offre – Léa Martin" in published.text


def test_the_times_are_those_of_the_stores_clock(system: System) -> None:
    system.api.ok("PUT", "/stores/reunion", {"name": "Saint-Denis", "latitude": -20.88, "longitude": 55.45,
                                             "time_zone": "Indian/Reunion"})  # fmt: skip
    marketing = sign_in(system, "marketing", locale="fr")
    marketing.follow("/offers/new", form(system, store_ids=["", "reunion"], starts_at_local="2027-06-01T10:00",
                                         ends_at_local="2027-06-01T20:00"))  # fmt: skip
    (offer,) = system.api.ok("GET", "/offers")["items"]
    assert offer["starts_at"].startswith("2027-06-01T06:00")
    page = marketing.get(f"/offers/{offer['id']}/edit")
    assert page.one("input", name="starts_at_local").get("value") == "2027-06-01T10:00"


def test_a_form_that_is_sent_as_it_came_changes_nothing(system: System) -> None:
    add_stores(system)
    system.api.ok("PUT", "/stores/reunion", {"name": "R", "latitude": -20.88, "longitude": 55.45,
                                             "time_zone": "Indian/Reunion"})  # fmt: skip
    target = {"tiers": ["Or"], "favourite_store_ids": ["paris"], "attributes": {"vip": ["true"]}, "consent": True,
              "purchased_within_days": 90, "purchased_at": "offer_stores", "wallets": ["apple"]}  # fmt: skip
    hours = [
        {"day": day, "from": begins, "to": "24:00"} for day in ("fri", "mon") for begins in ("20:00", "22:00", "23:00")
    ]
    ids = [
        add_offer(system, "H", weekly_hours=hours, only_when_open=True),
        add_offer(system, "A", target=target, title={"fr": "A", "de": "A!"}, notify=True, radius_m=50, priority=-3),
        add_offer(system, "B", store_ids=["lyon", "reunion"], uses_total=9, uses_per_member=1, publish=True),
        add_offer(system, "C", store_ids=[], publish=True, begins_h=-1),
        add_offer(system, "D", store_ids=[], groups=["grands"]),
    ]
    before = system.rows("SELECT * FROM offers ORDER BY id")
    marketing = sign_in(system, "marketing", locale="fr")
    for offer_id in ids:
        marketing.follow(f"/offers/{offer_id}/edit", fields_of(marketing.get(f"/offers/{offer_id}/edit")))
    assert system.rows("SELECT * FROM offers ORDER BY id") == before


def test_hours_of_the_week_are_typed_by_day(system: System) -> None:
    add_stores(system)
    marketing = sign_in(system, "marketing", locale="fr")
    page = marketing.follow(
        "/offers/new",
        form(system, only_when_open="on") | {"weekly.mon.0.from": "10:00", "weekly.mon.0.to": "12:00",
         "weekly.mon.1.from": "", "weekly.mon.1.to": "", "weekly.sat.1.from": "18:00", "weekly.sat.1.to": "00:00"},
    )  # fmt: skip
    assert "Seulement à ces heures\u202f: Lundi 10:00–12:00\u202f; Samedi 18:00–24:00." in page.text
    assert "Seulement quand le magasin est ouvert." in page.text
    (offer,) = system.api.ok("GET", "/offers")["items"]
    assert offer["weekly_hours"] == [
        {"day": "mon", "from": "10:00", "to": "12:00"},
        {"day": "sat", "from": "18:00", "to": "24:00"},
    ]
    edit = marketing.get(f"/offers/{offer['id']}/edit")
    assert edit.one("input", name="weekly.sat.0.to").get("value") == "00:00"


def test_c19_a_form_that_is_sent_twice_makes_one_offer(system: System) -> None:
    add_stores(system)
    marketing = sign_in(system, "marketing")
    sent = form(system)
    assert marketing.post("/offers/new", sent) == marketing.post("/offers/new", sent)
    marketing.post("/offers/new", form(system, **{"text.fr": "Autre"}))
    codes = [each["code"] for each in system.api.ok("GET", "/offers")["items"]]
    assert len(codes) == 2
    assert codes[1].startswith("un-foulard-offert")
    taken = refusal(marketing.post("/offers/new", form(system, code=codes[0], **{"text.fr": "X"}), status=422))
    assert "Code: Another offer has this code. Choose another." in taken.text
    assert len(system.rows("SELECT id FROM journal WHERE action = 'offer_drafted'")) == 2


@pytest.mark.parametrize(
    ("wrong", "french", "english"),
    [
        ({"title.fr": "", "title.en": ""}, "Titre (Français) : Remplissez ce champ.", "Title (Français): Fill in this"),
        ({"starts_at_local": ""}, "Du : Saisissez une date et une heure.", "From: Enter a date and a time."),
        ({"ends_at_local": "2020-01-01T10:00"}, "Cette offre finit avant de commencer.", "ends before it begins"),
        ({"store_ids": [""]}, "Magasins : Choisissez au moins un magasin", "Stores: Choose at least one store"),
        ({"store_ids": ["", "brest"]}, "Magasins : Il n’y a pas de magasin « brest »", "Stores: There is no store"),
        ({"proximity_text.fr": "x" * 101}, "100 caractères", "shows 100 characters"),
        ({"proximity_text.fr": "Maison Lumière vous attend"}, "nom de l’enseigne", "name of the brand"),
        (
            {"weekly.tue.0.from": "14:00", "weekly.tue.0.to": "10:00"},
            "Mardi, à : Les heures",
            "Tuesday, until: Hours end",
        ),
        ({"weekly.sun.1.from": "14:00"}, "Dimanche, à : Remplissez ce champ.", "Sunday, until: Fill in this field."),
        ({"uses_total": "douze"}, "Utilisations au total : Saisissez un nombre entier", "Uses in total: Enter a whole"),
        ({"radius_m": "900"}, "Distance en mètres", "Distance in metres: Phones show"),
    ],
)
def test_c18_c22_what_is_wrong_is_said_at_the_field_in_both_languages(
    system: System, wrong: dict[str, Any], french: str, english: str
) -> None:
    add_stores(system)
    for locale, sentence, error in (("fr", french, "Erreur"), ("en", english, "Error")):
        page = refusal(
            sign_in(system, "marketing", locale=locale).post("/offers/new", form(system, **wrong), status=422)
        )
        assert page.title.startswith(error)
        plain = page.text.replace("\u202f", " ")
        assert sentence in plain, plain
        assert page.one("textarea", name="text.fr").text == "Dès 150 € d’achat.", "nothing that was typed is lost"
    assert system.rows("SELECT id FROM offers") == []


def test_c3_c7_a_store_manager_reaches_no_other_store_by_any_form(system: System) -> None:
    add_stores(system)
    lyon, paris = add_offer(system, "LYON"), add_offer(system, "PARIS", store_ids=["paris"])
    everywhere = add_offer(system, "ALL", store_ids=[], publish=True)
    manager = sign_in(system, "store", stores=("lyon",))
    for forged in (
        {"store_ids": ["lyon", "paris"]},
        {"store_ids": ["paris"]},
        {"groups": ["grands"]},
        {"store_ids": ["lyon"], "groups": ["grands"]},
        {"everywhere": "on"},
    ):
        assert (
            "Ask a marketing manager" in refusal(manager.post("/offers/new", form(system, **forged), status=403)).text
        )
        manager.post(f"/offers/{lyon}/edit", form(system, **forged, _version="1"), status=403)
    for page in ("previews", "audience"):
        manager.post(f"/offers/{page}", form(system, store_ids=["paris"]), status=403)
        manager.post(f"/offers/{page}", form(system, _offer=str(paris)), status=404)
    manager.get(f"/offers/{paris}", status=404)
    manager.get(f"/offers/{paris}/edit", status=404)
    for act in ("publish", "unpublish", "end", "drop", "copy"):
        manager.post(f"/offers/{paris}/{act}", {}, status=404)
        manager.post(f"/offers/{everywhere}/{act}", {}, status=403)
    assert "Change" not in {("".join(link.itertext())) for link in manager.get(f"/offers/{everywhere}").all("a")}
    assert len(system.rows("SELECT id FROM offers")) == 3
    assert system.rows("SELECT store_ids FROM offers ORDER BY id")[0]["store_ids"] == ["lyon"]


def test_who_only_reads_offers_changes_none(system: System) -> None:
    add_stores(system)
    offer_id = add_offer(system)
    cashier = sign_in(system, "till", stores=("lyon",))
    technical = sign_in(system, "technical")
    for staff in (cashier, technical):
        staff.get("/offers")
        staff.get(f"/offers/{offer_id}")
        staff.get("/offers/new", status=403)
        staff.post(f"/offers/{offer_id}/publish", {}, status=403)


def test_c20_of_two_editors_the_second_is_told_both_sides_and_loses_nothing(system: System) -> None:
    add_stores(system)
    offer_id = add_offer(system)
    lea, paul = sign_in(system, "marketing", locale="fr"), sign_in(system, "admin", locale="fr")
    mine = fields_of(paul.get(f"/offers/{offer_id}/edit")) | {"title.fr": ["La mienne"]}
    lea.follow(f"/offers/{offer_id}/edit", fields_of(lea.get(f"/offers/{offer_id}/edit")) | {"title.fr": ["La sienne"]})
    page = refusal(paul.post(f"/offers/{offer_id}/edit", mine, status=409))
    assert "Enregistré par Léa Martin à" in page.text
    assert "La sienne" in page.text
    assert page.one("input", name="title.fr").get("value") == "La mienne"
    paul.follow(f"/offers/{offer_id}/edit", fields_of(page))
    assert system.api.ok("GET", f"/offers/{offer_id}")["title"]["fr"] == "La mienne"


def test_c23_what_was_typed_when_the_session_ended_is_given_back(system: System) -> None:
    add_stores(system)
    staff = sign_in(system, "marketing", locale="fr")
    system.clock.advance(timedelta(hours=13))
    sent = form(system, **{"title.fr": "Pas perdu", "notify": ["", "on"], "weekly.mon.0.from": "10:00"})
    location = staff.post("/offers/new", sent)
    assert isinstance(location, str)
    asked = parse_qs(urlsplit(location).query)
    back = staff.post("/console/sign-in", {"email": staff.email, "password": PASSWORD, "next": asked["next"][0]})
    assert isinstance(back, str)
    page = staff.get(back)
    assert page.one("input", name="title.fr").get("value") == "Pas perdu"
    assert page.one("input", name="store_ids", value="lyon").get("checked") is not None
    assert page.one("input", name="notify", type="checkbox").get("checked") is not None
    assert page.one("input", name="weekly.mon.0.from").get("value") == "10:00"


def test_quick_choices_fill_in_the_dates_without_script(system: System) -> None:
    add_stores(system)
    manager = sign_in(system, "store", stores=("lyon",))
    for act, days in (("today", 0), ("week", 6)):
        page = refusal(manager.post("/offers/new", form(system, _act=act), status=200))
        begins = page.one("input", name="starts_at_local").get("value") or ""
        ends = page.one("input", name="ends_at_local").get("value") or ""
        last = (system.clock().astimezone(PARIS) + timedelta(days=days)).date()
        assert ends == f"{last}T23:59"
        assert begins[:10] == str(system.clock().astimezone(PARIS).date())
        assert page.one("input", name="title.fr").get("value") == "Un foulard offert"
    assert system.rows("SELECT id FROM offers") == []


def pictures_in(page: Page) -> dict[str, str]:
    return {
        (each.get("src") or "")[:23] + str(number): each.get("alt") or "" for number, each in enumerate(page.all("img"))
    }


def test_c29_the_previews_say_what_is_typed_by_their_button_and_by_the_script(system: System) -> None:
    add_stores(system)
    manager = sign_in(system, "store", stores=("lyon",), locale="fr")
    page = refusal(manager.post("/offers/new", form(system, _act="previews"), status=200))
    iphone, lock, android = pictures_in(page).values()
    assert all(name.startswith("data:image/webp;base64,") for name in pictures_in(page))
    assert "Un foulard offert" in iphone
    assert "près de Lyon Bellecour" in lock
    assert lock.endswith("Un foulard vous attend")
    assert "Dès 150 € d’achat." in android
    piece = manager.client.post(
        "/console/lumiere/offers/previews",
        data=form(system, _language="en"),
        headers={"Sec-Fetch-Site": "same-origin", "HX-Request": "true"},
    )
    assert piece.status_code == 200
    assert "A scarf awaits you" in piece.text
    assert "<html" not in piece.text
    assert "data:" in piece.headers["Content-Security-Policy"]
    assert system.rows("SELECT id FROM offers") == []


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"title.fr": "é" * 900},
        {"starts_at_local": "hier", "weekly.mon.x.from": "1", "weekly.mon": "2", "weekly.lun.0.to": "3"},
        {"title": "\x07", "target": "all", "store_ids.0": "x", "favourite": "kept", "priority": "9" * 40},
    ],
)
def test_pages_take_whatever_is_typed(system: System, typed: dict[str, str]) -> None:
    marketing = sign_in(system, "marketing")
    for path in ("previews", "audience"):
        for sent in (typed, form(system, store_ids="", **typed)):
            answer = marketing.client.post(
                f"/console/lumiere/offers/{path}", data=sent, headers={"Sec-Fetch-Site": "same-origin"}
            )
            assert answer.status_code == 200, answer.text
    marketing.post("/offers/new", typed, status=422)


def audience_of(staff: Staff, sent: dict[str, Any]) -> tuple[int, list[int]]:
    answer = staff.client.post("/console/lumiere/offers/audience", data=sent, headers={"Sec-Fetch-Site": "same-origin"})
    many = re.search(r'class="many">(\d+)', answer.text)
    assert many is not None, answer.text
    assert f'<div id="status" hx-swap-oob="innerHTML">{many[1]} ' in answer.text, "the number is spoken"
    return int(many[1]), [int(number) for number in re.findall(r"<li>(\d+)", answer.text)]


def test_c30_c31_audience_and_reasons_sum_to_the_members_and_equal_the_apis(system: System) -> None:
    add_stores(system)
    cards = [system.enrol(f"M-{number}", home={"latitude": 45.75, "longitude": 4.83}) for number in range(4)]
    for number in (0, 1):
        system.iphone().open_link(cards[number]["links"]["card"])
    system.api.ok("PUT", "/members/M-0", {"first_name": "C", "consents": {"marketing": True}})
    marketing = sign_in(system, "marketing", locale="fr")
    receives, reasons = audience_of(marketing, form(system))
    assert (receives, reasons) == (2, [2])
    receives, reasons = audience_of(marketing, form(system, notify="on", **{"target.tiers": ["Or"]}))
    assert receives + sum(reasons) == 4
    receives, reasons = audience_of(marketing, form(system, notify="on"))
    assert receives + reasons[-1] == 4
    marketing.follow("/offers/new", form(system))
    (offer,) = system.api.ok("GET", "/offers")["items"]
    told = system.api.ok("GET", f"/offers/{offer['id']}/audience")
    assert told["receives"] == receives
    page = marketing.get(f"/offers/{offer['id']}")
    assert "2 porteurs recevront l’offre" in page.text
    assert "2 sans carte installée" in page.text

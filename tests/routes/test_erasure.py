"""A member asks to be erased: nothing of them stays with us, on their phones or at Google. Nothing is patched."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import text

from tests.conftest import OpenHouse
from tests.house import House, eventually
from tests.routes.test_balance_event import balances, iphone_shows
from wallet_service.cards.erasure import AT_REST, forget_tombstones
from wallet_service.delivery import ledger
from wallet_service.delivery.channels import google_line
from wallet_service.delivery.google_lane import GoogleLane
from wallet_service.simulators.google.routes import ApiCall
from wallet_service.simulators.phones.android import Android
from wallet_service.simulators.phones.iphone import Iphone
from wallet_service.wallets.google import desk
from wallet_service.wallets.google.calls import Body

MEMBER = {
    "first_name": "Zélie",
    "last_name": "Quincampoix",
    "email": "zelie@example.org",
    "phone": "+33 6 98 76 54 32",
    "locale": "fr",
    "birthday": "1987-06-05",
    "card_number": "2900777000111",
    "favourite_store_id": "boutique-secrete",
    "home": {"latitude": 45.7675309, "longitude": 4.8342421},
    "consents": {"marketing": {"given": True, "at": "2026-01-02T03:04:05Z", "source": "formulaire-papier"}},
    "attributes": {"taille": "pointure-trente-huit"},
}
BALANCES = {
    "sequence": 90210424242,
    "points": 9876543,
    "tier": "Palier-Diamant",
    "vouchers": [{"code": "BON-XYZZY", "amount": {"amount": 1500, "currency": "EUR"}, "label": "Cadeau-intime"}],
    "badges": ["badge-secret"],
    "lines": {"reward": "ligne-confidentielle"},
}
MEMBER_ID = "CRM-é-777"
TRACES = (
    MEMBER_ID,
    "Zélie",
    "Quincampoix",
    "zelie@example.org",
    "98 76 54 32",
    "1987-06-05",
    "2900777000111",
    "boutique-secrete",
    "45.7675",
    "4.83424",
    "formulaire-papier",
    "pointure-trente-huit",
    "9021042424",
    "9876543",
    "9 876 543",
    "Palier-Diamant",
    "BON-XYZZY",
    "Cadeau-intime",
    "badge-secret",
    "ligne-confidentielle",
)


def whole_database(house: House) -> str:
    """Every row of every table, as text; bytes are left out: archives of designs, sealed keys."""
    tables = house.rows(
        "SELECT table_name AS name FROM information_schema.tables "
        "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1"
    )
    assert len(tables) > 20
    rows = (house.rows(f'SELECT CAST(t AS text) AS row FROM "{table["name"]}" t') for table in tables)
    return re.sub(r"\\x[0-9a-f]+", "", "\n".join(row["row"] for table in rows for row in table))


def traces_in(text: str) -> list[str]:
    """The personal words that a text still holds, however its spaces are written."""
    plain = text.replace("\u202f", " ").replace("\xa0", " ")
    return [trace for trace in TRACES if trace in plain or ascii(trace)[1:-1] in plain]


def enrol(house: House, time: str = "first") -> dict[str, Any]:
    """The member with a card, known through every door."""
    house.api.ok("PUT", f"/members/{MEMBER_ID}", MEMBER, Idempotency_Key=f"{time}-1")
    card: dict[str, Any] = house.api.ok("POST", f"/members/{MEMBER_ID}/card", Idempotency_Key=f"{time}-2")
    event = balances(1, 1, event_id=f"e-{time}") | {"subject": MEMBER_ID, "data": BALANCES}
    house.api.ok("POST", "/events", event, Idempotency_Key=f"{time}-3")
    batch = [event, balances(2, 2, event_id="of-another")]
    form = "application/cloudevents-batch+json"
    house.api.ok("POST", "/events", batch, Idempotency_Key=f"{time}-4", Content_Type=form)
    return card


def tombstones(house: House) -> int:
    return len(house.rows("SELECT FROM members WHERE erased_at IS NOT NULL"))


def forget(house: House) -> int:
    """The nightly duty."""
    sessions, longest = house.services.sessions, house.services.settings.erased_kept
    return forget_tombstones(sessions, longest=longest, now=house.clock(), stopping=lambda: False)


def both_phones(house: House, card: dict[str, Any]) -> tuple[Iphone, Android]:
    iphone, android = house.iphone(), house.android()
    iphone.open_link(card["links"]["card"])
    android.open_link(card["links"]["card"])
    return iphone, android


def google_object(house: House) -> dict[str, Any]:
    """The one object, as Google holds it."""
    (row,) = house.rows("SELECT object_id FROM google_objects WHERE told_digest IS NOT NULL")
    return house.google.object(row["object_id"])


def test_nothing_of_the_member_stays_anywhere(house: House) -> None:
    card = enrol(house)
    with house.working():
        iphone, android = both_phones(house, card)
        house.set_points(MEMBER_ID, 9876543, sequence=90210424243)
        eventually(lambda: {end["state"] for end in house.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
        report = f"[2026-10-02 10:00:00 +0200] Get pass task (pass type {iphone.shows().pass_type_id}, serial number "
        log = {"logs": [report + f"{card['serial_number']}) encountered error: Server response was malformed"]}
        requests.post(f"{house.url}/apple/v1/log", json=log, timeout=30)
        assert set(traces_in(whole_database(house))) == set(TRACES)
        assert "9876543" in str(google_object(house))

        assert house.api("DELETE", f"/members/{MEMBER_ID}").status_code == 204
        assert traces_in(whole_database(house)) == []

        iphone.wait_until(lambda one: one.shows().voided, 20)
        eventually(lambda: google_object(house)["state"] == "INACTIVE")
        eventually(lambda: {end["state"] for end in house.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
    shown = iphone.shows()
    assert shown.barcode is None
    assert set(shown.fields) <= {"issuer", *(key for key in shown.fields if key.startswith("link_"))}
    assert traces_in(str(shown)) == []
    held = google_object(house)
    assert traces_in(str(held)) == []
    assert {"accountId", "accountName", "loyaltyPoints", "barcode", "textModulesData", "messages"}.isdisjoint(
        key for key, value in held.items() if value
    )
    assert traces_in(str(android.shows())) == []
    assert traces_in(whole_database(house)) == []
    assert [note.text for note in iphone.notifications if note.generic is False][1:] == []


def test_the_api_afterwards(house: House) -> None:
    card = enrol(house)
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/card")):
        assert house.api(method, f"/members/{MEMBER_ID}{path}").status_code == 404
    event = balances(9, 9) | {"subject": MEMBER_ID}
    refused = house.api("POST", "/events", event)
    assert (refused.status_code, refused.json()["faults"][0]["path"]) == (422, "subject")
    state = house.card(card["serial_number"])
    assert (state["state"], state["member_id"], state["face"], state["places"]) == ("void", None, {}, [])
    timeline = house.api.ok("GET", f"/cards/{card['serial_number']}/timeline")
    assert [change["cause"] for change in timeline["changes"]] == ["erased"]
    again = house.api.ok("POST", f"/cards/{card['serial_number']}/void")
    assert again["version"] == state["version"]


@pytest.mark.parametrize(("language", "words"), [("fr", "a été supprimée"), ("en", "was deleted")])
def test_the_link_of_an_erased_card_answers_in_words(house: House, language: str, words: str) -> None:
    card = enrol(house)
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    for link in (*card["links"].values(), f"{card['links']['card']}/qr.svg"):
        page = requests.get(link, headers={"Accept-Language": language}, timeout=30)
        assert page.status_code == 410
        assert words in page.text


def test_the_same_id_may_be_created_again_at_once(house: House) -> None:
    before = enrol(house)
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    after = enrol(house, "second")
    assert after["serial_number"] != before["serial_number"]
    assert house.card(after["serial_number"])["member_id"] == MEMBER_ID
    assert house.card(before["serial_number"])["face"] == {}
    with house.working():
        phone = house.iphone()
        phone.open_link(after["links"]["card"])
        house.set_points(MEMBER_ID, 5, sequence=90210424243)
        iphone_shows(phone, "5")


def test_a_member_without_a_card_leaves_nothing_behind(house: House) -> None:
    house.api.ok("PUT", f"/members/{MEMBER_ID}", MEMBER)
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    assert house.rows("SELECT FROM members") == house.rows("SELECT FROM balances") == []


def test_a_walk_over_all_cards_leaves_the_void_card_as_it_is(house: House) -> None:
    card = enrol(house)
    other = house.enrol("M-2")
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    version = house.card(card["serial_number"])["version"]
    with house.working():
        house.api.ok("PUT", "/stores/lyon", {"name": "Lyon", "latitude": 45.76, "longitude": 4.83})
        eventually(lambda: house.card(other["serial_number"])["places"])
        eventually(lambda: not house.rows("SELECT FROM cards WHERE recompose_at <= now()"))
    assert house.card(card["serial_number"])["version"] == version


def test_a_phone_that_registers_late_gets_the_void_card_and_is_not_asked_for_a_name(house: House) -> None:
    card = enrol(house)
    file = requests.get(card["links"]["apple"], timeout=30)
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    phone = house.iphone()
    phone.add_pass(file.content, last_modified=file.headers["Last-Modified"])
    with house.working():
        phone.wait_until(lambda one: one.shows().voided, 20)
    told = {"personalizationToken": "t", "requiredPersonalizationInfo": {"fullName": "Zélie Quincampoix"}}
    path = f"/apple/v1/passes/{phone.shows().pass_type_id}/{card['serial_number']}/personalize"
    assert requests.post(house.url + path, json=told, timeout=30).status_code == 401
    assert traces_in(whole_database(house)) == []


def test_a_card_removed_from_google_wallet_is_emptied_all_the_same(house: House) -> None:
    card = enrol(house)
    with house.working():
        android = house.android()
        android.open_link(card["links"]["card"])
        eventually(lambda: house.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL AND confirm_at IS NULL"))
        android.remove()
        eventually(lambda: house.rows("SELECT FROM deliveries WHERE parked = 'removed'"))
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    (row,) = house.rows("SELECT object_id FROM google_objects")
    house.google.send_callback("del", row["object_id"])
    with house.working():
        eventually(lambda: google_object(house)["state"] == "INACTIVE")
    assert traces_in(str(google_object(house))) == []
    assert house.rows("SELECT FROM deliveries WHERE parked IS NOT NULL") == []


def test_an_announcement_under_way_does_not_bring_the_name_back(house: House) -> None:
    """The lane has read the card; the member is erased; then the old content reaches Google. The void one follows."""
    card = enrol(house)
    requests.get(card["links"]["google"], allow_redirects=False, timeout=30)
    house.google.watch(
        lambda call: house.api("DELETE", f"/members/{MEMBER_ID}") if "loyaltyObject" in call.path else None
    )
    with house.working():
        eventually(lambda: house.rows("SELECT FROM google_objects WHERE told_digest <> ''"))
        eventually(lambda: google_object(house)["state"] == "INACTIVE")
        eventually(lambda: house.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
    assert tombstones(house) == 1
    assert traces_in(str(google_object(house))) == []
    assert traces_in(whole_database(house)) == []


def test_a_telling_that_ends_after_the_erasure_leaves_nothing_behind(house: House) -> None:
    """The member is erased while Google answers, and the lane stops right after: no void card follows that would cover
    the traces.
    """
    card = enrol(house)
    requests.get(card["links"]["google"], allow_redirects=False, timeout=30)
    tools = house.services.tools()
    line = google_line("lumiere", tools, house.services.keys)
    lane = GoogleLane("lumiere", line, tools, house.services.keys.sealer)
    answers: list[int] = []

    def on_call(call: ApiCall) -> None:
        if "loyaltyObject" in call.path and not answers:
            answers.append(house.api("DELETE", f"/members/{MEMBER_ID}").status_code)
            lane.stop()

    house.google.watch(on_call)
    with closing(lane):
        lane.step()
    assert answers == [204]
    assert traces_in(str(google_object(house))) != [], "Google has the old content, and is owed the void one"
    assert traces_in(whole_database(house)) == []
    with house.working():
        eventually(lambda: google_object(house)["state"] == "INACTIVE")
    assert traces_in(str(google_object(house))) == []


def test_the_erasure_waits_for_whoever_is_claiming_the_card(house: House) -> None:
    """What a claim writes of a card as it is, a message with a name in it perhaps, is there when the erasure looks."""
    card = enrol(house)
    requests.get(card["links"]["google"], allow_redirects=False, timeout=30)
    with ThreadPoolExecutor(1) as pool:
        with house.services.sessions.begin() as db:
            (row,) = ledger.claim(
                db, kind="google", program_id="lumiere", now=house.clock(), lease=timedelta(minutes=1), batch=1,
                claim_id="a",
            )  # fmt: skip
            answer = pool.submit(house.api, "DELETE", f"/members/{MEMBER_ID}")
            eventually(lambda: house.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
            object_pk = db.execute(text("SELECT id FROM google_objects WHERE object_id = :id"), {"id": row.far_end})
            message: Body = {"id": "m-1", "header": "Zélie", "body": "Quincampoix"}
            ends_at = house.clock() + timedelta(days=1)
            assert desk.add_letter(
                db, "lumiere", object_pk.scalar_one(), "news", message, loud=False, ends_at=ends_at, now=house.clock()
            )
        assert answer.result().status_code == 204
    assert traces_in(whole_database(house)) == []


def test_a_repeat_does_not_bring_the_erased_member_back(house: House) -> None:
    event = balances(1, 1, event_id="e-2") | {"type": "member.updated", "subject": MEMBER_ID}
    event |= {"time": "2026-01-01T00:00:00Z", "data": {"first_name": "Zélie"}}
    batch = [event | {"id": "e-3"}, balances(2, 2, event_id="of-another")]
    requests_made: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", "/events", event, {}),
        ("POST", "/events", batch, {"Idempotency_Key": "k-1", "Content_Type": "application/cloudevents-batch+json"}),
        ("PUT", f"/members/{MEMBER_ID}", MEMBER, {"Idempotency_Key": "k-2"}),
        ("POST", f"/members/{MEMBER_ID}/card", None, {"Idempotency_Key": "k-3"}),
    ]
    for method, path, body, headers in requests_made:
        assert house.api(method, path, body, **headers).ok
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    single, several, put, issued = [
        house.api(method, path, body, **headers) for method, path, body, headers in requests_made
    ]
    assert (single.status_code, single.json()["status"]) == (202, "repeated")
    assert several.json()["results"][0]["status"] == "repeated"
    assert (put.status_code, issued.status_code) == (410, 404)
    assert house.rows("SELECT FROM members WHERE erased_at IS NULL") == []
    assert traces_in(whole_database(house)) == []


def test_the_tombstone_goes_when_every_far_end_has_it(house: House) -> None:
    card = enrol(house)
    with house.working():
        iphone, _ = both_phones(house, card)
        house.set_points(MEMBER_ID, 7, sequence=90210424243)
        iphone_shows(iphone, "7")
        iphone.offline()
        house.api.ok("DELETE", f"/members/{MEMBER_ID}")
        eventually(lambda: google_object(house)["state"] == "INACTIVE")
        house.clock.advance(AT_REST + timedelta(minutes=1))
        assert forget(house) == 0
        iphone.online()
        iphone.wait_until(lambda one: one.shows().voided, 20)
        eventually(lambda: {end["state"] for end in house.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
        assert forget(house) == 0, "what was told a moment ago may be overtaken yet"
        house.clock.advance(AT_REST + timedelta(minutes=1))
        assert forget(house) == 1
    for table in ("members", "cards", "deliveries", "registrations", "devices", "google_objects", "card_versions"):
        assert house.rows(f"SELECT FROM {table}") == [], table
    assert house.api("GET", f"/cards/{card['serial_number']}").status_code == 404
    assert requests.get(card["links"]["card"], timeout=30).status_code == 404


def test_the_tombstone_goes_in_its_time_though_a_phone_never_comes(open_a_house: OpenHouse) -> None:
    house = open_a_house(WALLET_ERASED_KEPT_DAYS="10")
    card = enrol(house)
    house.iphone().open_link(card["links"]["card"])
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    house.clock.advance(timedelta(days=9, hours=23))
    assert forget(house) == 0
    house.clock.advance(timedelta(hours=2))
    assert forget(house) == 1
    assert house.rows("SELECT FROM devices") == house.rows("SELECT FROM members") == []


def test_a_device_with_other_cards_stays(house: House) -> None:
    card, other = enrol(house), house.enrol("M-2")
    phone = house.iphone()
    phone.open_link(card["links"]["card"])
    phone.open_link(other["links"]["card"])
    house.api.ok("DELETE", f"/members/{MEMBER_ID}")
    house.clock.advance(timedelta(days=31))
    assert forget(house) == 1
    with house.working():
        house.set_points("M-2", 3, sequence=1)
        phone.wait_until(lambda one: "points" in one.shows(other["serial_number"]).fields, 20)

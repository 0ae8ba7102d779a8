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

from tests.conftest import OpenSystem
from tests.routes.test_balance_event import balances, iphone_shows
from tests.system import System, eventually
from wallet_service.cards.erasure import AT_REST, forget_tombstones
from wallet_service.delivery import ledger
from wallet_service.delivery.channels import renewing_google_channel
from wallet_service.delivery.google_queue import GoogleQueue
from wallet_service.simulators.google.backend import ApiCall
from wallet_service.simulators.phones.android import Android
from wallet_service.simulators.phones.iphone import Iphone
from wallet_service.wallets.google import objects
from wallet_service.wallets.google.content.schema import Body

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


def whole_database(system: System) -> str:
    """Every row of every table, as text; bytes are left out: archives of designs, sealed keys."""
    tables = system.rows(
        "SELECT table_name AS name FROM information_schema.tables "
        "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1"
    )
    assert len(tables) > 20
    rows = (system.rows(f'SELECT CAST(t AS text) AS row FROM "{table["name"]}" t') for table in tables)
    return re.sub(r"\\x[0-9a-f]+", "", "\n".join(row["row"] for table in rows for row in table))


def traces_in(text: str) -> list[str]:
    """The personal words that a text still holds, however its spaces are written."""
    plain = text.replace("\u202f", " ").replace("\xa0", " ")
    return [trace for trace in TRACES if trace in plain or ascii(trace)[1:-1] in plain]


def enrol(system: System, time: str = "first") -> dict[str, Any]:
    """The member with a card, known by every endpoint."""
    system.api.ok("PUT", f"/members/{MEMBER_ID}", MEMBER, Idempotency_Key=f"{time}-1")
    card: dict[str, Any] = system.api.ok("POST", f"/members/{MEMBER_ID}/card", Idempotency_Key=f"{time}-2")
    event = balances(1, 1, event_id=f"e-{time}") | {"subject": MEMBER_ID, "data": BALANCES}
    system.api.ok("POST", "/events", event, Idempotency_Key=f"{time}-3")
    batch = [event, balances(2, 2, event_id="of-another")]
    form = "application/cloudevents-batch+json"
    system.api.ok("POST", "/events", batch, Idempotency_Key=f"{time}-4", Content_Type=form)
    return card


def tombstones(system: System) -> int:
    return len(system.rows("SELECT FROM members WHERE erased_at IS NOT NULL"))


def forget(system: System) -> int:
    """The maintenance task."""
    sessions, longest = system.services.sessions, system.services.settings.erased_kept
    return forget_tombstones(sessions, longest=longest, now=system.clock(), stopping=lambda: False)


def both_phones(system: System, card: dict[str, Any]) -> tuple[Iphone, Android]:
    iphone, android = system.iphone(), system.android()
    iphone.open_link(card["links"]["card"])
    android.open_link(card["links"]["card"])
    return iphone, android


def google_object(system: System) -> dict[str, Any]:
    """The one object, as Google holds it."""
    (row,) = system.rows("SELECT object_id FROM google_objects WHERE told_digest IS NOT NULL")
    return system.google.object(row["object_id"])


def test_nothing_of_the_member_stays_anywhere(system: System) -> None:
    card = enrol(system)
    with system.working():
        iphone, android = both_phones(system, card)
        system.set_points(MEMBER_ID, 9876543, sequence=90210424243)
        eventually(lambda: {end["state"] for end in system.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
        report = f"[2026-10-02 10:00:00 +0200] Get pass task (pass type {iphone.shows().pass_type_id}, serial number "
        log = {"logs": [report + f"{card['serial_number']}) encountered error: Server response was malformed"]}
        requests.post(f"{system.url}/apple/v1/log", json=log, timeout=30)
        assert set(traces_in(whole_database(system))) == set(TRACES)
        assert "9876543" in str(google_object(system))

        assert system.api("DELETE", f"/members/{MEMBER_ID}").status_code == 204
        assert traces_in(whole_database(system)) == []

        iphone.wait_until(lambda one: one.shows().voided, 60)
        eventually(lambda: google_object(system)["state"] == "INACTIVE")
        eventually(lambda: {end["state"] for end in system.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
    shown = iphone.shows()
    assert shown.barcode is None
    assert set(shown.fields) <= {"issuer", *(key for key in shown.fields if key.startswith("link_"))}
    assert traces_in(str(shown)) == []
    held = google_object(system)
    assert traces_in(str(held)) == []
    assert {"accountId", "accountName", "loyaltyPoints", "barcode", "textModulesData", "messages"}.isdisjoint(
        key for key, value in held.items() if value
    )
    assert traces_in(str(android.shows())) == []
    assert traces_in(whole_database(system)) == []
    assert [note.text for note in iphone.notifications if note.generic is False][1:] == []


def test_the_api_afterwards(system: System) -> None:
    card = enrol(system)
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/card")):
        assert system.api(method, f"/members/{MEMBER_ID}{path}").status_code == 404
    event = balances(9, 9) | {"subject": MEMBER_ID}
    refused = system.api("POST", "/events", event)
    assert (refused.status_code, refused.json()["faults"][0]["path"]) == (422, "subject")
    state = system.card(card["serial_number"])
    assert (state["state"], state["member_id"], state["face"], state["places"]) == ("void", None, {}, [])
    timeline = system.api.ok("GET", f"/cards/{card['serial_number']}/timeline")
    assert [change["cause"] for change in timeline["changes"]] == ["erased"]
    again = system.api.ok("POST", f"/cards/{card['serial_number']}/void")
    assert again["version"] == state["version"]


@pytest.mark.parametrize(("language", "words"), [("fr", "a été supprimée"), ("en", "was deleted")])
def test_the_link_of_an_erased_card_answers_in_words(system: System, language: str, words: str) -> None:
    card = enrol(system)
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    for link in (*card["links"].values(), f"{card['links']['card']}/qr.svg"):
        page = requests.get(link, headers={"Accept-Language": language}, timeout=30)
        assert page.status_code == 410
        assert words in page.text


def test_the_same_id_may_be_created_again_at_once(system: System) -> None:
    before = enrol(system)
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    after = enrol(system, "second")
    assert after["serial_number"] != before["serial_number"]
    assert system.card(after["serial_number"])["member_id"] == MEMBER_ID
    assert system.card(before["serial_number"])["face"] == {}
    with system.working():
        phone = system.iphone()
        phone.open_link(after["links"]["card"])
        system.set_points(MEMBER_ID, 5, sequence=90210424243)
        iphone_shows(phone, "5")


def test_a_member_without_a_card_leaves_nothing_behind(system: System) -> None:
    system.api.ok("PUT", f"/members/{MEMBER_ID}", MEMBER)
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    assert system.rows("SELECT FROM members") == system.rows("SELECT FROM balances") == []


def test_a_walk_over_all_cards_leaves_the_void_card_as_it_is(system: System) -> None:
    card = enrol(system)
    other = system.enrol("M-2")
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    version = system.card(card["serial_number"])["version"]
    with system.working():
        system.api.ok("PUT", "/stores/lyon", {"name": "Lyon", "latitude": 45.76, "longitude": 4.83})
        eventually(lambda: system.card(other["serial_number"])["places"])
        eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= now()"))
    assert system.card(card["serial_number"])["version"] == version


def test_a_phone_that_registers_late_gets_the_void_card_and_is_not_asked_for_a_name(system: System) -> None:
    card = enrol(system)
    file = requests.get(card["links"]["apple"], timeout=30)
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    phone = system.iphone()
    phone.add_pass(file.content, last_modified=file.headers["Last-Modified"])
    with system.working():
        phone.wait_until(lambda one: one.shows().voided, 60)
    told = {"personalizationToken": "t", "requiredPersonalizationInfo": {"fullName": "Zélie Quincampoix"}}
    path = f"/apple/v1/passes/{phone.shows().pass_type_id}/{card['serial_number']}/personalize"
    assert requests.post(system.url + path, json=told, timeout=30).status_code == 401
    assert traces_in(whole_database(system)) == []


def test_a_card_removed_from_google_wallet_is_emptied_all_the_same(system: System) -> None:
    card = enrol(system)
    with system.working():
        android = system.android()
        android.open_link(card["links"]["card"])
        eventually(lambda: system.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL AND confirm_at IS NULL"))
        android.remove()
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE parked = 'removed'"))
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    (row,) = system.rows("SELECT object_id FROM google_objects")
    system.google.send_callback("del", row["object_id"])
    with system.working():
        eventually(lambda: google_object(system)["state"] == "INACTIVE")
    assert traces_in(str(google_object(system))) == []
    assert system.rows("SELECT FROM deliveries WHERE parked IS NOT NULL") == []


def test_an_announcement_under_way_does_not_bring_the_name_back(system: System) -> None:
    """The queue has read the card; the member is erased; then the old content reaches Google. The void one follows."""
    card = enrol(system)
    requests.get(card["links"]["google"], allow_redirects=False, timeout=30)
    system.google.watch(
        lambda call: system.api("DELETE", f"/members/{MEMBER_ID}") if "loyaltyObject" in call.path else None
    )
    with system.working():
        eventually(lambda: system.rows("SELECT FROM google_objects WHERE told_digest <> ''"))
        eventually(lambda: google_object(system)["state"] == "INACTIVE")
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
    assert tombstones(system) == 1
    assert traces_in(str(google_object(system))) == []
    assert traces_in(whole_database(system)) == []


def test_a_telling_that_ends_after_the_erasure_leaves_nothing_behind(system: System) -> None:
    """The member is erased while Google answers, and the queue stops right after: no void card follows that would cover
    the traces.
    """
    card = enrol(system)
    requests.get(card["links"]["google"], allow_redirects=False, timeout=30)
    tools = system.services.tools()
    line = renewing_google_channel("lumiere", tools, system.services.keys)
    queue = GoogleQueue("lumiere", line, tools, system.services.keys.sealer)
    answers: list[int] = []

    def on_call(call: ApiCall) -> None:
        if "loyaltyObject" in call.path and not answers:
            answers.append(system.api("DELETE", f"/members/{MEMBER_ID}").status_code)
            queue.stop()

    system.google.watch(on_call)
    with closing(queue):
        queue.step()
    assert answers == [204]
    assert traces_in(str(google_object(system))) != [], "Google has the old content, and is owed the void one"
    assert traces_in(whole_database(system)) == []
    with system.working():
        eventually(lambda: google_object(system)["state"] == "INACTIVE")
    assert traces_in(str(google_object(system))) == []


def test_the_erasure_waits_for_whoever_is_claiming_the_card(system: System) -> None:
    """What a claim writes of a card as it is, a message with a name in it perhaps, is there when the erasure looks."""
    card = enrol(system)
    requests.get(card["links"]["google"], allow_redirects=False, timeout=30)
    with ThreadPoolExecutor(1) as pool:
        with system.services.sessions.begin() as db:
            (row,) = ledger.claim(
                db, kind="google", program_id="lumiere", now=system.clock(), lease=timedelta(minutes=1), batch=1,
                claim_id="a",
            )  # fmt: skip
            answer = pool.submit(system.api, "DELETE", f"/members/{MEMBER_ID}")
            eventually(lambda: system.rows("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
            object_pk = db.execute(text("SELECT id FROM google_objects WHERE object_id = :id"), {"id": row.far_end})
            message: Body = {"id": "m-1", "header": "Zélie", "body": "Quincampoix"}
            ends_at = system.clock() + timedelta(days=1)
            assert objects.queue_message(
                db,
                "lumiere",
                object_pk.scalar_one(),
                "news",
                message,
                notify=False,
                ends_at=ends_at,
                now=system.clock(),
            )
        assert answer.result().status_code == 204
    assert traces_in(whole_database(system)) == []


def test_a_repeat_does_not_bring_the_erased_member_back(system: System) -> None:
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
        assert system.api(method, path, body, **headers).ok
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    single, several, put, issued = [
        system.api(method, path, body, **headers) for method, path, body, headers in requests_made
    ]
    assert (single.status_code, single.json()["status"]) == (202, "repeated")
    assert several.json()["results"][0]["status"] == "repeated"
    assert (put.status_code, issued.status_code) == (410, 404)
    assert system.rows("SELECT FROM members WHERE erased_at IS NULL") == []
    assert traces_in(whole_database(system)) == []


def test_the_tombstone_goes_when_every_far_end_has_it(system: System) -> None:
    card = enrol(system)
    with system.working():
        iphone, _ = both_phones(system, card)
        system.set_points(MEMBER_ID, 7, sequence=90210424243)
        iphone_shows(iphone, "7")
        iphone.offline()
        system.api.ok("DELETE", f"/members/{MEMBER_ID}")
        eventually(lambda: google_object(system)["state"] == "INACTIVE")
        system.clock.advance(AT_REST + timedelta(minutes=1))
        assert forget(system) == 0
        iphone.online()
        iphone.wait_until(lambda one: one.shows().voided, 60)
        eventually(lambda: {end["state"] for end in system.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
        assert forget(system) == 0, "what was told a moment ago may be overtaken yet"
        system.clock.advance(AT_REST + timedelta(minutes=1))
        assert forget(system) == 1
    for table in ("members", "cards", "deliveries", "registrations", "devices", "google_objects", "card_versions"):
        assert system.rows(f"SELECT FROM {table}") == [], table
    assert system.api("GET", f"/cards/{card['serial_number']}").status_code == 404
    assert requests.get(card["links"]["card"], timeout=30).status_code == 404


def test_the_tombstone_goes_in_its_time_though_a_phone_never_comes(open_system: OpenSystem) -> None:
    system = open_system(WALLET_ERASED_KEPT_DAYS="10")
    card = enrol(system)
    system.iphone().open_link(card["links"]["card"])
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    system.clock.advance(timedelta(days=9, hours=23))
    assert forget(system) == 0
    system.clock.advance(timedelta(hours=2))
    assert forget(system) == 1
    assert system.rows("SELECT FROM devices") == system.rows("SELECT FROM members") == []


def test_a_device_with_other_cards_stays(system: System) -> None:
    card, other = enrol(system), system.enrol("M-2")
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    phone.open_link(other["links"]["card"])
    system.api.ok("DELETE", f"/members/{MEMBER_ID}")
    system.clock.advance(timedelta(days=31))
    assert forget(system) == 1
    with system.working():
        system.set_points("M-2", 3, sequence=1)
        phone.wait_until(lambda one: "points" in one.shows(other["serial_number"]).fields, 60)

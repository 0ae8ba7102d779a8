"""Stores in the console (checks C3, C4, C6, C17 to C22, C25)."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.system import System, eventually
from tests.web.console.staff import Staff, sign_in
from tests.web.page_reader import Page

LYON = {"name": "Lyon Bellecour", "latitude": 45.757, "longitude": 4.832, "address": {"city": "Lyon"}}
FORM = {
    "name": "Lyon Bellecour",
    "address.city": "Lyon",
    "latitude": "45,757",
    "longitude": "4,832",
    "phone": "04 72 00 00 00",
    "opening_hours.mo.0.from": "10:00",
    "opening_hours.mo.0.to": "19:00",
    "opening_hours.closed_on_public_holidays": ["", "on"],
    "exceptions": "24/12/2026 10:00-17:00\r\n25/12/2026 fermé",
    "proximity_text.fr": "Une étole vous attend",
    "groups_text": "centre, sud",
    "time_zone": "Europe/Paris",
}


def fields_of(page: Page) -> dict[str, Any]:
    """What a browser would send of the page's form, untouched."""
    form = next(each for each in page.all("form", method="post") if each.find(".//input[@name='_version']") is not None)
    sent: dict[str, list[str]] = {}
    for each in form.iter():
        name = each.get("name")
        if name is None or each.tag == "button":
            continue
        if each.tag == "textarea":
            sent.setdefault(name, []).append((each.text or "").removeprefix("\n"))
        elif each.get("type") != "checkbox" or each.get("checked") is not None:
            sent.setdefault(name, []).append(each.get("value") or "")
    return dict(sent)


def refusal(answer: Page | str) -> Page:
    assert not isinstance(answer, str)
    return answer


def test_c17_c4_a_store_is_added_with_one_journal_entry(system: System) -> None:
    admin = sign_in(system, locale="fr")
    assert "Aucun magasin. Importez un fichier CSV" in admin.get("/stores").text
    page = admin.follow("/stores/new", FORM)
    assert "Enregistré." in page.text
    store = system.api.ok("GET", "/stores/lyon-bellecour")
    assert store["opening_hours"] == {
        "mo": [{"from": "10:00", "to": "19:00"}],
        "closed_on_public_holidays": True,
        "exceptions": {"2026-12-24": [{"from": "10:00", "to": "17:00"}], "2026-12-25": []},
    }
    assert (store["latitude"], store["phone"], store["groups"]) == (45.757, "04 72 00 00 00", ["centre", "sud"])
    entries = system.rows("SELECT action, actor_name FROM journal WHERE object_kind = 'store'")
    assert entries == [{"action": "store_created", "actor_name": "Léa Martin"}]
    listed = admin.get("/stores?q=lyon")
    assert "Lyon Bellecour" in listed.text
    assert "Aucun magasin ne correspond" in admin.get("/stores?q=brest").text


def test_a_form_that_is_sent_as_it_came_changes_nothing(system: System) -> None:
    admin = sign_in(system, locale="fr")
    page = admin.follow("/stores/new", FORM)
    before = system.rows("SELECT * FROM stores")
    admin.follow("/stores/lyon-bellecour", fields_of(page))
    assert system.rows("SELECT * FROM stores") == before
    assert len(system.rows("SELECT id FROM journal WHERE object_kind = 'store'")) == 1


def test_c19_a_form_that_is_sent_twice_makes_one_store(system: System) -> None:
    admin = sign_in(system)
    assert admin.post("/stores/new", FORM) == admin.post("/stores/new", FORM)
    assert len(system.rows("SELECT id FROM stores")) == 1
    page = refusal(admin.post("/stores/new", FORM | {"phone": "0600000000"}, status=422))
    assert "There is a store with this identifier already" in page.text


@pytest.mark.parametrize(
    ("wrong", "french", "english"),
    [
        ({"name": ""}, "Nom : Remplissez ce champ.", "Name: Fill in this field."),
        ({"latitude": "nord"}, "Latitude", "Latitude: Enter a number."),
        ({"phone": "appelez"}, "numéro de téléphone", "phone number"),
        ({"position": "près de la gare"}, "lien de carte", "a link of a map"),
        ({"opening_hours.mo.0.to": "10:00"}, "Lundi, fermeture", "Monday, closes: Closing time is the same"),
        ({"opening_hours.mo.0.to": ""}, "Lundi, fermeture", "Monday, closes: Fill in this field."),
        ({"exceptions": "Noël"}, "Horaires exceptionnels", "Days with other hours: Enter days"),
        ({"beacons_text": "x"}, "Balises", "Beacons: Enter beacons as UUID"),
        ({"time_zone": "Paris"}, "Fuseau horaire", "Time zone: Enter the name of a time zone"),
    ],
)
def test_c18_c22_what_is_wrong_is_said_at_the_field_in_both_languages(
    system: System, wrong: dict[str, str], french: str, english: str
) -> None:
    for locale, sentence, error in (("fr", french, "Erreur"), ("en", english, "Error")):
        page = refusal(sign_in(system, locale=locale).post("/stores/new", FORM | wrong, status=422))
        assert page.title.startswith(error)
        assert sentence.replace(" :", "\u202f:") in page.text
        assert page.one("input", name="address.city").get("value") == "Lyon", "nothing that was typed is lost"
    assert system.rows("SELECT id FROM stores") == []


def test_c21_pasted_coordinates_are_read(system: System) -> None:
    admin = sign_in(system)
    link = "https://www.openstreetmap.org/?mlat=45.757&mlon=4.832#map=17/45/4"
    admin.follow("/stores/new", {"name": "Lyon", "position": link})
    assert system.api.ok("GET", "/stores/lyon")["latitude"] == 45.757


def test_swapped_coordinates_offer_to_be_exchanged(system: System) -> None:
    admin = sign_in(system, locale="fr")
    wrong = FORM | {"latitude": "4,832", "longitude": "45,757"}
    page = refusal(admin.post("/stores/new", wrong, status=422))
    assert "Échanger latitude et longitude" in page.text
    page = refusal(admin.post("/stores/new", wrong | {"_swap": "1"}, status=200))
    assert page.one("input", name="latitude").get("value") == "45,757"
    admin.follow("/stores/new", fields_of(page))


def test_a_store_far_from_all_others_is_asked_about(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", LYON)
    admin = sign_in(system, locale="fr")
    far = {"name": "Lyon 2", "address.city": "Lyon", "latitude": "-33,8", "longitude": "151,2"}
    page = refusal(admin.post("/stores/new", far, status=422))
    assert "Est-ce bien à Lyon\u202f?" in page.text
    admin.follow("/stores/new", far | {"far_ok": ["", "on"]})


def test_c20_of_two_editors_the_second_sees_both_versions(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", LYON)
    lea, paul = sign_in(system), sign_in(system, "marketing")
    first, second = fields_of(lea.get("/stores/lyon")), fields_of(paul.get("/stores/lyon"))
    lea.follow("/stores/lyon", first | {"phone": "0400000001"})
    page = refusal(paul.post("/stores/lyon", second | {"phone": "0400000002"}, status=409))
    assert "Saved by Léa Martin" in page.text
    assert "Yours: 0400000002" in page.text
    assert "Saved: 0400000001" in page.text
    assert system.api.ok("GET", "/stores/lyon")["phone"] == "0400000001"
    paul.follow("/stores/lyon", fields_of(page))
    assert system.api.ok("GET", "/stores/lyon")["phone"] == "0400000002"


def test_c20_the_api_refuses_a_version_that_has_passed(system: System) -> None:
    assert system.api.ok("PUT", "/stores/lyon", LYON)["version"] == 1
    assert system.api.ok("PUT", "/stores/lyon", LYON | {"name": "Lyon"}, If_Match='"1"')["version"] == 2
    assert system.api("PUT", "/stores/lyon", LYON, If_Match='"1"').status_code == 409
    assert system.api.ok("GET", "/stores/lyon")["name"] == "Lyon"


def _manager(system: System, locale: str = "en") -> Staff:
    system.api.ok("PUT", "/stores/lyon", LYON)
    system.api.ok("PUT", "/stores/paris", LYON | {"name": "Paris Marais"})
    return sign_in(system, "store", stores=("lyon",), locale=locale)


def test_c3_a_manager_sees_and_changes_their_own_store_alone(system: System) -> None:
    manager = _manager(system)
    assert "Paris" not in manager.get("/stores").text
    assert "Marais" not in manager.client.get("/console/lumiere/stores.csv").text
    manager.get("/stores/paris", status=404)
    manager.post("/stores/paris", {"phone": "0400000001"}, status=404)
    manager.get("/stores/none", status=404)
    for path in ("/stores/new", "/stores/lyon/delete", "/stores/import"):
        manager.get(path, status=403)
    page = manager.get("/stores/lyon")
    assert page.all("input", name="name") == []
    sent = fields_of(page) | {"phone": "0400000001", "name": "Mine", "latitude": "1", "groups_text": "x"}
    manager.follow("/stores/lyon", sent)
    store = system.api.ok("GET", "/stores/lyon")
    assert (store["phone"], store["name"], store["latitude"], store["groups"]) == (
        "0400000001", "Lyon Bellecour", 45.757, [],
    )  # fmt: skip


def test_a_cashier_reads_and_changes_nothing(system: System) -> None:
    _manager(system)
    till = sign_in(system, "till", stores=("lyon",))
    assert "Save" not in [button.text for button in till.get("/stores/lyon").all("button")]
    till.post("/stores/lyon", {"phone": "0400000001"}, status=403)


def test_deleting_says_first_what_will_happen_in_numbers(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", LYON)
    system.enrol("M-1", favourite_store_id="lyon")
    admin = sign_in(system, locale="fr")
    page = admin.get("/stores/lyon/delete")
    assert "1 carte montre ce magasin" in page.text
    assert "0 offre le nomme" in page.text
    page = admin.follow("/stores/lyon/delete")
    assert "Lyon Bellecour est supprimé" in page.text
    assert system.rows("SELECT id FROM stores") == []
    assert system.rows("SELECT action FROM journal WHERE object_kind = 'store' ORDER BY id DESC LIMIT 1") == [
        {"action": "store_deleted"}
    ]


def test_c36_a_file_is_rehearsed_matched_and_applied_by_the_worker(system: System) -> None:
    admin = sign_in(system, locale="fr")
    page = refusal(admin.post("/stores/import", {}, status=422))
    assert "Choisissez un fichier." in page.text
    text = "repère;nom;lat;lon\nlyon;Lyon;45,757;4,832\nparis;;48,8;2,3\n"
    location = admin.post(
        "/stores/import",
        {"file": (io.BytesIO(text.encode("cp1252")), "magasins.csv")},
        content_type="multipart/form-data",
    )
    assert isinstance(location, str)
    page = admin.get(location)
    assert "Il manque au fichier la colonne" in page.text
    columns = {"column.0": "store_id", "column.1": "name", "column.2": "latitude", "column.3": "longitude"}
    page = admin.follow(location, columns)
    assert "Importer 1 magasin" in page.text
    assert "Remplissez ce champ." in page.text
    refused = admin.client.get(f"{location}/refused.csv").text
    assert "paris;;48,8;2,3;3;" in refused
    assert system.rows("SELECT id FROM stores") == []
    page = admin.follow(f"{location}/apply")
    assert "0 magasins sur 1" in page.text
    with system.working():
        eventually(lambda: system.rows("SELECT state FROM store_imports") == [{"state": "applied"}])
    assert "1 magasin est importé" in admin.get(f"{location}/progress").text
    assert system.api.ok("GET", "/stores/lyon")["longitude"] == 4.832
    entries = system.rows("SELECT action, actor_name FROM journal WHERE object_kind = 'store'")
    assert entries == [{"action": "store_created", "actor_name": "Léa Martin"}]


def test_an_import_that_was_lost_with_its_worker_is_begun_anew(system: System) -> None:
    from datetime import timedelta

    from wallet_service.access.roles import SYSTEM
    from wallet_service.stores.import_jobs import keep_file, resume_imports, run_import, start_import

    text = "code;nom;lat;lon\n" + "".join(f"s{n};Magasin {n};45,7;4,8\n" for n in range(250))
    services = system.services
    with services.sessions.begin() as db:
        document = services.program_cache.program(db, "lumiere").document
        number = keep_file(db, "lumiere", SYSTEM, file_name="x", text=text, columns={}, now=system.clock())
        start_import(db, document, number, SYSTEM, now=system.clock())
    looks = iter([False, True])
    again = run_import(
        services.sessions, services.program_cache, number, now=system.clock, stopping=lambda: next(looks)
    )
    assert again is not None
    assert system.rows("SELECT done, total, state FROM store_imports") == [
        {"done": 200, "total": 250, "state": "applying"}
    ]
    assert resume_imports(services.sessions, now=system.clock() + timedelta(minutes=6)) == {"imports": 1}
    assert run_import(services.sessions, services.program_cache, number, now=system.clock) is None
    assert system.rows("SELECT count(*) AS n FROM stores") == [{"n": 250}]
    assert len(system.rows("SELECT id FROM campaigns WHERE reason = 'stores imported'")) == 1
    assert run_import(services.sessions, services.program_cache, number, now=system.clock) is None

"""Sweeps over every route of the console, found from the app itself (checks C2, C4, C25)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import pytest
from babel.messages.pofile import read_po
from sqlalchemy import text

from tests.system import System
from tests.web.console.every_page import METHODS, Things, is_a_page, make_things, routes_of, rules_of
from tests.web.console.staff import Staff, sign_in
from tests.web.page_reader import read_page
from wallet_service.access.roles import Role
from wallet_service.web.locale import po_file

ROLES: Mapping[str, str] = {"a": "admin", "m": "marketing", "s": "store", "t": "till", "x": "technical"}
EVERYBODY, PROGRAM = "everybody", "amstx"
ALLOWED: Mapping[str, str] = {
    # whoever opens it
    "GET sign_in_sign_in": EVERYBODY,
    "POST sign_in_sign_in": EVERYBODY,
    "GET sign_in_forgotten": EVERYBODY,
    "POST sign_in_forgotten": EVERYBODY,
    "GET sign_in_invitation": EVERYBODY,
    "POST sign_in_invitation": EVERYBODY,
    "GET sign_in_reset": EVERYBODY,
    "POST sign_in_reset": EVERYBODY,
    # one's own
    "GET sign_in_start": PROGRAM,
    "GET sign_in_second_factor": PROGRAM,
    "POST sign_in_second_factor": PROGRAM,
    "POST sign_in_sign_out": PROGRAM,
    "GET account_account": PROGRAM,
    "GET account_password": PROGRAM,
    "POST account_password": PROGRAM,
    "GET account_password_again": PROGRAM,
    "POST account_password_again": PROGRAM,
    "GET account_second_factor": PROGRAM,
    "POST account_second_factor": PROGRAM,
    "GET account_remove": PROGRAM,
    "POST account_remove": PROGRAM,
    "POST account_end_others": PROGRAM,
    "POST account_end_one": PROGRAM,
    # a programme's
    "GET home_home": PROGRAM,
    "GET offers_offers": PROGRAM,
    "GET offers_form_new": "ams",
    "POST offers_form_new": "ams",
    "GET offers_form_edit": "ams",
    "POST offers_form_edit": "ams",
    "POST offers_form_previews": "ams",
    "POST offers_form_audience": "ams",
    "GET offers_check_offer": PROGRAM,
    "POST offers_check_publish": "ams",
    "POST offers_check_unpublish": "ams",
    "GET offers_check_end": "ams",
    "POST offers_check_end": "ams",
    "GET offers_check_drop": "ams",
    "POST offers_check_drop": "ams",
    "POST offers_check_copy": "ams",
    "GET offer_report_report": "ams",
    "GET offer_report_export": "ams",
    "GET overlays_overlays": "amx",
    "GET overlays_overlay": "amx",
    "GET overlays_image": "amx",
    "GET overlays_form_new": "am",
    "POST overlays_form_new": "am",
    "GET overlays_form_edit": "am",
    "POST overlays_form_edit": "am",
    "POST overlays_form_previews": "am",
    "POST overlays_publish": "am",
    "GET overlays_withdraw": "am",
    "POST overlays_withdraw": "am",
    "GET overlays_delete": "am",
    "POST overlays_delete": "am",
    "GET stores_stores": PROGRAM,
    "GET stores_export": PROGRAM,
    "GET stores_delete": "amx",
    "POST stores_delete": "amx",
    "GET store_form_new": "amx",
    "POST store_form_new": "amx",
    "GET store_form_store": PROGRAM,
    "POST store_form_store": "amsx",
    "GET store_imports_bring": "amx",
    "POST store_imports_bring": "amx",
    "GET store_imports_rehearsal": "amx",
    "POST store_imports_rehearsal": "amx",
    "GET store_imports_refused": "amx",
    "POST store_imports_apply": "amx",
    "GET store_imports_progress": "amx",
    "GET simulator_simulator": PROGRAM,
    "POST simulator_simulator": PROGRAM,
    "GET card_places_card_places": "amsx",
    "POST card_places_card_places": "amsx",
    "GET team_team": "a",
    "GET team_invitation": "a",
    "POST team_invitation": "a",
    "GET team_person": "a",
    "POST team_person": "a",
    "GET team_act": "a",
    "POST team_act": "a",
    "GET journal_journal": "amx",
    "GET journal_export": "amx",
}
"""Method and endpoint → who is let in: a new route without a line fails, and so does a line without a route."""

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def test_c2_the_table_names_every_route_and_no_other(system: System) -> None:
    assert {f"{method} {endpoint}" for method, endpoint, _ in routes_of(system.app)} == set(ALLOWED)
    assert set(ROLES.values()) == {str(role) for role in Role}
    others = {method for rule in rules_of(system.app) for method in rule.methods or ()} - {"HEAD", "OPTIONS"}
    assert others == set(METHODS)


@pytest.mark.parametrize("letter", sorted(ROLES))
def test_c2_c3_each_role_is_let_in_where_the_table_says_so(system: System, letter: str) -> None:
    role = ROLES[letter]
    make_things(system)
    staff = sign_in(system, role, stores=("lyon",) if role in ("store", "till") else ())
    wrong = []
    for method, endpoint, rule in routes_of(system.app):
        if "<program_id>" not in rule.rule:
            continue
        address = make_things(system).address(rule)
        status = _ask(staff, method, address)
        is_in = status < 400 or status == 422
        if is_in != (letter in ALLOWED[f"{method} {endpoint}"]) or (not is_in and status != 403):
            wrong.append(f"{method} {endpoint}: {status}")
        if _ask(staff, method, address.replace("/lumiere/", "/elsewhere/")) != 404:
            wrong.append(f"{method} {endpoint}: another programme's is not 404")
        if "<store_id>" in rule.rule and role == "store" and is_in:
            other = _ask(staff, method, address.replace("/lyon", "/paris"))
            if other != 404:
                wrong.append(f"{method} {endpoint}: another store's is {other}")
    assert wrong == []


def test_c2_whoever_is_not_signed_in_is_led_to_signing_in_everywhere_else(system: System) -> None:
    things = make_things(system)
    client = system.app.test_client()
    wrong = []
    for method, endpoint, rule in routes_of(system.app):
        answer = client.open(things.address(rule), method=method, headers=SAME_ORIGIN)
        is_led = answer.status_code == 303 and answer.headers["Location"].startswith("/console/sign-in?")
        if is_led == (ALLOWED[f"{method} {endpoint}"] == EVERYBODY):
            wrong.append(f"{method} {endpoint}: {answer.status_code}")
    assert wrong == []


@pytest.mark.parametrize("letter", ["a", "t"])
def test_c2_ones_own_pages_are_everybodys(system: System, letter: str) -> None:
    things = make_things(system)
    role = ROLES[letter]
    staff = sign_in(system, role, stores=("lyon",) if role in ("store", "till") else ())
    for method, endpoint, rule in routes_of(system.app):
        if (
            ALLOWED[f"{method} {endpoint}"] == PROGRAM
            and "<program_id>" not in rule.rule
            and "sign_out" not in endpoint
        ):
            assert _ask(staff, method, things.address(rule)) in (200, 303, 422), endpoint
    assert _ask(staff, "POST", "/console/sign-out") == 303
    assert staff.client.get("/console/account").status_code == 303


def _ask(staff: Staff, method: str, address: str) -> int:
    """The status of a request; forms are sent empty."""
    return staff.client.open(address, method=method, headers=SAME_ORIGIN).status_code


# every change is in the journal ------------------------------------------------------------------------------------

_STORE = {"name": "Dijon", "latitude": "47,32", "longitude": "5,04", "time_zone": "Europe/Paris"}
_FILE = lambda: {"file": (BytesIO(b"code;nom;lat;lon\ndijon;Dijon;47,322;5,041\n"), "magasins.csv")}  # noqa: E731
_OVERLAY = {"title": "Noël", "starts_at_local": "2098-12-24T10:00", "ends_at_local": "2098-12-26T10:00"}
CHANGES: Mapping[str, tuple[Any, int]] = {
    "offers_check_publish": ({}, 1),
    "offers_check_unpublish": ({}, 1),
    "offers_check_end": ({}, 1),
    "offers_check_copy": ({}, 1),
    "overlays_form_new": (_OVERLAY, 1),
    "overlays_form_edit": (_OVERLAY, 1),
    "overlays_publish": ({}, 1),
    "overlays_withdraw": ({}, 1),
    "overlays_delete": ({}, 1),
    "stores_delete": ({}, 1),
    "store_form_new": (_STORE, 1),
    "store_form_store": (_STORE | {"name": "Lyon", "latitude": "45,757", "longitude": "4,832"}, 1),
    "team_invitation": ({"email": "zoe@example.com", "name": "Zoé", "role": "marketing"}, 2),  # a person, and a role
    "team_person": ({"role": "technical"}, 1),
    "team_act": ({}, 1),
    "card_places_card_places": ({"member": "C-100"}, 1),
    "simulator_simulator": ({"member": "C-100", "store_id": "lyon"}, 1),
    "sign_in_forgotten": ({"email": "admin-0@example.com"}, 1),
    "sign_in_invitation": ({"password": "quatre mots bien choisis"}, 1),
    "sign_in_reset": ({"password": "quatre mots bien choisis"}, 1),
    "account_password": ({"password": "quatre mots bien choisis"}, 1),
    "account_remove": ({}, 1),
}
"""A form that is accepted, and the entries that it leaves: one for each change."""
WITHOUT_ENTRY: Mapping[str, str] = {
    "offers_form_new": "tests/web/console/test_offers has the entries of offers",
    "offers_form_edit": "as above",
    "offers_form_previews": "draws, and changes nothing",
    "offers_form_audience": "counts, and changes nothing",
    "offers_check_drop": "as above",
    "overlays_form_previews": "draws, and changes nothing",
    "sign_in_sign_in": "signing in is in the list of sessions and in the log",
    "sign_in_second_factor": "the second half of signing in; a recovery code that is used has its entry",
    "sign_in_sign_out": "one's own session",
    "account_end_one": "one's own session",
    "account_end_others": "one's own sessions",
    "account_password_again": "changes nothing but the session's age",
    "account_second_factor": "needs the code of an app; tests/access has its entry",
    "store_imports_bring": "a file that was read has changed nothing yet",
    "store_imports_rehearsal": "which column is which; nothing was changed",
    "store_imports_apply": "each store that the job writes has an entry of its own; tests/stores has them",
}
_DUMP = """
SELECT md5(string_agg(row_to_json(t)::text, '' ORDER BY row_to_json(t)::text)) AS digest FROM {table} t
"""
_TABLES = ("stores", "users", "grants", "user_links", "mails", "members", "offers", "overlays", "overlay_images")


def _everything(system: System) -> list[Any]:
    return [system.rows(_DUMP.format(table=table)) for table in _TABLES]


def _entries(system: System) -> int:
    return int(system.rows("SELECT count(*) AS n FROM journal")[0]["n"])


@pytest.fixture
def admin(system: System) -> Staff:
    """An administrator, and a member to look up."""
    staff = sign_in(system)
    system.enrol(card_number="C-100")
    return staff


def _post(staff: Staff, address: str, form: Any) -> int:
    return staff.client.post(address, data=form, headers=SAME_ORIGIN).status_code


def test_c4_every_change_has_one_entry_in_its_transaction_and_a_failed_one_leaves_nothing(
    system: System, admin: Staff
) -> None:
    posts = {endpoint: rule for method, endpoint, rule in routes_of(system.app) if method == "POST"}
    assert set(posts) == set(CHANGES) | set(WITHOUT_ENTRY)
    system.app.config["PROPAGATE_EXCEPTIONS"] = False
    for endpoint, (form, entries) in CHANGES.items():
        things = make_things(system)
        address = things.address(posts[endpoint])
        staff = sign_in(system) if endpoint.startswith("account") else admin
        if endpoint == "account_remove":
            with system.services.sessions.begin() as db:
                db.execute(text("UPDATE users SET totp_sealed = 'x' WHERE email = :email"), {"email": staff.email})
                db.execute(text("UPDATE sessions SET second_factor_at = created_at"))
        with system.services.sessions.begin() as db:
            db.execute(
                text("""CREATE FUNCTION no_entry() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN RAISE EXCEPTION ''the journal is full''; END'""")
            )
            db.execute(text("CREATE TRIGGER no_entry BEFORE INSERT ON journal EXECUTE FUNCTION no_entry()"))
        before = _everything(system)
        assert _post(staff, address, form) == 500, endpoint
        with system.services.sessions.begin() as db:
            db.execute(text("DROP FUNCTION no_entry CASCADE"))
        assert _everything(system) == before, f"{endpoint} has left something without an entry"
        count = _entries(system)
        status = _post(staff, address, form)
        assert status in (200, 303), f"{endpoint}: {status}"
        assert _entries(system) == count + entries, endpoint


def test_c4_what_is_refused_leaves_no_entry(system: System, admin: Staff) -> None:
    things = make_things(system)
    wrong = {"name": "", "email": "", "role": "", "member": "nobody", "password": "short", "points": "?", "code": "1"}
    before, count = _everything(system), _entries(system)
    for method, endpoint, rule in routes_of(system.app):
        is_a_question = endpoint.startswith("offers_check") or endpoint in (
            "overlays_publish",
            "overlays_withdraw",
            "overlays_delete",
            "stores_delete",
            "team_act",
            "account_remove",
            "sign_in_sign_out",
        )
        if method == "POST" and endpoint in CHANGES and not is_a_question:
            assert _post(admin, things.address(rule), wrong) in (200, 422), endpoint
    assert _everything(system) == before
    assert _entries(system) == count


# every page in both languages ---------------------------------------------------------------------------------------


def _both() -> Iterator[tuple[str, str]]:
    """English and French of each sentence whose two differ, those with values as patterns."""
    for message in read_po(BytesIO(po_file("fr").read_bytes()), locale="fr"):
        if not message.id:
            continue
        english = (message.id,) if isinstance(message.id, str) else message.id
        french = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        yield from ((one, other) for one, other in zip(english, french, strict=True) if one != other)


def _pattern(sentences: list[str]) -> re.Pattern[str]:
    """Any of these as a whole text; a value in it is anything, a number of things is a number."""
    escaped = [re.escape(one).replace("%\\(num\\)s", r"[\d.,\u202f]+") for one in sentences]
    literal = [re.sub(r"%\\\(\w+\\\)s", ".+", one) for one in escaped]
    return re.compile("|".join(f"(?:{one})" for one in literal), re.DOTALL)


def _with_words(sentence: str) -> bool:
    """Whether it has words of its own beside its values."""
    return len(re.findall(r"[A-Za-zÀ-ÿ]{3,}", re.sub(r"%\(\w+\)s", "", sentence))) > 0


BOTH = [pair for pair in _both() if all(map(_with_words, pair))]
ENGLISH = _pattern([one for one, other in BOTH if one not in {french for _, french in BOTH}])
FRENCH = _pattern([other for one, other in BOTH if other not in {english for english, _ in BOTH}])


def _foreign(html: str, of_the_other: re.Pattern[str], language: str) -> list[str]:
    """The whole texts of a page, and its spoken attributes, that are sentences of the other language."""
    found = []
    for element in read_page(html).tree.iter():
        if not isinstance(element.tag, str) or element.get("lang") not in (None, language):
            continue
        texts = [element.text, *(child.tail for child in element)]
        texts += [element.get(name) for name in ("aria-label", "alt", "placeholder", "title")]
        found += [
            one
            for raw in texts
            if raw and (one := " ".join(raw.split(" ")).strip("\n "))
            if of_the_other.fullmatch(one)
        ]
    return found


def test_c25_no_page_holds_a_sentence_of_the_other_language(system: System) -> None:
    things: Things = make_things(system)
    system.enrol(card_number="C-100")
    staff = sign_in(system)
    wrong = []
    for language, other in (("fr", ENGLISH), ("en", FRENCH)):
        for rule in rules_of(system.app):
            pages = []
            if is_a_page(rule):
                pages.append(staff.client.get(f"{things.address(rule)}?lang={language}"))
            if {"GET", "POST"} <= set(rule.methods or ()) and rule.endpoint.rpartition(".")[2] in CHANGES:
                pages.append(_refused(staff, things.address(rule), language))
            for answer in pages:
                if answer.status_code == 303:
                    continue
                page = read_page(answer.text)
                if page.language != language or answer.headers["Content-Language"] != language:
                    wrong.append(f"{rule.endpoint} is in {page.language}")
                wrong += [f"{rule.endpoint} in {language}: {one!r}" for one in _foreign(answer.text, other, language)]
    assert wrong == []


def _refused(staff: Staff, address: str, language: str) -> Any:
    if any(part in address for part in ("/offers/", "/delete", "/lock", "/remove", "/withdraw")):
        return staff.client.get(f"{address}?lang={language}")
    wrong = {"name": "", "email": "x", "role": "", "member": "nobody", "password": "short", "points": "?"}
    return staff.client.post(f"{address}?lang={language}", data=wrong, headers=SAME_ORIGIN)


def test_c25_the_sweep_finds_what_is_foreign() -> None:
    """The check itself: a page with one English text in a French one is found out."""
    page = '<!doctype html><html lang="fr"><title>x</title><h1>Accueil</h1><p>{}</p><p lang="en">Stores</p></html>'
    assert _foreign(page.format("Nothing was saved. Try again in a moment."), ENGLISH, "fr")
    assert _foreign(page.format("Point 3: 45,7; 4,8"), ENGLISH, "fr")
    assert _foreign(page.format("Magasins"), ENGLISH, "fr") == []

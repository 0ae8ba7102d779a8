"""Home, by role (checks C40, C67; console.md 8.2)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from tests.routes.test_offer import STORE, publish
from tests.system import System, eventually
from tests.web.console.staff import sign_in
from tests.web.page_reader import Page


def headings(page: Page) -> list[str]:
    return ["".join(each.itertext()) for each in page.all("h2")]


def test_each_role_has_its_own_blocks(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    shown = {
        role: headings(sign_in(system, role, stores=("lyon",) if role in ("store", "till") else ()).get("/"))
        for role in ("admin", "marketing", "store", "till", "technical")
    }
    start = "Getting started"
    assert shown == {
        "admin": [start, "Waiting for somebody", "Cards in phones", "Updates on their way", "Offers in progress"],
        "marketing": [start, "Waiting for somebody", "Cards in phones", "Offers in progress"],
        "store": ["My offers"],
        "till": ["My offers"],
        "technical": [start, "Waiting for somebody", "Updates on their way", "Offers in progress"],
    }


def test_the_first_run_is_ticked_by_facts_and_goes(system: System) -> None:
    staff = sign_in(system, "technical")

    def steps() -> list[str]:
        return [" ".join(" ".join(each.itertext()).split()) for each in staff.get("/").all("li", **{"class": "row"})]

    assert steps() == [
        "Done Card design",
        "Done Apple certificate",
        "Done Google issuer",
        "To do Stores",
        "To do First card",
    ]
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    assert "Done Stores" in steps()
    system.enrol()
    assert steps() == []


def test_c67_every_figure_has_its_denominator_and_definition(system: System) -> None:
    staff = sign_in(system, "marketing")
    assert "Cannot be measured there is no member yet" in staff.get("/").text
    card = system.enrol("M-1")
    system.enrol("M-2")
    with system.working():
        system.iphone().open_link(card["links"]["card"])
        eventually(lambda: system.rows("SELECT FROM registrations"))
    system.clock.advance(timedelta(minutes=15))
    page = staff.get("/")
    figures = [" ".join(" ".join(each.itertext()).split()) for each in page.all("div", **{"class": "figure"})]
    assert [one.split(" How this")[0] for one in figures] == [
        "Active cardholders 1 of 2 members",
        "Share of members with the card 50% of all members of the programme",
        "Added in 7 days 1 1 to Apple Wallet, 0 to Google Wallet",
        "Removed in 7 days 0 from Google Wallet; iPhones cannot be measured yet",
    ]
    assert all("How this is counted" in one for one in figures)
    assert "As of" in page.text


def test_what_waits_for_somebody(system: System) -> None:
    marketing, technical = sign_in(system, "marketing"), sign_in(system, "technical")
    assert "Waiting for somebody Nothing." in marketing.get("/").text
    card = system.enrol()
    system.iphone().open_link(card["links"]["card"])
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET parked = 'config' WHERE kind = 'apple'"))
        db.execute(
            text("""INSERT INTO store_imports (program_id, actor_kind, actor_name, file_name, content, state, counts,
                created_at) VALUES ('lumiere', 'user', 'x', 'magasins.csv', '', 'applied', '{"refused": 3}', :now),
                ('lumiere', 'user', 'x', 'read.csv', '', 'read', '{"refused": 9}', :now)"""),
            {"now": system.clock()},
        )
    for staff in (marketing, technical):
        words = staff.get("/").text
        assert "1 card was refused by Apple Wallet." in words
        assert "3 rows of “magasins.csv” were refused." in words
        assert "read.csv" not in words
    (row,) = technical.get("/").one("tbody").findall("tr")[:1]
    assert "Apple Wallet" in "".join(row.itertext())
    system.clock.advance(timedelta(days=31))
    assert "magasins.csv" not in sign_in(system, "marketing").get("/").text
    ends_at = system.rows("SELECT max(not_after) AS at FROM apple_identities")[0]["at"]
    system.clock.advance(ends_at - system.clock() - timedelta(days=5, hours=1))
    assert "Apple’s certificate expires in 5 days." in sign_in(system, "marketing").get("/").text
    system.clock.advance(timedelta(days=6))
    assert "Apple’s certificate has expired" in sign_in(system, "technical").get("/").text


def test_somebody_of_a_store_sees_the_offers_of_their_stores(system: System) -> None:
    for number in range(5):
        latitude = 45.7 + number / 10
        system.api.ok("PUT", f"/stores/s{number}", {"name": f"Shop {number}", "latitude": latitude, "longitude": 4.8})
    publish(system, timedelta(hours=2), code="tous", title={"en": "For all"}, store_ids=[])
    publish(system, timedelta(hours=1), code="ailleurs", title={"en": "Elsewhere"}, store_ids=["s1"])
    mine = sign_in(system, "store", stores=("s0",)).get("/").text
    assert "For all Shop 0" in mine
    assert "Elsewhere" not in mine
    both = sign_in(system, "marketing").get("/").text
    assert both.index("Elsewhere") < both.index("For all"), "the next to end first"
    assert "Shop 0, Shop 1, Shop 2 and 2 more" in both
    system.clock.advance(timedelta(hours=3))
    assert "No offer is running." in sign_in(system, "marketing").get("/").text

"""The report of an offer: whom it was for, who was told, who has got it, who used it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from tests.offers.pressure_system import compose, decisions, enrol, publish, set_pressure
from tests.system import System, eventually
from wallet_service.delivery.ledger import claim, remind, settle
from wallet_service.delivery.policy import Forget, Step, Told
from wallet_service.offers.publishing import require_offer
from wallet_service.offers.report import KEPT, OfferReport, count_offers, figures_of, forget_showings, report_of
from wallet_service.storage.tables import Card, Device
from wallet_service.values import Money
from wallet_service.wallets.apple.devices import register
from wallet_service.web.api.callers import create_key

HOUR = timedelta(hours=1)


def report(system: System, offer_id: int) -> OfferReport:
    with system.services.sessions() as db:
        return report_of(db, require_offer(db, "lumiere", offer_id), now=system.clock())


def figures(system: System, *offer_ids: int) -> dict[int, tuple[int, int, int]]:
    with system.services.sessions() as db:
        return figures_of(db, offer_ids)


def event(system: System, number: int, kind: str, subject: str, data: dict[str, Any]) -> str:
    made = {"specversion": "1.0", "id": f"e{number}", "source": "till", "type": kind, "subject": subject, "data": data}
    answer = system.api("POST", "/events", made)
    return "applied" if answer.ok and answer.json().get("status") == "applied" else answer.text


def buys(
    system: System, number: int, subject: str, order: str, amount: int, *offers: str, currency: str = "EUR"
) -> str:
    data = {"order_id": order, "paid": {"amount": amount, "currency": currency}, "offers": offers}
    return event(system, number, "purchase.completed", subject, data)


def gives_back(system: System, number: int, subject: str, order: str, amount: int) -> str:
    data = {"order_id": order, "refunded": {"amount": amount, "currency": "EUR"}}
    return event(system, number, "return.accepted", subject, data)


def settled(system: System) -> None:
    eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= :now", now=system.clock()))
    behind = "SELECT FROM deliveries WHERE wanted_version > told_version AND parked IS NULL"
    eventually(lambda: not system.rows(behind))


def test_an_offer_is_proven_by_what_phones_fetch_and_google_accepts(system: System) -> None:
    """The proof that was there when the offer left the cards stays; a phone that comes afterwards proves nothing."""
    cards = [system.enrol(f"M-{number}") for number in range(4)]
    away, iphone, android = system.iphone(), system.iphone(), system.android()
    with system.working():
        away.open_link(cards[0]["links"]["card"])
        iphone.open_link(cards[1]["links"]["card"])
        android.open_link(cards[2]["links"]["card"])
        eventually(lambda: system.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL"))
        settled(system)
        away.offline()
        offer_id = publish(system, lasts=HOUR)
        settled(system)
        iphone.wait_until(lambda phone: "Offre maille" in str(phone.shows()), 20)
        found = report(system, offer_id)
        assert (found.targeted, found.to_update, found.announced, found.proven) == (4, 3, 3, 2)
        assert figures(system, offer_id) == {offer_id: (4, 2, 0)}
        system.clock.advance(HOUR + timedelta(minutes=1))
        settled(system)
        iphone.wait_until(lambda phone: "Offre maille" not in str(phone.shows()), 20)
    after = report(system, offer_id)
    assert after.state == "ended"
    assert (after.targeted, after.to_update, after.announced, after.proven) == (4, 3, 3, 2)
    assert figures(system, offer_id) == {offer_id: (4, 2, 0)}


@pytest.mark.parametrize("how", ["removed", "gone", "added again", "reminded", "late at Google"])
def test_what_was_announced_and_proven_stays_when_a_far_end_goes_or_begins_anew(system: System, how: str) -> None:
    cards = [system.enrol(f"M-{number}") for number in range(2)]
    iphone, android = system.iphone(), system.android()
    with system.working():
        iphone.open_link(cards[0]["links"]["card"])
        android.open_link(cards[1]["links"]["card"])
        eventually(lambda: system.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL"))
        settled(system)
        offer_id = publish(system)
        eventually(lambda: report(system, offer_id).proven == 2)
        settled(system)
    kind = "google" if how == "late at Google" else "apple"
    if how == "removed":
        iphone.remove()
        assert not system.rows("SELECT FROM registrations")
    elif how in ("added again", "reminded"):
        with system.services.sessions.begin() as db:
            # the phone has fetched nothing of late, and so is to be told anew
            db.execute(text("UPDATE registrations SET fetched_version = 0"))
            db.execute(text("UPDATE offer_showings SET proven = TRUE"))
            if how == "reminded":
                db.execute(text("UPDATE deliveries SET again_at = now() WHERE kind = 'apple'"))
                remind(db, now=system.clock() + HOUR, most=3, per_day=3)
            else:
                card = db.scalars(select(Card).where(Card.serial_number == cards[0]["serial_number"])).one()
                device = db.scalars(select(Device)).one()
                register(db, card, device.device_library_id, device.push_token, now=system.clock())
        assert system.rows("SELECT told_version FROM deliveries WHERE kind = 'apple'") == [{"told_version": 0}]
    else:
        with system.services.sessions.begin() as db:
            newer = "UPDATE deliveries SET wanted_version = wanted_version + 1 WHERE kind = :kind AND told_version > 0"
            db.execute(text(newer), {"kind": kind})
            names: dict[str, Any] = {"kind": kind, "program_id": "lumiere", "claim_id": "mine"}
            (row,) = claim(db, **names, now=system.clock() + HOUR, lease=HOUR, batch=9)
            step: Step = Forget(system.clock()) if how == "gone" else Told("ok")
            settle(db, [(row, step)], claim_id="mine" if how == "gone" else "others", now=system.clock())
        assert bool(system.rows("SELECT FROM registrations")) == (how != "gone")
    found = report(system, offer_id)
    assert (found.to_update, found.announced, found.proven) == (2, 2, 2)
    assert figures(system, offer_id) == {offer_id: (2, 2, 0)}
    system.api.ok("POST", f"/offers/{offer_id}/end")
    compose(system)
    found = report(system, offer_id)
    assert (found.to_update, found.announced, found.proven) == (2, 2, 2)


def test_an_offer_that_comes_back_is_proven_by_a_version_that_carries_it(system: System) -> None:
    """A phone that has only fetched the card without it, in between, has not got it."""
    card = system.enrol()
    iphone = system.iphone()
    iphone.open_link(card["links"]["card"])
    offer_id = publish(system)
    assert report(system, offer_id).proven == 0
    system.api.ok("PATCH", f"/offers/{offer_id}", {"target": {"tiers": ["Or"]}})
    compose(system)
    with system.working():
        settled(system)
        eventually(lambda: not system.rows(
            "SELECT FROM registrations r JOIN cards c ON c.id = r.card_id WHERE r.fetched_version < c.version"
        ))  # fmt: skip
    system.api.ok("PATCH", f"/offers/{offer_id}", {"target": {}})
    compose(system)
    assert report(system, offer_id).proven == 0


def test_uses_and_revenue_are_those_of_purchases_that_name_the_offer(system: System) -> None:
    """Once for an order, less what was given back of it and never below nothing; each currency for itself."""
    enrol(system, 3)
    offer_id, other = publish(system), publish(system, "soie", priority=3)
    assert buys(system, 1, "M-1", "A", 7990, "maille") == "applied"
    assert buys(system, 1, "M-1", "A", 7990, "maille").count("repeated") == 1
    assert buys(system, 2, "M-1", "A", 9999, "maille") == "applied", "the same order under another event"
    assert buys(system, 3, "M-1", "B", 1000, "maille", "soie") == "applied"
    assert buys(system, 4, "M-2", "C", 500, "maille", currency="CHF") == "applied"
    assert buys(system, 5, "M-2", "D", 10_000) == "applied"
    found = report(system, offer_id)
    assert (found.uses, found.holders) == (3, 2)
    assert found.revenue == (Money(amount=500, currency="CHF"), Money(amount=8990, currency="EUR"))
    assert gives_back(system, 6, "M-1", "A", 2000) == "applied"
    assert gives_back(system, 6, "M-1", "A", 2000).count("repeated") == 1
    assert gives_back(system, 7, "M-3", "A", 2000) == "applied", "an order of somebody else's takes nothing off"
    assert gives_back(system, 8, "M-1", "B", 9_000_000) == "applied"
    assert gives_back(system, 9, "M-1", "unknown", 100) == "applied"
    found = report(system, offer_id)
    assert (found.uses, found.holders) == (3, 2)
    assert found.revenue == (Money(amount=500, currency="CHF"), Money(amount=5990, currency="EUR"))
    assert report(system, other).revenue == (Money(amount=0, currency="EUR"),)
    assert figures(system, offer_id, other) == {offer_id: (3, 0, 3), other: (3, 0, 1)}


@pytest.mark.parametrize("amount", [0, -5])
def test_a_return_gives_back_more_than_nothing(system: System, amount: int) -> None:
    enrol(system, 1)
    offer_id = publish(system)
    buys(system, 1, "M-1", "A", 7990, "maille")
    assert "refunded.amount" in gives_back(system, 2, "M-1", "A", amount)
    assert report(system, offer_id).revenue == (Money(amount=7990, currency="EUR"),)


def test_an_erased_member_s_uses_stay_and_the_member_does_not_count(system: System) -> None:
    enrol(system, 2)
    offer_id = publish(system)
    buys(system, 1, "M-1", "A", 7990, "maille")
    system.api.ok("DELETE", "/members/M-1")
    found = report(system, offer_id)
    assert (found.uses, found.holders, found.targeted) == (1, 0, 1)
    assert found.revenue == (Money(amount=7990, currency="EUR"),)


def test_the_api_says_the_same_and_decisions_sum(system: System) -> None:
    enrol(system, 6)
    system.enrol("M-7")
    set_pressure(system, marketing_per_week=0)
    offer_id = publish(system)
    answer = system.api.ok("GET", f"/offers/{offer_id}/report")
    assert answer["decisions"] == {
        "sent": 0, "held": 0, "capped": 6, "no_consent": 0, "silent": 0, "expired": 0, "not_installed": 1,
    }  # fmt: skip
    assert sum(answer["decisions"].values()) == answer["targeted"] == 7
    assert answer["held_back"] == answer["to_update"] == 6
    assert answer["hidden_below"] is None


def test_notifications_are_listed_a_page_at_a_time(system: System) -> None:
    enrol(system, 3)
    system.enrol("M-4")
    offer_id = publish(system)
    page = system.api.ok("GET", f"/offers/{offer_id}/notifications?limit=2")
    assert page["counts"] == {name: 3 if name == "sent" else int(name == "not_installed") for name in page["counts"]}
    assert [one["member_id"] for one in page["items"]] == ["M-1", "M-2"]
    rest = system.api.ok("GET", f"/offers/{offer_id}/notifications?limit=2&after={page['next']}")
    assert [(one["member_id"], one["decision"]) for one in rest["items"]] == [("M-3", "sent"), ("M-4", "not_installed")]
    assert rest["next"] is None
    only = system.api.ok("GET", f"/offers/{offer_id}/notifications?decision=not_installed")
    assert [one["member_id"] for one in only["items"]] == ["M-4"]


@pytest.mark.parametrize(("members", "shown"), [(4, None), (5, 5)])
def test_a_key_of_a_store_is_not_told_of_fewer_than_five(system: System, members: int, shown: int | None) -> None:
    system.api.ok("PUT", "/stores/lyon", {"name": "Lyon", "latitude": 45.7, "longitude": 4.8})
    enrol(system, members)
    offer_id = publish(system, store_ids=["lyon"])
    for number in range(members):
        buys(system, number, f"M-{number + 1}", f"O-{number}", 100, "maille")
    with system.services.sessions.begin() as db:
        key = create_key(db, "lumiere", "shop", role="store", store_id="lyon", now=system.clock())
    system.api.key = key
    answer = system.api.ok("GET", f"/offers/{offer_id}/report")
    assert (answer["targeted"], answer["holders"], answer["uses"]) == (shown, shown, shown)
    assert (answer["revenue"] is None) == (shown is None)
    assert answer["hidden_below"] == 5
    assert system.api("GET", f"/offers/{offer_id}/notifications").status_code == 403


def test_who_carried_an_offer_is_forgotten_long_after_its_end(system: System) -> None:
    enrol(system, 2)
    offer_id = publish(system, lasts=HOUR)
    buys(system, 1, "M-1", "A", 7990, "maille")
    with system.services.sessions.begin() as db:
        assert forget_showings(db, now=system.clock() + KEPT) == 0
    assert not report(system, offer_id).is_forgotten
    system.clock.advance(KEPT + 2 * HOUR)
    with system.services.sessions.begin() as db:
        assert forget_showings(db, now=system.clock()) == 2
    found = report(system, offer_id)
    assert found.is_forgotten
    assert (found.targeted, found.uses) == (0, 1)
    assert decisions(system, offer_id) == {}


def test_offers_on_very_many_cards_are_counted_from_time_to_time_and_a_last_time_after_the_end(system: System) -> None:
    enrol(system, 3)
    offer_id, small = publish(system, lasts=HOUR), publish(system, "soie", priority=5, target={"tiers": ["Or"]})

    def count() -> int:
        return count_offers(system.services.sessions, now=system.clock(), stopping=lambda: False, many=2)

    assert count() == 1, "the other is on few"
    assert count() == 0, "it has just been counted"
    system.enrol("M-4")
    assert (report(system, offer_id).targeted, figures(system, offer_id)[offer_id][0]) == (3, 3)
    assert report(system, small).targeted == 0
    system.clock.advance(timedelta(minutes=16))
    assert report(system, offer_id).targeted == 4, "a count that is too old is not shown"
    assert count() == 1
    assert figures(system, offer_id)[offer_id][0] == 4
    system.clock.advance(timedelta(days=2))
    assert count() == 1
    assert report(system, offer_id).counted_at <= system.clock()
    system.clock.advance(timedelta(days=2))
    assert count() == 0
    assert report(system, offer_id).targeted == 4

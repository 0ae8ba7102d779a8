"""What becomes of an offer's notifications: decided once for each member and offer, counted over all offers, held and
released; the card itself is updated at once whatever is decided.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.offers.pressure_system import (
    clock_time,
    compose,
    decisions,
    enrol,
    publish,
    save_all,
    set_pressure,
    system_with_news,
)
from tests.system import System, eventually
from wallet_service.cards.content import CardContent
from wallet_service.offers.pressure import Pressure, Recipient, forecast, quiet_hours
from wallet_service.offers.showings import Arrival, decide
from wallet_service.storage.tables import OfferShowing

HOUR = timedelta(hours=1)


def test_an_offer_that_does_not_notify_is_silent_and_one_that_does_asks_for_the_consent(system: System) -> None:
    enrol(system, 2)
    system.enrol("M-3")
    system.enrol("M-4", consents={"marketing": {"given": True}})
    save_all(system)
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE google_objects SET saved_at = NULL WHERE card_id = 4"))
    assert set(decisions(system, publish(system, "leise", notify=False)).values()) == {"silent", "not_installed"}
    assert decisions(system, publish(system, "laut", priority=1)) == {
        "M-1": "sent", "M-2": "sent", "M-3": "no_consent", "M-4": "not_installed",
    }  # fmt: skip


def test_a_card_that_is_installed_later_came_with_the_offer_and_is_silent(system: System) -> None:
    card = system.enrol(consents={"marketing": True})
    offer_id = publish(system)
    assert decisions(system, offer_id) == {"M-1": "not_installed"}
    system.iphone().open_link(card["links"]["card"])
    assert decisions(system, offer_id) == {"M-1": "silent"}


def test_the_cap_counts_over_all_offers_and_forgets_after_its_days(system: System) -> None:
    enrol(system, 3)
    set_pressure(system, marketing_per_week=2, marketing_days=10)
    offers = [publish(system, code, priority=number, lasts=timedelta(days=30)) for number, code in enumerate("abc")]
    assert [set(decisions(system, offer).values()) for offer in offers] == [{"sent"}, {"sent"}, {"capped"}]
    system.clock.advance(timedelta(days=9, hours=23))
    assert set(decisions(system, publish(system, "d", priority=8)).values()) == {"capped"}
    system.clock.advance(timedelta(hours=2))
    assert set(decisions(system, publish(system, "e", priority=9)).values()) == {"sent"}


def test_what_was_decided_stays_when_an_offer_pauses_and_comes_back(system: System) -> None:
    enrol(system, 1)
    offer_id = publish(system)
    before = system.rows("SELECT decision, notified_at FROM offer_showings")
    system.api.ok("PATCH", f"/offers/{offer_id}", {"target": {"tiers": ["Or"]}})
    compose(system)
    assert system.rows("SELECT gone_at IS NULL AS here FROM offer_showings") == [{"here": False}]
    system.clock.advance(HOUR)
    system.api.ok("PATCH", f"/offers/{offer_id}", {"target": {}})
    compose(system)
    assert system.rows("SELECT decision, notified_at FROM offer_showings WHERE gone_at IS NULL") == before


def test_quiet_hours_hold_by_the_member_s_clock_and_release_at_their_end(system: System) -> None:
    """The card is updated at once; the notification comes when the quiet hours are over."""
    enrol(system, 1)
    system.enrol("M-2", consents={"marketing": True}, attributes={"time_zone": "Pacific/Auckland"})
    save_all(system)
    now = system.clock()
    set_pressure(system, quiet_from=clock_time(now - HOUR), quiet_until=clock_time(now + HOUR))
    offer_id = publish(system)
    assert decisions(system, offer_id) == {"M-1": "held", "M-2": "sent"}
    texts = system.rows("SELECT content -> 'fields' AS fields FROM cards ORDER BY id")
    assert all("Offre maille" in str(row["fields"]) for row in texts)
    due = system.rows("SELECT recompose_at, version FROM cards ORDER BY id")
    held = system.rows("SELECT held_until FROM offer_showings WHERE decision = 'held'")[0]["held_until"]
    assert due[0]["recompose_at"] == held
    assert held - now <= HOUR
    system.clock.advance(held - system.clock() - timedelta(seconds=5))
    compose(system)
    assert decisions(system, offer_id)["M-1"] == "held"
    system.clock.advance(timedelta(seconds=6))
    compose(system)
    assert decisions(system, offer_id)["M-1"] == "sent"
    after = system.rows("SELECT version FROM cards ORDER BY id")
    assert after[0]["version"] > due[0]["version"], "a version of its own takes the notification to the far end"
    assert after[1]["version"] == due[1]["version"]


@pytest.mark.parametrize("how", ["ends", "cancelled"])
def test_what_is_held_until_the_offer_is_over_has_expired(system: System, how: str) -> None:
    enrol(system, 1)
    now = system.clock()
    set_pressure(system, quiet_from=clock_time(now - HOUR), quiet_until=clock_time(now + HOUR))
    offer_id = publish(system, lasts=timedelta(minutes=10))
    if how == "cancelled":
        system.api.ok("POST", f"/offers/{offer_id}/cancel")
    else:
        system.clock.advance(timedelta(minutes=10, seconds=1))
    compose(system)
    assert decisions(system, offer_id) == {"M-1": "expired"}
    system.clock.advance(2 * HOUR)
    compose(system)
    assert decisions(system, offer_id) == {"M-1": "expired"}


def test_what_is_released_is_counted_again(system: System) -> None:
    enrol(system, 1)
    now = system.clock()
    hours = {"quiet_from": clock_time(now - HOUR), "quiet_until": clock_time(now + HOUR)}
    set_pressure(system, marketing_per_week=1, **hours)
    for store in ("a", "b"):
        system.api.ok("PUT", f"/stores/{store}", {"name": store, "latitude": 45 + ord(store) / 1000, "longitude": 4})
    offers = [publish(system, code, store_ids=[code]) for code in "ab"]
    assert [decisions(system, offer)["M-1"] for offer in offers] == ["held", "held"]
    system.clock.advance(HOUR + timedelta(minutes=1))
    compose(system)
    assert sorted(decisions(system, offer)["M-1"] for offer in offers) == ["capped", "sent"]


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
def test_the_cap_is_asked_when_quiet_hours_are_over_and_not_by_what_is_held(system: System, together: bool) -> None:
    """In whichever transactions offers come, an offer that ends in the night silences nobody for the next one, and of
    what is released the highest priority goes first.
    """
    enrol(system, 1)
    now = system.clock()
    hours = {"quiet_from": clock_time(now - HOUR), "quiet_until": clock_time(now + HOUR)}
    set_pressure(system, marketing_per_week=1, **hours)
    offers = {}
    for number, (code, priority) in enumerate((("brief", 9), ("low", 0), ("high", 5))):
        store = {"name": code, "latitude": 45.5 + number / 100, "longitude": 4}
        system.api.ok("PUT", f"/stores/{code}", store)
        document = {
            "code": code, "title": {"fr": code}, "notify": True, "store_ids": [code], "priority": priority,
            "starts_at": now.isoformat(), "ends_at": (now + (HOUR / 4 if code == "brief" else 9 * HOUR)).isoformat(),
        }  # fmt: skip
        offers[code] = system.api.ok("POST", "/offers", document)["id"]
        system.api.ok("POST", f"/offers/{offers[code]}/publish")
        if not together:
            compose(system)
    compose(system)
    assert [decisions(system, offer)["M-1"] for offer in offers.values()] == ["held", "held", "held"]
    system.clock.advance(HOUR / 2)
    compose(system)
    system.clock.advance(HOUR)
    compose(system)
    decided = {code: decisions(system, offer)["M-1"] for code, offer in offers.items()}
    assert decided == {"brief": "expired", "low": "capped", "high": "sent"}


def test_a_forecast_is_what_the_database_decides(system: System) -> None:
    """The rules are written twice, in Python to foresee and in SQL to decide: they say the same of whomever."""
    enrol(system, 3)
    for number in (4, 5, 6):
        system.iphone().open_link(system.enrol(f"M-{number}")["links"]["card"])
    before = [publish(system, f"before{number}", target={"tiers": ["none"]}) for number in range(3)]
    offer_id = publish(system, target={"tiers": ["none"]})
    cards = [row["id"] for row in system.rows("SELECT id FROM cards ORDER BY id")]
    recipients = st.builds(
        Recipient, st.sampled_from(["Europe/Paris", "Indian/Reunion"]), st.booleans(), st.integers(0, 3), st.booleans()
    )
    now = system.clock()

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(recipients, min_size=6, max_size=6),
        st.none() | st.integers(0, 3),
        st.none() | st.times(),
        st.none() | st.times(),
        st.booleans(),
    )
    def agree(people: list[Recipient], most: int | None, begin: time | None, end: time | None, notify: bool) -> None:
        rules = Pressure(most=most, quiet=quiet_hours(begin, end))
        people = [replace(one, can_notify=one.can_notify or number < 3) for number, one in enumerate(people)]
        arrivals = [
            Arrival(
                card_id=card,
                offer_id=offer_id,
                why_not="silent" if not notify else None if one.has_consented else "no_consent",
                held_until=rules.quiet.until(one.zone, now),
                on_iphone=one.can_notify,
            )
            for card, one in zip(cards, people, strict=True)
        ]
        with system.services.sessions() as db:
            for card, one in zip(cards, people, strict=True):
                for sent in before[: one.recently]:
                    known = {"offer_id": sent, "card_id": card, "first_at": now, "decided_at": now}
                    db.add(OfferShowing(**known, decision="sent", notified_at=now, version=0))
            db.flush()
            decided = decide(db, rules, arrivals, now=now)
            db.rollback()
        foreseen = forecast(rules, people, notify=notify, starts_at=now, ends_at=now + timedelta(days=2))
        found = Counter(one.decision for one in decided.values())
        if rules.quiet.is_always:
            found["expired"] += found.pop("held", 0)
        assert +found == foreseen

    agree()


def test_two_workers_at_once_never_count_for_one_member_together(open_system: OpenSystem) -> None:
    """Real concurrency: two workers compose the same members' cards, more offers begin than the cap allows."""
    system = open_system()
    enrol(system, 12)
    set_pressure(system, marketing_per_week=1)
    for turn in range(3):
        now = system.clock()
        for code in ("a", "b", "c"):
            document = {
                "code": f"{code}{turn}", "title": "X", "notify": True,
                "starts_at": now.isoformat(), "ends_at": (now + HOUR).isoformat(),
            }  # fmt: skip
            made = system.api.ok("POST", "/offers", document)
            system.api.ok("POST", f"/offers/{made['id']}/publish")
        barrier = Barrier(2)

        def work(barrier: Barrier = barrier) -> None:
            worker = system.services.worker()
            barrier.wait()
            while worker.compose_step():
                pass

        threads = [Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        compose(system)
        system.clock.advance(2 * HOUR)
    counts = system.rows("SELECT card_id, count(notified_at) AS sent, count(*) AS all FROM offer_showings GROUP BY 1")
    assert [row["sent"] for row in counts] == [1] * 12


def test_the_rows_of_an_offer_sum_to_its_audience(system: System) -> None:
    enrol(system, 3)
    system.enrol("M-4")
    system.api.ok("PUT", "/members/M-5", {"first_name": "Nobody"})
    save_all(system)
    set_pressure(system, marketing_per_week=1)
    publish(system, "before")
    offer_id = publish(system, priority=5)
    audience = system.api.ok("GET", f"/offers/{offer_id}/audience")
    counted = Counter(decisions(system, offer_id).values())
    assert audience["receives"] == counted.total() - counted["not_installed"] == 4
    assert audience["may_notify"] == counted["capped"] + counted["sent"] == 3


def test_an_android_hears_of_an_offer_once_and_only_of_one_that_notifies(system: System) -> None:
    card = system.enrol(consents={"marketing": True})
    android = system.android()
    with system.working():
        android.open_link(card["links"]["card"])
        eventually(lambda: system.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL"))
        publish(system, "leise", notify=False)
        android.wait_until(lambda phone: "Offre leise" in str(phone.shows().object), 20)
        before = len(android.notifications)
        offer_id = publish(system, "laut", priority=5, lasts=HOUR, text={"fr": "Toute la maille"})
        android.wait_until(lambda phone: len(phone.notifications) == before + 1, 20)
        assert "Toute la maille" in str(android.shows().object["messages"])
        system.clock.advance(HOUR + timedelta(minutes=1))
        android.wait_until(lambda phone: not phone.shows().object.get("messages"), 20)
    assert before == 0
    assert decisions(system, offer_id) == {"M-1": "sent"}


def test_a_message_that_google_has_not_taken_goes_out_when_its_offer_comes_back(system: System) -> None:
    """It counts as sent and has used the cap, so another offer in between does not lose it."""
    card = system.enrol(consents={"marketing": True})
    android = system.android()
    with system.working():
        android.open_link(card["links"]["card"])
        eventually(lambda: system.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL"))
    system.google.fail_share(1.0)
    offer_id = publish(system, lasts=timedelta(days=5), text={"fr": "Toute la maille"})
    with system.working():
        eventually(lambda: system.rows("SELECT FROM google_messages WHERE attempted_at IS NOT NULL"))
    over = publish(system, "leise", priority=5, notify=False)
    assert system.rows("SELECT ends_at <= :now AS is_over FROM google_messages", now=system.clock()) == [
        {"is_over": True}
    ]
    system.api.ok("POST", f"/offers/{over}/end")
    compose(system)
    system.google.fail_share(0.0)
    with system.working():
        android.wait_until(lambda phone: "Toute la maille" in str(phone.notifications), 20)
    assert len(android.notifications) == 1
    for target in ({"tiers": ["Or"]}, {}):
        system.api.ok("PATCH", f"/offers/{offer_id}", {"target": target})
        compose(system)
    sent = system.rows(
        "SELECT sent_at IS NOT NULL AS sent, ends_at <= :now AS is_over FROM google_messages", now=system.clock()
    )
    assert sent == [{"sent": True, "is_over": True}], "what was sent once is not sent again"


def test_an_iphone_is_notified_by_a_field_that_shows_the_offer_s_news(open_system: OpenSystem, tmp_path: Path) -> None:
    """Of one that does not notify the card is updated and no field speaks; of one that is held it speaks afterwards."""
    system = system_with_news(open_system, tmp_path)
    card = system.enrol(consents={"marketing": True})
    iphone = system.iphone()
    with system.working():
        iphone.open_link(card["links"]["card"])
        eventually(lambda: not system.rows("SELECT FROM deliveries WHERE wanted_version > told_version"))
        publish(system, "leise", notify=False)
        iphone.wait_until(lambda phone: "Offre leise" in str(phone.shows()), 20)
        assert not iphone.notifications
        now = system.clock()
        set_pressure(system, quiet_from=clock_time(now - HOUR), quiet_until=clock_time(now + HOUR))
        offer_id = publish(system, "laut", priority=5)
        iphone.wait_until(lambda phone: "Offre laut" in str(phone.shows()), 20)
        assert not iphone.notifications
        assert decisions(system, offer_id) == {"M-1": "held"}
        system.clock.advance(HOUR + timedelta(minutes=1))
        iphone.wait_until(lambda phone: len(phone.notifications) == 1, 20)
    assert "Offre : Offre laut" in str(iphone.notifications[0])


def fetched(system: System) -> None:
    """Every phone has the present version of its card."""
    eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= :now", now=system.clock()))
    eventually(lambda: not system.rows(
        "SELECT FROM registrations r JOIN deliveries d ON d.registration_id = r.id"
        " WHERE r.fetched_version < d.wanted_version OR d.told_version < d.wanted_version"
    ))  # fmt: skip


def test_an_iphone_hears_of_an_offer_once_whatever_changes_afterwards(open_system: OpenSystem, tmp_path: Path) -> None:
    """Another offer in between, another title, another consent, quiet hours: none of them makes it speak again."""
    system = system_with_news(open_system, tmp_path)
    set_pressure(system, marketing_per_week=1)
    member: dict[str, Any] = {"first_name": "Camille", "consents": {"marketing": True}}
    card = system.enrol(**member)
    iphone = system.iphone()
    iphone.open_link(card["links"]["card"])
    with system.working():
        fetched(system)
        offer_id = publish(system, "maille", lasts=timedelta(days=20))
        iphone.wait_until(lambda phone: len(phone.notifications) == 1, 20)
        other = publish(system, "leise", priority=5, notify=False)
        iphone.wait_until(lambda phone: "Offre leise" in str(phone.shows()), 20)
        system.api.ok("POST", f"/offers/{other}/end")
        iphone.wait_until(lambda phone: "Offre leise" not in str(phone.shows()), 20)
        system.api.ok("PUT", "/members/M-1", member | {"first_name": "Clara"})
        fetched(system)
        now = system.clock()
        hours = {"quiet_from": clock_time(now - HOUR), "quiet_until": clock_time(now + HOUR)}
        set_pressure(system, marketing_per_week=1, **hours)
        for title, change in (("Zwei", {}), ("Drei", {"notify": False})):
            system.api.ok("PATCH", f"/offers/{offer_id}", {"title": {"fr": title}} | change)
            iphone.wait_until(lambda phone, title=title: title in str(phone.shows()), 20)  # type: ignore[misc]
        system.api.ok("PUT", "/members/M-1", {"consents": {"marketing": False}})
        system.api.ok("PATCH", f"/offers/{offer_id}", {"title": {"fr": "Vier"}})
        iphone.wait_until(lambda phone: "Vier" in str(phone.shows()), 20)
        fetched(system)
    assert len(iphone.notifications) == 1
    assert "Offre : Offre maille" in str(iphone.notifications[0])


def test_the_news_stays_as_it_was_announced_and_speaks_in_that_version_alone(
    open_system: OpenSystem, tmp_path: Path
) -> None:
    system = system_with_news(open_system, tmp_path)
    card = system.enrol(consents={"marketing": True})
    system.iphone().open_link(card["links"]["card"])

    def news() -> tuple[str | None, str | None]:
        content = CardContent.model_validate(system.rows("SELECT content FROM cards")[0]["content"])
        field = content.field("news")
        return (field.text if field is not None else None, content.notify_field)

    offer_id = publish(system)
    assert news() == ("Offre maille", "news")
    system.api.ok("PATCH", f"/offers/{offer_id}", {"title": {"fr": "Autre"}})
    compose(system)
    assert news() == ("Offre maille", None)
    system.api.ok("PATCH", f"/offers/{offer_id}", {"target": {"tiers": ["Or"]}})
    compose(system)
    assert news() == (None, None)
    system.api.ok("PATCH", f"/offers/{offer_id}", {"target": {}})
    compose(system)
    assert news() == (None, None), "what was decided stays decided: it is not announced again"
    publish(system, "soie", priority=5)
    assert news() == ("Offre soie", "news")


def test_an_iphone_s_design_without_such_a_field_stays_silent(system: System) -> None:
    card = system.enrol(consents={"marketing": True})
    system.iphone().open_link(card["links"]["card"])
    offer_id = publish(system)
    assert decisions(system, offer_id) == {"M-1": "silent"}
    content = CardContent.model_validate(system.rows("SELECT content FROM cards")[0]["content"])
    assert content.notify_field is None


def test_news_of_points_knows_neither_cap_nor_quiet_hours(system: System) -> None:
    card = system.enrol()
    system.set_points("M-1", 10, 1)
    iphone = system.iphone()
    now = system.clock()
    quiet = {"quiet_from": clock_time(now - HOUR), "quiet_until": clock_time(now + HOUR)}
    set_pressure(system, marketing_per_week=0, **quiet)
    with system.working():
        iphone.open_link(card["links"]["card"])
        system.set_points("M-1", 30, 2)
        iphone.wait_until(lambda phone: len(phone.notifications) == 1, 20)
    assert "30" in str(iphone.notifications[0])


def test_an_erased_member_leaves_no_decision(system: System) -> None:
    enrol(system, 2)
    publish(system)
    system.api.ok("DELETE", "/members/M-1")
    assert system.rows("SELECT count(*) AS rows FROM offer_showings") == [{"rows": 1}]
    assert system.rows("SELECT offers FROM cards WHERE state = 'void'") == [{"offers": {}}]


def test_a_forecast_before_publishing_is_what_is_then_decided(system: System) -> None:
    """With the cap, the quiet hours of each member and the consent; of an offer that is not stored yet."""
    enrol(system, 2)
    for number, member in enumerate(
        ({"consents": {"marketing": True}, "attributes": {"time_zone": "Pacific/Auckland"}}, {}), start=3
    ):
        system.enrol(f"M-{number}", **member)
    save_all(system)
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE google_objects SET saved_at = NULL WHERE card_id = 2"))
    now = system.clock()
    quiet = {"quiet_from": clock_time(now - HOUR), "quiet_until": clock_time(now + HOUR)}
    set_pressure(system, marketing_per_week=1)
    publish(system, "before", target={"attributes": {"time_zone": ["Pacific/Auckland"]}})
    set_pressure(system, marketing_per_week=1, **quiet)
    document = {
        "code": "x", "title": "X", "notify": True, "priority": 5,
        "starts_at": now.isoformat(), "ends_at": (now + 9 * HOUR).isoformat(),
    }  # fmt: skip
    foreseen = system.api.ok("POST", "/offers/audience", document)
    assert foreseen["notifications"] == {"held": 1, "capped": 1, "no_consent": 1}
    assert sum(foreseen["notifications"].values()) == foreseen["receives"]
    brief = system.api.ok("POST", "/offers/audience", document | {"ends_at": (now + HOUR / 2).isoformat()})
    assert brief["notifications"] == {"expired": 1, "capped": 1, "no_consent": 1}
    decided = Counter(decisions(system, publish(system, "y", priority=5)).values())
    assert decided == {**foreseen["notifications"], "not_installed": 1}

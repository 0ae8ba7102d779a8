"""Events about a member come late and in any order; the latest by its own time counts. Nothing is patched."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import permutations
from threading import Barrier
from typing import Any

import pytest

from tests.system import Api, System

BATCH = "application/cloudevents-batch+json"


def said(at: datetime | None, subject: str = "M-1", **data: Any) -> dict[str, Any]:
    """A `member.updated` event, said at that time; its id is made of all it says."""
    event = {
        "specversion": "1.0",
        "id": f"{subject} {at} {data}"[:255],
        "source": "crm",
        "type": "member.updated",
        "subject": subject,
        "data": data,
    }
    return event if at is None else event | {"time": at.isoformat()}


def take(system: System, event: dict[str, Any]) -> str:
    """What became of one event."""
    status: str = system.api.ok("POST", "/events", event)["status"]
    return status


def member(system: System, member_id: str = "M-1") -> dict[str, Any]:
    answer: dict[str, Any] = system.api.ok("GET", f"/members/{member_id}")
    return answer


def test_a_late_consent_does_not_undo_the_withdrawal(system: System) -> None:
    now = system.clock()
    assert take(system, said(now - timedelta(hours=1), consents={"marketing": False})) == "applied"
    late = said(now - timedelta(hours=2), consents={"marketing": True})
    answer = system.api.ok("POST", "/events", late)
    assert (answer["status"], answer["detail"]) == ("ignored", "older than what is known")
    assert member(system)["consents"] == {"marketing": False}
    assert take(system, late) == "repeated"


def test_a_late_event_counts_for_fields_that_no_later_one_has_set(system: System) -> None:
    now = system.clock()
    assert take(system, said(now - timedelta(hours=1), consents={"marketing": False}, email="new@x.fr")) == "applied"
    late = said(now - timedelta(hours=2), consents={"marketing": True}, email=None, first_name="Claire")
    assert take(system, late) == "applied"
    found = member(system)
    assert (found["consents"], found["email"], found["first_name"]) == ({"marketing": False}, "new@x.fr", "Claire")
    assert take(system, said(now - timedelta(hours=3), first_name="Clara", last_name="Moreau")) == "applied"
    assert (member(system)["first_name"], member(system)["last_name"]) == ("Claire", "Moreau")


def test_a_field_that_was_cleared_stays_so(system: System) -> None:
    now = system.clock()
    home = {"latitude": 45.76, "longitude": 4.83}
    assert take(system, said(now - timedelta(hours=3), home=home, phone="+33 6 00 00 00 00")) == "applied"
    assert take(system, said(now - timedelta(hours=1), home=None, phone=None)) == "applied"
    assert take(system, said(now - timedelta(hours=2), home=home, phone="+33 6 11 11 11 11")) == "ignored"
    assert (member(system)["home"], member(system)["phone"]) == (None, None)


def test_in_order_both_count(system: System) -> None:
    now = system.clock()
    assert take(system, said(now - timedelta(hours=2), consents={"marketing": True}, first_name="Claire")) == "applied"
    assert take(system, said(now - timedelta(hours=1), consents={"marketing": False})) == "applied"
    assert (member(system)["consents"], member(system)["first_name"]) == ({"marketing": False}, "Claire")


def test_a_batch_with_both_ends_with_the_last_word(system: System) -> None:
    card = system.enrol()
    now = system.clock() + timedelta(seconds=1)
    system.clock.advance(timedelta(minutes=1))
    batch = [
        said(now + timedelta(seconds=2), first_name="Nouvelle"),
        said(now, first_name="Ancienne"),
    ]
    answer = system.api.ok("POST", "/events", batch, Content_Type=BATCH)
    assert [result["status"] for result in answer["results"]] == ["applied", "ignored"]
    assert system.card(card["serial_number"])["face"]["member"]["value"] == "Nouvelle Moreau"


def test_of_two_words_of_one_instant_the_later_to_arrive_counts(system: System) -> None:
    at = system.clock() - timedelta(hours=1)
    assert take(system, said(at, first_name="Une")) == "applied"
    assert take(system, said(at, first_name="Deux")) == "applied"
    assert member(system)["first_name"] == "Deux"


def test_a_word_without_a_time_and_a_put_count_as_now(system: System) -> None:
    now = system.clock()
    assert take(system, said(now, first_name="A")) == "applied"
    assert take(system, said(None, first_name="B")) == "applied"
    assert take(system, said(now, first_name="C")) == "ignored"
    system.api.ok("PUT", "/members/M-1", {"first_name": "D"})
    assert take(system, said(now + timedelta(milliseconds=1), first_name="E")) == "ignored"
    system.clock.advance(timedelta(minutes=5))
    assert take(system, said(system.clock(), first_name="F")) == "applied"
    assert member(system)["first_name"] == "F"


def test_a_clock_that_is_years_ahead_silences_nobody(system: System) -> None:
    assert take(system, said(system.clock() + timedelta(days=3650), first_name="Futur")) == "applied"
    system.clock.advance(timedelta(seconds=1))
    assert take(system, said(system.clock(), first_name="Présent")) == "applied"
    system.api.ok("PUT", "/members/M-1", {"first_name": "Main"})
    assert member(system)["first_name"] == "Main"


def test_an_older_word_is_no_conflict_of_card_numbers(system: System) -> None:
    system.api.ok("PUT", "/members/M-2", {"card_number": "2900000000002"})
    assert take(system, said(system.clock(), card_number="2900000000001")) == "applied"
    old = said(system.clock() - timedelta(days=1), card_number="2900000000002")
    assert take(system, old) == "ignored"
    new = said(system.clock(), card_number="2900000000002")
    assert system.api("POST", "/events", new).status_code == 422
    taken = system.api("PUT", "/members/M-3", {"card_number": "2900000000002"})
    assert taken.status_code == 409
    assert system.api("GET", "/members/M-3").status_code == 404


@pytest.mark.parametrize("together", [True, False], ids=["a batch each", "one by one"])
def test_whatever_the_order_of_arrival_the_last_word_wins(system: System, together: bool) -> None:
    """Every order of four words, each a whole document."""
    first = system.clock() - timedelta(days=1)
    orders = list(permutations(range(4)))
    for number, order in enumerate(orders):
        subject = f"M-{number}"
        events = [
            said(first + timedelta(seconds=i), subject, first_name=f"N{i}", consents={"marketing": i % 2 == 0})
            for i in order
        ]
        for batch in [events] if together else [[event] for event in events]:
            answers = system.api.ok("POST", "/events", batch, Content_Type=BATCH)["results"]
            assert {answer["status"] for answer in answers} <= {"applied", "ignored"}
        found = member(system, subject)
        assert (found["first_name"], found["consents"]) == ("N3", {"marketing": False}), order


@pytest.mark.parametrize("together", [True, False], ids=["a batch each", "one by one"])
def test_whatever_the_order_of_arrival_no_partial_word_is_lost(system: System, together: bool) -> None:
    """Every order of four events, each about some fields: every field ends as it was last set."""
    first = system.clock() - timedelta(days=1)
    words: list[dict[str, Any]] = [
        {"first_name": "Claire", "consents": {"marketing": True}},
        {"last_name": "Moreau"},
        {"email": "claire@example.org", "consents": {"marketing": False}},
        {"first_name": "Clara"},
    ]
    for number, order in enumerate(permutations(range(4))):
        subject = f"M-{number}"
        events = [said(first + timedelta(seconds=i), subject, **words[i]) for i in order]
        for batch in [events] if together else [[event] for event in events]:
            system.api.ok("POST", "/events", batch, Content_Type=BATCH)
        found = member(system, subject)
        assert [found[name] for name in ("first_name", "last_name", "email", "consents")] == [
            "Clara",
            "Moreau",
            "claire@example.org",
            {"marketing": False},
        ], order


def test_two_batches_with_the_same_new_members_in_other_orders(system: System) -> None:
    """Neither waits for the other in a circle: both are taken whole, though they come together."""
    members, at = [f"N-{number}" for number in range(150)], system.clock() - timedelta(hours=1)
    orders = [members, members[::-1], sorted(members, key=lambda one: one[::-1])]
    together = Barrier(len(orders))

    def post(number: int) -> list[str]:
        events = [said(at + timedelta(seconds=number), one, first_name=f"C{number}") for one in orders[number]]
        api = Api(system.url, system.api.key)
        with api.session:
            together.wait(20)
            return [result["id"] for result in api.ok("POST", "/events", events, Content_Type=BATCH)["results"]]

    for _ in range(2):
        with ThreadPoolExecutor(len(orders)) as pool:
            answers = list(pool.map(post, range(len(orders))))
    for answer, order in zip(answers, orders, strict=True):
        assert [event_id.split()[0] for event_id in answer] == order, "each answer in its event's place"
    assert len(system.rows("SELECT FROM members")) == len(members)
    assert {row["first_name"] for row in system.rows("SELECT first_name FROM members")} == {"C2"}

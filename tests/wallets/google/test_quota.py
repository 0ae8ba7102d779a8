"""Three a day for fields, three for messages: what may notify. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import OpenSystem
from tests.system import System, eventually
from tests.wallets.google.conftest import NOW, card_view, composer
from wallet_service.cards.template import Topic
from wallet_service.errors import Invalid
from wallet_service.wallets.google.notifications import messages
from wallet_service.wallets.google.notifications.messages import (
    hosts_of,
    message_body,
    message_id_of,
    require_own_links,
)
from wallet_service.wallets.google.notifications.quota import TOPICS, may_notify, news_of, told_fields


@given(st.lists(st.sampled_from(TOPICS), max_size=40))
def test_item_24_never_a_fourth_whatever_comes(topics: list[Topic]) -> None:
    spent = 0
    for topic in topics:
        spent += may_notify(topic, spent)
    assert spent <= 3


@pytest.mark.parametrize(("topic", "in_a_row"), [("voucher", 3), ("tier", 3), ("order", 2), ("points", 2), ("news", 1)])
def test_the_less_it_matters_the_more_it_leaves(topic: Topic, in_a_row: int) -> None:
    spent = 0
    while may_notify(topic, spent):
        spent += 1
    assert spent == in_a_row


def test_item_23_news_is_what_changed_since_google_was_told_the_best_first() -> None:
    before, after = card_view(), card_view(balance={"points": 1300, "tier": "Or"})
    told = told_fields(before.template, before.content)
    assert [spec.id for spec in news_of(after.template, after.content, told)] == ["tier", "points"]
    assert news_of(before.template, before.content, told) == []
    assert news_of(after.template, after.content, None) == ()


def test_item_14_at_most_nine_messages_stand_the_newest() -> None:
    standing = [(number, NOW + timedelta(days=1), {"id": str(number)}) for number in range(9)]
    assert messages.kept(standing, new=1, now=NOW) == (list(range(1, 9)), [0])
    assert messages.kept(standing, new=0, now=NOW) == (list(range(9)), [])
    assert messages.kept(standing, new=0, now=NOW + timedelta(days=1)) == ([], list(range(9)))


def test_message_ids_are_the_same_on_every_try() -> None:
    assert message_id_of("lumiere", "soldes") == message_id_of("lumiere", "soldes") != message_id_of("lumiere", "x")


def test_a_message_is_in_whole_languages_and_ends_after_it_starts() -> None:
    with pytest.raises(Invalid, match="same languages"):
        message_body("m", {"fr": "A"}, {"en": "B"}, starts_at=NOW, ends_at=NOW + timedelta(days=1))
    with pytest.raises(Invalid, match="over before"):
        message_body("m", {"fr": "A"}, {"fr": "B"}, starts_at=NOW, ends_at=NOW)
    body = message_body(
        "m", {"fr": "A", "en": "C"}, {"fr": "B", "en": "D"}, starts_at=NOW, ends_at=NOW + timedelta(days=1)
    )
    assert body["localizedBody"]["translatedValues"] == [{"language": "en", "value": "D"}]


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("Rien à voir", True),
        ('<a href="https://www.maison-lumiere.example/soie">La soie</a>', True),
        ("https://cards.example.com/c/1", True),
        ("https://maison-lumiere.example.evil.example/", False),
        ("http://www.maison-lumiere.example/", False),
        ("https://autre.example/", False),
    ],
)
def test_item_27_links_lead_to_sites_of_the_card(text: str, fine: bool) -> None:
    hosts = hosts_of(composer("points-card").template, "https://cards.example.com")
    if fine:
        require_own_links([text], hosts)
    else:
        with pytest.raises(Invalid, match="is not a site of this card"):
            require_own_links([text], hosts)


def saved_card(system: System) -> str:
    """A card in an Android wallet, at rest; returns its serial number."""
    card = system.enrol()
    phone = system.android()
    phone.open_link(card["links"]["card"])
    at_rest(system)
    eventually(lambda: system.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL AND confirm_at IS NULL"))
    return str(card["serial_number"])


def at_rest(system: System) -> None:
    """Wait until Google has been told everything."""
    eventually(
        lambda: (
            not system.rows(
                "SELECT FROM deliveries WHERE kind = 'google' AND wanted_version > told_version OR claim IS NOT NULL"
            )
        )
    )


def ledger(system: System) -> list[tuple[str, str, str]]:
    """What was sent how."""
    rows = system.rows("SELECT kind, topic, how FROM google_notifications ORDER BY id")
    return [(row["kind"], row["topic"], row["how"]) for row in rows]


def balances(system: System, sequence: int, **what: object) -> None:
    """The CRM's absolute word."""
    system.api.ok("PUT", "/members/M-1/balances", {"sequence": sequence, **what})
    at_rest(system)


def voucher(amount: int) -> dict[str, object]:
    """A voucher."""
    return {"code": f"BA-{amount}", "amount": {"amount": amount, "currency": "EUR"}}


def test_item_24_points_leave_one_for_the_voucher_and_a_day_later_all_begins_anew(system: System) -> None:
    with system.working():
        serial_number = saved_card(system)
        for sequence in range(1, 5):
            balances(system, sequence, points=sequence * 10)
        assert ledger(system) == [("field", "points", how) for how in ("notified", "notified", "silent", "silent")]
        assert [one.kind for one in system.google.notifications] == ["field_update"] * 2
        for sequence, amount in ((5, 1000), (6, 2000), (7, 3000), (8, 4000)):
            balances(system, sequence, vouchers=[voucher(amount)])
        hows = [how for kind, topic, how in ledger(system) if (kind, topic) == ("message", "voucher")]
        assert hows == ["notified"] * 3 + ["silent"]
        assert [one.body.partition(" de")[0] for one in system.google.notifications[2:]] == ["Un bon d’achat"] * 3
        system.clock.advance(timedelta(hours=24, minutes=1))
        balances(system, 9, points=50)
    assert ledger(system)[-1] == ("field", "points", "notified")
    assert not [call for call in system.google.calls if call.reason == "quotaExceeded"]
    shown = system.card(serial_number)["far_ends"][0]["notifications"]
    assert [(one["kind"], one["how"]) for one in shown[:2]] == [("field", "notified"), ("message", "silent")]


def test_item_23_what_nobody_can_hear_spends_nothing(system: System) -> None:
    card = system.enrol()
    with system.working():
        system.api.ok("PUT", "/members/M-1/balances", {"sequence": 1, "points": 1})
        with system.services.sessions.begin() as db:  # asked for by link, saved by nobody
            found = system.services.program_cache.program(db, "lumiere")
            assert found.document.google is not None
        system.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(system)
        balances(system, 2, points=2)
    assert ledger(system) == []
    assert system.google.notifications == ()


def test_points_and_a_voucher_at_once_notify_once(system: System) -> None:
    with system.working():
        saved_card(system)
        balances(system, 1, points=10, vouchers=[voucher(1000)], tier="Or")
    assert ledger(system) == [("message", "voucher", "notified")]
    assert [one.kind for one in system.google.notifications] == ["message"]


def test_item_55_a_worker_killed_in_the_middle_sends_no_message_twice(open_system: OpenSystem) -> None:
    system = open_system(WALLET_LEASE_S="2", WALLET_GOOGLE_TIMEOUT_S="1", WALLET_APNS_TIMEOUT_S="1")
    with system.working():
        saved_card(system)
    worker = system.worker_process()
    eventually(lambda: system.rows("SELECT FROM worker_heartbeats"))
    before = len(system.google.calls)
    system.google.delay(0.3)
    system.api.ok("PUT", "/members/M-1/balances", {"sequence": 1, "points": 10, "vouchers": [voucher(1000)]})
    system.google.wait_for(lambda google: len(google.calls) > before, 20)
    worker.kill()
    worker.wait()
    system.google.delay(0)
    with system.working():
        at_rest(system)
    object_id = system.rows("SELECT object_id FROM google_objects")[0]["object_id"]
    shown = system.google.object(object_id)
    assert len(shown["messages"]) == 1
    assert shown["loyaltyPoints"]["balance"] == {"int": 10}
    assert len(system.google.notifications) == 1


def test_item_53_a_change_that_google_does_not_show_costs_no_call(system: System) -> None:
    """Apple's card changes with the design's version; Google's body stays the same."""
    with system.working():
        saved_card(system)
        balances(system, 1, points=10)
        before = len(system.google.calls)
        with system.services.sessions.begin() as db:
            from sqlalchemy import text

            db.execute(text("UPDATE cards SET version = version + 1"))
            db.execute(text("UPDATE deliveries SET wanted_version = wanted_version + 1, next_attempt_at = now()"))
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE told_version = wanted_version"))
    assert len(system.google.calls) == before

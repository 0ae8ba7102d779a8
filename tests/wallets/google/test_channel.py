"""The REST channel against the Google simulator, over real sockets. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.wallets.google.conftest import ISSUER, NOW, OBJECT_ID, Unpaced, card_view, composer
from wallet_service.cards.template import ImageName
from wallet_service.errors import SettingsError
from wallet_service.simulators.google import GoogleSimulator
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.client.account import SCOPE, credentials_from
from wallet_service.wallets.google.client.calls import answer_of, outcome_from_google
from wallet_service.wallets.google.content.bodies import class_id_of, first_body, first_class
from wallet_service.wallets.google.notifications.messages import PendingMessage, message_body
from wallet_service.wallets.google.save_link import SaveLinks
from wallet_service.wallets.google.updates import Held, ObjectUpdate
from wallet_service.wallets.protocol import (
    Accepted,
    CardView,
    ChannelDown,
    Later,
    Notice,
    Outcome,
    ProgramView,
    Refused,
)

OpenChannel = Callable[..., GoogleChannel]


@pytest.fixture
def open_channel(google: GoogleSimulator) -> Iterator[OpenChannel]:
    opened: list[GoogleChannel] = []
    account = google.make_service_account(ISSUER)

    def open_one(**changes: Any) -> GoogleChannel:
        settings: dict[str, Any] = {
            "api_url": google.url,
            "service_account_info": account,
            "public_url": "https://cards.example.com",
            "id_prefix": "t-",
            "timeout_s": 5.0,
            "rate": Unpaced(),
            "in_flight": 1,
        }
        opened.append(GoogleChannel(**{**settings, **changes}))
        return opened[-1]

    yield open_one
    for channel in opened:
        channel.close()


def notice(card: CardView, number: int = 1) -> Notice:
    return Notice(delivery_id=number, far_end=OBJECT_ID, version=card.version, card=card)


def told(channel: GoogleChannel, card: CardView, **more: Any) -> Outcome:
    """What came of it; where Google holds the card in the end, in the plain form."""
    outcome = told_whole(channel, card, **more)
    return Accepted(outcome.answer) if isinstance(outcome, Held) else outcome


def told_whole(channel: GoogleChannel, card: CardView, **more: Any) -> Outcome:
    ((_, outcome),) = channel.announce([ObjectUpdate(**vars(notice(card)), **more)])
    return outcome


def calls(google: GoogleSimulator) -> list[str]:
    """`PATCH loyaltyObject 404` …"""
    return [f"{call.method} {call.path.split('/')[3].partition('?')[0]} {call.status}" for call in google.calls]


FIRST = ["POST loyaltyClass 200", "PATCH loyaltyObject 404", "POST loyaltyObject 200"]


def test_item_29_an_absent_object_is_inserted_from_the_stored_state(
    google: GoogleSimulator, open_channel: OpenChannel
) -> None:
    assert told(open_channel(), card_view()) == Accepted(OBJECT_ID)
    assert calls(google) == FIRST
    shown = google.object(OBJECT_ID)
    assert shown["loyaltyPoints"]["balance"] == {"int": 1250}
    assert shown["classReference"]["reviewStatus"] == "APPROVED"
    assert shown["classReference"]["callbackOptions"]["url"] == "https://cards.example.com/google/callback"
    digest = composer("points-card").template.digest
    logo = shown["classReference"]["programLogo"]["sourceUri"]["uri"]
    assert logo == f"https://cards.example.com/c/images/{digest[:16]}/logo.png"


def test_a_known_object_costs_one_call(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    told(channel, card_view())
    assert told(channel, card_view(balance={"points": 1300})) == Accepted(OBJECT_ID)
    assert calls(google)[3:] == ["PATCH loyaltyObject 200"]
    assert google.object(OBJECT_ID)["loyaltyPoints"]["balance"] == {"int": 1300}


def test_item_28_a_known_class_is_patched(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    told(open_channel(), card_view())
    told(open_channel(), card_view())
    assert calls(google)[3:] == ["POST loyaltyClass 409", "PATCH loyaltyClass 200", "PATCH loyaltyObject 200"]


def test_item_28_an_insert_that_was_lost_on_the_way_back_ends_well(
    google: GoogleSimulator, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    told(channel, replace(card_view(), google_object_id=f"{ISSUER}.other"))
    google.fail_next(503, "backendError", method="POST", applied=True)
    assert isinstance(told(channel, card_view()), Later)
    assert told(channel, card_view()) == Accepted(OBJECT_ID)
    assert google.object(OBJECT_ID)["accountName"] == "Camille Durand"


def test_item_28_two_workers_may_insert_one_object(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    told(channel, card_view())
    google.fail_next(404, "resourceNotFound", method="PATCH")
    assert told(channel, card_view(balance={"points": 7})) == Accepted(OBJECT_ID)
    assert calls(google)[3:] == ["PATCH loyaltyObject 404", "POST loyaltyObject 409", "PATCH loyaltyObject 200"]
    assert google.object(OBJECT_ID)["loyaltyPoints"]["balance"] == {"int": 7}


def test_a_class_that_vanished_is_made_again(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    told(channel, card_view())
    for method in ("PATCH", "POST"):
        google.fail_next(404, "classNotFound", method=method)
    assert told(channel, replace(card_view(), google_object_id=f"{ISSUER}.second")) == Accepted(f"{ISSUER}.second")
    assert calls(google)[3:] == [
        "PATCH loyaltyObject 404",
        "POST loyaltyObject 404",
        "POST loyaltyClass 409",
        "PATCH loyaltyClass 200",
        "POST loyaltyObject 200",
    ]


def test_item_30_31_what_is_gone_disappears_at_google(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    told(channel, card_view())
    poor = card_view(offer=None, store=None, balance={"vouchers": (), "tier": None}, places=(), card={"voided": True})
    assert told(channel, poor) == Accepted(OBJECT_ID)
    shown = google.object(OBJECT_ID)
    assert shown["state"] == "INACTIVE"
    for name in ("textModulesData", "merchantLocations", "barcode", "secondaryLoyaltyPoints"):
        assert not shown.get(name), name
    class_id = class_id_of(poor.program, "points-card", "t-")
    assert google.cls(class_id)["heroImage"]
    bare = composer("points-card").template
    images: dict[ImageName, bytes] = {name: png for name, png in bare.images.items() if name != "hero"}
    assert told(channel, replace(card_view(), template=replace(bare, images=images, digest="0" * 64))) == Accepted(
        OBJECT_ID
    )
    assert not google.cls(class_id).get("heroImage")


def test_a_balance_may_change_its_kind(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    """A PATCH merges: the old member of the balance must go, or Google holds two."""
    channel = open_channel()
    told(channel, card_view())
    assert told(channel, card_view(balance={"points": 2**31})) == Accepted(OBJECT_ID)
    assert list(google.object(OBJECT_ID)["loyaltyPoints"]["balance"]) == ["string"]
    assert told(channel, card_view()) == Accepted(OBJECT_ID)
    assert google.object(OBJECT_ID)["loyaltyPoints"]["balance"] == {"int": 1250}


def test_item_23_a_change_notifies_only_where_the_quota_allows_it(
    google: GoogleSimulator, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    told(channel, card_view())
    quiet = told_whole(channel, card_view(version=2, balance={"points": 1300}))
    assert isinstance(quiet, Held)
    assert quiet.how == "silent"
    assert google.notifications == ()
    notify = told_whole(channel, card_view(version=3, balance={"points": 1400}), notify=True)
    assert isinstance(notify, Held)
    assert notify.how == "notified"
    assert len(google.notifications) == 1
    assert "notifyPreference" not in google.object(OBJECT_ID)


def test_item_25_beyond_the_notification_quota_the_change_is_told_silently(
    google: GoogleSimulator, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    told(channel, card_view())
    hows = []
    for points in range(1, 6):
        outcome = told_whole(channel, card_view(balance={"points": points}), notify=True)
        assert isinstance(outcome, Held)
        hows.append(outcome.how)
    assert hows == ["notified"] * 3 + ["refused"] * 2
    assert google.object(OBJECT_ID)["loyaltyPoints"]["balance"] == {"int": 5}
    assert len([call for call in google.calls if call.reason == "quotaExceeded"]) == 2
    google.fail_next(403, "quotaExceeded", count=2)
    assert isinstance(told(channel, card_view(balance={"points": 9}), notify=True), Later)


def test_too_fast_is_not_out_of_notifications(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    """Both are 403: the first is tried again later and may still notify."""
    channel = open_channel()
    told(channel, card_view())
    google.fail_next(403, "rateLimitExceeded")
    assert isinstance(told(channel, card_view(balance={"points": 9}), notify=True), Later)
    assert calls(google)[3:] == ["PATCH loyaltyObject 403"]


def test_item_53_what_google_holds_already_costs_no_call(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    first = told_whole(channel, card_view())
    assert isinstance(first, Held)
    before = len(google.calls)
    again = told_whole(channel, card_view(version=2), told_digest=first.digest)
    assert isinstance(again, Held)
    assert again.digest == first.digest
    assert len(google.calls) == before


def message(number: int, *, notify: bool = False, attempted: bool = False) -> PendingMessage:
    """A message."""
    title, text = {"fr": f"Note {number}"}, {"fr": "Deux soirées privées."}
    message = message_body(f"m-{number}", title, text, starts_at=NOW, ends_at=NOW + timedelta(days=7))
    return PendingMessage(message_pk=number, message=message, notify=notify, attempted=attempted)


def test_item_55_a_message_that_may_have_arrived_is_looked_for_before_it_is_sent(
    google: GoogleSimulator, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    told(channel, card_view())
    google.fail_next(503, "backendError", method="POST", applied=True)
    assert isinstance(told(channel, card_view(), messages=(message(1, notify=True),)), Later)
    outcome = told_whole(channel, card_view(), messages=(message(1, notify=True, attempted=True), message(2)))
    assert isinstance(outcome, Held)
    assert outcome.messages == {1: "notified", 2: "silent"}
    shown = google.object(OBJECT_ID)["messages"]
    assert [message["id"] for message in shown] == ["m-1", "m-2"]
    assert len(google.notifications) == 1


def test_item_25_a_message_beyond_the_quota_arrives_silently(
    google: GoogleSimulator, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    told(channel, card_view())
    outcome = told_whole(channel, card_view(), messages=tuple(message(number, notify=True) for number in range(4)))
    assert isinstance(outcome, Held)
    assert list(outcome.messages.values()) == ["notified"] * 3 + ["refused"]
    assert google.object(OBJECT_ID)["messages"][3]["messageType"] == "TEXT"


def test_a_message_that_google_refuses_does_not_park_the_card(
    google: GoogleSimulator, open_channel: OpenChannel
) -> None:
    channel = open_channel()
    first = told_whole(channel, card_view())
    assert isinstance(first, Held)
    google.fail_next(400, "invalid", method="POST")
    outcome = told_whole(channel, card_view(), told_digest=first.digest, messages=(message(1), message(2)))
    assert isinstance(outcome, Held)
    assert outcome.messages == {1: "refused", 2: "silent"}


def test_item_32_a_refusal_is_not_tried_again(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    told(channel, card_view())
    google.fail_next(400, "invalidImage")
    outcome = told(channel, card_view())
    assert isinstance(outcome, Refused)
    assert outcome.reason.startswith("400 invalidImage: Scripted failure")
    assert calls(google)[3:] == ["PATCH loyaltyObject 400"]


def test_a_body_that_google_would_refuse_never_leaves(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    template = composer("points-card").template
    wrong = template.document.model_copy(update={"google": {"object": {"textModulesData": [{"id": "a.b"}]}}})
    outcome = told(open_channel(), replace(card_view(), template=replace(template, document=wrong)))
    assert isinstance(outcome, Refused)
    assert "textModulesData[0].id" in outcome.reason
    assert calls(google) == ["POST loyaltyClass 200"]


def test_item_33_a_foreign_issuer_stops_the_channel(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    stranger = google.make_service_account("3388000000099999999")
    channel = open_channel(service_account_info=stranger)
    results = list(channel.announce([notice(card_view(), number) for number in range(5)]))
    assert [found.delivery_id for found, _ in results] == [0, 1, 2, 3, 4]
    assert all(isinstance(outcome, ChannelDown) for _, outcome in results)
    assert all("permissionDenied" in getattr(outcome, "reason", "") for _, outcome in results)
    assert len(google.calls) == 1


def test_item_02_a_401_leads_to_one_refresh_and_one_retry(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    told(channel, card_view())
    google.fail_next(401, "authError")
    assert told(channel, card_view()) == Accepted(OBJECT_ID)
    assert calls(google)[3:] == ["PATCH loyaltyObject 401", "PATCH loyaltyObject 200"]
    google.fail_next(401, "authError", count=2)
    assert isinstance(told(channel, card_view()), ChannelDown)
    assert calls(google)[5:] == ["PATCH loyaltyObject 401", "PATCH loyaltyObject 401"]


def test_a_key_that_google_does_not_know_stops_the_channel(
    google: GoogleSimulator, open_channel: OpenChannel, service_account: dict[str, str]
) -> None:
    account = {**service_account, "token_uri": google.token_url}
    outcome = told(open_channel(service_account_info=account), card_view())
    assert isinstance(outcome, ChannelDown)
    assert outcome.reason.startswith("token: ")
    assert google.calls == ()


def test_item_01_the_only_scope_is_the_issuer_s(google: GoogleSimulator) -> None:
    """The simulator's token endpoint refuses any other."""
    assert SCOPE == "https://www.googleapis.com/auth/wallet_object.issuer"
    assert credentials_from(google.make_service_account(ISSUER)).scopes == [SCOPE]


def test_item_03_an_incomplete_account_stops_the_start(open_channel: OpenChannel) -> None:
    with pytest.raises(SettingsError, match="lacks client_email"):
        open_channel(service_account_info={"private_key": "x", "token_uri": "https://example.com"})


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 412])
def test_item_34_a_passing_trouble_is_for_later(
    google: GoogleSimulator, open_channel: OpenChannel, status: int
) -> None:
    channel = open_channel()
    told(channel, card_view())
    google.fail_next(status, "backendError")
    assert isinstance(told(channel, card_view()), Later)
    assert told(channel, card_view()) == Accepted(OBJECT_ID)


def test_nobody_there_and_no_answer_in_time_are_for_later(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel(timeout_s=0.2)
    told(channel, card_view())
    google.delay(1.0)
    assert isinstance(told(channel, card_view()), Later)
    google.delay(0)
    google.stop()
    assert isinstance(told(channel, card_view()), Later)


def test_item_35_each_call_waits_for_its_turn(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    rate = Unpaced()
    told(open_channel(rate=rate), card_view())
    assert rate.taken == [1, 1, 1]
    assert rate.noted == [200, 404, 200]
    assert len(google.calls) == 3


def test_a_notice_without_content_is_refused(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    empty = Notice(delivery_id=1, far_end=OBJECT_ID, version=1)
    ((_, outcome),) = open_channel().announce([empty])
    assert outcome == Refused("an object cannot be announced without its content")


def test_every_sample_card_is_taken_by_google(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    channel = open_channel()
    for index, (design, locale) in enumerate((d, lang) for d in ("points-card", "stamp-card") for lang in ("fr", "en")):
        card = replace(card_view(design, locale), google_object_id=f"{ISSUER}.t-{index}")
        for _ in range(2):
            assert told(channel, card) == Accepted(f"{ISSUER}.t-{index}")


def test_item_38_40_both_links_save_the_card(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    account = google.make_service_account(ISSUER)
    links = SaveLinks(account, save_url=google.save_url.rstrip("/"))
    card = card_view()
    told(open_channel(), card)
    google.save(links.skinny(OBJECT_ID, now=datetime.now(UTC)).rpartition("/")[2], "camille")
    assert google.object(OBJECT_ID)["hasUsers"] is True
    other = replace(card, google_object_id=f"{ISSUER}.t-fat")
    class_id = class_id_of(card.program, card.template.template_id, "t-")
    minimal = first_class(
        other.program,
        other.template,
        class_id=class_id,
        image_url=lambda name: f"https://cards.example.com/{name}.png",
        callback_url="https://cards.example.com/google/callback",
    )
    fat = links.fat(first_body(other, class_id=class_id), minimal, now=datetime.now(UTC))
    google.save(fat.rpartition("/")[2], "dominique")
    assert google.object(f"{ISSUER}.t-fat")["accountName"] == "Camille Durand"
    assert told(open_channel(), other) == Accepted(f"{ISSUER}.t-fat")
    assert len(google.object(f"{ISSUER}.t-fat")["textModulesData"]) == 6


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (200, "", Accepted("")),
        (400, "invalid: bad image", Refused("400 invalid: bad image")),
        (401, "authError", ChannelDown("401 authError")),
        (403, "permissionDenied", ChannelDown("403 permissionDenied")),
        (403, "", ChannelDown("403")),
        (403, "quotaExceeded: Quota exceeded for issuer", Later("403 quotaExceeded: Quota exceeded for issuer")),
        (403, "rateLimitExceeded", Later("403 rateLimitExceeded")),
        (404, "notFound", Later("404 notFound")),
        (409, "exists", Later("409 exists")),
        (412, "", Later("412")),
        (413, "", Refused("413")),
        (429, "rate", Later("429 rate")),
        *((status, "backendError", Later(f"{status} backendError")) for status in (500, 502, 503, 504)),
    ],
)
def test_every_row_of_the_error_table(status: int, reason: str, outcome: Outcome) -> None:
    assert outcome_from_google(status, reason, None) == outcome


@pytest.mark.parametrize(
    ("headers", "content", "reason", "after"),
    [
        ({}, b'{"error":{"code":403,"errors":[{"reason":"quotaExceeded"}]}}', "quotaExceeded", None),
        ({}, b'{"error":{"status":"PERMISSION_DENIED","message":"No"}}', "PERMISSION_DENIED", None),
        ({"Retry-After": "7"}, b"<html>", "", timedelta(seconds=7)),
        ({"Retry-After": "Fri, 20 Nov 2026 09:31:00 GMT"}, b"[]", "", timedelta(seconds=60)),
        ({"Retry-After": "Fri, 20 Nov 2020 09:31:00 GMT"}, b'{"error": 3}', "", timedelta(0)),
        ({"Retry-After": "soon"}, b'{"error":{"errors":["x"]}}', "", None),
    ],
)
def test_an_error_is_read_whatever_is_missing(
    headers: dict[str, str], content: bytes, reason: str, after: timedelta | None
) -> None:
    answer = answer_of(403, headers, content, now=NOW)
    assert (answer.reason, answer.retry_after) == (reason, after)


def test_the_programme_s_words_do_not_leak_into_reasons(google: GoogleSimulator, open_channel: OpenChannel) -> None:
    nowhere = ProgramView(**{**vars(card_view().program), "issuer_id": None})
    outcome = told(open_channel(), replace(card_view(), program=nowhere))
    assert outcome == Refused("invalid: google.issuer_id: the programme lumiere is not on Google")

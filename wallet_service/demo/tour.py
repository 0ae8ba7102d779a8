"""The demo's tour: the life of a card, once, every step proved on the phones."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from wallet_service.clock import system_clock
from wallet_service.demo.brand import MEMBERS, POINTS, STAMPS, STORES, TOUR_MEMBER
from wallet_service.demo.installation import DemoInstallation
from wallet_service.demo.tour_record import Step, Timeline

STEP_TIMEOUT_S = 10.0
OFFER_LASTS = timedelta(seconds=4)
_SHOP = "lyon-presquile"
_SHOP_NAME = STORES[_SHOP]["short_name"]


def play(installation: DemoInstallation, timeline: Timeline) -> None:
    """Play all steps, in order.

    Raises:
        StepFailed: a step did not happen on the phones within its time.
    """
    with timeline.step("Claire is enrolled, with a points card and a stamp card") as step:
        points, stamps = _enrol(installation, step)
    with timeline.step("The iPhone opens both smart links, adds the passes and registers") as step:
        for card in (points, stamps):
            installation.iphone.open_link(card["links"]["card"])
            step.note("pass {serial}… is in Wallet, signature and rules checked", system_clock(), serial=_short(card))
        _note_phone(installation, step)
    with timeline.step("The Android phone opens the link and saves the card") as step:
        installation.android.open_link(points["links"]["card"])
        step.note("saved; Google's signed callback is on its way", system_clock())
        _wait_for_far_end(installation, points, "google", lambda end: end["installed_at"] is not None)
        step.note("the service knows: saved", system_clock())
    with timeline.step("The CRM reports a purchase of 79.90 €") as step:
        _purchase(installation, POINTS.program_id, "order-1", step)
        _until_iphone(installation, points, step, "points", "79")
        _until_android(installation, points, step, "79")
        _until_proved(installation, points, step)
    with timeline.step("The same event comes again: nothing changes, nobody is told") as step:
        before = len(installation.apns.announcements)
        _purchase(installation, POINTS.program_id, "order-1", step)
        card = installation.api("GET", f"/cards/{points['serial_number']}")
        _require(card["face"]["points"]["value"] == "79", "the points changed")
        _require(len(installation.apns.announcements) == before, "a phone was told")
    with timeline.step("The workshop stamps the second card") as step:
        _purchase(installation, STAMPS.program_id, "order-2", step)
        _until_iphone(installation, stamps, step, "stamps", None)
    with timeline.step("A shop’s offer appears near {shop}, and ends by itself", shop=_SHOP_NAME) as step:
        _offer(installation, points, step)
    with timeline.step("Claire takes the card off her iPhone") as step:
        installation.iphone.remove(points["serial_number"])
        _until(lambda: not _far_ends(installation, points, "apple"), "the registration is still there")
        step.note("the service has forgotten the registration", system_clock())


def _enrol(installation: DemoInstallation, step: Step) -> tuple[dict[str, Any], dict[str, Any]]:
    cards = []
    for program in (POINTS, STAMPS):
        api = installation.apis[program.program_id]
        api("PUT", f"/members/{TOUR_MEMBER}", MEMBERS[TOUR_MEMBER])
        card = api("POST", f"/members/{TOUR_MEMBER}/card")
        step.note("{program}: card {serial}…", system_clock(), program=program.name, serial=_short(card))
        cards.append(card)
    return cards[0], cards[1]


def _short(card: dict[str, Any]) -> str:
    return str(card["serial_number"][:8])


def _purchase(installation: DemoInstallation, program_id: str, order_id: str, step: Step) -> None:
    answer = installation.apis[program_id](
        "POST",
        "/events",
        {
            "specversion": "1.0",
            "id": order_id,
            "source": "https://shop.maison-lumiere.example",
            "type": "purchase.completed",
            "subject": TOUR_MEMBER,
            "data": {"order_id": order_id, "paid": {"amount": 7990, "currency": "EUR"}, "store_id": _SHOP},
        },
    )
    step.note("event {event}: {status}", system_clock(), event=order_id, status=answer["status"])


def _until_iphone(
    installation: DemoInstallation, card: dict[str, Any], step: Step, field: str, text: str | None
) -> None:
    serial = card["serial_number"]
    before = step.began_at

    def is_shown(_phone: object) -> bool:
        screen = installation.iphone.shows(serial)
        return screen.shown_at > before and (text is None or screen.text(field) == text)

    installation.iphone.wait_until(is_shown, STEP_TIMEOUT_S)
    for announcement in installation.apns.announcements:
        if announcement.arrived_at > before:
            step.note("APNs has the announcement ({status})", announcement.arrived_at, status=announcement.status)
    _note_phone(installation, step)
    for notification in installation.iphone.notifications:
        if notification.at > before:
            step.note("iPhone notification: {text}", notification.at, text=notification.text)


def _note_phone(installation: DemoInstallation, step: Step) -> None:
    for event in installation.iphone.events:
        if event.at > step.began_at and event.step in ("registered", "pushed", "listed", "fetched", "shown"):
            step.note(f"iPhone: {event.step}", event.at)  # five steps, five sentences


def _until_android(installation: DemoInstallation, card: dict[str, Any], step: Step, points: str) -> None:
    object_id = _far_ends(installation, card, "google")[0]["id"]
    installation.android.wait_until(
        lambda phone: phone.shows(object_id).fields["loyaltyPoints"].text == points, STEP_TIMEOUT_S
    )
    step.note("Android shows {points} points", system_clock(), points=points)


def _until_proved(installation: DemoInstallation, card: dict[str, Any], step: Step) -> None:
    _wait_for_far_end(installation, card, "apple", lambda end: end["state"] == "up_to_date")
    _wait_for_far_end(installation, card, "google", lambda end: end["state"] == "up_to_date")
    step.note("proved: wanted = told = fetched on the iPhone, wanted = told at Google", system_clock())


def _offer(installation: DemoInstallation, card: dict[str, Any], step: Step) -> None:
    shop = STORES[_SHOP]
    text = "−20 % sur la maille jusqu’à ce soir"
    starts_at = system_clock()
    offer = installation.api(
        "POST",
        "/offers",
        {
            "code": "maille-20",
            "title": {"fr": "−20 % sur la maille", "en": "20% off knitwear"},
            "proximity_text": {"fr": text, "en": "20% off knitwear until tonight"},
            "store_ids": [_SHOP],
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + OFFER_LASTS).isoformat(),
        },
    )
    installation.api("POST", f"/offers/{offer['id']}/publish")
    step.note("offer published for {seconds} s", system_clock(), seconds=round(OFFER_LASTS.total_seconds()))
    latitude, longitude = shop["latitude"], shop["longitude"]
    object_id = _far_ends(installation, card, "google")[0]["id"]
    installation.iphone.wait_until(lambda phone: text in _near(installation, latitude, longitude), STEP_TIMEOUT_S)
    step.note("iPhone at the shop’s door: “{text}”", system_clock(), text=text)
    google = installation.google.object(object_id)
    _until(
        lambda: "maille" in str(installation.google.object(object_id).get("textModulesData")),
        "the offer is not at Google",
    )
    places = len(google["merchantLocations"])
    step.note("Google object: {places} merchantLocations, offer shown", system_clock(), places=places)
    installation.iphone.wait_until(lambda phone: text not in _near(installation, latitude, longitude), STEP_TIMEOUT_S)
    step.note("the offer is over: it has left the pass by itself", system_clock())


def _near(installation: DemoInstallation, latitude: float, longitude: float) -> list[str]:
    return [card.text for card in installation.iphone.near(latitude, longitude)]


def _far_ends(installation: DemoInstallation, card: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    state = installation.api("GET", f"/cards/{card['serial_number']}")
    return [end for end in state["far_ends"] if end["kind"] == kind]


def _wait_for_far_end(
    installation: DemoInstallation, card: dict[str, Any], kind: str, holds: Callable[[dict[str, Any]], bool]
) -> None:
    _until(lambda: any(holds(end) for end in _far_ends(installation, card, kind)), f"no {kind} far end came so far")


def _until(holds: Callable[[], object], otherwise: str) -> None:
    """Look until it holds, for a step's time at most."""
    deadline = time.monotonic() + STEP_TIMEOUT_S
    while not holds():
        _require(time.monotonic() < deadline, otherwise)
        time.sleep(0.02)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise RuntimeError(otherwise)

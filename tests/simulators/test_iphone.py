"""The simulated iPhone against a plain web service and the APNs simulator."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.simulators.apns_client import ApnsClient
from tests.simulators.conftest import NOW
from tests.simulators.pass_maker import make_pass, pass_content
from tests.simulators.tiny_service import TinyService
from tests.system import PASS_TYPE
from wallet_service.errors import NotFound
from wallet_service.simulators.apns import ApnsSimulator, RemotePushService
from wallet_service.simulators.apns.control import ControlServer
from wallet_service.simulators.apple_pki import Chain
from wallet_service.simulators.loopback_http import Reply, Request
from wallet_service.simulators.phones.iphone import Iphone
from wallet_service.simulators.phones.wallet_rules import PassRefused


class Counter:
    """Waits without waiting, and remembers for how long."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return False


@pytest.fixture
def service(chain: Chain) -> Iterator[TinyService]:
    with TinyService(chain) as one:
        one.publish()
        yield one


@pytest.fixture
def wait() -> Counter:
    return Counter()


@pytest.fixture
def iphone(apns: ApnsSimulator, chain: Chain, wait: Counter) -> Iterator[Iphone]:
    with Iphone(apns, roots_pem=chain.root_pem, allow_http=True, clock=lambda: NOW, wait=wait) as phone:
        yield phone


@pytest.fixture
def announce(apns: ApnsSimulator, chain: Chain, iphone: Iphone) -> Iterator[Announce]:
    client = ApnsClient(apns, chain)
    yield Announce(client, iphone)
    client.close()


class Announce:
    """Sends the empty nudge to the phone."""

    def __init__(self, client: ApnsClient, iphone: Iphone) -> None:
        self._client, self._iphone = client, iphone

    def __call__(self, status: int = 200) -> None:
        headers = {
            "apns-topic": PASS_TYPE,
            "apns-push-type": "background",
            "apns-priority": "5",
            "apns-expiration": "2000000000",
        }
        assert self._client.push(self._iphone.push_tokens[PASS_TYPE], headers).status == status


def steps(iphone: Iphone) -> list[str]:
    return [event.step for event in iphone.events]


def failing(statuses: list[int], part: str = "/passes/") -> Callable[[Request], Reply | None]:
    """The next calls whose path has this part are answered with these statuses."""
    left = list(statuses)
    return lambda request: Reply(left.pop(0)) if left and part in request.path else None


def test_a_link_becomes_a_card(service: TinyService, iphone: Iphone) -> None:
    screen = iphone.open_link(f"{service.url}/moved/carte-0001")
    assert screen.text("points") == "120"
    assert screen.text("until") == "31 déc. 2027"
    assert (screen.organization_name, screen.fields["tier"].label) == ("Maison Lumière", "STATUT")
    assert screen.barcode is not None
    assert screen.barcode.message == "ML0001"
    assert service.registrations == {(iphone.device_id, "carte-0001"): iphone.push_tokens[PASS_TYPE]}
    assert steps(iphone) == ["shown", "added", "registered", "listed", "unchanged"]
    assert service.logs == []


def test_a_link_to_something_else_adds_nothing(service: TinyService, iphone: Iphone) -> None:
    with pytest.raises(PassRefused, match="text/html"):
        iphone.open_link(f"{service.url}/page")
    assert iphone.serial_numbers == ()


def test_a_push_brings_the_new_card_and_one_message(service: TinyService, iphone: Iphone, announce: Announce) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(points=1500)
    announce()
    iphone.wait_until(lambda phone: phone.notifications)
    assert iphone.shows().text("points") == "1 500".replace(" ", "\u202f")
    (notification,) = iphone.notifications
    assert (notification.title, notification.generic) == ("Maison Lumière", False)
    assert notification.text == "Vous avez maintenant 1\u202f500 points"
    assert steps(iphone)[5:] == ["pushed", "listed", "fetched", "shown", "notified"]


def test_several_changed_messages_become_the_phones_own_words(
    service: TinyService, iphone: Iphone, announce: Announce
) -> None:
    two = [{"key": key, "value": "1", "changeMessage": "Voici %@"} for key in ("a", "b")]
    service.publish(storeCard={"headerFields": two})
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(storeCard={"headerFields": [{**one, "value": "2"} for one in two]})
    announce()
    iphone.wait_until(lambda phone: phone.notifications)
    assert [(one.text, one.generic) for one in iphone.notifications] == [("Carte de fidélité modifiée", True)]


def test_a_change_without_message_is_silent(service: TinyService, iphone: Iphone, announce: Announce) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(logoText="Maison Lumière Paris")
    announce()
    iphone.wait_until(lambda phone: phone.shows().logo_text.endswith("Paris"))
    assert iphone.notifications == ()


def test_an_offline_phone_catches_up(service: TinyService, iphone: Iphone, announce: Announce) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    iphone.offline()
    for points in (200, 300):
        service.publish(points=points)
        announce()
    assert iphone.shows().text("points") == "120"
    iphone.online()
    iphone.wait_until(lambda phone: phone.shows().text("points") == "300")
    assert steps(iphone).count("fetched") == 1


def test_a_service_that_is_away_is_asked_again_with_growing_pauses(
    service: TinyService, iphone: Iphone, announce: Announce, wait: Counter
) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(points=200)
    service.fail = failing([503, 503, 500])
    announce()
    iphone.wait_until(lambda phone: phone.shows().text("points") == "200")
    assert wait.pauses == [1.0, 2.0, 4.0]
    assert service.logs == []


def test_a_card_listed_but_never_fetched_is_owed(
    service: TinyService, iphone: Iphone, announce: Announce, wait: Counter
) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(points=200)
    service.fail = failing([500] * 6)
    announce()
    iphone.wait_until(lambda phone: "gave_up" in steps(phone))
    assert len(wait.pauses) == 5
    announce()
    iphone.wait_until(lambda phone: phone.shows().text("points") == "200")
    assert "Unexpected response code 500" in service.logs[0]


def test_a_refusal_ends_the_update_and_is_logged(service: TinyService, iphone: Iphone, announce: Announce) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(points=200)
    service.fail = failing([401], part="/registrations/")
    announce()
    iphone.wait_until(lambda phone: "gave_up" in steps(phone))
    iphone.wait_until(lambda _: service.logs)
    assert service.logs[0].startswith("[2026-11-21 12:00:00 +0000] Get serial #s task (for device ")
    assert service.logs[0].endswith("encountered error: Unexpected response code 401")
    assert iphone.shows().text("points") == "120"


def test_a_broken_update_is_refused_and_the_old_card_stays(
    service: TinyService, iphone: Iphone, announce: Announce
) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(points=200)
    service.contents["carte-0001"]["authenticationToken"] = "another-token-is-not-allowed"
    announce()
    iphone.wait_until(lambda phone: "refused" in steps(phone))
    assert iphone.shows().text("points") == "120"
    iphone.wait_until(lambda _: any("Received invalid pass data" in line for line in service.logs))


def test_a_repeated_tag_is_complained_about(service: TinyService, iphone: Iphone, announce: Announce) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")

    def repeat(request: Request) -> Reply | None:
        since = request.query.get("passesUpdatedSince")
        return Reply.json({"serialNumbers": ["carte-0001"], "lastUpdated": since}) if since else None

    service.fail = repeat
    announce()
    iphone.wait_until(lambda phone: steps(phone).count("unchanged") == 2)
    iphone.wait_until(lambda _: len(service.logs) == 2)
    assert "remained the same" in service.logs[0]
    assert "but the pass was unchanged" in service.logs[1]


def test_updates_off_and_on_removal_and_restore(
    apns: ApnsSimulator, service: TinyService, iphone: Iphone, announce: Announce
) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    service.publish(points=200)
    assert iphone.toggle_updates().text("points") == "200"
    assert steps(iphone)[-5:] == ["unregistered", "registered", "fetched", "shown", "notified"]
    old_id, old_token = iphone.device_id, iphone.push_tokens[PASS_TYPE]
    service.publish(points=300)
    iphone.restore()
    assert iphone.device_id != old_id
    assert iphone.shows().text("points") == "300"
    assert set(service.registrations.values()) == {old_token, iphone.push_tokens[PASS_TYPE]}
    service.publish(points=400)
    announce()
    iphone.wait_until(lambda phone: phone.shows().text("points") == "400")
    iphone.remove()
    assert list(service.registrations) == [(old_id, "carte-0001")]
    with pytest.raises(NotFound):
        iphone.shows()


def test_an_erased_phone_leaves_its_registration_and_a_dead_token(
    service: TinyService, apns: ApnsSimulator, iphone: Iphone, chain: Chain
) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    push_token = iphone.push_tokens[PASS_TYPE]
    iphone.erase()
    client = ApnsClient(apns, chain)
    headers = {"apns-topic": PASS_TYPE, "apns-push-type": "background", "apns-priority": "5"}
    assert client.push(push_token, headers).reason == "Unregistered"
    client.close()
    assert service.registrations


def test_a_card_deleted_offline_stays_registered(service: TinyService, iphone: Iphone, wait: Counter) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    iphone.offline()
    iphone.remove()
    assert (iphone.serial_numbers, wait.pauses) == ((), [])
    assert steps(iphone)[-2:] == ["removed", "gave_up"]
    assert service.registrations


def test_refresh_asks_only_for_what_is_newer(service: TinyService, iphone: Iphone) -> None:
    iphone.open_link(f"{service.url}/get/carte-0001")
    iphone.refresh()
    service.publish(points=200)
    assert iphone.refresh().text("points") == "200"
    assert [status for _, path, status in service.calls if path.startswith("/passes")] == [304, 304, 200]


def test_the_lock_screen_offers_the_card_near_a_shop(iphone: Iphone, chain: Chain) -> None:
    iphone.add_pass(make_pass(pass_content(), chain))
    (card,) = iphone.near(45.7645, 4.8357)
    assert card.text == "À deux pas de la place Bellecour"
    assert 50 < card.distance_m < 60
    assert iphone.near(45.7655, 4.8357) == ()
    iphone.add_pass(make_pass(pass_content(maxDistance=40), chain))
    assert iphone.near(45.7645, 4.8357) == ()
    iphone.add_pass(make_pass(pass_content(voided=True), chain))
    assert iphone.near(45.7640, 4.8357) == ()


def test_a_phone_in_another_process_hears_of_pushes(service: TinyService, apns: ApnsSimulator, chain: Chain) -> None:
    with (
        ControlServer(apns) as control,
        RemotePushService(control.url) as push_service,
        Iphone(push_service, roots_pem=chain.root_pem, allow_http=True) as iphone,
    ):
        iphone.open_link(f"{service.url}/get/carte-0001")
        service.publish(points=200)
        client = ApnsClient(apns, chain)
        Announce(client, iphone)()
        client.close()
        iphone.wait_until(lambda phone: phone.shows().text("points") == "200")


def test_a_switched_off_phone_leaves_no_thread(apns: ApnsSimulator, chain: Chain) -> None:
    before = set(threading.enumerate())
    Iphone(apns, roots_pem=chain.root_pem).close()
    assert set(threading.enumerate()) <= before

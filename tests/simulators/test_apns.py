"""The APNs simulator, judged by libcurl."""

from __future__ import annotations

import gc
import json
import queue
import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pycurl
import pytest
import requests

from tests.simulators.apns_client import ApnsClient
from tests.simulators.conftest import NOW
from tests.system import PASS_TYPE
from wallet_service.errors import Unreachable
from wallet_service.simulators.apns import ApnsSimulator, Push, RemotePushService
from wallet_service.simulators.apns.control import ControlServer
from wallet_service.simulators.apple_pki import Chain, make_chain

TOKEN = "ab" * 32
HEADERS = {"apns-topic": PASS_TYPE, "apns-push-type": "background", "apns-priority": "5"}
WEEK = str(int((NOW + timedelta(days=7)).timestamp()))
STORED = {**HEADERS, "apns-expiration": WEEK}


class Phone:
    """Collects pushes."""

    def __init__(self) -> None:
        self.pushes: queue.SimpleQueue[Push] = queue.SimpleQueue()

    def __call__(self, push: Push) -> None:
        self.pushes.put(push)

    def next(self) -> Push:
        """The next push, within five seconds."""
        return self.pushes.get(timeout=5)


@pytest.fixture
def client(apns: ApnsSimulator, chain: Chain) -> Iterator[ApnsClient]:
    one = ApnsClient(apns, chain)
    yield one
    one.close()


@pytest.fixture
def phone(apns: ApnsSimulator) -> Phone:
    one = Phone()
    apns.connect_device(TOKEN, PASS_TYPE, one)
    return one


def test_a_push_reaches_its_phone_and_is_recorded(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns_id = str(uuid.uuid4())
    reply = client.push(TOKEN, {**STORED, "apns-id": apns_id})
    assert (reply.status, reply.body, reply.headers["apns-id"]) == (200, b"", apns_id)
    assert phone.next() == Push(TOKEN, PASS_TYPE, b"{}", apns_id, int(WEEK))
    (announcement,) = apns.announcements
    assert (announcement.status, announcement.topic, announcement.body) == (200, PASS_TYPE, b"{}")
    assert announcement.headers["apns-priority"] == "5"
    assert announcement.arrived_at == NOW


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"apns-topic": "pass.fr.autre"}, 400, "TopicDisallowed"),
        ({"apns-topic": ""}, 400, "MissingTopic"),
        ({"apns-push-type": "pass"}, 400, "InvalidPushType"),
        ({"apns-priority": "10"}, 400, "BadPriority"),
        ({"apns-priority": "7"}, 400, "BadPriority"),
        ({"apns-priority": ""}, 400, "BadPriority"),
        ({"apns-expiration": "soon"}, 400, "BadExpirationDate"),
        ({"apns-id": "A" * 8 + "-0000-0000-0000-000000000000"}, 400, "BadMessageId"),
        ({"apns-collapse-id": "c" * 65}, 400, "BadCollapseId"),
    ],
)
@pytest.mark.usefixtures("phone")
def test_a_wrong_header_is_refused_with_its_reason(
    client: ApnsClient, changes: dict[str, str], status: int, reason: str
) -> None:
    reply = client.push(TOKEN, {**HEADERS, **changes})
    assert (reply.status, reply.reason) == (status, reason)
    assert uuid.UUID(reply.headers["apns-id"])


@pytest.mark.usefixtures("phone")
def test_a_wrong_body_path_or_method_is_refused(client: ApnsClient) -> None:
    assert client.push(TOKEN, HEADERS, b"").reason == "PayloadEmpty"
    assert client.push(TOKEN, HEADERS, b"{").reason == "PayloadEmpty"
    assert client.push(TOKEN, HEADERS, b'{"a":"' + b"x" * 4089 + b'"}').reason == "PayloadTooLarge"
    assert client.push(TOKEN, HEADERS, b'{"a":"' + b"x" * 4088 + b'"}').status == 200
    assert client.push("", HEADERS).reason == "MissingDeviceToken"
    assert client.push("nothex", HEADERS).reason == "BadDeviceToken"
    assert client.push("cd" * 32, HEADERS).reason == "BadDeviceToken"
    assert (client.ask("POST", "/3/devices/x").status, client.ask("PUT", f"/3/device/{TOKEN}").status) == (404, 405)
    twice = client.ask("POST", f"/3/device/{TOKEN}", f"apns-topic: {PASS_TYPE}", f"apns-topic: {PASS_TYPE}")
    assert twice.reason == "DuplicateHeaders"


def test_a_token_belongs_to_one_topic(apns: ApnsSimulator, client: ApnsClient) -> None:
    apns.connect_device(TOKEN, "pass.fr.autre", Phone())
    assert client.push(TOKEN, HEADERS).reason == "DeviceTokenNotForTopic"


def test_a_dead_token_is_answered_with_the_instant_of_its_death(
    apns: ApnsSimulator, client: ApnsClient, phone: Phone
) -> None:
    apns.unregister(TOKEN, NOW)
    reply = client.push(TOKEN, HEADERS)
    assert reply.status == 410
    assert json.loads(reply.body) == {"reason": "Unregistered", "timestamp": int(NOW.timestamp() * 1000)}
    apns.connect_device(TOKEN, PASS_TYPE, phone)
    assert client.push(TOKEN, HEADERS).status == 200


def test_a_client_without_a_known_certificate_gets_no_connection(apns: ApnsSimulator, chain: Chain) -> None:
    stranger = make_chain(PASS_TYPE, "XX00000000", "Autre", datetime.now(UTC))
    outsider = ApnsClient(apns, stranger)
    reply = outsider.push(TOKEN, HEADERS)
    outsider.close()
    assert (reply.status, reply.error != 0) == (0, True)
    apns.trust(stranger.root_pem)
    insider = ApnsClient(apns, stranger)
    assert insider.push(TOKEN, HEADERS).reason == "BadDeviceToken"
    insider.close()


def test_http_1_and_old_tls_are_not_accepted(apns: ApnsSimulator, chain: Chain) -> None:
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"{apns.url}/3/device/{TOKEN}")
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.CAINFO_BLOB, apns.ca_pem)
    curl.setopt(pycurl.SSLCERT_BLOB, chain.leaf_pem)
    curl.setopt(pycurl.SSLKEY_BLOB, chain.key_pem)
    with pytest.raises(pycurl.error):
        curl.perform()
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
    curl.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_MAX_TLSv1_1 | pycurl.SSLVERSION_TLSv1_0)
    with pytest.raises(pycurl.error):
        curl.perform()
    curl.close()


def test_an_offline_phone_gets_one_push_when_it_returns(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns.disconnect(TOKEN)
    for _ in range(2):
        client.push(TOKEN, STORED)
    last = client.push(TOKEN, STORED)
    apns.connect_device(TOKEN, PASS_TYPE, phone)
    assert phone.next().apns_id == last.headers["apns-id"]
    client.push(TOKEN, {**HEADERS, "apns-id": "0" * 8 + "-0000-0000-0000-000000000001"})
    assert phone.next().apns_id.endswith("1")
    assert phone.pushes.empty()


def test_nothing_is_stored_without_or_beyond_its_expiry(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns.disconnect(TOKEN)
    client.push(TOKEN, STORED)
    client.push(TOKEN, {**HEADERS, "apns-expiration": "0"})
    apns.connect_device(TOKEN, PASS_TYPE, phone)
    sentinel = client.push(TOKEN, HEADERS)
    assert phone.next().apns_id == sentinel.headers["apns-id"]


def test_the_script_answers_for_one_token_and_so_many_times(apns: ApnsSimulator, client: ApnsClient) -> None:
    for token in (TOKEN, "cd" * 32):
        apns.connect_device(token, PASS_TYPE, Phone())
    apns.answer_next(429, "TooManyRequests", count=2, token=TOKEN, retry_after=30)
    assert client.push("cd" * 32, HEADERS).status == 200
    first = client.push(TOKEN, HEADERS)
    assert (first.status, first.reason, first.headers["retry-after"]) == (429, "TooManyRequests", "30")
    assert [client.push(TOKEN, HEADERS).status for _ in range(2)] == [429, 200]


def test_something_can_happen_while_a_push_is_on_its_way(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    seen: list[int] = []
    apns.during_next_push(lambda: seen.append(len(apns.announcements)))
    assert client.push(TOKEN, HEADERS).status == 200
    assert seen == [0]


def test_what_a_callback_raises_is_not_swallowed(chain: Chain) -> None:
    apns = ApnsSimulator(chain.root_pem)
    apns.start()
    apns.during_next_push(lambda: 1 // 0)
    client = ApnsClient(apns, chain)
    client.push(TOKEN, HEADERS)
    client.close()
    with pytest.raises(ZeroDivisionError):
        apns.stop()


def test_lost_pushes_are_answered_200(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns.lose(0.5, seed=7)
    replies = client.batch([TOKEN] * 100, HEADERS)
    assert {reply.status for reply in replies} == {200}
    lost = sum(one.lost for one in apns.announcements)
    assert 30 < lost < 70
    apns.lose(0)
    for _ in range(100 - lost):
        phone.next()


def test_goaway_ends_the_connection_and_says_why(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns.goaway_after(3)
    replies = [client.push(TOKEN, HEADERS) for _ in range(7)]
    assert [reply.status for reply in replies] == [200] * 7
    assert apns.connections == 3
    assert [one.connection for one in apns.announcements] == [1, 1, 1, 2, 2, 2, 3]


def test_goaway_in_the_middle_of_a_batch_loses_nothing_silently(
    apns: ApnsSimulator, client: ApnsClient, phone: Phone
) -> None:
    apns.goaway_after(20)
    replies = client.batch([TOKEN] * 50, HEADERS)
    answered = sum(reply.status == 200 for reply in replies)
    assert answered == len(apns.announcements)
    assert all(reply.status == 200 or reply.error for reply in replies)


def test_refused_streams_were_not_processed(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns.refuse_streams(1)
    client.push(TOKEN, HEADERS)
    assert client.push(TOKEN, HEADERS).status == 200
    assert apns.refused_streams == 1
    assert apns.requests == len(apns.announcements) + 1


def test_dropped_connections_and_delays(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns.delay(30)
    apns.during_next_push(apns.drop_connections)
    assert client.push(TOKEN, HEADERS).error
    apns.delay(0)
    assert client.push(TOKEN, HEADERS).status == 200
    assert apns.connections == 2


def test_a_thousand_pushes_share_one_connection(apns: ApnsSimulator, client: ApnsClient, phone: Phone) -> None:
    apns.limit_streams(50)
    assert {reply.status for reply in client.batch([TOKEN] * 1000, HEADERS)} == {200}
    assert (apns.connections, apns.requests) == (1, 1000)


def test_a_phone_in_another_process_is_served(control_url: str, client: ApnsClient) -> None:
    phone = Phone()
    with RemotePushService(control_url) as push_service:
        push_service.connect_device(TOKEN, PASS_TYPE, phone)
        reply = client.push(TOKEN, STORED)
        assert phone.next() == Push(TOKEN, PASS_TYPE, b"{}", reply.headers["apns-id"], int(WEEK))
        push_service.disconnect(TOKEN)
        client.push(TOKEN, STORED)
        push_service.connect_device(TOKEN, PASS_TYPE, phone)
        assert phone.next().body == b"{}"
        push_service.unregister(TOKEN, NOW)
        assert client.push(TOKEN, HEADERS).status == 410


def test_the_control_server_reads_the_record_and_writes_the_script(control_url: str, client: ApnsClient) -> None:
    order = {"status": 503, "reason": "Shutdown"}
    requests.post(f"{control_url}/script/answer_next", json=order, timeout=5).raise_for_status()
    assert client.push(TOKEN, HEADERS).reason == "Shutdown"
    record = requests.get(f"{control_url}/announcements", timeout=5).json()
    assert [one["reason"] for one in record["announcements"]] == ["Shutdown"]
    assert requests.get(f"{control_url}/counts", timeout=5).json()["requests"] == 1
    wrong = requests.post(f"{control_url}/script/answer_next", json={"colour": 1}, timeout=5)
    assert wrong.status_code == 400
    assert requests.post(f"{control_url}/script/stop", timeout=5).status_code == 404


def test_nothing_is_left_behind(chain: Chain) -> None:
    before = set(threading.enumerate())
    with ApnsSimulator(chain.root_pem) as apns, ControlServer(apns) as control:
        push_service = RemotePushService(control.url)
        push_service.connect_device(TOKEN, PASS_TYPE, Phone())
        client = ApnsClient(apns, chain)
        client.push(TOKEN, HEADERS)
    push_service.close()
    client.close()
    assert set(threading.enumerate()) <= before
    with pytest.raises(Unreachable):
        push_service.connect_device(TOKEN, PASS_TYPE, Phone())


def test_a_connection_that_was_accepted_a_moment_ago_is_closed_at_the_stop(chain: Chain) -> None:
    """Whichever step its acceptance is at: what asyncio forgets open, the collector of garbage complains of."""
    for _ in range(10):
        with ExitStack() as clients, ApnsSimulator(chain.root_pem) as apns:
            port = urlsplit(apns.url).port
            for _ in range(3):
                clients.enter_context(socket.create_connection(("127.0.0.1", port)))
    gc.collect()

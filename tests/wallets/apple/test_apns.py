"""The channel to APNs: the table of answers, and the real thing against the simulator over TLS and HTTP/2."""

from __future__ import annotations

import re
import selectors
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pycurl
import pytest

from tests.wallets.apple.conftest import NOW, PASS_TYPE, Chain, make_chain, rsa_key
from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apns.tls import make_server_identity
from wallet_service.simulators.tcp_proxy import TcpProxy
from wallet_service.wallets.apple.certificates import PassIdentity, pem_of
from wallet_service.wallets.apple.push.apns import ApnsChannel, new_apns_id, outcome_from_apns, outcome_from_curl
from wallet_service.wallets.apple.signers import SealedKey
from wallet_service.wallets.protocol import Accepted, ChannelDown, Gone, Later, Notice, Outcome, Refused, word_of

AT = datetime(2026, 11, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (200, "", Accepted("id")),
        (400, "BadDeviceToken", Refused("BadDeviceToken")),
        (400, "DeviceTokenNotForTopic", Refused("DeviceTokenNotForTopic")),
        *[
            (400, reason, ChannelDown(reason))
            for reason in (
                "BadCollapseId", "BadExpirationDate", "BadMessageId", "BadPriority", "BadTopic", "DuplicateHeaders",
                "InvalidPushType", "MissingDeviceToken", "MissingTopic", "PayloadEmpty", "TopicDisallowed",
            )
        ],
        (400, "IdleTimeout", Later("IdleTimeout", MINUTE)),
        *[
            (403, reason, ChannelDown(reason))
            for reason in (
                "BadCertificate", "BadCertificateEnvironment", "Forbidden", "ExpiredProviderToken",
                "InvalidProviderToken", "MissingProviderToken", "UnrelatedKeyIdInToken",
            )
        ],
        (404, "BadPath", Refused("BadPath")),
        (405, "MethodNotAllowed", ChannelDown("MethodNotAllowed")),
        (410, "Unregistered", Gone(AT)),
        (410, "ExpiredToken", Gone(AT)),
        (413, "PayloadTooLarge", ChannelDown("PayloadTooLarge")),
        (429, "TooManyProviderTokenUpdates", Later("TooManyProviderTokenUpdates", MINUTE)),
        (429, "TooManyRequests", Later("TooManyRequests", MINUTE)),
        (500, "InternalServerError", Later("InternalServerError", MINUTE)),
        (502, "", Later("HTTP 502", MINUTE)),
        (503, "ServiceUnavailable", Later("ServiceUnavailable", MINUTE)),
        (503, "Shutdown", Later("Shutdown", MINUTE)),
        (418, "", Refused("HTTP 418")),
    ],
)  # fmt: skip
def test_every_answer(status: int, reason: str, outcome: Outcome) -> None:
    assert outcome_from_apns(status, reason, AT, MINUTE, apns_id="id") == outcome


def test_410_without_its_instant_erases_nothing() -> None:
    assert outcome_from_apns(410, "Unregistered") == Refused("Unregistered")


@pytest.mark.parametrize(
    ("code", "message", "down"),
    [
        (pycurl.E_COULDNT_CONNECT, "Failed to connect", False),
        (pycurl.E_OPERATION_TIMEDOUT, "timed out", False),
        (pycurl.E_SSL_CONNECT_ERROR, "OpenSSL SSL_connect: Connection reset by peer", False),
        (pycurl.E_RECV_ERROR, "", False),
        (pycurl.E_RECV_ERROR, "OpenSSL SSL_read: tlsv13 alert certificate required, errno 0", True),
        (pycurl.E_SSL_CONNECT_ERROR, "TLS connect error: tlsv1 alert unknown ca", True),
        (pycurl.E_SSL_CERTPROBLEM, "unable to set private key file", True),
        (pycurl.E_PEER_FAILED_VERIFICATION, "unable to get local issuer certificate", True),
    ],
)
def test_failures_below_http(code: int, message: str, down: bool) -> None:
    outcome = outcome_from_curl(code, message)
    assert isinstance(outcome, ChannelDown if down else Later)
    assert message in outcome.reason
    assert word_of(outcome) == f"libcurl {code}", "a sentence may hold milliseconds, and would be a series of its own"


def test_apns_ids_are_version_4_uuids() -> None:
    ids = {new_apns_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}", each) for each in ids)


@pytest.fixture(scope="module")
def chain() -> Chain:
    """A chain for today: TLS looks at the machine's own clock."""
    today = datetime.now(UTC)
    return make_chain(starts=today - timedelta(days=1), ends=today + timedelta(days=1))


@pytest.fixture(scope="module")
def identity(chain: Chain) -> PassIdentity:
    return chain.identity()


@pytest.fixture
def apns(chain: Chain) -> Iterator[ApnsSimulator]:
    with ApnsSimulator(pem_of(chain.root) + pem_of(chain.intermediate)) as simulator:
        yield simulator


@contextmanager
def channel_to(
    apns: ApnsSimulator,
    identity: PassIdentity,
    folder: Path,
    *,
    timeout: timedelta = timedelta(seconds=20),
    window: int = 300,
) -> Iterator[ApnsChannel]:
    ca_file = apns.write_ca(folder / "ca.pem")
    with ApnsChannel(apns.url, identity, ca_file=ca_file, timeout=timeout, window=window, now=lambda: NOW) as channel:
        yield channel


def phones(apns: ApnsSimulator, count: int) -> list[Notice]:
    """`count` phones, online, and a notice for each."""
    notices = [Notice(delivery_id=number, far_end=f"{number:064x}", version=1) for number in range(count)]
    for notice in notices:
        apns.connect_device(notice.far_end, PASS_TYPE, lambda push: None)
    return notices


def test_item_71_the_request_is_exact(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    (notice,) = phones(apns, 1)
    with channel_to(apns, identity, tmp_path) as channel:
        ((told, outcome),) = channel.announce([notice])
    (seen,) = apns.announcements
    assert told is notice
    assert outcome == Accepted(seen.apns_id)
    assert (seen.status, seen.push_token, seen.body) == (200, notice.far_end, b"{}")
    apns_headers = {name: value for name, value in seen.headers.items() if name.startswith("apns-")}
    assert apns_headers == {
        "apns-topic": PASS_TYPE,
        "apns-push-type": "background",
        "apns-priority": "5",
        "apns-expiration": str(int(NOW.timestamp()) + 7 * 24 * 3600),
        "apns-id": seen.apns_id,
    }
    assert "authorization" not in seen.headers


def test_item_78_one_connection_for_many_pushes(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    notices = phones(apns, 1000)
    with channel_to(apns, identity, tmp_path) as channel:
        outcomes = dict(channel.announce(notices[:600]))
        outcomes |= dict(channel.announce(notices[600:]))
    assert list(outcomes) != []
    assert {notice.delivery_id for notice in outcomes} == set(range(1000))
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
    assert len({outcome.answer for outcome in outcomes.values() if isinstance(outcome, Accepted)}) == 1000
    assert apns.connections == 1
    assert Counter(each.push_token for each in apns.announcements).most_common(1)[0][1] == 1


def test_each_phone_gets_its_own_answer(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    well, gone, busy, broken, foreign = phones(apns, 5)
    apns.unregister(gone.far_end, AT)
    apns.answer_next(429, "TooManyRequests", token=busy.far_end, retry_after=90)
    apns.answer_next(500, "InternalServerError", token=broken.far_end)
    apns.disconnect(foreign.far_end)
    apns.connect_device(foreign.far_end, "pass.example.other", lambda push: None)
    unknown = Notice(delivery_id=99, far_end="ff" * 32, version=1)
    odd = Notice(delivery_id=98, far_end="../../etc", version=1)
    with channel_to(apns, identity, tmp_path) as channel:
        outcomes = {
            notice.delivery_id: outcome
            for notice, outcome in channel.announce([well, gone, busy, broken, foreign, unknown, odd])
        }
    assert isinstance(outcomes[0], Accepted)
    assert outcomes[1] == Gone(AT)
    assert outcomes[2] == Later("TooManyRequests", timedelta(seconds=90))
    assert outcomes[3] == Later("InternalServerError")
    assert outcomes[99] == Refused("BadDeviceToken")
    assert outcomes[98] == Refused("BadDeviceToken")
    assert isinstance(outcomes[4], Refused)
    assert len(apns.announcements) == 6, "a token that is no token is not sent"


def test_item_75_credentials_stop_the_channel_and_lose_nothing(
    apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path
) -> None:
    notices = phones(apns, 50)
    apns.answer_next(403, "Forbidden", count=1)
    with channel_to(apns, identity, tmp_path) as channel:
        first = list(channel.announce(notices))
        assert Counter(type(outcome) for _, outcome in first) == {ChannelDown: 50}
        assert len(apns.announcements) == 1, "nothing more is sent"
        again = list(channel.announce([notice for notice, _ in first]))
    assert Counter(type(outcome) for _, outcome in again) == {Accepted: 50}


def test_item_77_goaway_in_the_middle(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    notices = phones(apns, 400)
    apns.goaway_after(150)
    with channel_to(apns, identity, tmp_path) as channel:
        outcomes = list(channel.announce(notices))
        owed = [notice for notice, outcome in outcomes if isinstance(outcome, Later)]
        assert sorted(notice.delivery_id for notice, _ in outcomes) == list(range(400))
        apns.goaway_after(0)
        later = list(channel.announce(owed))
    assert {type(outcome) for _, outcome in [*outcomes, *later]} <= {Accepted, Later}
    assert all(isinstance(outcome, Accepted) for _, outcome in later)
    assert {each.push_token for each in apns.announcements} == {notice.far_end for notice in notices}
    assert max(Counter(each.push_token for each in apns.announcements).values()) <= 2
    assert apns.connections > 1


def test_a_cut_connection_gives_back_what_was_under_way(
    apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path
) -> None:
    notices = phones(apns, 200)
    with channel_to(apns, identity, tmp_path) as channel:
        list(channel.announce(notices[:1]))
        apns.during_next_push(apns.drop_connections)
        outcomes = list(channel.announce(notices[1:]))
        assert sorted(notice.delivery_id for notice, _ in outcomes) == list(range(1, 200))
        owed = [notice for notice, outcome in outcomes if not isinstance(outcome, Accepted)]
        assert all(isinstance(outcome, Later) for _, outcome in outcomes if not isinstance(outcome, Accepted))
        assert {type(outcome) for _, outcome in channel.announce(owed)} <= {Accepted}
    assert {each.push_token for each in apns.announcements} == {notice.far_end for notice in notices}


def test_refused_streams_are_sent_again(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    notices = phones(apns, 20)
    with channel_to(apns, identity, tmp_path) as channel:
        list(channel.announce(notices[:1]))
        apns.refuse_streams(3)
        outcomes = list(channel.announce(notices))
    assert Counter(notice.delivery_id for notice, _ in outcomes) == Counter(range(20))
    assert {type(outcome) for _, outcome in outcomes} <= {Accepted, Later}
    assert apns.refused_streams == 3


def test_apples_limit_of_streams_is_obeyed(chain: Chain, identity: PassIdentity, tmp_path: Path) -> None:
    authorities = pem_of(chain.root) + pem_of(chain.intermediate)
    with ApnsSimulator(authorities, max_concurrent_streams=5) as apns:
        notices = phones(apns, 100)
        with channel_to(apns, identity, tmp_path) as channel:
            outcomes = list(channel.announce(notices))
        assert Counter(type(outcome) for _, outcome in outcomes) == {Accepted: 100}
        assert apns.connections == 1


def test_a_limit_that_changes_on_an_open_connection_is_obeyed(
    apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path
) -> None:
    """Apple's settings may change at any time: fewer streams at once, then more, and no push is lost."""
    notices = phones(apns, 300)
    apns.delay(0.02)
    with channel_to(apns, identity, tmp_path) as channel:
        outcomes = list(channel.announce(notices[:50]))
        apns.limit_streams(3)
        outcomes += channel.announce(notices[50:100])
        apns.during_next_push(lambda: apns.limit_streams(400))
        outcomes += channel.announce(notices[100:200])
        apns.during_next_push(lambda: apns.limit_streams(1))
        outcomes += channel.announce(notices[200:])
    assert sorted(notice.delivery_id for notice, _ in outcomes) == list(range(300))
    assert Counter(type(outcome) for _, outcome in outcomes) == {Accepted: 300}
    assert apns.connections == 1
    assert max(Counter(each.push_token for each in apns.announcements).values()) == 1


def test_an_answer_that_never_comes_is_later(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    slow, *others = phones(apns, 3)
    waiting = threading.Event()
    with channel_to(apns, identity, tmp_path, timeout=timedelta(seconds=0.3)) as channel:
        try:
            list(channel.announce(others))
            apns.during_next_push(lambda: waiting.wait(10))
            ((_, outcome),) = channel.announce([slow])
        finally:
            waiting.set()
    assert isinstance(outcome, Later)
    assert "timed out" in outcome.reason.lower()


def test_an_unreachable_server_costs_one_attempt(identity: PassIdentity) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        notices = [Notice(delivery_id=number, far_end=f"{number:064x}", version=1) for number in range(5000)]
        with ApnsChannel(url, identity) as channel:
            outcomes = list(channel.announce(notices))
    assert [notice.delivery_id for notice, _ in outcomes] == list(range(5000))
    assert {type(outcome) for _, outcome in outcomes} == {Later}
    assert len({str(outcome) for _, outcome in outcomes}) == 1


def test_a_key_of_another_certificate_stops_the_channel(identity: PassIdentity) -> None:
    notices = [Notice(delivery_id=number, far_end=f"{number:064x}", version=1) for number in range(3)]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with ApnsChannel(url, replace(identity, signer=SealedKey(rsa_key("other")))) as channel:
            outcomes = [outcome for _, outcome in channel.announce(notices)]
    assert [type(outcome) for outcome in outcomes] == [ChannelDown] * 3


@contextmanager
def a_server_that_refuses_clients(folder: Path) -> Iterator[str]:
    """TLS that trusts no client, says so in an alert, and lets the client read it before hanging up."""
    server = make_server_identity()
    (folder / "server.pem").write_bytes(server.certificate_pem + server.key_pem)
    (folder / "ca.pem").write_bytes(server.ca_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])

    def serve(listener: socket.socket) -> None:
        raw, _ = listener.accept()
        raw.settimeout(10)
        with raw.dup() as behind, context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False) as tls:
            with pytest.raises(OSError, match=r"(?i)certificate|alert"):
                tls.do_handshake()
            behind.settimeout(10)
            with suppress(OSError):  # the client may have hung up first
                behind.shutdown(socket.SHUT_WR)
                while behind.recv(4096):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_a_server_that_refuses_our_certificate_stops_the_channel(identity: PassIdentity, tmp_path: Path) -> None:
    notices = [Notice(delivery_id=number, far_end=f"{number:064x}", version=1) for number in range(10)]
    with (
        a_server_that_refuses_clients(tmp_path) as url,
        ApnsChannel(url, identity, ca_file=tmp_path / "ca.pem") as channel,
    ):
        outcomes = [outcome for _, outcome in channel.announce(notices)]
    assert len(outcomes) == 10
    assert all(isinstance(outcome, ChannelDown) and "unknown ca" in outcome.reason for outcome in outcomes)


def test_a_server_whose_certificate_we_do_not_trust_stops_the_channel(identity: PassIdentity, tmp_path: Path) -> None:
    notices = [Notice(delivery_id=number, far_end=f"{number:064x}", version=1) for number in range(3)]
    with a_server_that_refuses_clients(tmp_path) as url, ApnsChannel(url, identity) as public_authorities_only:
        outcomes = [outcome for _, outcome in public_authorities_only.announce(notices)]
    assert [type(outcome) for outcome in outcomes] == [ChannelDown] * 3


def test_a_reader_that_leaves_early_leaves_the_channel_usable(
    apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path
) -> None:
    notices = phones(apns, 40)
    with channel_to(apns, identity, tmp_path) as channel:
        answers = channel.announce(notices)
        next(answers)
        answers.close()  # type: ignore[attr-defined]
        outcomes = list(channel.announce(notices))
    assert Counter(type(outcome) for _, outcome in outcomes) == {Accepted: 40}


def test_item_22_no_key_on_disk(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    """The key goes to TLS from memory: nothing in the channel names a file but the authorities'."""
    (notice,) = phones(apns, 1)
    with channel_to(apns, identity, tmp_path) as channel:
        list(channel.announce([notice]))
        assert "PRIVATE KEY" not in repr(channel)
    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]


def test_a_wedged_connection_is_replaced(apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path) -> None:
    """A connection that stays open and never answers is left after one time-out; the retry goes over a new one."""
    notices = phones(apns, 30)
    ca_file, host = apns.write_ca(tmp_path / "ca.pem"), urlsplit(apns.url)
    with (
        TcpProxy((str(host.hostname), host.port or 0)) as line,
        ApnsChannel(
            f"https://127.0.0.1:{line.port}", identity, ca_file=ca_file, timeout=timedelta(seconds=0.5), now=lambda: NOW
        ) as channel,
    ):
        first = list(channel.announce(notices[:1]))
        line.fail("black hole")
        lost = list(channel.announce(notices))
        line.fail("none")
        again = list(channel.announce(notices))
    assert [type(outcome) for _, outcome in first] == [Accepted]
    assert Counter(type(outcome) for _, outcome in lost) == {Later: 30}
    assert Counter(type(outcome) for _, outcome in again) == {Accepted: 30}
    assert apns.connections == 2


def test_one_answer_that_never_comes_gives_back_what_shares_its_connection(
    apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path
) -> None:
    notices = phones(apns, 400)
    waiting = threading.Event()
    with channel_to(apns, identity, tmp_path, timeout=timedelta(seconds=1)) as channel:
        try:
            list(channel.announce(notices[:1]))
            apns.during_next_push(lambda: waiting.wait(10))
            outcomes = list(channel.announce(notices))
        finally:
            waiting.set()
        owed = [notice for notice, outcome in outcomes if isinstance(outcome, Later)]
        assert Counter(type(outcome) for _, outcome in outcomes) == {Accepted: 399, Later: 1}
        assert [type(outcome) for _, outcome in channel.announce(owed)] == [Accepted]
    assert apns.connections == 2


class DeafSelector(selectors.DefaultSelector):
    """Never tells of anything, as for answers that libcurl has read and left lying."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait, and say that nothing has happened."""
        super().select(0)
        threading.Event().wait(timeout)
        return []


def test_answers_that_no_event_tells_of_are_found(
    apns: ApnsSimulator, identity: PassIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the stream that libcurl reads for ends, it may leave unread what else it has decrypted, and no event tells
    of that: before, such answers came as time-outs beside good ones, once in some hundred thousand.
    """
    monkeypatch.setattr(selectors, "DefaultSelector", DeafSelector)
    notices = phones(apns, 20)
    with channel_to(apns, identity, tmp_path, timeout=timedelta(seconds=10)) as channel:
        outcomes = list(channel.announce(notices))
    assert Counter(type(outcome) for _, outcome in outcomes) == {Accepted: 20}

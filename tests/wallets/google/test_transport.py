"""Conversations over the wire: several at once, in batches, in any order. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.wallets.google.conftest import ISSUER, NOW, Unpaced
from wallet_service.clock import system_clock
from wallet_service.errors import Unreachable
from wallet_service.simulators.google import GoogleSimulator
from wallet_service.simulators.tcp_proxy import TcpProxy
from wallet_service.wallets.google.client.batch import answers_in, batch_body
from wallet_service.wallets.google.client.calls import Answer, Call, Exchange
from wallet_service.wallets.google.client.transport import Transport
from wallet_service.wallets.google.content.schema import Body


def transport(google: GoogleSimulator, **changes: Any) -> Transport:
    account = google.make_service_account(ISSUER)
    given: dict[str, Any] = {"rate": Unpaced(), "timeout_s": 5.0, "clock": system_clock, **changes}
    return Transport(google.url, account, **given)


def body(number: int) -> Body:
    return {"id": f"{ISSUER}.generic-{number}"}


def insert_and_read(number: int) -> Exchange[tuple[int, str]]:
    """Two calls, the second after the first."""
    answer = yield Call("POST", "genericClass", body(number))
    if not answer.is_good:
        return answer.status, answer.reason
    answer = yield Call("GET", f"genericClass/{ISSUER}.generic-{number}?fields=id")
    return answer.status, answer.json()["id"]


@pytest.mark.parametrize(("in_flight", "batch"), [(1, 1), (4, 1), (1, 7), (3, 10)])
def test_item_36_every_conversation_gets_its_own_answers(google: GoogleSimulator, in_flight: int, batch: int) -> None:
    """The simulator answers the parts of a batch in reverse: only their Content-IDs tell them apart."""
    way = transport(google, in_flight=in_flight, batch=batch)
    exchanges = [(number, insert_and_read(number)) for number in range(25)]
    results = dict(result for results in way.hold_all(exchanges) for result in results)
    assert results == {number: (200, f"{ISSUER}.generic-{number}") for number in range(25)}
    way.close()


def test_item_36_one_failed_part_does_not_fail_the_others(google: GoogleSimulator) -> None:
    way = transport(google, in_flight=1, batch=10)
    google.fail_next(503, "backendError", count=3)
    results = [result for results in way.hold_all((n, insert_and_read(n)) for n in range(10)) for _, result in results]
    assert sum(status == 503 for status, _ in results) == 3
    assert sum(status == 200 for status, _ in results) == 7
    way.close()


def test_a_refused_envelope_is_the_answer_of_every_call_in_it() -> None:
    kind = "multipart/mixed; boundary=b"
    raw = (
        b"--b\r\nContent-Type: application/http\r\nContent-ID: <response-1>\r\n\r\n"
        b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3\r\n\r\n"
        b'{"error":{"errors":[{"reason":"rateLimitExceeded"}]}}\r\n--b--\r\n'
    )
    first, second = answers_in(kind, raw, count=2, now=NOW)
    assert first is None
    assert second is not None
    assert (second.status, second.reason, second.is_rate) == (429, "rateLimitExceeded", True)
    with pytest.raises(Unreachable, match="answered a batch with text/html"):
        answers_in("text/html", b"<html>", count=1, now=NOW)


def test_a_batch_holds_each_call_with_its_number() -> None:
    raw = batch_body([Call("GET", "genericClass/1.a"), Call("PATCH", "genericClass/1.b", {"id": "1.b"})])
    assert raw.count(b"Content-ID: <") == 2
    assert b"PATCH /walletobjects/v1/genericClass/1.b HTTP/1.1" in raw
    assert raw.endswith(b"--wallet-service-batch--\r\n")


def test_item_02_threads_share_one_token(google: GoogleSimulator) -> None:
    way = transport(google, in_flight=8)
    list(way.hold_all((number, insert_and_read(number)) for number in range(40)))
    assert google.accounts.issued_tokens == 1
    way.close()


def test_what_breaks_in_our_own_code_rises(google: GoogleSimulator) -> None:
    def broken() -> Exchange[None]:
        yield Call("GET", "genericClass/1.x")
        raise ZeroDivisionError

    way = transport(google, in_flight=2)
    with pytest.raises(ZeroDivisionError):
        list(way.hold_all([(1, broken())]))
    way.close()


class Congested(Unpaced):
    """A rate at which everybody's turn is far away; says when somebody waits for his."""

    def __init__(self, pause_s: float) -> None:
        super().__init__()
        self.pause_s = pause_s
        self.asked = threading.Semaphore(0)

    def take(self, calls: int) -> float:
        """So far."""
        super().take(calls)
        self.asked.release()
        return self.pause_s


@pytest.mark.parametrize("end", [Transport.stop, Transport.close])
def test_a_stop_ends_the_wait_for_a_turn(google: GoogleSimulator, end: Callable[[Transport], None]) -> None:
    rate = Congested(3600)
    way = transport(google, rate=rate, in_flight=2, batch=3)
    results: list[Any] = []
    queue = threading.Thread(target=lambda: results.extend(way.hold_all((n, insert_and_read(n)) for n in range(20))))
    queue.start()
    for _ in range(2):
        assert rate.asked.acquire(timeout=20)
    end(way)
    queue.join(20)
    assert not queue.is_alive()
    with pytest.raises(Unreachable, match="the turn did not come in time"):
        way.ask(Call("GET", "genericClass/1.x"))
    assert (results, google.calls, rate.taken[:2]) == ([], (), [3, 3])
    way.close()


def test_nobody_waits_for_a_turn_that_comes_after_his_time(google: GoogleSimulator) -> None:
    """Of calls that would go together, those leave that still may."""
    now = system_clock()
    times = {0: now, 1: now + timedelta(hours=1)}
    way = transport(google, rate=Congested(0.02), in_flight=1, batch=2)
    exchanges = [(number, insert_and_read(number)) for number in times]
    results = dict(result for results in way.hold_all(exchanges, before=times.__getitem__) for result in results)
    assert results == {1: (200, f"{ISSUER}.generic-1")}
    way.close()
    way, sent = transport(google, rate=Congested(3600)), len(google.calls)
    with pytest.raises(Unreachable, match="the turn did not come in time"):
        way.ask(Call("GET", "genericClass/1.x"), before=now + timedelta(minutes=59))
    assert len(google.calls) == sent
    way.close()


def test_the_lease_is_looked_at_after_the_wait(google: GoogleSimulator) -> None:
    """A machine that slept while it waited wakes up with a lease that is over."""
    looks = iter([NOW, NOW + timedelta(hours=1)])
    way = transport(google, rate=Congested(0.01), clock=lambda: next(looks))
    with pytest.raises(Unreachable, match="the turn did not come in time"):
        way.ask(Call("GET", "genericClass/1.x"), before=NOW + timedelta(minutes=1))
    assert google.calls == ()
    way.close()


def test_nobody_there_is_told_to_the_conversation(google: GoogleSimulator) -> None:
    def polite() -> Exchange[str]:
        try:
            yield Call("GET", "genericClass/1.x")
        except Unreachable as error:
            return str(error)
        return ""

    way = transport(google)
    google.fail_next(404, "notFound")
    assert isinstance(way.ask(Call("GET", f"genericClass/{ISSUER}.x")), Answer)
    google.stop()
    ((_, words),) = next(way.hold_all([(1, polite())]))
    assert words.startswith("Google did not answer")
    way.close()


def test_b8_a_wedged_connection_is_replaced(google: GoogleSimulator) -> None:
    """After a time-out no connection of before is used again, also those that were idle."""
    host = urlsplit(google.url)
    with TcpProxy((str(host.hostname), host.port or 0)) as line:
        account = google.make_service_account(ISSUER)
        line_to_google = Transport(
            f"http://127.0.0.1:{line.port}", account, rate=Unpaced(), timeout_s=1, clock=system_clock, in_flight=2
        )
        call = Call("GET", f"loyaltyClass/{ISSUER}.none")
        assert line_to_google.ask(call).status == 404
        line.fail("black hole")
        with pytest.raises(Unreachable):
            line_to_google.ask(call)
        line.fail("none")
        assert line_to_google.ask(call).status == 404
        line_to_google.close()

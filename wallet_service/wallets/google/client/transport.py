"""The HTTP transport to Google: one token, several requests on their way at once, never faster than allowed.

Source: google-wallet.md sections 2 and 16; section 25, checks 2, 35 and 36.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import orjson
import requests
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession, Request

from wallet_service.clock import Clock
from wallet_service.errors import Unreachable
from wallet_service.wallets.google.client.account import credentials_from
from wallet_service.wallets.google.client.batch import CONTENT_TYPE, answers_in, batch_body
from wallet_service.wallets.google.client.calls import Answer, Call, Exchange, answer_of
from wallet_service.wallets.google.client.rate import Rate

Key = TypeVar("Key")
Result = TypeVar("Result")
MOST_AT_ONCE = 500
"""Results that are passed on in one list."""
ANY_TIME = datetime.max.replace(tzinfo=UTC)
"""For calls that may leave however late their turn comes."""


class Transport:
    """The HTTP transport of one service account. Close it in the end.

    Args:
        api_url: base address without trailing slash.
        timeout_s: for each request.
        in_flight: requests on their way at once.
        batch: calls in one request; 1 sends each alone.

    Raises:
        SettingsError: the account's file is incomplete.
    """

    def __init__(
        self,
        api_url: str,
        service_account_info: Mapping[str, Any],
        *,
        rate: Rate,
        timeout_s: float,
        clock: Clock,
        in_flight: int = 8,
        batch: int = 1,
    ) -> None:
        self._api_url, self._timeout_s, self._clock = api_url, timeout_s, clock
        self._rate, self._stopped = rate, threading.Event()
        self._in_flight, self._batch = in_flight, batch
        self._token_session = requests.Session()
        # one refresh after a 401, as check 2 asks; a second 401 stops the channel
        self._session = AuthorizedSession(
            credentials_from(service_account_info),
            max_refresh_attempts=1,
            refresh_timeout=timeout_s,
            auth_request=Request(self._token_session),
        )
        self._adapter = adapter = requests.adapters.HTTPAdapter(pool_maxsize=in_flight)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)
        self._session.headers.update({"User-Agent": "wallet-service (gzip)", "Accept-Encoding": "gzip"})
        self._pool = ThreadPoolExecutor(in_flight, thread_name_prefix="google")

    def ask(self, call: Call, *, before: datetime = ANY_TIME) -> Answer:
        """One call, in its turn.

        Raises:
            Unreachable: no answer; or its turn does not come `before` then, or before the stop.
            RefreshError: no token.
        """
        if not all(self._turns([before])):
            raise Unreachable("Google was not asked: the turn did not come in time")
        (answer,) = self._send([call])
        if answer is None:
            raise Unreachable("Google did not answer")
        return answer

    def hold(self, talk: Exchange[Result], *, before: datetime = ANY_TIME) -> Result:
        """One conversation to its end, in this thread; its calls as in `ask`."""
        try:
            call = next(talk)
            while True:
                try:
                    answer = self.ask(call, before=before)
                except (Unreachable, RefreshError) as error:
                    call = talk.throw(error)
                else:
                    call = talk.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result

    def hold_all(
        self,
        exchanges: Iterable[tuple[Key, Exchange[Result]]],
        *,
        before: Callable[[Key], datetime] = lambda _: ANY_TIME,
    ) -> Iterator[list[tuple[Key, Result]]]:
        """Many conversations, several at once; yields whatever has come to its end since the last list.

        `exchanges` is asked for more whenever more can be sent, one caller at a time, from the threads that send. A
        conversation ends without a result where the turn of its next call does not come `before` its time, or before
        the stop.
        """
        work = _WorkQueue(exchanges)
        workers = [self._pool.submit(self._work, work, before) for _ in range(self._in_flight)]
        left = len(workers)
        try:
            while left:
                results: list[tuple[Key, Result]] = []
                for item in work.arrived():
                    if isinstance(item, BaseException):
                        raise item
                    if item is None:
                        left -= 1
                    else:
                        results.append(item)
                if results:
                    yield results
        finally:
            work.close()
            for worker in workers:
                worker.result()

    def stop(self) -> None:
        """Send nothing more, and wait for nobody's turn; what is on its way comes to its answer. From any thread."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connection."""
        self.stop()
        self._pool.shutdown()
        self._session.close()
        self._token_session.close()

    def _work(self, work: _WorkQueue[Key, Result], before: Callable[[Key], datetime]) -> None:
        try:
            while not self._stopped.is_set() and (taken := work.take(self._batch)):
                turns = self._turns([before(pending.key) for pending in taken])
                portion = [pending for pending, its_turn in zip(taken, turns, strict=True) if its_turn]
                if not portion:
                    continue
                calls = [pending.call for pending in portion]
                try:
                    answers: Sequence[Answer | None] = self._send(calls)
                except (Unreachable, RefreshError) as error:
                    for pending in portion:
                        work.go_on(pending, error)
                else:
                    for pending, answer in zip(portion, answers, strict=True):
                        work.go_on(pending, answer or Unreachable("Google left a call of a batch unanswered"))
        except BaseException as error:  # a bug of ours: it rises where the results are read
            work.fail(error)
        finally:
            work.leave()

    def _turns(self, before: Sequence[datetime]) -> Sequence[bool]:
        """Take a turn for calls that go together, and wait for it: which of them may still leave. What would leave
        after its lease might be sent by another worker, too.
        """
        pause = self._rate.take(len(before))
        in_vain = max(before) - timedelta(seconds=pause) <= self._clock()
        if in_vain or self._stopped.wait(pause):
            return [False] * len(before)
        now = self._clock()  # not when it was thought to be: the machine may have slept
        return [now < one for one in before]

    def _send(self, calls: Sequence[Call]) -> Sequence[Answer | None]:
        if len(calls) == 1:
            answers: Sequence[Answer | None] = [self._send_one(calls[0])]
        else:
            answers = self._send_batch(calls)
        for answer in answers:
            if answer is not None:
                self._rate.note(answer)
        return answers

    def _send_one(self, call: Call) -> Answer:
        body = orjson.dumps(call.body) if call.body is not None else None
        response = self._request(call.method, f"{self._api_url}/walletobjects/v1/{call.path}", body, "application/json")
        return answer_of(response.status_code, response.headers, response.content, now=self._clock())

    def _send_batch(self, calls: Sequence[Call]) -> Sequence[Answer | None]:
        response = self._request("POST", f"{self._api_url}/batch", batch_body(calls), CONTENT_TYPE)
        if not response.ok:  # the envelope was refused, and with it each call in it
            refusal = answer_of(response.status_code, response.headers, response.content, now=self._clock())
            return [refusal] * len(calls)
        kind = response.headers.get("Content-Type", "")
        return answers_in(kind, response.content, count=len(calls), now=self._clock())

    def _request(self, method: str, url: str, body: bytes | None, content_type: str) -> requests.Response:
        headers = {"Content-Type": content_type} if body is not None else {}
        try:
            response: requests.Response = self._session.request(
                method, url, data=body, headers=headers, timeout=self._timeout_s
            )
        except (requests.RequestException, TransportError) as error:
            # what was lost may be the path to Google: no other idle connection over it is used again
            self._adapter.close()
            raise Unreachable(f"Google did not answer: {type(error).__name__}") from error
        return response


class _Pending(Generic[Key, Result]):
    """A conversation that waits for the answer to `call`."""

    def __init__(self, key: Key, talk: Exchange[Result], call: Call) -> None:
        self.key, self.talk, self.call = key, talk, call


class _WorkQueue(Generic[Key, Result]):
    """What the threads of one `hold_all` share: the next calls to send, and the results that have come."""

    def __init__(self, exchanges: Iterable[tuple[Key, Exchange[Result]]]) -> None:
        self._talks = iter(exchanges)
        self._asking = threading.Lock()
        self._again: deque[_Pending[Key, Result]] = deque()
        self._results: SimpleQueue[tuple[Key, Result] | BaseException | None] = SimpleQueue()
        self._closed = False

    def take(self, most: int) -> list[_Pending[Key, Result]]:
        """The next calls, those of conversations under way first; empty: there will be no more for this thread."""
        portion: list[_Pending[Key, Result]] = []
        while len(portion) < most and not self._closed:
            try:
                portion.append(self._again.popleft())
                continue
            except IndexError:
                pass
            with self._asking:
                new = None if self._closed else next(self._talks, None)
            if new is None:
                break
            if (pending := self._begun(*new)) is not None:
                portion.append(pending)
        return portion

    def go_on(self, pending: _Pending[Key, Result], heard: Answer | Exception) -> None:
        """Give a conversation its answer; it asks again or comes to its end."""
        try:
            if isinstance(heard, Answer):
                pending.call = pending.talk.send(heard)
            else:
                pending.call = pending.talk.throw(heard)
        except StopIteration as end:
            self._results.put((pending.key, end.value))
        else:
            self._again.append(pending)

    def arrived(self) -> Iterator[tuple[Key, Result] | BaseException | None]:
        """Wait for one result, then all that are there already. None: a thread has left."""
        yield self._results.get()
        for _ in range(MOST_AT_ONCE - 1):
            try:
                yield self._results.get_nowait()
            except Empty:
                return

    def fail(self, error: BaseException) -> None:
        """Something of ours is broken."""
        self._closed = True
        self._results.put(error)

    def leave(self) -> None:
        """A thread has nothing more to do."""
        self._results.put(None)

    def close(self) -> None:
        """Nobody reads the results any more."""
        self._closed = True

    def _begun(self, key: Key, talk: Exchange[Result]) -> _Pending[Key, Result] | None:
        try:
            return _Pending(key, talk, next(talk))
        except StopIteration as end:
            self._results.put((key, end.value))
            return None

"""The demo's web page: both phones live, the tour, buttons and commands to copy. For this machine only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import requests
from babel.dates import get_timezone_location
from jinja2 import Environment, PackageLoader, StrictUndefined

from wallet_service.demo.brand import TIME_ZONE
from wallet_service.demo.commands import commands
from wallet_service.demo.entry_points import entry_points
from wallet_service.demo.installation import DemoInstallation
from wallet_service.demo.pictures import NAMES, Pictures, digest, in_words
from wallet_service.demo.sentences import in_seconds, sentences_of
from wallet_service.demo.session import DemoSession, Snapshot
from wallet_service.demo.staff import StaffMember
from wallet_service.demo.tour_record import Timeline
from wallet_service.demo.tour_words import ANSWERS_IN_FRENCH, TOUR_IN_FRENCH
from wallet_service.demo.words import WORDS, language_of
from wallet_service.simulators.loopback_http import EventStream, LineStream, LoopbackServer, Reply, Request

_CSS = "text/css; charset=utf-8"
_OWN, _SHARED = "wallet_service.demo", "wallet_service.web"
_ASSETS = {
    "tokens.css": (_SHARED, "static/css/tokens.css", _CSS),
    "base.css": (_SHARED, "static/css/base.css", _CSS),
    "parts.css": (_SHARED, "static/css/parts.css", _CSS),
    "page.css": (_OWN, "static/page.css", _CSS),
    "page.js": (_OWN, "static/page.js", "text/javascript; charset=utf-8"),
    "icon.svg": (_OWN, "static/icon.svg", "image/svg+xml"),
}
"""Name → package, path in it and kind; the look is the console's."""
_SHOWN_BY = {"purchase": "iphone", "offer": "lock", "offline": "iphone", "online": "iphone", "refresh": "iphone"}
"""Which phone's picture shows what a button did."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # under "no-referrer" a form without script names no origin
    "Cache-Control": "no-store",
}
_SETTLE_S = 2.0
_HERE = ("127.0.0.1", "localhost")


@dataclass
class _Visitor:
    """One browser that listens: in which language, and what it was told last."""

    stream: EventStream
    language: str
    snapshot: Snapshot


class DemoPage:
    """An HTTP server for one session.

    Args:
        session: what is shown and played with.
        installation: for addresses and the API key.
        timeline: of the tour that has been played.
        staff: who has a password for the console.
        port: 0 takes a free one.
        settle_s: how long a visitor without the page's script waits at most to see what a button did.
    """

    def __init__(
        self,
        session: DemoSession,
        installation: DemoInstallation,
        timeline: Timeline,
        *,
        staff: Sequence[StaffMember] = (),
        port: int = 0,
        settle_s: float = _SETTLE_S,
    ) -> None:
        self._session, self._installation, self._timeline = session, installation, timeline
        self._server = LoopbackServer(self._handle, port=port, name="demo-page")
        self._pictures = Pictures()
        self._entry_points = entry_points(staff, console=f"{installation.url}/console/", card=session.link)
        self._settle_s = settle_s
        self._lock = threading.Lock()
        self._visitors: list[_Visitor] = []
        self._moves: Mapping[str, Callable[[], None]] = {
            "purchase": session.purchase,
            "offer": session.offer,
            "offline": session.go_offline,
            "online": session.go_online,
            "refresh": session.refresh,
        }

    @property
    def url(self) -> str:
        """The address to open."""
        return self._server.url

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Serve for as long as the block lasts."""
        with self._server:
            self._session.watch(self._tell)
            yield

    def _handle(self, request: Request) -> Reply | LineStream:
        if not _is_ours(request):
            return Reply(403, b"this page is for this machine only\n", "text/plain", _HEADERS)
        language = language_of(request.query.get("lang"), request.headers.get("accept-language", ""))
        match request.method, request.path.strip("/").split("/"):
            case "GET" | "HEAD", [""]:
                return self._page(language, request.query.get("done"))
            case "GET", ["events"]:
                return self._events(language)
            case "GET" | "HEAD", ["pictures", name] if name.removesuffix(".png") in NAMES:
                picture = self._pictures.png(name.removesuffix(".png"), self._session.snapshot)
                return Reply(200, picture, "image/png", _HEADERS)
            case "GET" | "HEAD", ["static", name] if name in _ASSETS:
                return Reply(200, _asset(name), _ASSETS[name][2], _HEADERS)
            case "POST", ["do", move] if move in self._moves:
                return self._do(move, request, language)
            case _:
                return Reply(404, b"there is nothing here\n", "text/plain", _HEADERS)

    def _do(self, move: str, request: Request, language: str) -> Reply:
        asked = parse_qs(request.body.decode("utf-8", "replace")).get("lang", [language])[0]
        language = language_of(asked, "")
        status, message = 200, WORDS[language][f"done_{move}"]
        is_script = "application/json" in request.headers.get("accept", "")
        try:
            self._moves[move]()
            if not is_script:
                self._session.settle(self._settle_s)
        except requests.RequestException as error:
            status, message = 502, f"{WORDS[language]['failed']} {_reason(error)}"
        if is_script:
            return Reply.json({"message": message}, status, _HEADERS)
        if status != 200:
            return self._page(language, None, problem=message, status=status)
        return Reply(303, headers={**_HEADERS, "Location": f"/?lang={language}&done={move}#picture-{_SHOWN_BY[move]}"})

    def _page(self, language: str, done: str | None, *, problem: str | None = None, status: int = 200) -> Reply:
        installation, words, snapshot = self._installation, WORDS[language], self._session.snapshot
        in_french = {**TOUR_IN_FRENCH, **ANSWERS_IN_FRENCH} if language == "fr" else {}
        page = _template("page.html").render(
            language=language,
            other="en" if language == "fr" else "fr",
            words=words,
            snapshot=snapshot,
            message=problem or (words[f"done_{done}"] if done in self._moves else ""),
            pictures=_pictures(snapshot, words),
            fragments=_fragments(snapshot, language, words),
            serial_number=self._session.serial_number,
            city=get_timezone_location(ZoneInfo(TIME_ZONE), locale=language, return_city=True),
            entry_points=self._entry_points,
            tour_done=_done_in_words(self._timeline, language, words),
            tour=[
                (step.title.in_other_words(in_french), [(ms, one.in_other_words(in_french)) for ms, one in rows])
                for step in self._timeline.steps
                if (rows := step.in_order())
            ],
            commands=commands(installation.api.base, installation.api.key, self._session.serial_number),
            links={
                "docs": f"{installation.url}/api/docs",
                "card": self._session.link,
                "metrics": f"{installation.url}/metrics",
                "ready": f"{installation.url}/readyz",
            },
        )
        return Reply(status, page.encode(), "text/html; charset=utf-8", {**_HEADERS, "Content-Language": language})

    def _events(self, language: str) -> EventStream:
        def left() -> None:
            with self._lock:
                self._visitors.remove(visitor)

        snapshot = self._session.snapshot
        visitor = _Visitor(EventStream(on_end=left), language, snapshot)
        visitor.stream.put(_change(snapshot, snapshot, language))
        with self._lock:
            self._visitors.append(visitor)
        return visitor.stream

    def _tell(self, snapshot: Snapshot) -> None:
        with self._lock:
            for visitor in self._visitors:
                visitor.stream.put(_change(visitor.snapshot, snapshot, visitor.language))
                visitor.snapshot = snapshot


def _is_ours(request: Request) -> bool:
    """The page shows a key and moves things: no other site may reach it, not even under a name that leads here."""
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    return urlsplit(f"//{host}").hostname in _HERE and (origin is None or urlsplit(origin).netloc == host)


def _change(before: Snapshot, snapshot: Snapshot, language: str) -> dict[str, Any]:
    """What a browser must know to show `snapshot`; `news` is what a screen reader says, empty if nothing reads anew."""
    words = WORDS[language]
    news = [
        words["fields_of"].format(phone=words[name], fields=in_words(name, snapshot))
        for name in NAMES
        if in_words(name, snapshot) != in_words(name, before)
    ]
    return {
        "pictures": _pictures(snapshot, words),
        "fragments": _fragments(snapshot, language, words),
        "news": " ".join(news),
    }


def _pictures(snapshot: Snapshot, words: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "src": f"/pictures/{name}.png?{digest(name, snapshot)}",
            "alt": words["fields_of"].format(
                phone=words[name], fields=in_words(name, snapshot) or words["nothing_yet"]
            ),
        }
        for name in NAMES
    }


def _fragments(snapshot: Snapshot, language: str, words: Mapping[str, str]) -> dict[str, str]:
    return {
        name: _template(f"{name}.html").render(
            snapshot=snapshot,
            words=words,
            language=language,
            zone=ZoneInfo(TIME_ZONE),
            sentences=tuple(sentences_of(snapshot, words, language=language, zone=TIME_ZONE)),
        )
        for name in ("connection", "network", "proof", "versions", "log")
    }


def _done_in_words(timeline: Timeline, language: str, words: Mapping[str, str]) -> str:
    took = in_seconds(timeline.took, language)
    return words["tour_done_one" if timeline.moments == 1 else "tour_done"].format(count=timeline.moments, took=took)


def _reason(error: requests.RequestException) -> str:
    if error.response is None:
        return str(error)
    try:
        problem = error.response.json()
        return str(problem.get("detail") or problem.get("title") or error)
    except (json.JSONDecodeError, AttributeError):
        return str(error)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("wallet_service.demo"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def _template(name: str) -> Any:
    return _environment().get_template(name)


@cache
def _asset(name: str) -> bytes:
    package, path, _kind = _ASSETS[name]
    return files(package).joinpath(path).read_bytes()

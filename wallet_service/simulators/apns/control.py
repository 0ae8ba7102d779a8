"""The APNs simulator's control server for other processes: plain HTTP and JSON on loopback.

| Call | Does |
|---|---|
| `GET /announcements?after=N` | the record from the Nth entry on |
| `GET /counts` | requests, connections, pings, refused streams |
| `POST /script/{name}` | one of the names in `SCRIPT`, with a JSON object of its arguments |
| `GET /pushes?push_token=…&topic=…` | connects a phone; one JSON line for each push until it hangs up |
| `POST /disconnect` | `{"push_token": …}` |
| `POST /unregister` | `{"push_token": …, "at": RFC 3339}` |
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from wallet_service.simulators.apns.devices import Push
from wallet_service.simulators.apns.simulator import Announcement, ApnsSimulator
from wallet_service.simulators.loopback_http import LineStream, LoopbackServer, Reply, Request

SCRIPT = frozenset(
    {"answer_next", "lose", "goaway_after", "refuse_streams", "delay", "limit_streams", "drop_connections"}
)


class ControlServer:
    """Serves the table above for one simulator. Start it after the simulator and stop it before, or use `with`."""

    def __init__(self, apns: ApnsSimulator, *, port: int = 0) -> None:
        self.apns = apns
        self._server = LoopbackServer(self._handle, port=port, name="apns-control")
        self.url = ""

    def start(self) -> None:
        """Open the port."""
        self._server.start()
        self.url = self._server.url

    def stop(self) -> None:
        """Close it and end all connections of phones."""
        self._server.stop()

    def __enter__(self) -> ControlServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _handle(self, request: Request) -> Reply | LineStream:
        try:
            return self._route(request)
        except (ValueError, TypeError, KeyError) as error:
            return Reply.json({"error": f"{type(error).__name__}: {error}"}, 400)

    def _route(self, request: Request) -> Reply | LineStream:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["announcements"]:
                after = int(request.query.get("after", 0))
                entries = [_plain(one) for one in self.apns.announcements[after:]]
                return Reply.json({"announcements": entries, "next": after + len(entries)})
            case "GET", ["counts"]:
                names = ("requests", "connections", "pings", "refused_streams")
                return Reply.json({name: getattr(self.apns, name) for name in names})
            case "POST", ["script", name] if name in SCRIPT:
                getattr(self.apns, name)(**(request.json() or {}))
                return Reply.json({})
            case "POST", ["unregister"]:
                order = request.json()
                self.apns.unregister(order["push_token"], datetime.fromisoformat(order["at"]))
                return Reply.json({})
            case "POST", ["disconnect"]:
                self.apns.disconnect(request.json()["push_token"])
                return Reply.json({})
            case "GET", ["pushes" | "courier"]:  # the second is what the address was called before
                return self._pushes(request.query)
            case _:
                return Reply.json({"error": "no such place"}, 404)

    def _pushes(self, query: Mapping[str, str]) -> LineStream:
        push_token, topic = query["push_token"], query["topic"]
        stream = LineStream(on_end=lambda: self.apns.disconnect(push_token, deliver))

        def deliver(push: Push) -> None:
            fields = {"body": push.body.decode(), "apns_id": push.apns_id, "expires_at_s": push.expires_at_s}
            stream.put({"push": fields})

        stream.put({"connected": push_token})
        self.apns.connect_device(push_token, topic, deliver)
        return stream


def _plain(announcement: Announcement) -> dict[str, object]:
    return {
        "arrived_at": announcement.arrived_at.isoformat(),
        "push_token": announcement.push_token,
        "topic": announcement.topic,
        "headers": dict(announcement.headers),
        "body": announcement.body.decode("utf-8", "replace"),
        "status": announcement.status,
        "reason": announcement.reason,
        "apns_id": announcement.apns_id,
        "connection": announcement.connection,
        "lost": announcement.lost,
    }

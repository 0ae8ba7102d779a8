"""The phones' screens as PNG, and the same in words for who does not see them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable

from wallet_service.demo.brand import TIME_ZONE
from wallet_service.demo.session import Snapshot
from wallet_service.previews import draw_android, draw_in_phone, draw_iphone, draw_lock_screen, image_from_web

NAMES = ("iphone", "lock", "android")


class Pictures:
    """Draws a snapshot; what was drawn last is kept. Thread-safe: one picture is drawn at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: dict[str, tuple[str, bytes]] = {}

    def png(self, name: str, snapshot: Snapshot) -> bytes:
        """The picture of that name, one of `NAMES`."""
        key = digest(name, snapshot)
        with self._lock:
            known, picture = self._drawn.get(name, ("", b""))
            if known != key:
                picture = _DRAW[name](snapshot)
                self._drawn[name] = key, picture
            return picture


def digest(name: str, snapshot: Snapshot) -> str:
    """Changes whenever the picture of that name does."""
    match name:
        case "iphone":
            seen = snapshot.iphone_bundle
        case "lock":
            lock = snapshot.lock_screen
            seen = f"{lock.at} {lock.text}".encode() if lock else b""
        case _:
            seen = json.dumps([snapshot.android_object, snapshot.android_class], sort_keys=True).encode()
    return hashlib.sha256(seen).hexdigest()[:16]


def in_words(name: str, snapshot: Snapshot) -> str:
    """What stands on the picture of that name, as one line; empty if nothing does."""
    if name == "lock":
        return f"{snapshot.lock_screen.title} : {snapshot.lock_screen.text}" if snapshot.lock_screen else ""
    lines = snapshot.iphone if name == "iphone" else snapshot.android
    return ", ".join(f"{line.label} {line.text}".strip() for line in lines)


def _draw_lock_screen(snapshot: Snapshot) -> bytes:
    lock = snapshot.lock_screen
    if lock is None:
        return draw_lock_screen(snapshot.iphone_bundle, text=None, time_zone=TIME_ZONE)
    return draw_lock_screen(snapshot.iphone_bundle, text=lock.text, title=lock.title, now=lock.at, time_zone=TIME_ZONE)


def _draw_iphone(snapshot: Snapshot) -> bytes:
    return draw_in_phone(draw_iphone(snapshot.iphone_bundle, time_zone=TIME_ZONE))


def _draw_android(snapshot: Snapshot) -> bytes:
    card = draw_android(snapshot.android_object, snapshot.android_class, fetch_image=image_from_web)
    return draw_in_phone(card, "android")


_DRAW: dict[str, Callable[[Snapshot], bytes]] = {
    "iphone": _draw_iphone,
    "lock": _draw_lock_screen,
    "android": _draw_android,
}

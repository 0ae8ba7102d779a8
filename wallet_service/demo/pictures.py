"""The phones' screens as PNG, and the same in words for who does not see them."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable

from wallet_service.demo.scene import Sight
from wallet_service.simulators.phones.drawing import draw_android, draw_iphone, draw_lock_screen, image_from_web

NAMES = ("iphone", "lock", "android")


class Pictures:
    """Draws a sight; what was drawn last is kept. Thread-safe: one picture is drawn at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: dict[str, tuple[str, bytes]] = {}

    def png(self, name: str, sight: Sight) -> bytes:
        """The picture of that name, one of `NAMES`."""
        key = digest(name, sight)
        with self._lock:
            known, picture = self._drawn.get(name, ("", b""))
            if known != key:
                picture = _DRAW[name](sight)
                self._drawn[name] = key, picture
            return picture


def digest(name: str, sight: Sight) -> str:
    """Changes whenever the picture of that name does."""
    match name:
        case "iphone":
            seen = sight.iphone_bundle
        case "lock":
            lock = sight.lock_screen
            seen = f"{lock.at} {lock.text}".encode() if lock else b""
        case _:
            seen = json.dumps([sight.android_object, sight.android_class], sort_keys=True).encode()
    return hashlib.sha256(seen).hexdigest()[:16]


def in_words(name: str, sight: Sight) -> str:
    """What stands on the picture of that name, as one line; empty if nothing does."""
    if name == "lock":
        return f"{sight.lock_screen.title} : {sight.lock_screen.text}" if sight.lock_screen else ""
    lines = sight.iphone if name == "iphone" else sight.android
    return ", ".join(f"{line.label} {line.text}".strip() for line in lines)


def _draw_lock_screen(sight: Sight) -> bytes:
    lock = sight.lock_screen
    if lock is None:
        return draw_lock_screen(sight.iphone_bundle, text=None)
    return draw_lock_screen(sight.iphone_bundle, text=lock.text, title=lock.title, now=lock.at)


def _draw_android(sight: Sight) -> bytes:
    return draw_android(sight.android_object, sight.android_class, fetch_image=image_from_web)


_DRAW: dict[str, Callable[[Sight], bytes]] = {
    "iphone": lambda sight: draw_iphone(sight.iphone_bundle),
    "lock": _draw_lock_screen,
    "android": _draw_android,
}

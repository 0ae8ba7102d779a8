"""The images of a card that a phone fetches by their addresses."""

from __future__ import annotations

from functools import lru_cache

import requests

_TIMEOUT_S = 10.0


@lru_cache(maxsize=64)
def image_from_web(url: str) -> bytes | None:
    """An image's bytes, fetched once and kept as Google keeps them; None if it is not to be had."""
    try:
        answer = requests.get(url, timeout=_TIMEOUT_S)
    except requests.RequestException:
        return None
    return answer.content if answer.ok else None

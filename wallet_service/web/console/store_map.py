"""What a map shows, as its script reads it: an improvement on pages that say the same in words."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from wallet_service.offers.choosing_places import Point
from wallet_service.storage.tables import Store
from wallet_service.web.context import services

MOST_SPOTS = 2000


def map_values(stores: Iterable[Store]) -> dict[str, Any]:
    """The tiles, where there are any, and the stores: id, name, latitude, longitude."""
    return map_values_of((store.store_id, store.name, Point(store.latitude, store.longitude)) for store in stores)


def map_values_of(stores: Iterable[tuple[str, str, Point]]) -> dict[str, Any]:
    """The same for stores as a process holds them in memory."""
    settings = services().settings
    spots = [[store_id, name, point.latitude, point.longitude] for store_id, name, point in stores]
    return {
        "tiles": settings.map_tiles or "",
        "attribution": settings.map_attribution,
        "spots": json.dumps(spots, ensure_ascii=False, separators=(",", ":")),
    }

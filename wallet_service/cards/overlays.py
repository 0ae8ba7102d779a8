"""Overlays in composing: which one holds at a moment, and the design that comes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wallet_service.cards.template import ImageName
from wallet_service.cards.template_folder import OVERLAY, archive_with
from wallet_service.documents.overlays import OverlayDocument


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """A published overlay: `template_version_id` is the design with it, `over` the design beneath.

    It holds in the half-open span from `starts_at` to `ends_at`.
    """

    over: str
    template_version_id: int
    starts_at: datetime
    ends_at: datetime
    priority: int
    number: int

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Overlay:
        """What `as_json` wrote."""
        times = {name: datetime.fromisoformat(stored[name]) for name in ("starts_at", "ends_at")}
        return cls(**{**stored, **times})

    def as_json(self) -> dict[str, Any]:
        """For the programme's row, where every process looks."""
        return {
            "over": self.over,
            "template_version_id": self.template_version_id,
            "starts_at": self.starts_at.isoformat(),
            "ends_at": self.ends_at.isoformat(),
            "priority": self.priority,
            "number": self.number,
        }


def overlay_at(overlays: Iterable[Overlay], template_id: str, now: datetime) -> Overlay | None:
    """The overlay that is seen over a design at `now`: of the highest priority, then the one that began last."""
    holding = (one for one in _over(overlays, template_id) if one.starts_at <= now < one.ends_at)
    return max(holding, key=lambda one: (one.priority, one.starts_at, one.number), default=None)


def overlays_change_at(overlays: Iterable[Overlay], template_id: str, now: datetime) -> datetime | None:
    """The first instant after `now` at which an overlay of a design begins or ends; None: never."""
    instants = (at for one in _over(overlays, template_id) for at in (one.starts_at, one.ends_at))
    return min((at for at in instants if at > now), default=None)


def overlaid_archive(archive: bytes, document: OverlayDocument, images: Mapping[ImageName, bytes]) -> bytes:
    """The archive of a design with an overlay on it: its pictures for every language, its colours for every case."""
    changes = document.model_dump(mode="json", include={"colours", "words"}, exclude_none=True)
    return archive_with(archive, {OVERLAY: changes} if any(changes.values()) else {}, images)


def _over(overlays: Iterable[Overlay], template_id: str) -> Iterator[Overlay]:
    return (one for one in overlays if one.over == template_id)

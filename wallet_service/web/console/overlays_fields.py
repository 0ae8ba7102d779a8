"""The fields of an overlay's form, and the way from them to the document that the API has, and back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from wallet_service.cards.template import Template
from wallet_service.cards.template_rules import least_size
from wallet_service.documents.overlays import OverlayColours, OverlayDocument, Priority
from wallet_service.documents.types import Identifier, LocalTime, LongText, ShortText, Truth
from wallet_service.errors import Fault
from wallet_service.parsing import parse
from wallet_service.programs.overlays import document_of
from wallet_service.storage.tables import Overlay
from wallet_service.values import Value
from wallet_service.web.console.offers_fields import proposed_code
from wallet_service.web.console.overlays import colour_names, picture_names
from wallet_service.web.console.visit import program
from wallet_service.web.form_values import Raw, flatten, nest
from wallet_service.web.pages import current_reader

PAGES = frozenset({"new", "previews"})
"""What stands below /overlays beside the overlays."""
_INSTANTS = ("starts_at", "ends_at")
_LABEL_LENGTH = 60


class OverlayForm(Value):
    """What the page has; what is wrong with it is said by the document."""

    title: ShortText
    code: Identifier | None = None
    template: Identifier | None = None
    starts_at_local: LocalTime
    ends_at_local: LocalTime
    priority: Priority = 0
    colours: OverlayColours = OverlayColours()
    words: dict[str, dict[str, LongText]] = {}
    images: dict[str, str] = {}
    remove: dict[str, Truth] = {}


def labels_of(design: Template, *, is_new: bool) -> dict[str, str]:
    """The fields of the page, in its order. A text's label is the design's own text."""
    _ = current_reader().gettext
    labels = {"title": _("Name")}
    if is_new:
        labels["code"] = _("Code")
    labels |= {"starts_at_local": _("From"), "ends_at_local": _("Until"), "priority": _("Priority")}
    labels |= {f"colours.{name}": words for name, words in colour_names().items()}
    for name, words in picture_names().items():
        labels |= {f"images.{name}": words, f"remove.{name}": _("Take it away: the design’s own is seen again")}
    for locale, texts in design.words.items():
        labels |= {f"words.{locale}.{key}": _shortened(text) for key, text in texts.items()}
    return labels


def fields_of(raw: Raw, known: Overlay | None, design: Template) -> dict[str, Any]:
    """What was typed, as the fields of the document. A time that was not touched keeps its seconds."""
    tree = nest(OverlayForm, raw, current_reader())
    fields: dict[str, Any] = {name: tree[name] for name in ("title", "priority", "colours", "words") if name in tree}
    if design.template_id != program().composer.template.template_id:  # absent: the programme's own, whichever that is
        fields["template"] = design.template_id
    kept = _written_times(known) if known is not None else {}
    for name in _INSTANTS:
        local = f"{name}_local"
        if known is not None and (raw.get(local) or [""])[-1] == kept[local]:
            fields[name] = getattr(known, name)
        elif local in tree:
            fields[local] = tree[local]
    return fields


def document_in(raw: Raw, known: Overlay | None, design: Template) -> OverlayDocument:
    """What was typed, as a document.

    Raises:
        Invalid: with everything that is wrong in itself.
    """
    return parse(OverlayDocument, fields_of(raw, known, design))


def code_for(raw: Raw, document: OverlayDocument) -> str:
    """The code that was typed, else one from the title and the day."""
    typed = str(nest(OverlayForm, raw, current_reader()).get("code") or "")
    starts = document.starts_at_local or document.starts_at
    code = typed or proposed_code(document.title, starts)
    return f"overlay-{code}" if code in PAGES else code


def at_fields(faults: Sequence[Fault], labels: Sequence[str]) -> tuple[Fault, ...]:
    """Faults at the fields of the page that write these values, with codes that say what to do here."""
    return tuple(dict.fromkeys(_at_field(fault, labels) for fault in faults))


def written(known: Overlay) -> dict[str, list[str]]:
    """An overlay as its form writes it."""
    raw = flatten(document_of(known), current_reader())
    raw = {name: values for name, values in raw.items() if name not in _INSTANTS}
    raw |= {name: [text] for name, text in _written_times(known).items()}
    raw["_version"] = [str(known.version)]
    return raw


def _at_field(fault: Fault, labels: Sequence[str]) -> Fault:
    path = re.sub(r"\[key\]$", "", fault.path)
    if path in _INSTANTS:
        path = f"{path}_local"
    code, values = fault.code, fault.values
    if path.startswith("images."):
        name = path.split(".")[1]
        width, height = least_size(name) if name in picture_names() else (0, 0)  # type: ignore[arg-type]
        code, values = "picture_unfit", {"width": width, "height": height}
    elif code == "ends_before_start":
        code = "overlay_ends_before_start"
    elif code == "invalid" and path.startswith("colours."):
        code = "colours_alike"
    elif path not in labels:
        path, code = "", "design_unfit"
    return Fault(path, fault.message, code, values)


def _written_times(known: Overlay) -> dict[str, str]:
    zone = ZoneInfo(program().document.time_zone)
    times: dict[str, datetime] = {name: getattr(known, name).astimezone(zone) for name in _INSTANTS}
    return {
        f"{name}_local": at.replace(tzinfo=None).isoformat(timespec="seconds" if at.second else "minutes")
        for name, at in times.items()
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _LABEL_LENGTH else f"{text[: _LABEL_LENGTH - 1]}…"

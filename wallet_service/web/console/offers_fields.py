"""The fields of an offer's form, and the way from them to the document that the API has, and back."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from wallet_service.documents.offers import Groups, OfferDocument, Priority, Radius, StoreIds, Target, Uses
from wallet_service.documents.types import Identifier, LocalTime, LongText, Truth
from wallet_service.errors import Fault, Invalid
from wallet_service.offers.changing import document_of
from wallet_service.offers.lock_screen import LONGEST_PROXIMITY_TEXT
from wallet_service.offers.states import CHANGEABLE, OfferState
from wallet_service.parsing import parse
from wallet_service.storage.tables import Offer
from wallet_service.values import Value
from wallet_service.web.console.offers import zone_of
from wallet_service.web.console.offers_hours import RowOfHours, hours_in, is_same_hours, labels_of_hours, written_hours
from wallet_service.web.console.visit import program
from wallet_service.web.form_values import Raw, flatten, nest
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import current_reader

LANGUAGE_NAMES = {"fr": "Français", "en": "English", "de": "Deutsch", "es": "Español", "it": "Italiano"}
_LONGEST_CODE = 60
_SPAN = re.compile(r"weekly_hours\[(\d+)\](\..*)?")
_INSTANTS = ("starts_at", "ends_at")
_WRITTEN = (
    *("code", "title", "text", "proximity_text", "store_ids", "groups"),
    *("radius_m", "uses_per_member", "uses_total", "priority", "notify", "only_when_open"),
)
"""The fields of the document that the page has as they are."""


class OfferForm(Value):
    """What the page has; what is wrong with it is said by the document."""

    everywhere: Truth = False
    store_ids: StoreIds = ()
    groups: Groups = ()
    title: dict[str, LongText]
    text: dict[str, LongText] = {}
    proximity_text: dict[str, Annotated[str, Field(max_length=LONGEST_PROXIMITY_TEXT)]] = {}
    code: Identifier | None = None
    starts_at_local: LocalTime
    ends_at_local: LocalTime
    weekly: dict[str, tuple[RowOfHours, ...]] = {}
    only_when_open: Truth = False
    target: Target = Target()
    favourite: Literal["any", "here", "kept"] = "any"
    radius_m: Radius | None = None
    uses_per_member: Uses | None = None
    uses_total: Uses | None = None
    priority: Priority = 0
    notify: Truth = False


def labels_of(state: OfferState, locales: Sequence[str], raw: Raw) -> dict[str, str]:
    """The fields that the page has for an offer in this state, in its order."""
    _ = current_reader().gettext
    labels = {"everywhere": _("All stores"), "store_ids": _("Stores"), "groups": _("Groups of stores")}
    for locale in locales:
        language = LANGUAGE_NAMES.get(locale.split("-")[0], locale)
        several = len(locales) > 1
        labels[f"title.{locale}"] = _("Title (%(language)s)", language=language) if several else _("Title")
        labels[f"text.{locale}"] = _("Text (%(language)s)", language=language) if several else _("Text")
        labels[f"proximity_text.{locale}"] = (
            _("Lock-screen text (%(language)s)", language=language) if several else _("Lock-screen text")
        )
    labels |= {
        "code": _("Code"),
        "starts_at_local": _("From"),
        "ends_at_local": _("Until"),
        **labels_of_hours(raw),
        "only_when_open": _("Only while the store is open"),
        "target.tiers": _("Status"),
        "favourite": _("Favourite store"),
        "target.purchased_within_days": _("Last purchase, at most so many days ago"),
        "target.purchased_at": _("Purchases"),
        "target.consent": _("Only with consent to marketing"),
        "uses_per_member": _("Uses for each cardholder"),
        "uses_total": _("Uses in total"),
        "priority": _("Priority"),
        "radius_m": _("Distance in metres"),
        "notify": _("Notify cardholders"),
    }
    fixed = fixed_fields(state)
    return {name: label for name, label in labels.items() if name.removesuffix("_local") not in fixed}


def fixed_fields(state: OfferState) -> frozenset[str]:
    """The fields that cannot change any more."""
    fixed = CHANGEABLE["draft"] - CHANGEABLE[state]
    return fixed | {"everywhere"} if "store_ids" in fixed else fixed


def locales_of(known: Offer | None) -> tuple[str, ...]:
    """The languages of the programme, then those that the offer has beyond them."""
    own = program().document.locales
    texts = (known.title, known.text, known.proximity_text) if known is not None else ()
    return tuple(dict.fromkeys((*own, *(locale for each in texts for locale in each))))


def fields_of(raw: Raw, known: Offer | None, state: OfferState) -> dict[str, Any]:
    """What was typed, as the fields of the document; what the page does not have stays as it is."""
    tree = nest(OfferForm, raw, current_reader())
    fields = {} if known is None else document_of(known).model_dump(mode="json", exclude_none=True)
    fixed = fixed_fields(state)
    for name in _WRITTEN:
        if name in fixed:
            continue
        fields.pop(name, None)
        if name in tree:
            fields[name] = tree[name]
    if tree.get("everywhere") and "store_ids" not in fixed:
        fields |= {"store_ids": [], "groups": []}
    hours = [span for _name, span in hours_in(tree.get("weekly"))]
    if not is_same_hours(hours, fields.get("weekly_hours", ())):  # the same in another order is no change
        fields["weekly_hours"] = hours
    kept = _written_times(known) if known is not None else {}
    for name in _INSTANTS:
        local = f"{name}_local"
        if name in fixed or (local in kept and (raw.get(local) or [""])[-1] == kept[local]):
            continue
        fields.pop(name, None)
        if local in tree:
            fields[local] = tree[local]
    fields["target"] = _target(tree, fields)
    if not fields.get("code"):
        fields["code"] = proposed_code(_title(fields), fields.get("starts_at_local"))
    return fields


def document_in(raw: Raw, known: Offer | None, state: OfferState) -> OfferDocument:
    """What was typed, as a document.

    Raises:
        Invalid: with everything that is wrong in itself, at the fields of the page.
    """
    fields, faults = fields_of(raw, known, state), list[Fault]()
    document: OfferDocument | None = None
    try:
        document = parse(OfferDocument, fields)
    except Invalid as error:
        rows = [name for name, _span in hours_in(nest(OfferForm, raw, current_reader()).get("weekly"))]
        faults += at_fields(error.faults, rows)
    for name in _INSTANTS:
        if not (fields.get(name) or fields.get(f"{name}_local")) and all(f"{name}_local" != one.path for one in faults):
            faults.append(Fault(f"{name}_local", "is missing", "one_instant"))
    is_somewhere = fields.get("store_ids") or fields.get("groups") or any(raw.get("everywhere", ()))
    if not is_somewhere and "store_ids" not in fixed_fields(state):
        faults.append(Fault("store_ids", "names no store", "no_store_chosen"))
    if faults or document is None:
        raise Invalid(*faults)
    return document


def at_fields(faults: Sequence[Fault], rows: Sequence[str] = ()) -> tuple[Fault, ...]:
    """Faults at the fields of the page that write these values; `rows` are the names of the week's spans, in order."""
    moved = {"starts_at": "starts_at_local", "ends_at": "ends_at_local", "target.favourite_store_ids": "favourite"}

    def shown_at(path: str) -> str:
        if (span := _SPAN.fullmatch(path)) and int(span[1]) < len(rows):
            return f"{rows[int(span[1])]}{span[2] or '.from'}"
        name = re.sub(r"\[\d+\]$", "", path)
        return moved.get(name, name)

    return tuple(Fault(shown_at(fault.path), fault.message, fault.code, fault.values) for fault in faults)


def written(known: Offer) -> dict[str, list[str]]:
    """An offer as its form writes it."""
    document = document_of(known)
    raw = flatten(document, current_reader())
    raw = {name: values for name, values in raw.items() if name not in _INSTANTS}
    raw = {name: values for name, values in raw.items() if not name.startswith("weekly_hours")}
    raw |= {name: [text] for name, text in _written_times(known).items()} | written_hours(known.weekly_hours)
    favourites = set(document.target.favourite_store_ids)
    here = set(stores_in(document.store_ids, document.groups))
    raw["favourite"] = ["any" if not favourites else "here" if favourites == here else "kept"]
    if not document.store_ids and not document.groups:
        raw["everywhere"] = ["on"]
    raw["_version"] = [str(known.version)]
    return raw


def stores_in(store_ids: Sequence[str], groups: Sequence[str]) -> list[str]:
    """The stores that these names and groups mean; none of either: all."""
    known = program().places.stores
    if not store_ids and not groups:
        return sorted(known)
    wanted = set(groups)
    return sorted({*store_ids, *(each.store_id for each in known.values() if wanted & each.groups)})


def proposed_code(title: str, starts: Any) -> str:
    """A code from the title and the day: `un-foulard-offert-261127`. The page's script proposes the same."""
    plain = unicodedata.normalize("NFKD", title.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_CODE].strip("-") or "offre"
    return f"{slug}-{starts:%y%m%d}" if isinstance(starts, datetime) else slug


def quick_spans(zone: str, now: datetime) -> Iterator[tuple[str, Lazy, str, str]]:
    """The quick choices: name, words, from and until as the fields write them, by the store's clock."""
    here = now.astimezone(ZoneInfo(zone)).replace(second=0, microsecond=0, tzinfo=None)
    last = time(23, 59)
    saturday = here.date() + timedelta(days=max(5 - here.weekday(), 0))
    sunday = here.date() + timedelta(days=6 - here.weekday())
    weekend = here if here.date() >= saturday else datetime.combine(saturday, time(0, 0))
    yield "today", lazy("Today"), _local(here), _local(datetime.combine(here.date(), last))
    yield "weekend", lazy("This weekend"), _local(weekend), _local(datetime.combine(sunday, last))
    yield "week", lazy("7 days"), _local(here), _local(datetime.combine(here.date() + timedelta(days=6), last))


def _local(at: datetime) -> str:
    return at.isoformat(timespec="minutes")


def _written_times(known: Offer) -> dict[str, str]:
    zone = ZoneInfo(zone_of(known.store_ids, known.groups))
    times = {name: getattr(known, name).astimezone(zone).replace(tzinfo=None) for name in _INSTANTS}
    return {
        f"{name}_local": at.isoformat(timespec="seconds" if at.second or at.microsecond else "minutes")
        for name, at in times.items()
    }


def _target(tree: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    known, asked = dict(fields.get("target") or {}), tree.get("target")
    asked = asked if isinstance(asked, dict) else {}
    known.pop("purchased_within_days", None)
    known |= {
        "tiers": asked.get("tiers") or [],
        "purchased_at": asked.get("purchased_at") or "anywhere",
        "consent": asked.get("consent") or False,
    }
    if "purchased_within_days" in asked:
        known["purchased_within_days"] = asked["purchased_within_days"]
    match tree.get("favourite"):
        case "here":
            known["favourite_store_ids"] = stores_in(_list(fields, "store_ids"), _list(fields, "groups"))
        case "kept":
            pass
        case _:
            known["favourite_store_ids"] = []
    return known


def _title(fields: Mapping[str, Any]) -> str:
    title = fields.get("title")
    return str(next(iter(title.values()), "")) if isinstance(title, dict) else ""


def _list(fields: Mapping[str, Any], name: str) -> list[str]:
    value = fields.get(name)
    return [str(each) for each in value] if isinstance(value, list | tuple) else []

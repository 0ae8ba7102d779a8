"""Check C6: the API and the console refuse the same document with the same codes at the same paths."""

from __future__ import annotations

import re
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet_service.documents.offers import OfferDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.errors import Invalid
from wallet_service.parsing import parse
from wallet_service.values import Value
from wallet_service.web.form_values import nest
from wallet_service.web.locale import Reader

READERS = [Reader(language, ZoneInfo("Europe/Paris")) for language in ("fr", "en")]
OFFER = {
    "code": "maille",
    "title.fr": "−20 % sur la maille",
    "proximity_text.fr": "−20 % aujourd’hui",
    "store_ids": "lyon",
    "starts_at_local": "2026-12-01T10:00",
    "ends_at_local": "2026-12-01T20:00",
    "uses_total": "100",
    "uses_per_member": "1",
    "priority": "5",
    "radius_m": "80",
    "target.purchased_within_days": "30",
}
STORE = {
    "name": "Lyon Bellecour",
    "latitude": "45.757",
    "longitude": "4.832",
    "time_zone": "Europe/Paris",
    "phone": "+33472000000",
    "address.city": "Lyon",
    "address.country": "FR",
    "proximity_text.fr": "À deux pas",
    "opening_hours.mo.0.from": "10:00",
    "opening_hours.mo.0.to": "19:00",
}
WRONG = st.one_of(
    st.sampled_from(
        ["x" * 600, "a/b", "a b", "-1", "0", "12.5", "999999999999", "91", "-181", "hier", "2026-13-01T10:00", "25:00"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), min_size=1, max_size=12),
)
_NUMBERS = frozenset({"uses_total", "uses_per_member", "priority", "radius_m", "purchased_within_days"})
_DEGREES = frozenset({"latitude", "longitude"})
_LISTS = frozenset({"store_ids"})


def as_json(typed: dict[str, str]) -> dict[str, Any]:
    """The document as a system would send it: numbers as numbers, where they are any."""
    document: dict[str, Any] = {}
    for name, text in typed.items():
        *above, last = name.split(".")
        place: Any = document
        for number, step in enumerate(above):
            following = [*above, last][number + 1]
            if step.isdecimal():
                while len(place) <= int(step):
                    place.append({})
                place = place[int(step)]
            else:
                place = place.setdefault(step, [] if following.isdecimal() else {})
        place[last] = [text] if last in _LISTS else _sent(last, text)
    return document


def _sent(name: str, text: str) -> Any:
    if name not in _NUMBERS | _DEGREES:
        return text
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text, re.ASCII) is None:
        return text
    return float(text) if "." in text else int(text)


def refusals(document: type[Value], said: dict[str, Any]) -> set[tuple[str, str]]:
    """Path and code of every fault."""
    try:
        parse(document, said)
    except Invalid as error:
        return {(fault.path, fault.code) for fault in error.faults}
    return set()


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: str(reader.locale))
@pytest.mark.parametrize(("document", "right"), [(OfferDocument, OFFER), (StoreDocument, STORE)])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_c6_the_same_faults_by_both_ways(
    reader: Reader, document: type[Value], right: dict[str, str], data: st.DataObject
) -> None:
    assert refusals(document, as_json(right)) == set()
    names = data.draw(st.lists(st.sampled_from(sorted(right)), min_size=1, max_size=3, unique=True))
    typed = right | {name: data.draw(WRONG).strip() or "?" for name in names}
    by_form = nest(document, {name: [text] for name, text in typed.items()}, reader)
    assert refusals(document, by_form) == refusals(document, as_json(typed)), (typed, by_form)

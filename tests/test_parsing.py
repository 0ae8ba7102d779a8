"""From input to documents: one fault for one wrong place, with its path, its code and what its sentence needs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from wallet_service.documents.balances import BalancesDocument
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.offers import OfferDocument
from wallet_service.documents.programs import ProgramDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.errors import Fault, Invalid
from wallet_service.parsing import parse

STORE = {"name": "Lyon Bellecour", "latitude": 45.757, "longitude": 4.832}
OFFER = {
    "code": "maille",
    "title": "Maille",
    "starts_at_local": "2026-12-01T10:00",
    "ends_at_local": "2026-12-02T10:00",
}


def found(model: type[BaseModel], raw: Any) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refusal:
        parse(model, raw)
    return [(fault.path, fault.code) for fault in refusal.value.faults]


@pytest.mark.parametrize(
    ("model", "raw", "faults"),
    [
        (StoreDocument, STORE | {"proximity_text": {"fr": ""}}, [("proximity_text.fr", "string_too_short")]),
        (
            StoreDocument,
            STORE | {"proximity_text": {"French": "x"}},
            [("proximity_text.French", "language_tag")],
        ),
        (StoreDocument, STORE | {"proximity_text": 3}, [("proximity_text", "string_type")]),
        (StoreDocument, STORE | {"proximity_text": "x" * 501}, [("proximity_text", "string_too_long")]),
        (MemberDocument, {"consents": {"marketing": {}}}, [("consents.marketing.given", "missing")]),
        (MemberDocument, {"consents": {"marketing": []}}, [("consents.marketing", "bool_type")]),
        (MemberDocument, {"first_nam": "Claire"}, [("first_nam", "unknown_field")]),
    ],
)
def test_a_wrong_value_of_a_union_is_one_fault_at_its_path(
    model: type[BaseModel], raw: Any, faults: list[tuple[str, str]]
) -> None:
    assert found(model, raw) == faults


@pytest.mark.parametrize(
    ("model", "raw", "path", "code"),
    [
        (StoreDocument, {"name": "Lyon", "latitude": 4.832, "longitude": 45.757}, "latitude", "swapped"),
        (MemberDocument, {"home": {"latitude": 4.832, "longitude": 45.757}}, "home.latitude", "swapped"),
        (BalancesDocument, {"points": 3}, "sequence", "one_order"),
        (OfferDocument, OFFER | {"ends_at": "2026-12-02T10:00:00Z"}, "ends_at", "one_instant"),
        (
            OfferDocument,
            OFFER | {"starts_at_local": "2026-12-01T10:00+01:00"},
            "starts_at_local",
            "offset_in_local_time",
        ),
    ],
)
def test_a_fault_of_a_whole_document_has_the_path_of_a_field(
    model: type[BaseModel], raw: Any, path: str, code: str
) -> None:
    assert found(model, raw) == [(path, code)]


def test_a_fault_carries_what_its_sentence_needs() -> None:
    with pytest.raises(Invalid) as refusal:
        parse(StoreDocument, STORE | {"name": "x" * 201})
    (fault,) = refusal.value.faults
    assert (fault.code, fault.values) == ("string_too_long", {"max_length": 200})
    assert refusal.value.under("data").faults[0].path == "data.name"
    assert refusal.value.under("data").faults[0].values == fault.values


def test_values_of_a_fault_travel_as_json() -> None:
    fault = Fault("points", "too many", "less_than", {"lt": 5, "type": int})
    assert fault.as_json()["values"] == {"lt": 5, "type": "<class 'int'>"}


def test_every_fault_of_a_programme_has_a_path() -> None:
    assert all(path for path, _ in found(ProgramDocument, {}))

"""Every fault has its sentence, in both languages (console check C22)."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel

from wallet_service.documents.balances import BalancesDocument
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.offers import OfferDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.errors import Fault
from wallet_service.parsing import faults_of
from wallet_service.web.fault_words import has_sentence, sentence_of
from wallet_service.web.locale import Reader

PACKAGE = Path(__file__).parent.parent.parent / "wallet_service"
FR, EN = Reader("fr", ZoneInfo("Europe/Paris")), Reader("en", ZoneInfo("Europe/Paris"))
DOCUMENTS = (BalancesDocument, MemberDocument, OfferDocument, StoreDocument)

RAISED_BY: Mapping[str, set[str]] = {
    "any": set(),
    "bool": {"bool_type", "bool_parsing"},
    "date": {"date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"},
    "datetime": {
        *("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"),
        *("timezone_aware", "timezone_naive"),
    },
    "default": set(),
    "definition-ref": set(),
    "definitions": set(),
    "dict": {"dict_type"},
    "float": {"float_type", "float_parsing", "finite_number"},
    "function-after": {"invalid"},
    "function-before": {"invalid"},
    "function-plain": {"invalid"},
    "int": {"int_type", "int_parsing", "int_from_float", "int_parsing_size"},
    "literal": {"literal_error"},
    "model": {"model_type", "model_attributes_type"},
    "model-field": {"missing"},
    "model-fields": {"unknown_field", "model_attributes_type"},
    "nullable": set(),
    "str": {"string_type", "string_unicode"},
    "tagged-union": set(),  # the tags are told apart by us, and every value has one
    "tuple": {"tuple_type"},
}
"""What each kind of pydantic's core schema can refuse. A kind that is not here fails the test, and is to be added."""
RAISED_BY_LIMIT = {
    "min_length": {"str": "string_too_short", "tuple": "too_short", "dict": "too_short"},
    "max_length": {"str": "string_too_long", "tuple": "too_long", "dict": "too_long"},
    "pattern": {"str": "string_pattern_mismatch"},
    "ge": {"int": "greater_than_equal", "float": "greater_than_equal"},
    "gt": {"int": "greater_than", "float": "greater_than"},
    "le": {"int": "less_than_equal", "float": "less_than_equal"},
    "lt": {"int": "less_than", "float": "less_than"},
    "multiple_of": {"int": "multiple_of", "float": "multiple_of"},
}
VALUES: Mapping[str, Any] = {
    "column": "store_id",
    "limit": 20_000,
    "line": 2,
    "min_length": 3,
    "max_length": 30,
    "ge": 10,
    "gt": 9,
    "le": 1000,
    "lt": 1001,
    "multiple_of": 5,
    "found": 140,
    "store_id": "lyon",
    "zones": "Europe/Paris, Indian/Reunion",
    "name": "starts_at",
}


def codes_of_schema(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        kind = schema.get("type")
        if isinstance(kind, str) and (kind in RAISED_BY or "schema" in schema or "ref" in schema):
            yield from RAISED_BY[kind]
            for limit, by_kind in RAISED_BY_LIMIT.items():
                if limit in schema and kind in by_kind:
                    yield by_kind[kind]
        for key, below in schema.items():
            if key not in ("metadata", "serialization", "default", "cls"):
                yield from codes_of_schema(below)
    elif isinstance(schema, list | tuple):
        for each in schema:
            yield from codes_of_schema(each)


def codes_of_sources() -> Iterator[tuple[str, str]]:
    """Every code of ours that a document or an application of one is refused with, and where."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            place = {"refusal": 0, "Fault": 2, "Invalid.at": 2, "PydanticCustomError": 0}.get(called)
            if place is None:
                continue
            given = [*node.args[place : place + 1], *(each.value for each in node.keywords if each.arg == "code")]
            for argument in given:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, f"{path.relative_to(PACKAGE)}:{node.lineno}"


def pydantic_codes() -> set[str]:
    return {code for document in DOCUMENTS for code in codes_of_schema(document.__pydantic_core_schema__)}


def our_codes() -> dict[str, str]:
    return dict(codes_of_sources())


def test_the_walks_find_codes() -> None:
    assert {"missing", "string_too_long", "greater_than_equal", "too_long"} <= pydantic_codes()
    assert {
        "swapped",
        "one_instant",
        "instant_out_of_range",
        "ends_before_start",
        "names_brand",
        "no_such_store",
    } <= our_codes().keys()


@pytest.mark.parametrize("code", sorted(pydantic_codes() | our_codes().keys()))
def test_c22_every_code_has_its_sentence_in_both_languages(code: str) -> None:
    assert has_sentence(code), f"{code}, of {our_codes().get(code, 'pydantic')}, has no sentence in web/fault_words.py"
    fault = Fault("field", "what a program says", code, VALUES)
    french, english = sentence_of(fault, FR), sentence_of(fault, EN)
    assert french != english
    for sentence in (french, english):
        assert sentence[0].isupper()
        assert sentence[-1] in ".?"
        assert "%(" not in sentence
        assert "what a program says" not in sentence


def test_the_values_are_in_the_sentence_as_the_language_writes_them() -> None:
    fault = Fault("radius_m", "", "less_than_equal", {"le": 1000})
    assert sentence_of(fault, FR) == "Saisissez 1\u202f000 au plus."
    assert sentence_of(fault, EN) == "Enter 1,000 or less."
    assert sentence_of(Fault("name", "", "string_too_short", {"min_length": 1}), FR) == "Remplissez ce champ."


def test_a_field_may_say_better_what_to_do() -> None:
    fault = Fault("email", "", "string_pattern_mismatch", {"pattern": "…"})
    assert sentence_of(fault, FR) == "Saisissez une adresse e-mail, par exemple claire@example.com."
    assert sentence_of(Fault("home.email", "", fault.code), FR) == sentence_of(fault, FR)


def test_a_code_that_nobody_has_heard_of_is_still_said_in_the_readers_language() -> None:
    assert sentence_of(Fault("x", "", "brand_new"), FR) == "Cette valeur n’est pas acceptée."


def test_documents_really_raise_what_the_walk_says() -> None:
    """A sample against the table: what pydantic raises for wrong values is among the codes found."""
    wrong: list[tuple[type[BaseModel], dict[str, Any]]] = [
        (
            StoreDocument,
            {"name": 1, "latitude": "x", "longitude": 900, "beacons": [{"uuid": "x", "major": 1.5}], "zz": 1},
        ),
        (OfferDocument, {"code": "", "title": {"fr": ""}, "notify": "perhaps", "starts_at": "2026-11-27T10:00"}),
        (MemberDocument, {"birthday": "x", "home": 3, "consents": {"marketing": {"given": "?"}}}),
        (BalancesDocument, {"sequence": -1, "vouchers": 3, "cashback": {"amount": 1, "currency": "euro"}}),
    ]
    known = pydantic_codes() | our_codes().keys()
    for document, raw in wrong:
        with pytest.raises(ValueError, match="validation error") as refused:
            document.model_validate(raw)
        codes = {fault.code for fault in faults_of(refused.value)}  # type: ignore[arg-type]  # a ValidationError
        assert codes <= known, codes - known
        assert len(codes) > 2

"""From a form's fields to the document and back (console checks C18, C21)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, Field

from wallet_service.documents.members import MemberDocument
from wallet_service.documents.offers import OfferDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.errors import Fault, Invalid
from wallet_service.parsing import parse
from wallet_service.values import Value
from wallet_service.web.document_shape import leaf_at
from wallet_service.web.form_values import Raw, compact, flatten, nest
from wallet_service.web.forms import Form, Problem
from wallet_service.web.locale import Reader

PARIS = ZoneInfo("Europe/Paris")
FR, EN = Reader("fr", PARIS), Reader("en", PARIS)


class Everything(Value):
    """A document with a field of each kind."""

    count: int = Field(default=0, ge=-(10**12), le=10**12)
    share: float = Field(default=0, allow_inf_nan=False)
    ticked: bool = False
    on: date | None = None
    at: AwareDatetime | None = None
    local: datetime | None = None
    opens: time | None = None
    names: tuple[str, ...] = ()


def nested(document: type[Value], reader: Reader = FR, **raw: str | list[str]) -> dict[str, Any]:
    names = {name.replace("__", "."): value if isinstance(value, list) else [value] for name, value in raw.items()}
    return nest(document, names, reader)


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("48,8566", 48.8566),
        ("48.8566", 48.8566),
        (" 48,8566 ", 48.8566),
        ("-1,5", -1.5),
        ("\u22121,5", -1.5),
        ("1 200", 1200),
        ("1\u00a0200", 1200),
        ("1\u202f200", 1200),
        ("1\u202f200,5", 1200.5),
        ("1'200", 1200),
        ("douze", "douze"),
        ("nan", "nan"),
        ("1e3", "1e3"),
        ("1,2,3", "1,2,3"),
        ("9" * 5000, "9" * 5000),
        ("٤٢", "٤٢"),
    ],
)
def test_c21_numbers_as_french_people_type_them(typed: str, read: Any) -> None:
    assert nested(StoreDocument, latitude=typed) == {"latitude": read}


def test_c21_english_thousands_are_no_decimals() -> None:
    assert nested(OfferDocument, EN, uses_total="1,200") == {"uses_total": 1200}
    assert nested(OfferDocument, FR, uses_total="1,200") == {"uses_total": 1.2}  # and the document says: a whole number
    assert nested(StoreDocument, EN, latitude="48.8566") == {"latitude": 48.8566}


@pytest.mark.parametrize(
    "typed", ["2026-11-27T10:00", "27/11/2026 10:00", "27/11/2026 10h", "27.11.2026 à 10h00", "27/11/2026\u00a010:00"]
)
def test_dates_and_times_are_those_of_the_readers_zone(typed: str) -> None:
    assert nested(Everything, at=typed)["at"] == datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
    assert nested(Everything, local=typed)["local"] == datetime(2026, 11, 27, 10, 0)  # noqa: DTZ001  # a local time


def test_days_and_hours() -> None:
    assert nested(Everything, on="27/11/2026") == {"on": date(2026, 11, 27)}
    assert nested(Everything, on="2026-11-27") == {"on": date(2026, 11, 27)}
    assert nested(Everything, opens="9h30") == {"opens": time(9, 30)}
    assert nested(Everything, opens="19:05") == {"opens": time(19, 5)}


@pytest.mark.parametrize("typed", ["20", "31/02/2026", "demain", "1764234000", "25:00", "27/11/2026 99:99"])
def test_what_is_no_date_is_refused_at_its_path_and_never_guessed(typed: str) -> None:
    for name in ("on", "at", "local", "opens"):
        if (name, typed) == ("opens", "20"):
            continue  # a time of day, if a short one
        with pytest.raises(Invalid) as refused:
            parse(Everything, nest(Everything, {name: [typed]}, FR))
        assert {fault.path for fault in refused.value.faults} == {name}


def test_a_day_is_no_instant() -> None:
    """An offer that ends on the 27th would end at its first minute."""
    for typed in ("27/11/2026", "2026-11-27"):
        with pytest.raises(Invalid) as refused:
            parse(Everything, nested(Everything, at=typed, local=typed))
        assert {fault.path for fault in refused.value.faults} == {"at", "local"}


def test_paths_make_the_document() -> None:
    document = nested(
        StoreDocument,
        name=" Lyon Bellecour ",
        short_name="",
        latitude="45,7578",
        longitude="4,8320",
        address__city="Lyon",
        address__street="  ",
        proximity_text__fr="Une étole vous attend",
        groups=["centre", "", "lyon"],
        beacons__0__uuid="",
        beacons__0__major="",
        beacons__3__uuid="11111111-2222-3333-4444-555555555555",
        beacons__3__major="1 024",
        opening_hours__mo__0__from="10:00",
        opening_hours__mo__0__to="19:00",
        opening_hours__mo__1__from="",
        _once="a-token",
    )
    assert document == {
        "name": "Lyon Bellecour",
        "latitude": 45.7578,
        "longitude": 4.832,
        "address": {"city": "Lyon"},
        "proximity_text": {"fr": "Une étole vous attend"},
        "groups": ["centre", "lyon"],
        "beacons": [{"uuid": "11111111-2222-3333-4444-555555555555", "major": 1024}],
        "opening_hours": {"mo": [{"from": time(10), "to": time(19)}]},
    }
    assert parse(StoreDocument, document).beacons[0].major == 1024


def test_an_unticked_box_is_false_and_one_that_the_page_has_not_is_absent() -> None:
    assert nested(OfferDocument, notify=["", "on"]) == {"notify": True}
    assert nested(OfferDocument, notify="") == {"notify": False}
    assert nested(OfferDocument, title="x") == {"title": "x"}
    assert nested(OfferDocument, store_ids=["", "lyon"]) == {"store_ids": ["lyon"]}
    assert nested(OfferDocument, store_ids="") == {"store_ids": []}


def test_a_name_that_the_document_does_not_know_is_refused_and_not_dropped() -> None:
    with pytest.raises(Invalid) as refused:
        parse(MemberDocument, nested(MemberDocument, first_nam="Claire"))
    assert [(fault.path, fault.code) for fault in refused.value.faults] == [("first_nam", "unknown_field")]


_NAMES = st.text(alphabet="abc_019.", max_size=24)


@settings(deadline=None)  # a busy machine is no fault
@given(st.dictionaries(_NAMES, st.lists(st.text(max_size=8), max_size=3), max_size=8))
def test_no_form_however_made_up_breaks_the_reading(raw: dict[str, list[str]]) -> None:
    document = nest(StoreDocument, raw, FR)
    try:
        parse(StoreDocument, document)
    except Invalid as refused:
        Form(StoreDocument, raw, refused.faults, FR, {"name": "Nom"})["name"]


@settings(deadline=None)  # a busy machine is no fault
@given(st.dictionaries(_NAMES, st.lists(st.text(max_size=3), max_size=2), max_size=6))
def test_taking_out_empty_rows_twice_is_taking_them_out_once(raw: dict[str, list[str]]) -> None:
    assert compact(compact(raw)) == compact(raw)


_WORDS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=["Z", "C"]), min_size=1, max_size=20
)
_INSTANTS = st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1))  # noqa: DTZ001  # made aware below


def _is_told_by_clocks(at: datetime) -> bool:
    """Not the hour that comes twice: a form, like a clock on the wall, means the first of the two."""
    local = at.astimezone(PARIS)
    return local.utcoffset() == local.replace(fold=0).utcoffset()


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.builds(
        Everything,
        count=st.integers(-(10**12), 10**12),
        share=st.floats(-1e9, 1e9).map(lambda share: round(share, 7)),
        ticked=st.booleans(),
        on=st.none() | st.dates(),
        at=st.none() | _INSTANTS.map(lambda at: at.replace(tzinfo=UTC)).filter(_is_told_by_clocks),
        local=st.none() | _INSTANTS,
        opens=st.none() | st.times(),
        names=st.lists(_WORDS, max_size=4).map(tuple),
    ),
    st.sampled_from([FR, EN]),
)
def test_every_kind_of_value_comes_back_as_it_was(document: Everything, reader: Reader) -> None:
    assert parse(Everything, nest(Everything, flatten(document, reader), reader)) == document


_LATITUDES = st.floats(42, 51).map(lambda degrees: round(degrees, 6))
_LONGITUDES = st.floats(-4, 8).map(lambda degrees: round(degrees, 6))
_TEXTS = st.dictionaries(st.sampled_from(["fr", "en", "fr-CH"]), _WORDS, min_size=1) | _WORDS
_IDS = st.text(alphabet="abcdef-19", min_size=1, max_size=12)
_CLOCKS = st.sampled_from(["00:00", "09:30", "12:00"]), st.sampled_from(["14:00", "19:30", "23:59"])
_SPANS = st.lists(st.fixed_dictionaries({"from": _CLOCKS[0], "to": _CLOCKS[1]}), min_size=1, max_size=2)


@settings(deadline=None)  # a busy machine is no fault
@given(
    st.fixed_dictionaries(
        {"name": _WORDS, "latitude": _LATITUDES, "longitude": _LONGITUDES},
        optional={
            "short_name": _WORDS,
            "time_zone": st.just("Europe/Paris"),
            "address": st.fixed_dictionaries({}, optional={"city": _WORDS, "postal_code": _WORDS}),
            "proximity_text": _TEXTS,
            "groups": st.lists(_IDS, max_size=3),
            "beacons": st.lists(
                st.fixed_dictionaries(
                    {"uuid": st.just("11111111-2222-3333-4444-555555555555")}, optional={"major": st.integers(0, 65535)}
                ),
                max_size=3,
            ),
            "opening_hours": st.dictionaries(st.sampled_from(["mo", "tu", "su"]), _SPANS),
        },
    ),
    st.sampled_from([FR, EN]),
)
def test_a_store_comes_back_as_it_was(raw: dict[str, Any], reader: Reader) -> None:
    document = parse(StoreDocument, raw)
    assert parse(StoreDocument, nest(StoreDocument, flatten(document, reader), reader)) == document


def refused(document: type[Value], raw: Raw, labels: dict[str, str], reader: Reader = FR) -> Form:
    with pytest.raises(Invalid) as refusal:
        parse(document, nest(document, raw, reader))
    return Form(document, raw, refusal.value.faults, reader, labels)


def test_c18_a_refused_field_keeps_what_was_typed_and_says_what_is_wrong() -> None:
    labels = {"latitude": "Latitude", "name": "Nom"}
    form = refused(StoreDocument, {"name": ["  "], "latitude": ["douze "], "longitude": ["4,8"]}, labels)
    assert form["latitude"].value == "douze "
    assert form["latitude"].errors == ("Saisissez un nombre.",)
    assert form["name"].errors == ("Remplissez ce champ.",)
    assert form.problems == [
        Problem("Latitude\u202f: Saisissez un nombre.", "field-latitude"),
        Problem("Nom\u202f: Remplissez ce champ.", "field-name"),
    ]
    assert form.is_refused


def test_a_fault_without_a_field_of_its_own_is_shown_at_the_nearest_one_or_above_all() -> None:
    faults = [
        Fault("address.city", "", "string_type"),
        Fault("beacons[1]", "", "model_type"),
        Fault("proximity_text", "", "missing"),
        Fault("", "", "conflict"),
    ]
    labels = {"address": "Adresse", "beacons.1.uuid": "Balise", "proximity_text.fr": "Texte"}
    form = Form(StoreDocument, {"beacons.0.uuid": ["x"], "beacons.1.uuid": ["y"]}, faults, EN, labels)
    assert [problem.field_id for problem in form.problems] == [
        None,
        "field-address",
        "field-beacons-1-uuid",
        "field-proximity_text-fr",
    ]


def test_a_fault_in_a_row_is_shown_in_that_row_though_rows_before_it_were_left_empty() -> None:
    raw = {"name": ["x"], "latitude": ["45"], "longitude": ["4"], "beacons.0.uuid": [""], "beacons.5.uuid": ["no uuid"]}
    form = refused(StoreDocument, raw, {"beacons.0.uuid": "Balise"})
    assert form.rows("beacons") == 1
    assert form["beacons.0.uuid"].value == "no uuid"
    assert form["beacons.0.uuid"].errors


def test_limits_are_read_from_the_document() -> None:
    labels = {
        name: name for name in ("name", "short_name", "latitude", "proximity_text.fr", "beacons.0.major", "groups")
    }
    form = Form(StoreDocument, {}, [], FR, labels)
    assert form["name"].leaf.required
    assert (form["name"].leaf.min_length, form["name"].leaf.max_length) == (1, 200)
    assert not form["short_name"].leaf.required
    assert form["short_name"].leaf.max_length == 200
    assert (form["latitude"].leaf.minimum, form["latitude"].leaf.maximum) == (-90, 90)
    assert form["latitude"].leaf.kind == "number"
    assert form["proximity_text.fr"].leaf.max_length == 500
    assert (form["beacons.0.major"].leaf.kind, form["beacons.0.major"].leaf.maximum) == ("integer", 65535)
    assert form["groups"].leaf.max_length == 128
    radius = leaf_at(OfferDocument, ["radius_m"])
    assert radius is not None
    assert (radius.minimum, radius.maximum) == (10, 1000)


def test_a_page_cannot_show_a_field_that_the_document_does_not_have() -> None:
    form = Form(StoreDocument, {}, [], FR, {"nam": "Nom"})
    with pytest.raises(KeyError, match="StoreDocument has no value at 'nam'"):
        form["nam"]
    with pytest.raises(KeyError):
        form["name"]  # no label: the page did not say that it shows it

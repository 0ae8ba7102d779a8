"""A compiled template gives the very document that the long way gives, or leaves the card to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wallets.apple.conftest import CARD, NOW, SERVICE, card_with, make_template
from wallet_service.cards.content import Barcode, BarcodeFormat, CardContent, FieldContent, FieldKind
from wallet_service.cards.template import BarcodeSpec
from wallet_service.errors import Invalid
from wallet_service.offers.facts import Place
from wallet_service.values import Money
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.passes import archive
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.apple.passes.compiled_template import compile_template, shape_of
from wallet_service.wallets.apple.passes.pass_json import pass_json
from wallet_service.wallets.apple.passes.rules import Rules, validate
from wallet_service.wallets.protocol import CardView

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_DAYS = st.dates().map(str) | st.sampled_from(["2026-02-30x", "soon", "2026-01-01\n", ""])
_MOMENTS = st.sampled_from(
    ["2026-12-31T21:59:00+00:00", "2026-12-31T21:59:00+01:00", "2026-12-31T21:59:00", "2026-12-31T21:59:00.5+01:00"]
)
_VALUES: dict[FieldKind, st.SearchStrategy[Any]] = {
    "text": _TEXT | st.integers(-(2**63), 2**63 - 1),  # content is stored as JSON, whose integers have 64 bits
    "number": st.integers(-(2**60), 2**60) | _TEXT | st.booleans(),
    "money": st.builds(Money, amount=st.integers(-(10**9), 10**9), currency=st.sampled_from(["EUR", "JPY"])),
    "date": _DAYS,
    "instant": _MOMENTS,
}


@st.composite
def cards(draw: st.DrawFn) -> CardView:
    """Cards of one design, many of them wrong: values as no composer makes them."""
    fields = []
    for field_id in draw(st.lists(st.sampled_from(["points", "cashback", "tier", "until"]), unique=True)):
        kind = draw(st.sampled_from(sorted(_VALUES)))
        value = draw(_VALUES[kind])
        fields.append(
            FieldContent.model_construct(
                id=field_id, kind=kind, label=draw(st.sampled_from(["Points", "Statut", ""])), value=value, text="x"
            )
        )
    code = draw(st.none() | st.builds(Barcode, format=st.sampled_from(get_args(BarcodeFormat)), value=_CODES))
    places = st.builds(Place, store_id=_TEXT, latitude=st.floats(-90, 90), longitude=st.just(2.5), text=_TEXT)
    content: dict[str, Any] = {
        "fields": tuple(fields),
        "barcode": code,
        "places": tuple(draw(st.lists(places, max_size=11))),
        "radius_m": draw(st.none() | st.integers(-1, 90)),
        "voided": draw(st.booleans()),
    }
    formats = draw(st.lists(st.sampled_from(get_args(BarcodeFormat)), min_size=1, unique=True))
    barcode = BarcodeSpec(formats=tuple(formats), value="member.card_number")
    template = make_template(CARD.template.document.model_copy(update={"barcode": barcode}))
    serial = draw(st.sampled_from(["c_7Hk2mQ9xT4", "AAAAAAAAAA", "é" * 9, "short", 'quo"te-12345']))
    return replace(
        card_with(template=template, **content),
        serial_number=serial,
        auth_token=draw(st.sampled_from(["t" * 32, "t" * 15])),
    )


_CODES = st.text("0123456789", min_size=12, max_size=14) | st.sampled_from(["A1B", "ML-1", "été"]) | _TEXT.filter(bool)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_filled_or_left_alone(data: st.DataObject) -> None:
    """A template compiled of one card renders another only if that is right, and as the long way would write it."""
    first, second = data.draw(cards()), data.draw(cards())
    document = _right(first)
    if document is None:
        return
    compiled = compile_template(first, document, Rules())
    render = compiled.render(first)
    assert render in (None, orjson.dumps(document))
    if shape_of(second) != shape_of(first):
        second = replace(first, serial_number=second.serial_number, content=_with_values_of(first, second))
    if shape_of(second) == shape_of(first) and (other := compiled.render(second)) is not None:
        right = _right(second)
        assert right is not None, "a compiled let a wrong card through"
        assert other == orjson.dumps(right)


def _with_values_of(one: CardView, other: CardView) -> CardContent:
    values: dict[str, Any] = {field.kind: field.value for field in other.content.fields}
    fields = tuple(
        field.model_copy(update={"value": values.get(field.kind, field.value)}) for field in one.content.fields
    )
    places = other.content.places if one.content.places else ()
    return one.content.model_copy(update={"fields": fields, "places": places or one.content.places})


def _right(card: CardView) -> dict[str, object] | None:
    try:
        document = pass_json(card, web_service_url=SERVICE)
    except Invalid:
        return None
    return None if validate(document, Rules()) else document


def test_the_cards_of_a_design_come_out_of_its_template(
    identity: PassIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The long way is gone once; a card with other values does not need it."""
    builder = PassBuilder(identity, web_service_url=SERVICE)
    builder.build(CARD, at=NOW)
    monkeypatch.setattr(archive, "pass_json", None)
    fields = tuple(field.model_copy(update={"text": "?"}) for field in CARD.content.fields)
    builder.build(replace(card_with(fields=fields), serial_number="c_another9"), at=NOW)


def test_contact_in_a_members_own_value_does_not_vouch_for_others() -> None:
    """Item 45: where only a value that varies names an address, each card is checked whole."""
    template = make_template(CARD.template.document.model_copy(update={"links": ()}))
    back = template.document.fields[2].model_copy(update={"apple": "back"})
    template = make_template(template.document.model_copy(update={"fields": (back,)}))
    field = FieldContent(id="tier", kind="text", label="Statut", value="mail@example.com", text="x")
    card = card_with(template=template, fields=(field,))
    document = _right(card)
    assert document is not None
    assert compile_template(card, document, Rules()).render(card) is None

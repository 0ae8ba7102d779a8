"""What a card shows, from facts and time alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cards.conftest import DESIGNS
from wallet_service.cards.barcodes import can_carry, check_digit
from wallet_service.cards.composing import (
    Composer,
    money_text,
    next_change_at,
    notifying_field,
)
from wallet_service.cards.content import BarcodeFormat, CardContent
from wallet_service.cards.facts import Facts
from wallet_service.cards.samples import SAMPLE_PLACES, sample_facts
from wallet_service.cards.template import Template
from wallet_service.cards.template_folder import load_template
from wallet_service.documents.balances import VoucherFacts
from wallet_service.errors import Invalid
from wallet_service.offers.facts import OfferFacts, Place
from wallet_service.values import Money

GOLDEN = Path(__file__).parents[1] / "golden" / "cards"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
POINTS = Composer(load_template(DESIGNS / "points-card"))
STAMPS = Composer(load_template(DESIGNS / "stamp-card"))


def facts(locale: str = "fr", **changes: dict[str, Any] | None) -> Facts:
    """The sample member, with `balance={"points": 3}` and the like changed."""
    sheet = sample_facts(locale=locale, now=NOW)
    changed = {
        root: getattr(sheet, root).model_copy(update=values) if isinstance(values, dict) else values
        for root, values in changes.items()
    }
    return sheet.model_copy(update=changed)


def composed(sheet: Facts, locale: str = "fr", composer: Composer = POINTS, now: datetime = NOW) -> CardContent:
    return composer.compose(sheet, locale=locale, now=now)


@pytest.mark.parametrize("locale", ["fr", "en"])
@pytest.mark.parametrize("composer", [POINTS, STAMPS], ids=["points-card", "stamp-card"])
def test_golden(composer: Composer, locale: str) -> None:
    content = composer.compose(facts(locale), locale=locale, places=SAMPLE_PLACES, radius_m=80, now=NOW)
    got = content.model_dump(mode="json", exclude={"template_digest"})
    expected = json.loads((GOLDEN / f"{composer.template.template_id}.{locale}.json").read_text(encoding="utf-8"))
    assert got == expected
    assert content.template_digest == composer.template.digest


def test_an_unknown_or_empty_value_is_not_shown() -> None:
    content = composed(facts(balance={"points": None, "tier": "  ", "vouchers": ()}, store=None, offer=None))
    assert [field.id for field in content.fields] == ["member", "member_number"]


def test_zero_is_shown() -> None:
    field = composed(facts(balance={"points": 0})).field("points")
    assert field is not None
    assert (field.value, field.text) == (0, "0")


def test_a_missing_part_joins_as_nothing() -> None:
    field = composed(facts(store={"city": None})).field("store")
    assert field is not None
    assert field.text == "Lyon République"


def test_a_voided_card_has_no_barcode() -> None:
    assert composed(facts()).barcode is not None
    content = composed(facts(card={"voided": True}))
    assert content.voided
    assert content.barcode is None


def test_vouchers_and_offers_end_by_themselves() -> None:
    soon, later = NOW + timedelta(hours=1), NOW + timedelta(days=2)
    vouchers = tuple(
        VoucherFacts(code=code, amount=Money(amount=amount, currency="EUR"), valid_until=end)
        for code, amount, end in (("A", 500, soon), ("B", 700, later), ("C", 900, None))
    )
    sheet = facts(balance={"vouchers": vouchers}, offer={"ends_at": soon})
    assert next_change_at(sheet, NOW) == soon
    assert next_change_at(sheet, soon) == later
    assert next_change_at(sheet, later) is None

    def shown(now: datetime) -> list[str | None]:
        content = composed(sheet, now=now)
        return [field.text if (field := content.field(name)) else None for name in ("voucher", "offer")]

    assert shown(soon - timedelta(microseconds=1)) == ["5,00\N{NO-BREAK SPACE}€", "−15 % sur la soie"]
    assert shown(soon) == ["7,00\N{NO-BREAK SPACE}€", None]
    assert shown(later) == ["9,00\N{NO-BREAK SPACE}€", None]


def test_dates_are_shown_in_the_programme_s_zone() -> None:
    until = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    content = composed(facts(balance={"vouchers": (VoucherFacts(code="A", valid_until=until),)}))
    field = content.field("voucher_until")
    assert field is not None
    assert (field.value, field.text) == ("2027-01-01", "1 janvier 2027")


@pytest.mark.parametrize(
    ("money", "locale", "text"),
    [
        (Money(amount=7990, currency="EUR"), "fr", "79,90\N{NO-BREAK SPACE}€"),
        (Money(amount=7990, currency="EUR"), "en", "€79.90"),
        (Money(amount=-5, currency="EUR"), "fr", "-0,05\N{NO-BREAK SPACE}€"),
        (Money(amount=7990, currency="JPY"), "en", "¥7,990"),
        (Money(amount=7990, currency="TND"), "en", "TND7.990"),
        (Money(amount=9 * 10**14 + 1, currency="EUR"), "en", "€9,000,000,000,000.01"),
        (Money(amount=7950, currency="RSD"), "en", "RSD79.50"),  # ISO 4217: two; Unicode's data: none
    ],
)
def test_money_has_the_decimals_of_its_currency(money: Money, locale: str, text: str) -> None:
    assert money_text(money, locale) == text


def changed_design(old: str, new: str, folder: Path) -> Composer:
    text = (folder / "template.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "template.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return Composer(load_template(folder))


@pytest.mark.parametrize("value", ["many", 3.5, True, {"a": 1}, Money(amount=1, currency="EUR")])
def test_a_value_of_the_wrong_type_is_refused_with_its_field(design: Path, value: object) -> None:
    composer = changed_design('"balance.points"', '"member.attributes.score"', design)
    with pytest.raises(Invalid, match=r"fields\.points: .* but the field is of kind number"):
        composed(facts(member={"attributes": {"score": value}}), composer=composer)


def test_an_impossible_sum_is_refused_with_its_field(design: Path) -> None:
    composer = changed_design('"balance.points"', '"balance.points + balance.tier_points"', design)
    with pytest.raises(Invalid, match=r"fields\.points: .* cannot be worked out"):
        composed(facts(balance={"tier_points": None}), composer=composer)


def test_facts_cannot_be_reached_around_the_sandbox(design: Path) -> None:
    composer = changed_design(
        '"member.full_name or member.first_name"', "\"member.attributes.who['__class__']\"", design
    )
    content = composed(facts(member={"attributes": {"who": "x"}}), composer=composer)
    assert content.field("member") is None


def test_the_first_barcode_that_can_carry_the_number_is_taken(design: Path) -> None:
    composer = changed_design('formats = ["qr", "code128"]', 'formats = ["ean13", "code128", "qr"]', design)

    def chosen(number: str) -> str:
        barcode = composed(facts(member={"card_number": number}), composer=composer).barcode
        assert barcode is not None
        return barcode.format

    assert chosen("4006381333931") == "ean13"
    assert chosen("4006381333932") == "code128"
    assert chosen("ML-1") == "code128"
    assert chosen("Élodie") == "qr"
    with pytest.raises(Invalid, match=r"barcode\.value: no barcode can carry a text of 300 characters"):
        chosen("é" * 300)


@given(st.from_regex(r"[0-9]{12}", fullmatch=True))
def test_one_check_digit_fits_and_nine_do_not(twelve: str) -> None:
    fitting = [digit for digit in "0123456789" if can_carry("ean13", twelve + digit)]
    assert fitting == [check_digit(twelve)]


@pytest.mark.parametrize(
    ("format_", "fits", "not_"),
    [
        ("code39", ["ML-10 482", "A.B$/+%", "0"], ["ml", "É", "A*", "", "0" * 65]),
        ("codabar", ["123-45", "A12:3/4B", "$1.00+"], ["A123", "E1E", "12A34", "", "AB"]),
        ("itf", ["12", "00012345678905"], ["1", "123", "1A", "", "٣٤"]),
        ("ean13", ["400638133393", "4006381333931"], ["4006381333932", "40063813339", "٤٠٠٦٣٨١٣٣٣٩٣"]),
        ("code128", ["ML-10482736", "~ "], ["é", "\t", "", "x" * 65]),
        ("pdf417", ["Élodie", "x" * 400], ["Łódź", "€", "", "x" * 401]),
        ("qr", ["Łódź €", "é" * 200], ["", "é" * 201, "\ud83d"]),
    ],
)
def test_what_each_format_carries(format_: BarcodeFormat, fits: list[str], not_: list[str]) -> None:
    assert [value for value in fits if not can_carry(format_, value)] == []
    assert [value for value in not_ if can_carry(format_, value)] == []


@pytest.mark.parametrize(("earned", "shown"), [(None, 0), (0, 0), (7, 7), (10, 10), (13, 10)])
def test_stamps_are_counted_up_to_the_card_s_end(earned: int | None, shown: int) -> None:
    content = composed(facts(balance={"stamps": earned}), composer=STAMPS)
    assert content.stamps is not None
    assert (content.stamps.earned, content.stamps.total) == (shown, 10)


def test_negative_stamps_are_refused() -> None:
    with pytest.raises(Invalid, match=r"stamps\.earned: -1 is not a number of stamps"):
        composed(facts(balance={"stamps": -1}), composer=STAMPS)


def test_eleven_places_and_a_foreign_language_are_refused() -> None:
    eleven = tuple(Place(store_id=str(index), latitude=45 + index, longitude=4) for index in range(11))
    with pytest.raises(Invalid, match="places: there are 11; a card takes 10"):
        POINTS.compose(facts(), locale="fr", places=eleven, now=NOW)
    with pytest.raises(Invalid, match="locale: the design points-card has no words for de"):
        POINTS.compose(facts(), locale="de", now=NOW)


def notifying(template: Template, old: CardContent | None, new: CardContent) -> str | None:
    """The field of a content for which no offer's notification was decided."""
    return notifying_field(template, old, new, announces_offer=False)


def test_one_field_notifies_the_first_that_changed() -> None:
    template = POINTS.template
    old = composed(facts())
    assert notifying(template, None, old) is None
    points = composed(facts(balance={"points": 1300}))
    assert notifying(template, old, points) == "points"
    tier = composed(facts(balance={"tier": "Or"}))
    assert notifying(template, old, tier) == "tier"
    both = composed(facts(balance={"points": 1300, "tier": "Or"}))
    assert notifying(template, old, both) == "points"
    appeared = notifying(template, composed(facts(balance={"vouchers": ()})), old)
    assert appeared == "voucher", "it was on the pass before, without a value"


def with_field(field_id: str, **changes: Any) -> Template:
    """The points card with one field's spec changed."""
    document = POINTS.template.document
    fields = [spec.model_copy(update=changes) if spec.id == field_id else spec for spec in document.fields]
    return replace(POINTS.template, document=document.model_copy(update={"fields": tuple(fields)}))


def test_a_field_that_was_not_on_the_pass_takes_no_other_fields_message() -> None:
    """C12: phones are silent about a field that appears, so the one that did change speaks."""
    before, after = composed(facts(balance={"vouchers": (), "points": 1300})), composed(facts())
    assert notifying(POINTS.template, before, after) == "points"
    no_points = composed(facts(balance={"vouchers": (), "points": None}))
    assert notifying(with_field("points", empty=""), no_points, after) == "voucher"
    assert notifying(with_field("points", apple="none"), no_points, after) == "voucher"
    no_voucher = composed(facts(balance={"vouchers": ()}))
    assert notifying(with_field("voucher", empty=""), no_voucher, after) is None
    other_design = no_points.model_copy(update={"template_digest": "another"})
    assert notifying(POINTS.template, other_design, after) is None, "nobody knows what stood there then"


def test_a_change_without_notification_keeps_the_last_notifying_field() -> None:
    template = POINTS.template
    old = composed(facts()).model_copy(update={"notify_field": "tier"})
    assert notifying(template, old, composed(facts(offer=None))) == "tier"
    vanished = composed(facts(balance={"vouchers": ()}))
    assert notifying(template, old, vanished) == "tier"


@given(points=st.none() | st.integers(-(10**12), 10**12), title=st.none() | st.text(max_size=40), voided=st.booleans())
def test_composing_is_a_function_of_the_facts(points: int | None, title: str | None, voided: bool) -> None:
    offer = OfferFacts(code="X", title=title) if title is not None else None
    sheet = facts(balance={"points": points}, card={"voided": voided}).model_copy(update={"offer": offer})
    one, other = composed(sheet), composed(sheet.model_copy(deep=True))
    assert one == other
    assert one.digest() == other.digest()
    assert (one.field("points") is None) == (points is None)
    assert (one.field("offer") is None) == (title is None or not title.strip())
    assert CardContent.model_validate_json(one.model_dump_json()) == one

"""Composing: from the facts about one member to the content of their card. Pure.

A `Composer` holds one design with its expressions compiled; composing a card is then evaluating and formatting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import format_currency, format_decimal, get_currency_precision, parse_pattern

from wallet_service.cards.barcodes import can_carry
from wallet_service.cards.content import Barcode, BarcodeFormat, CardContent, FieldContent, Stamps
from wallet_service.cards.expressions import CompiledExpression, ExpressionError, compiled, roots_of
from wallet_service.cards.facts import Facts
from wallet_service.cards.template import FieldSpec, Template, TemplateDocument
from wallet_service.errors import Invalid
from wallet_service.offers.facts import Place
from wallet_service.offers.windows import end_of_day
from wallet_service.values import Money, minor_digits

MOST_PLACES = 10
"""What Apple and Google take on one card."""

FALLBACK_BARCODE: BarcodeFormat = "qr"
"""Drawn where no format of the design can carry the value: every wallet knows it, and it holds any text."""
_HOURS = re.compile(r"\bstore\s*(\.\s*(is_open|open_until|opens_at)\b|\[)")
_Formatted = tuple[str | int | Money, str]


class Composer:
    """A compiled card design that composes any number of cards; safe to share between threads."""

    def __init__(self, template: Template) -> None:
        self.template = template
        document = template.document
        self._fields = [(spec, compiled(spec.value)) for spec in document.fields]
        barcode = document.barcode
        self._barcode_value = compiled(barcode.value) if barcode is not None else None
        self._barcode_text = compiled(barcode.text) if barcode is not None and barcode.text is not None else None
        self._earned = compiled(document.stamps.earned) if document.stamps is not None else None
        self._look = compiled(document.looks.value) if document.looks is not None else None
        self._expires = compiled(document.expires) if document.expires is not None else None
        self.shows_hours = any(_HOURS.search(source) for source in _sources(document))
        """Whether a card of this design says when the member's store is open."""
        self.shows_news = any(spec.shows_news and spec.apple != "none" for spec in document.fields)
        """Whether an iPhone can be notified of an offer."""

    def compose(
        self,
        facts: Facts,
        *,
        locale: str,
        places: tuple[Place, ...] = (),
        radius_m: int | None = None,
        now: datetime,
    ) -> CardContent:
        """The content of a card at `now`, in `locale`.

        Vouchers and an offer that are over are left out; `next_change_at` says when that will alter the card. A field
        whose value comes out as None or empty is not shown; a voided card has no barcode.

        Args:
            locale: one of the design's own (`Template.locale_for`).
            places: at most 10, in the order in which they matter.
            radius_m: metres, or None for the wallet's own.

        Raises:
            Invalid: a value is not of its field's kind, a number that no barcode can carry, or too many places.
        """
        if locale not in self.template.words:
            raise Invalid.at("locale", f"the design {self.template.template_id} has no words for {locale}")
        if len(places) > MOST_PLACES:
            raise Invalid.at("places", f"there are {len(places)}; a card takes {MOST_PLACES}")
        words = self.template.words[locale]
        roots = roots_of(_current(facts, now), words)
        writer = _Writer(locale, facts.program.time_zone)
        fields = (self._field(spec, value, roots, words, writer) for spec, value in self._fields)
        return CardContent(
            locale=locale,
            template_digest=self.template.digest,
            fields=tuple(field for field in fields if field is not None),
            barcode=None if facts.card.voided else self._barcode(roots),
            places=places,
            radius_m=radius_m,
            stamps=self._stamps(roots),
            voided=facts.card.voided,
            look=self._look_of(roots),
            expires_at=self._end(facts, roots, writer),
            nameless=not (facts.member.full_name or facts.member.first_name),
        )

    def _look_of(self, roots: Mapping[str, Any]) -> str | None:
        looks = self.template.document.looks
        if looks is None or self._look is None:
            return None
        value = _text("looks.value", self._look, roots)
        return value if value in looks.cases else None

    def _end(self, facts: Facts, roots: Mapping[str, Any], writer: _Writer) -> str | None:
        """The design's end of the card; a linked pass whose design names none is over when its sender says."""
        if self._expires is None:
            return writer.end(facts.linked.expires_at) if facts.linked is not None else None
        if (value := _value("expires", self._expires, roots)) is None:
            return None
        if (end := writer.end(value)) is None:
            raise Invalid.at("expires", f"{value!r} is a {type(value).__name__}, not a day or an instant")
        return end

    def _field(
        self,
        spec: FieldSpec,
        expression: CompiledExpression,
        roots: Mapping[str, Any],
        words: Mapping[str, str],
        writer: _Writer,
    ) -> FieldContent | None:
        path = f"fields.{spec.id}"
        value = _value(path, expression, roots)
        if value is None or (isinstance(value, str) and not value.strip()):
            return None
        write: Callable[[Any], _Formatted | None] = getattr(writer, spec.kind)
        written = write(value)
        if written is None:
            raise Invalid.at(path, f"{value!r} is a {type(value).__name__}, but the field is of kind {spec.kind}")
        return FieldContent(id=spec.id, kind=spec.kind, label=words[spec.label], value=written[0], text=written[1])

    def _barcode(self, roots: Mapping[str, Any]) -> Barcode | None:
        spec = self.template.document.barcode
        if spec is None or self._barcode_value is None:
            return None
        value = _text("barcode.value", self._barcode_value, roots)
        if value is None:
            return None
        chosen = next((wanted for wanted in (*spec.formats, FALLBACK_BARCODE) if can_carry(wanted, value)), None)
        if chosen is None:
            raise Invalid.at("barcode.value", f"no barcode can carry a text of {len(value)} characters")
        text = _text("barcode.text", self._barcode_text, roots) if self._barcode_text is not None else None
        return Barcode(format=chosen, value=value, text=text)

    def _stamps(self, roots: Mapping[str, Any]) -> Stamps | None:
        spec = self.template.document.stamps
        if spec is None or self._earned is None:
            return None
        earned = _value("stamps.earned", self._earned, roots) or 0
        if not _is_whole(earned) or earned < 0:
            raise Invalid.at("stamps.earned", f"{earned!r} is not a number of stamps")
        return Stamps(earned=min(earned, spec.total), total=spec.total)


def _sources(document: TemplateDocument) -> Iterator[str]:
    """Every expression of a design."""
    yield from (spec.value for spec in document.fields)
    if document.barcode is not None:
        yield from (source for source in (document.barcode.value, document.barcode.text) if source is not None)
    if document.stamps is not None:
        yield document.stamps.earned
    if document.looks is not None:
        yield document.looks.value
    if document.expires is not None:
        yield document.expires


def erased_content(template: Template, *, locale: str) -> CardContent:
    """The content of an erased member's card: that it is void, and no field of anybody."""
    return CardContent(locale=locale, template_digest=template.digest, fields=(), voided=True, erased=True)


def notifying_field(
    template: Template, old: CardContent | None, new: CardContent, *, announces_offer: bool
) -> str | None:
    """The one field whose change the phone puts into words: the first in the design with `notify` whose text changed
    and that was on the pass before, for phones compare fields and are silent about one that appears.

    Where none changed it stays the old one: what a phone that comes late still has to say. A first content has none.

    Args:
        announces_offer: whether an offer's notification was decided for this very content. In any other a field that
            shows the news of an offer is silent, however its text changes, and does not stay: cap, quiet hours and
            consent were asked about that one moment.
    """
    if old is None:
        return None
    same_design = old.template_digest == template.digest
    for spec in template.document.fields:
        before, after = old.field(spec.id), new.field(spec.id)
        if spec.is_silent or after is None or (spec.shows_news and not announces_offer):
            continue
        if before.text != after.text if before is not None else same_design and spec.stays:
            return spec.id
    is_news = any(spec.id == old.notify_field and spec.shows_news for spec in template.document.fields)
    return None if is_news else old.notify_field


def next_change_at(facts: Facts, now: datetime) -> datetime | None:
    """The first instant after `now` at which time alone alters the card: a voucher or the offer ends."""
    ends = [voucher.valid_until for voucher in facts.balance.vouchers]
    ends += [facts.offer.ends_at] if facts.offer is not None else []
    return min((end for end in ends if end is not None and end > now), default=None)


def _current(facts: Facts, now: datetime) -> Facts:
    if next_change_at(facts, datetime.min.replace(tzinfo=now.tzinfo)) is None:
        return facts
    vouchers = tuple(v for v in facts.balance.vouchers if v.valid_until is None or v.valid_until > now)
    over = facts.offer is not None and facts.offer.ends_at is not None and facts.offer.ends_at <= now
    return facts.model_copy(
        update={
            "balance": facts.balance.model_copy(update={"vouchers": vouchers}),
            "offer": None if over else facts.offer,
        }
    )


def _value(path: str, expression: CompiledExpression, roots: Mapping[str, Any]) -> Any:
    try:
        return expression(roots)
    except ExpressionError as error:
        raise Invalid.at(path, str(error)) from error


def _text(path: str, expression: CompiledExpression, roots: Mapping[str, Any]) -> str | None:
    value = _value(path, expression, roots)
    if value is not None and not isinstance(value, str) and not _is_whole(value):
        raise Invalid.at(path, f"{value!r} is a {type(value).__name__}, not a text")
    return str(value).strip() or None if value is not None else None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class _Writer:
    """One method for each kind of field: (value by machine, text in the locale), or None where it does not fit."""

    def __init__(self, locale: str, time_zone: str) -> None:
        self._locale = _locale(locale)
        self._zone = ZoneInfo(time_zone)

    def text(self, value: Any) -> _Formatted | None:
        return (str(value), str(value)) if isinstance(value, str) or _is_whole(value) else None

    def number(self, value: Any) -> _Formatted | None:
        return (value, format_decimal(value, locale=self._locale)) if _is_whole(value) else None

    def money(self, value: Any) -> _Formatted | None:
        return (value, money_text(value, self._locale)) if isinstance(value, Money) else None

    def date(self, value: Any) -> _Formatted | None:
        if isinstance(value, datetime):
            value = value.astimezone(self._zone).date()
        return (value.isoformat(), format_date(value, "long", locale=self._locale)) if isinstance(value, date) else None

    def instant(self, value: Any) -> _Formatted | None:
        if not isinstance(value, datetime) or value.tzinfo is None:
            return None
        here = value.astimezone(self._zone)
        day, hour = format_date(here, "medium", locale=self._locale), format_time(here, "short", locale=self._locale)
        return here.isoformat(timespec="seconds"), f"{day}, {hour}"

    def end(self, value: Any) -> str | None:
        """The instant at which a day or an instant is over."""
        if isinstance(value, datetime):
            return value.astimezone(self._zone).isoformat(timespec="seconds") if value.tzinfo is not None else None
        if isinstance(value, date):
            return end_of_day(value, self._zone).astimezone(self._zone).isoformat()
        return None


@lru_cache
def _locale(tag: str) -> Locale:
    return Locale.parse(tag, sep="-")


def money_text(money: Money, locale: Locale | str) -> str:
    """`79,90 €` in French, `€79.90` in English."""
    digits = minor_digits(money.currency)
    amount = Decimal(money.amount).scaleb(-digits)
    if digits == get_currency_precision(money.currency):
        return format_currency(amount, money.currency, locale=locale)
    # Unicode's data leaves out minor units that a country hardly uses; an amount is shown as it is all the same
    locale = Locale.parse(locale) if isinstance(locale, str) else locale
    pattern = parse_pattern(locale.currency_formats["standard"].pattern)
    pattern.frac_prec = (digits, digits)
    return str(pattern.apply(amount, locale, currency=money.currency, currency_digits=False))

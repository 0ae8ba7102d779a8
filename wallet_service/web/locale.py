"""The language and time zone in which a page is written: choice, catalogues, dates, numbers, money. No Flask.

msgids are English sentences. The catalogues are read from `locale/<language>/LC_MESSAGES/messages.po` at start; there
is no compiled file, and English needs none. `python -m tools.catalogues` keeps them in step with the sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta, get_timezone_location
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent, get_currency_precision
from babel.support import NullTranslations, Translations

LANGUAGES = ("fr", "en")
"""The languages of the pages, the first being that of the source of truth for words shown to customers."""

_CATALOGUES = Path(__file__).parent / "locale"
_REGIONS = {"fr": "fr_FR", "en": "en_GB"}
"""How dates and numbers are written where only a language is known."""


@dataclass(frozen=True)
class Lazy:
    """A sentence of Python code that is translated when a page is written; see `lazy`."""

    msgid: str
    values: Mapping[str, object]
    plural: str | None = None
    num: int = 0

    def to(self, reader: Reader) -> str:
        """The sentence in the reader's language."""
        if self.plural is None:
            return reader.gettext(self.msgid, **self.values)
        return reader.ngettext(self.msgid, self.plural, self.num, **self.values)


def lazy(msgid: str, **values: object) -> Lazy:
    """A sentence to be translated later. Sources write it as `lazy("At most %(limit)s characters.", limit=30)`."""
    return Lazy(msgid, values)


def nlazy(msgid: str, plural: str, count: int, **values: object) -> Lazy:
    """A sentence with a number, to be translated later; `%(num)s` is the count."""
    return Lazy(msgid, values, plural, count)


@dataclass(frozen=True)
class Reader:
    """Who reads a page: the language that it is in, the zone that its times are in unless they name another."""

    locale: str
    zone: tzinfo

    @property
    def language(self) -> str:
        """`fr` of `fr-CH`: what `<html lang>` and the catalogues go by."""
        return self.locale.split("-")[0]

    @property
    def region(self) -> Locale:
        """Babel's locale for dates and numbers."""
        return Locale.parse(_REGIONS.get(self.locale, self.locale.replace("-", "_")))

    def gettext(self, msgid: str, /, **values: object) -> str:
        """`gettext` with named values: `%(name)s`."""
        translated: str = _translations(self.language).gettext(msgid)
        return translated % self._shown(values) if values else translated

    def ngettext(self, msgid: str, plural: str, num: int, /, **values: object) -> str:
        """`ngettext` with named values; `%(num)s` is the count, written as this language writes numbers."""
        translated: str = _translations(self.language).ngettext(msgid, plural, num)
        return translated % self._shown({**values, "num": num})

    def _shown(self, values: Mapping[str, object]) -> dict[str, object]:
        return {name: self.shown(value) for name, value in values.items()}

    def shown(self, value: object) -> object:
        """A value inside a sentence: numbers as this language writes them, all else as it is."""
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return self.number(value)
        return value

    def number(self, value: float | Decimal) -> str:
        """12 480; 48,8566."""
        return format_decimal(value, locale=self.region, decimal_quantization=False)

    def percent(self, share: float, digits: int = 1) -> str:
        """34,2 % of 0.342; at most `digits` after the comma."""
        pattern = "#,##0" + ("." + "#" * digits if digits else "") + ("\u202f%" if self.language == "fr" else "%")
        return format_percent(share, format=pattern, locale=self.region)

    def money(self, amount: int, currency: str) -> str:
        """25,00 € of 2500 minor units."""
        digits = get_currency_precision(currency)
        return format_currency(Decimal(amount).scaleb(-digits), currency, locale=self.region)

    def day(self, when: date | datetime, zone: str | tzinfo | None = None) -> str:
        """ven. 27 nov. 2026."""
        on = when.astimezone(self._zone(zone)).date() if isinstance(when, datetime) else when
        return format_date(on, "EEE d MMM y", locale=self.region)

    def clock(self, at: datetime, zone: str | tzinfo | None = None, *, seconds: bool = False) -> str:
        """14:02, or 14:02:07."""
        return format_time(at, "HH:mm:ss" if seconds else "HH:mm", tzinfo=self._zone(zone), locale=self.region)

    def moment(self, at: datetime, zone: str | tzinfo | None = None) -> str:
        """ven. 27 nov. 2026, 10:00; the zone's city beside it where that is not the reader's own zone."""
        place = self._zone(zone)
        text = format_datetime(at, "EEE d MMM y, HH:mm", tzinfo=place, locale=self.region)
        notes = []
        if str(place) != str(self.zone):
            notes.append(get_timezone_location(place, locale=self.region, return_city=True))
        if _comes_twice(at, place):
            notes.append(format_datetime(at, "'UTC'xxx", tzinfo=place, locale=self.region))
        return f"{text} ({', '.join(notes)})" if notes else text

    def relative(self, at: datetime, now: datetime) -> str:
        """il y a 3 minutes; dans 2 jours. Shown only beside the exact time."""
        if abs(at - now) < timedelta(minutes=1):
            return self.gettext("just now")
        return format_timedelta(at - now, add_direction=True, locale=self.region)

    def _zone(self, zone: str | tzinfo | None) -> tzinfo:
        return ZoneInfo(zone) if isinstance(zone, str) else zone or self.zone


def choose_locale(
    *, asked: str | None, kept: str | None, accepted: Iterable[str], offered: Sequence[str] = LANGUAGES
) -> str:
    """The language of a page: `?lang`, else the person's own setting, else the browser's, else the first offered.

    Args:
        asked: what the address says.
        kept: the person's setting.
        accepted: the browser's languages, best first.
        offered: the programme's locales; those whose pages we do not have are passed over.
    """
    speakable = [locale for locale in offered if locale.split("-")[0] in LANGUAGES] or list(LANGUAGES)
    for wish in (asked, kept, *accepted):
        if wish is None:
            continue
        for matches in (_is_same, _is_same_language):
            for locale in speakable:
                if matches(wish, locale):
                    return locale
    return speakable[0]


def po_file(language: str) -> Path:
    """Where the catalogue of a language is kept."""
    return _CATALOGUES / language / "LC_MESSAGES" / "messages.po"


@lru_cache(maxsize=8)
def _translations(language: str) -> NullTranslations:
    path = po_file(language)
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as source:
        catalogue = read_po(source, locale=language)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled)


def _is_same(wish: str, locale: str) -> bool:
    return wish.replace("_", "-").casefold() == locale.casefold()


def _is_same_language(wish: str, locale: str) -> bool:
    return re.split("[-_]", wish)[0].casefold() == locale.split("-")[0].casefold()


def _comes_twice(at: datetime, zone: tzinfo) -> bool:
    """Whether clocks there show this time twice, an hour apart: the night on which they go back."""
    local = at.astimezone(zone)
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()

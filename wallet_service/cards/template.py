"""A card design in neutral words, as `pass_templates/<name>/template.toml` writes it. Pure; `template_folder` reads it.

One document serves every wallet. What only one platform knows goes into `[apple]` and `[google]`, whose keys are the
platform's own and are checked by that platform's package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from wallet_service.cards.content import BarcodeFormat, FieldKind
from wallet_service.values import Value

AppleSlot = Literal["header", "primary", "secondary", "auxiliary", "back", "none"]
GoogleSlot = Literal["points", "secondary_points", "account_name", "account_id", "tier", "text", "none"]
Topic = Literal["voucher", "tier", "order", "points", "news"]
"""What a field's news is about, from what matters most to the holder to what matters least."""
Colour = str
"""`#RRGGBB`."""

_COLOUR = r"^#[0-9A-Fa-f]{6}$"
_NEAR_M, _FAR_M = 100, 1000
_NAME = r"^[a-z][a-z0-9_]{0,31}$"
_OFFER = re.compile(r"\boffer\s*[.\[]")
_NEWS = re.compile(r"\boffer\s*\.\s*news\b")
Expression = str
"""A Jinja expression over the roots of `cards.facts.Facts`, e.g. `store.name if store`."""


class Colours(Value):
    """`text` and `label` must stand out from `background` (contrast is checked on loading)."""

    background: Colour = Field(pattern=_COLOUR)
    text: Colour = Field(pattern=_COLOUR)
    label: Colour = Field(pattern=_COLOUR)


class BarcodeSpec(Value):
    """Formats in order of preference; a wallet takes the first that it can draw."""

    formats: tuple[BarcodeFormat, ...] = Field(min_length=1)
    value: Expression
    text: Expression | None = None


NO_VALUE = "–"
"""What a field with `notify` shows while it has no value, unless the design has words of its own for that."""


class FieldSpec(Value):
    """One field. `label`, `notify` and `empty` are keys of `words/<locale>.toml`; `notify` words carry one `%@`.

    A phone announces a change only of a field that was on the pass before. So a field with `notify` stays on Apple's
    pass without a value, as `empty` says or as a dash; `empty = ""` takes it off, and its first value is silent.
    """

    id: str = Field(pattern=_NAME)
    kind: FieldKind = "text"
    value: Expression
    label: str
    notify: str | None = None
    empty: str | None = None
    topic: Topic = "points"
    apple: AppleSlot
    google: GoogleSlot

    @property
    def is_silent(self) -> bool:
        """Whether its change never notifies: it shows an offer, and whether phones notify of one is decided for each
        member. `offer.news` appears when that is decided.
        """
        return self.notify is None or (_OFFER.search(self.value) is not None and not self.shows_news)

    @property
    def shows_news(self) -> bool:
        """Whether its change is how a phone notifies of an offer."""
        return self.notify is not None and _NEWS.search(self.value) is not None

    @property
    def stays(self) -> bool:
        """Whether the field is on Apple's pass without a value, too."""
        return self.notify is not None and self.empty != "" and self.apple != "none"

    def placeholder(self, words: Mapping[str, str]) -> str:
        """What it shows then."""
        return words[self.empty] if self.empty else NO_VALUE


class StampsSpec(Value):
    """The strip of a stamp card is drawn from these and from the images `stamp` and `stamp_empty`."""

    earned: Expression
    total: int = Field(ge=1, le=30)


class LooksSpec(Value):
    """Other colours for some cards: `value` is evaluated, and its text names the case (a tier, say), else the design's
    own colours are taken.
    """

    value: Expression
    cases: dict[str, Colours] = Field(min_length=1)


class LinkSpec(Value):
    """A link on the back; `label` is a key of the words; `url` starts with https://, mailto: or tel:."""

    id: str = Field(pattern=_NAME)
    label: str
    url: str = Field(pattern=r"^(https://|mailto:|tel:)\S+$")


class TemplateDocument(Value):
    """`template.toml`, whole."""

    style: Literal["store_card", "coupon", "generic", "event_ticket", "gift_card"]
    description: str
    """Key of the words: what VoiceOver says of the card."""
    logo_text: str | None = None
    """Key of the words."""
    colours: Colours
    barcode: BarcodeSpec | None = None
    fields: tuple[FieldSpec, ...] = Field(min_length=1)
    stamps: StampsSpec | None = None
    looks: LooksSpec | None = None
    expires: Expression | None = None
    """When the card is over for every wallet: a day (its end) or an instant."""
    links: tuple[LinkSpec, ...] = ()
    apple: dict[str, Any] = {}
    google: dict[str, Any] = {}

    @property
    def reach_m(self) -> int:
        """About how far from a place an iPhone brings the card forward (spec apple-wallet, 2.4)."""
        return _FAR_M if self.style == "event_ticket" or "boardingPass" in self.apple else _NEAR_M


ImageName = Literal[
    "icon", "logo", "strip", "hero", "stamp", "stamp_empty",
    "thumbnail", "background", "footer", "primary_logo", "secondary_logo", "artwork", "personalization_logo",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Template:
    """A loaded, validated design. Equal digests are equal designs, byte for byte.

    Attributes:
        template_id: the folder's name.
        digest: SHA-256, hex, over every file's name and bytes.
        words: locale → key → text; every locale has the same keys.
        images: image name → PNG bytes, at least as large as the largest wallet needs.
        local_images: locale → the images that cards in that language have instead of the common ones.
    """

    template_id: str
    digest: str
    document: TemplateDocument
    words: Mapping[str, Mapping[str, str]]
    images: Mapping[ImageName, bytes] = field(repr=False)
    local_images: Mapping[str, Mapping[ImageName, bytes]] = field(default_factory=dict, repr=False)

    def images_for(self, locale: str | None) -> Mapping[ImageName, bytes]:
        """The images of a card in that language (one of `words`)."""
        own = self.local_images.get(locale or "")
        return self.images if own is None else {**self.images, **own}

    def image_path(self, name: ImageName) -> str:
        """The path of an image; another design has another path, so caches may keep it for ever."""
        return f"/c/images/{self.digest[:16]}/{name}.png"

    def locale_for(self, wanted: str | None, fallback: str) -> str:
        """The best locale that the design has words for: `fr-CA` falls back to `fr`, then to `fallback`."""
        for tag in (wanted or "", (wanted or "").split("-")[0], fallback):
            if tag in self.words:
                return tag
        return next(iter(self.words))

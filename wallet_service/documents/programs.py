"""The programme's document: what an operator writes in a TOML file. Pure."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from wallet_service.documents.linked_passes import TemplateName
from wallet_service.documents.types import Integer, Locale, ShortText, TimeOfDay, TimeZone, Truth
from wallet_service.errors import Invalid
from wallet_service.parsing import parse, refusal, require_sound
from wallet_service.values import Value

RESERVED_IDS = frozenset({"account", "forgotten", "invitation", "reset", "second-factor", "sign-in", "sign-out"})
"""What stands in the place of a programme's id in addresses of the console; a test holds it against the routes."""


class AppleDocument(Value):
    """`[apple]`. The files are PEM (or .cer, .p12), relative to the document; absent: imported with `certs import`.

    With `pkcs11_module` (the library of the token's maker), `pkcs11_token` and `pkcs11_key` (labels) and
    `pkcs11_pin_file` passes are signed by a key in that token, of which `certificate_file` is the certificate.
    `reissue_after_renewal`: another certificate has installed passes sent anew.

    `nfc_encryption_public_key` (see `certs nfc-key`) and `sign_up` are for programmes that Apple has granted an NFC
    certificate; designs with `apple.nfc` and `apple.personalization` draw on them.
    """

    pass_type_id: str = Field(pattern=r"^pass\.[A-Za-z0-9.-]+$")
    team_id: str = Field(pattern=r"^[A-Z0-9]{10}$")
    organization_name: ShortText
    certificate_file: str | None = None
    key_file: str | None = None
    intermediate_file: str | None = None
    pkcs11_module: str | None = None
    pkcs11_token: str | None = None
    pkcs11_key: str | None = None
    pkcs11_pin_file: str | None = None
    reissue_after_renewal: bool = False
    nfc_encryption_public_key: str | None = Field(default=None, min_length=40)
    sign_up: Truth = False


class GoogleDocument(Value):
    """`[google]`. Ids are text even when they are all digits. `id_prefix` keeps two installations' ids apart.

    `demo`: the issuer was not published yet, and only testers can save its cards.
    """

    issuer_id: str = Field(pattern=r"^[0-9]{1,20}$")
    service_account_file: str | None = None
    demo: Truth = False
    id_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,16}$")


def _month_day(text: str) -> str:
    try:
        date.fromisoformat(f"{_LEAP_YEAR}-{text}")
    except ValueError as error:
        raise refusal("month_day", "should be a month and a day of it, e.g. 12-31") from error
    return text


_LEAP_YEAR = 2024
MonthDay = Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{2}$"), AfterValidator(_month_day)]
"""A day of every year; 29 February is the 28th in a common one."""


class ExpiryDocument(Value):
    """`[rules.expiry]`: until when points are valid, counted from the day on which they become available.

    `none`: for ever. `rolling`: for so many `months` or `days`. `calendar`: through the next of the days `on`.
    """

    kind: Literal["none", "rolling", "calendar"] = "none"
    months: Annotated[Integer, Field(ge=1, le=120)] | None = None
    days: Annotated[Integer, Field(ge=1, le=3660)] | None = None
    on: tuple[MonthDay, ...] = Field(default=(), max_length=24)

    @model_validator(mode="after")
    def _says_what_its_kind_needs(self) -> Self:
        if self.kind == "rolling" and (self.months is None) == (self.days is None):
            raise refusal("one_span", "give either months or days", path="months")
        if self.kind == "calendar" and not self.on:
            raise refusal("too_short", "give at least one day, e.g. 12-31", path="on", min_length=1)
        for name, kind in (("months", "rolling"), ("days", "rolling"), ("on", "calendar")):
            if getattr(self, name) and kind != self.kind:
                raise refusal("not_of_this_kind", "is for the kind {kind}", path=name, kind=kind)
        return self


class RulesDocument(Value):
    """`[rules]`, for `master = "builtin"`: what a purchase earns. Whole euros count, cents do not.

    `pending_days`: whole days after that of the purchase before its points can be spent. `refund_policy`: where what a
    refund takes back comes from (`loyalty.ledger.operations.reverse`).
    """

    points_per_unit: Annotated[Integer, Field(ge=0, le=1_000_000)] = 1
    stamps_per_purchase: Annotated[Integer, Field(ge=0, le=1000)] = 0
    pending_days: Annotated[Integer, Field(ge=0, le=366)] = 0
    expiry: ExpiryDocument = ExpiryDocument()
    refund_policy: Literal["only_pending", "within_balance", "unlimited"] = "within_balance"


class PressureDocument(Value):
    """`[pressure]`: the brand's own cap on a member's marketing notifications and its quiet hours, by the clock where
    the member lives.

    `marketing_per_week` holds for any `marketing_days` in a row, over all offers and both wallets. Quiet hours may go
    over midnight; a lone beginning lasts until midnight, a lone end from midnight on.
    """

    marketing_per_week: Annotated[Integer, Field(ge=0, le=1000)] | None = None
    marketing_days: Annotated[Integer, Field(ge=1, le=365)] = 7
    quiet_from: TimeOfDay | None = None
    quiet_until: TimeOfDay | None = None

    @property
    def is_always_quiet(self) -> bool:
        """Whether the quiet hours cover the whole day."""
        begins = self.quiet_from
        return begins is not None and (begins.hour, begins.minute) == (0, 0) and self.quiet_until is None


class ProgramDocument(Value):
    """A programme file, whole."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,47}$")
    name: ShortText
    brand: ShortText
    locales: tuple[Locale, ...] = Field(min_length=1, max_length=50)
    time_zone: TimeZone
    master: Literal["crm", "builtin"] = "crm"
    template: TemplateName
    linked_templates: tuple[TemplateName, ...] = Field(default=(), max_length=20)
    """The designs of passes that may be linked to a card; none of them is the card's own."""
    apple: AppleDocument | None = None
    google: GoogleDocument | None = None
    rules: RulesDocument = RulesDocument()
    pressure: PressureDocument = PressureDocument()

    @model_validator(mode="after")
    def _links_other_designs(self) -> Self:
        if self.template in self.linked_templates:
            raise refusal("linked_to_itself", "holds the card's own design", path="linked_templates")
        return self


def read_program(path: Path) -> ProgramDocument:
    """Read a programme file.

    Raises:
        Invalid: with the path of each fault, as TOML writes it (`apple.team_id`).
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Invalid.at(str(path), str(error)) from error
    except RecursionError as error:
        raise Invalid.at(str(path), "is nested too deep") from error
    require_sound(raw)
    document = parse(ProgramDocument, raw)
    if document.id in RESERVED_IDS:  # asked here, so that a programme that has such an id already still loads
        raise Invalid.at("id", f"{document.id!r} is an address of the console itself; choose another", "reserved_id")
    if document.pressure.is_always_quiet:  # here for the same reason
        raise Invalid.at("pressure.quiet_until", "is missing: the whole day would be quiet", "always_quiet")
    return document

"""The installation's settings: environment variables `WALLET_…`, read once, checked, frozen.

The table in README.md lists them; a test keeps the two alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from wallet_service.errors import SettingsError

PREFIX = "WALLET_"
LEASE_PER_TIMEOUT = 1.25
_OF_A_TILE = ("{z}", "{x}", "{y}")
SMTP_SCHEMES = ("smtp", "smtps", "smtp+starttls")


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ValueError("should look like https://cards.example.com, without query or fragment")
    return text.rstrip("/")


def _smtp_url(secret: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(secret.get_secret_value())
        good = (
            parts.scheme in SMTP_SCHEMES and parts.hostname and parts.port != 0 and not (parts.query + parts.fragment)
        )
    except ValueError:  # a port that is none
        good = False
    if not good or parts.path not in ("", "/"):
        raise ValueError("should look like smtp+starttls://user:password@mail.example.com:587, or smtps://, or smtp://")
    return secret


def _mail_from(text: str) -> str:
    address = parseaddr(text)[1]
    if address.count("@") != 1 or not all(address.split("@")) or any(character in text for character in "\r\n"):
        raise ValueError("should look like Maison Exemple <cards@example.com>")
    return text


def _tiles(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or not all(each in text for each in _OF_A_TILE):
        raise ValueError("should look like https://tiles.example.com/{z}/{x}/{y}.png")
    return text


def _networks(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise ValueError(f"should look like 10.0.0.0/8, 2001:db8::/32: {error}") from error


BaseUrl = Annotated[str, AfterValidator(_base_url)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseModel):
    """All settings. Durations end in `_s` and are seconds, or in `_days`; the properties beside them give spans."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: Literal["development", "production"] = "development"
    public_url: BaseUrl = "http://127.0.0.1:8000"
    database_url: SecretStr | None = None
    secret_key: SecretStr | None = None
    data_dir: Path = Path("var")
    templates_dir: Path = Path(__file__).parent.parent / "pass_templates"
    clock: str | None = None
    log_format: Literal["json", "text"] = "json"
    web_threads: Annotated[int, Field(ge=1)] = 8
    body_within_s: Seconds = 20

    apns_url: BaseUrl = "https://api.push.apple.com"
    apns_ca_file: Path | None = None
    apns_timeout_s: Seconds = 20
    apple_root_file: Path | None = None
    google_api_url: BaseUrl = "https://walletobjects.googleapis.com"
    google_keys_url: BaseUrl = "https://pay.google.com/gp/m/issuer/keys"
    google_save_url: BaseUrl = "https://pay.google.com/gp/v/save"
    google_timeout_s: Seconds = 20
    google_rate_per_s: Annotated[float, Field(gt=0, le=10_000)] = 20
    google_in_flight: Annotated[int, Field(ge=1, le=64)] = 8
    google_batch: Annotated[int, Field(ge=1, le=100)] = 1

    announce_spacing_s: Annotated[float, Field(ge=0, le=86_400)] = 60
    announce_per_hour: Annotated[int, Field(ge=0, le=60)] = 3
    campaign_spread_s: Annotated[float, Field(ge=0, le=86_400)] = 900
    announce_again_after_s: Seconds = 4 * 3600
    announce_again_per_day: Annotated[int, Field(ge=1, le=1000)] = 3
    announce_again_most: Annotated[int, Field(ge=0, le=1000)] = 6
    retry_first_s: Seconds = 1
    retry_most_s: Seconds = 300
    lease_s: Seconds = 40
    poll_s: Seconds = 2
    batch: Annotated[int, Field(ge=1, le=5000)] = 1000
    erased_kept_days: Annotated[float, Field(gt=0, le=3650)] = 30

    smtp_url: Annotated[SecretStr, AfterValidator(_smtp_url)] | None = None
    mail_from: Annotated[str, AfterValidator(_mail_from)] | None = None
    trusted_proxies: Networks = ()
    second_factor: Literal["off", "offered", "required"] | None = None
    journal_days: Annotated[float, Field(gt=0, le=3650)] = 365

    map_tiles: Annotated[str, AfterValidator(_tiles)] | None = None
    map_attribution: str = ""

    @property
    def lease(self) -> timedelta:
        """How long a claimed row belongs to its worker."""
        return timedelta(seconds=self.lease_s)

    @property
    def erased_kept(self) -> timedelta:
        """How long the void card of an erased member is kept for phones that do not come for it."""
        return timedelta(days=self.erased_kept_days)

    @property
    def journal_kept(self) -> timedelta:
        """How long the journal keeps an entry."""
        return timedelta(days=self.journal_days)

    @property
    def second_factor_rule(self) -> Literal["off", "offered", "required"]:
        """Whether people may have a second factor, and whether those of the roles with most power must."""
        return self.second_factor or ("required" if self.is_production else "offered")

    @property
    def is_production(self) -> bool:
        """Whether simulators, development certificates, a moved clock and plain http are refused."""
        return self.env == "production"


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings out of `environment`, and out of nothing else.

    Raises:
        SettingsError: a variable is unknown, malformed or, in production, missing or meant for development only.
    """
    values = {
        name.removeprefix(PREFIX).lower(): text
        for name, text in environment.items()
        if name.startswith(PREFIX) and text != ""
    }
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(_in_words(error)) from error
    if settings.lease_s < LEASE_PER_TIMEOUT * max(settings.apns_timeout_s, settings.google_timeout_s):
        raise SettingsError(
            "WALLET_LEASE_S should exceed WALLET_APNS_TIMEOUT_S and WALLET_GOOGLE_TIMEOUT_S by a quarter or more: "
            "in what is left after a timeout, all that was claimed has to be sent"
        )
    turn_s = settings.google_in_flight * settings.google_batch / settings.google_rate_per_s
    if turn_s > settings.lease_s - max(settings.apns_timeout_s, settings.google_timeout_s):
        raise SettingsError(
            f"WALLET_GOOGLE_IN_FLIGHT × WALLET_GOOGLE_BATCH calls at WALLET_GOOGLE_RATE_PER_S take {turn_s:.0f} s: "
            "that should fit into WALLET_LEASE_S and leave time for a timeout"
        )
    if settings.smtp_url is not None and settings.mail_from is None:
        raise SettingsError("WALLET_MAIL_FROM is needed with WALLET_SMTP_URL, e.g. Maison Exemple <cards@example.com>")
    if settings.is_production:
        _refuse_development_shapes(settings)
    return settings


def _in_words(error: ValidationError) -> str:
    lines = []
    for fault in error.errors():
        name = PREFIX + "_".join(str(part) for part in fault["loc"]).upper()
        if fault["type"] == "extra_forbidden":
            lines.append(f"{name} is not a setting of this program")
        else:
            lines.append(f"{name}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(lines)


def _refuse_development_shapes(settings: Settings) -> None:
    if settings.secret_key is None or len(settings.secret_key.get_secret_value()) < 32:
        raise SettingsError("WALLET_SECRET_KEY is needed in production: 32 characters or more, kept secret")
    if settings.database_url is None:
        raise SettingsError(
            "WALLET_DATABASE_URL is needed in production, e.g. postgresql://wallet@db.example.com/wallet"
        )
    if not settings.public_url.startswith("https://"):
        raise SettingsError("WALLET_PUBLIC_URL should start with https:// in production")
    if settings.clock is not None:
        raise SettingsError("WALLET_CLOCK moves the clock and is refused in production")
    if settings.apple_root_file is not None:
        raise SettingsError("WALLET_APPLE_ROOT_FILE trusts a development chain and is refused in production")
    if urlsplit(settings.public_url).path:
        raise SettingsError("WALLET_PUBLIC_URL should have no path of its own")
    if settings.apns_ca_file is not None:
        raise SettingsError("WALLET_APNS_CA_FILE trusts a simulator and is refused in production")
    smtp = urlsplit(settings.smtp_url.get_secret_value()) if settings.smtp_url is not None else None
    if smtp is not None and smtp.scheme == "smtp" and smtp.password and not _is_on_this_side(smtp.hostname or ""):
        raise SettingsError("WALLET_SMTP_URL holds a password: in production use smtp+starttls:// or smtps://")
    far_sides = {
        "WALLET_APNS_URL": settings.apns_url,
        "WALLET_GOOGLE_API_URL": settings.google_api_url,
        "WALLET_GOOGLE_KEYS_URL": settings.google_keys_url,
        "WALLET_GOOGLE_SAVE_URL": settings.google_save_url,
    }
    for name, url in far_sides.items():
        if _is_on_this_side(urlsplit(url).hostname or ""):
            raise SettingsError(f"{name} names this machine or its network: simulators are refused in production")
        if not url.startswith("https://"):
            raise SettingsError(f"{name} should start with https:// in production")
    if urlsplit(settings.apns_url).hostname == "api.sandbox.push.apple.com":
        raise SettingsError("WALLET_APNS_URL names Apple's sandbox, where pass pushes do not work")


def _is_on_this_side(host: str) -> bool:
    """Whether a host is no public one by its very name."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

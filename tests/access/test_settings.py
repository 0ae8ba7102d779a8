"""The settings of people and mails, and how wrong ones are refused."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

import pytest

from wallet_service.errors import SettingsError
from wallet_service.settings import settings_from

SMTP = {"WALLET_SMTP_URL": "smtp+starttls://cards:s3cret@mail.example.com:587", "WALLET_MAIL_FROM": "M <c@example.com>"}
PRODUCTION = {
    "WALLET_ENV": "production",
    "WALLET_SECRET_KEY": "x" * 32,
    "WALLET_DATABASE_URL": "postgresql://wallet@db.example.com/wallet",
    "WALLET_PUBLIC_URL": "https://cards.example.com",
}


def test_good_ones() -> None:
    settings = settings_from(SMTP | {"WALLET_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::1", "WALLET_JOURNAL_DAYS": "30"})
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("2001:db8::1/128"))
    assert settings.journal_kept == timedelta(days=30)
    assert "s3cret" not in repr(settings)


def test_the_second_factor_is_required_in_production_unless_said_otherwise() -> None:
    assert settings_from({}).second_factor_rule == "offered"
    assert settings_from(PRODUCTION).second_factor_rule == "required"
    assert settings_from(PRODUCTION | {"WALLET_SECOND_FACTOR": "off"}).second_factor_rule == "off"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WALLET_SMTP_URL", "mail.example.com"),
        ("WALLET_SMTP_URL", "https://mail.example.com"),
        ("WALLET_SMTP_URL", "smtp://"),
        ("WALLET_SMTP_URL", "smtp://mail.example.com:port"),
        ("WALLET_SMTP_URL", "smtp://mail.example.com/path"),
        ("WALLET_MAIL_FROM", "nobody"),
        ("WALLET_MAIL_FROM", "M <c@example.com>\nBcc: x@y.z"),
        ("WALLET_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("WALLET_TRUSTED_PROXIES", "proxy.example.com"),
        ("WALLET_SECOND_FACTOR", "maybe"),
        ("WALLET_JOURNAL_DAYS", "0"),
    ],
)
def test_wrong_ones_are_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings_from(SMTP | {name: value})


def test_a_mail_server_needs_a_sender() -> None:
    with pytest.raises(SettingsError, match="WALLET_MAIL_FROM"):
        settings_from({"WALLET_SMTP_URL": "smtp://mail.example.com"})


def test_no_password_travels_in_the_clear_in_production() -> None:
    clear = SMTP | {"WALLET_SMTP_URL": "smtp://cards:s3cret@mail.example.com"}
    with pytest.raises(SettingsError, match="smtps://") as refused:
        settings_from(PRODUCTION | clear)
    assert "s3cret" not in str(refused.value)
    settings_from(clear)
    settings_from(PRODUCTION | SMTP)
    settings_from(PRODUCTION | SMTP | {"WALLET_SMTP_URL": "smtp://localhost"})

"""A mail as it travels."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from wallet_service.errors import Invalid
from wallet_service.mail.message import MailMessage, as_email

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
MAIL = MailMessage("lea@example.com", "Votre accès à la console", "Bonjour Léa", "<p>Bonjour Léa</p>", "fr")


def travelled(message: MailMessage) -> EmailMessage:
    """What arrives of it."""
    sent = as_email(message, sender="Maison Lumière <cards@example.com>", message_id="<1@example.com>", at=NOW)
    return message_from_bytes(bytes(sent), _class=EmailMessage, policy=policy.default)


def test_a_mail_says_the_same_twice() -> None:
    mail = travelled(MAIL)
    assert (mail["To"], mail["Subject"], mail["Message-ID"]) == (
        "lea@example.com",
        "Votre accès à la console",
        "<1@example.com>",
    )
    assert mail["From"] == "Maison Lumière <cards@example.com>"
    assert (mail["Content-Language"], mail["Auto-Submitted"]) == ("fr", "auto-generated")
    assert mail["Date"].datetime == NOW
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert (plain.get_content().strip(), html.get_content().strip()) == ("Bonjour Léa", "<p>Bonjour Léa</p>")


def test_a_mail_may_be_text_alone() -> None:
    mail = travelled(MailMessage("lea@example.com", "x", "Bonjour", None, "fr"))
    assert mail.get_content_type() == "text/plain"


@pytest.mark.parametrize(
    ("to", "subject", "path"),
    [
        ("nobody", "x", "to"),
        ("", "x", "to"),
        ("lea@example.com\r\nBcc: all@example.com", "x", "to"),
        ("lea@example.com, paul@example.com", "x", "to"),
        ("lea@example.com", "x\r\nBcc: all@example.com", "subject"),
        ("lea@example.com", "", "subject"),
    ],
)
def test_no_header_can_be_smuggled_in(to: str, subject: str, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        MailMessage(to, subject, "text", None, "fr")
    assert [fault.path for fault in refused.value.faults] == [path]

"""The mails that the console sends: invitations, new passwords, and the word that somebody tries too often or has
changed the second step.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from wallet_service.mail.message import MailMessage
from wallet_service.web.locale import LANGUAGES, Reader

_UTC = ZoneInfo("UTC")


def invitation_mail(email: str, name: str, locale: str | None, program: str, address: str) -> MailMessage:
    """A first link, good for three days."""
    reader = _reader(locale)
    subject = reader.gettext("Your access to %(program)s", program=program)
    lines = (
        reader.gettext("You have been invited to the console of %(program)s.", program=program),
        reader.gettext("Choose your password here. The link works once, for 72 hours:"),
    )
    return _mail(reader, email, name, subject, (*lines, address))


def reset_mail(email: str, name: str, locale: str | None, address: str) -> MailMessage:
    """A link to a new password, good for an hour."""
    reader = _reader(locale)
    subject = reader.gettext("Choose a new password")
    lines = (
        reader.gettext("Choose a new password here. The link works once, for one hour:"),
        address,
        reader.gettext("If you did not ask for it, do nothing: your password stays as it is."),
    )
    return _mail(reader, email, name, subject, lines)


def too_many_tries_mail(email: str, name: str, locale: str | None) -> MailMessage:
    """Somebody has tried this address too often."""
    reader = _reader(locale)
    subject = reader.gettext("Too many tries to sign in with your address")
    lines = (
        reader.gettext("Somebody has entered a wrong password for your address many times. Signing in is paused."),
        reader.gettext("If it was you, wait an hour or choose a new password. If not, tell who operates the console."),
    )
    return _mail(reader, email, name, subject, lines)


def second_factor_mail(email: str, name: str, locale: str | None, *, removed: bool = False) -> MailMessage:
    """The second step of this person's sign-in was set up, replaced or removed."""
    reader = _reader(locale)
    if removed:
        subject = reader.gettext("The second step of your sign-in was removed")
    else:
        subject = reader.gettext("The second step of your sign-in was set up")
    line = reader.gettext(
        "If it was you, there is nothing to do. If not, choose a new password and tell who operates the console."
    )
    return _mail(reader, email, name, subject, (line,))


def _mail(reader: Reader, email: str, name: str, subject: str, lines: tuple[str, ...]) -> MailMessage:
    greeting = reader.gettext("Hello %(name)s,", name=name)
    return MailMessage(email, subject, "\n\n".join((greeting, *lines)) + "\n", None, reader.locale)


def _reader(locale: str | None) -> Reader:
    return Reader(locale if locale in LANGUAGES else LANGUAGES[0], _UTC)

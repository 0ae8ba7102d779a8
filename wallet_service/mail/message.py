"""A mail: to whom, what it says, in which language; and the same as bytes for a mail server (RFC 5322)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from wallet_service.errors import Invalid

_LONGEST_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class MailMessage:
    """A mail to one person. `html` says the same as `text`, for programs that show it.

    Raises:
        Invalid: the address is none, or address or subject is more than one line.
    """

    to: str
    subject: str
    text: str
    html: str | None
    locale: str

    def __post_init__(self) -> None:
        try:
            Address(addr_spec=self.to)
        except (ValueError, IndexError, MessageError) as error:
            raise Invalid.at("to", f"{self.to!r} is no mail address", "mail_address") from error
        if not self.subject or not self.subject.isprintable() or len(self.subject) > _LONGEST_SUBJECT:
            raise Invalid.at("subject", f"should be one line of at most {_LONGEST_SUBJECT} characters")


def as_email(message: MailMessage, *, sender: str, message_id: str, at: datetime) -> EmailMessage:
    """The mail as it travels.

    Args:
        sender: `Name <address>`.
        message_id: the same at each attempt, so that a repeat can be recognised.
    """
    email = EmailMessage(policy=SMTP)
    name, address = parseaddr(sender)
    email["From"] = Address(name, addr_spec=address)
    email["To"] = Address(addr_spec=message.to)
    email["Subject"] = message.subject
    email["Date"] = format_datetime(at)
    email["Message-ID"] = message_id
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices, please
    email.set_content(message.text)
    if message.html is not None:
        email.add_alternative(message.html, subtype="html")
    email["Content-Language"] = message.locale  # last: setting the content takes all headers of that name along
    return email

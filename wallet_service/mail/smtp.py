"""Handing one mail to a mail server (RFC 5321), over TLS where the address says so."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Literal, assert_never
from urllib.parse import unquote, urlsplit

from wallet_service.errors import Unreachable

TIMEOUT_S = 20.0
_PORT_OF = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_PERMANENT = range(500, 600)

Security = Literal["none", "tls", "starttls"]
_SECURITY_OF: dict[str, Security] = {"smtp": "none", "smtps": "tls", "smtp+starttls": "starttls"}


@dataclass(frozen=True, slots=True)
class Refused:
    """The server will never take this mail; `answer` is its own words."""

    answer: str


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails are handed over, and as whom."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """Whom to trust; None: the machine's usual authorities."""

    @classmethod
    def of(cls, url: str) -> SmtpServer:
        """The server that a checked `WALLET_SMTP_URL` names."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or _PORT_OF[parts.scheme],
            security=_SECURITY_OF[parts.scheme],
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
        )

    def send(self, email: EmailMessage) -> Refused | None:
        """Hand a mail over; None means that the server has it.

        Raises:
            Unreachable: not now: the server is away, says "later", or refuses us rather than this mail.
        """
        try:
            connection = self._connected(_domain_of(email))
            try:
                connection.send_message(email)
            finally:
                _leave(connection)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            return _refused(code, words, error)
        except smtplib.SMTPDataError as error:
            return _refused(error.smtp_code, error.smtp_error, error)
        except (smtplib.SMTPException, OSError) as error:
            raise Unreachable(f"the mail server {self.host}:{self.port} did not take it: {_in_words(error)}") from error
        return None

    def _connected(self, our_domain: str) -> smtplib.SMTP:
        """A connection, secured and signed in; smtplib would otherwise ask DNS for this machine's own name."""
        host, port = self.host, self.port
        match self.security:
            case "tls":
                connection: smtplib.SMTP = smtplib.SMTP_SSL(
                    host, port, local_hostname=our_domain, timeout=TIMEOUT_S, context=self._trust()
                )
            case "none" | "starttls":
                connection = smtplib.SMTP(host, port, local_hostname=our_domain, timeout=TIMEOUT_S)
            case _:
                assert_never(self.security)
        try:
            if self.security == "starttls":
                connection.starttls(context=self._trust())
            if self.user is not None:
                connection.login(self.user, self.password or "")
        except BaseException:
            connection.close()
            raise
        return connection

    def _trust(self) -> ssl.SSLContext:
        return self.tls or ssl.create_default_context()


def _leave(connection: smtplib.SMTP) -> None:
    """Say goodbye; what the server answers to that changes nothing about the mail that it has taken or not."""
    with suppress(smtplib.SMTPException, OSError):
        connection.quit()
    connection.close()


def _refused(code: int, words: bytes | str, error: Exception) -> Refused:
    answer = f"{code} {words.decode(errors='replace') if isinstance(words, bytes) else words}"
    if code not in _PERMANENT:
        raise Unreachable(f"the mail server says: {answer}") from error
    return Refused(answer)


def _in_words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        words = error.smtp_error
        return f"{error.smtp_code} {words.decode(errors='replace') if isinstance(words, bytes) else words}"
    return str(error) or type(error).__name__


def _domain_of(email: EmailMessage) -> str:
    return parseaddr(str(email["From"]))[1].rpartition("@")[2] or "localhost"

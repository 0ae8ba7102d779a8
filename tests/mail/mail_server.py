"""A real mail server (aiosmtpd) on a port of its own, which keeps what it takes and refuses as a test asks it to."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "cards", "p@ss/word"


@dataclass
class MailServer:
    """Takes mails; `rcpt` and `data` hold answers for the next recipients and mails in place of 250."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    rcpt: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)
    signed_in_as: list[str] = field(default_factory=list)
    at_quit: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        if self.rcpt:
            return self.rcpt.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answer the mail itself."""
        if self.data:
            return self.data.pop(0)
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        self.secured.append(session.ssl is not None)
        return "250 taken"

    async def handle_QUIT(self, server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        """Answer QUIT."""
        return self.at_quit.pop(0) if self.at_quit else "221 bye"

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, credentials: object
    ) -> AuthResult:
        """Check name and password."""
        assert isinstance(credentials, LoginPassword)
        good = (credentials.login, credentials.password) == (USER.encode(), PASSWORD.encode())
        if good:
            self.signed_in_as.append(credentials.login.decode())
        return AuthResult(success=good, handled=False)


@contextmanager
def running_mail_server(
    tls: ssl.SSLContext | None = None, *, implicit_tls: bool = False, needs_auth: bool = False, port: int = 0
) -> Iterator[MailServer]:
    """A server in a thread of its own, gone in the end. `tls` offers STARTTLS, or is spoken from the beginning."""
    mail_server = MailServer()
    loop = asyncio.new_event_loop()

    def factory() -> SMTP:
        return SMTP(
            mail_server,
            hostname="mail.example",
            tls_context=None if implicit_tls else tls,
            authenticator=mail_server.authenticate if needs_auth else None,
            auth_required=needs_auth,
            auth_require_tls=tls is not None and not implicit_tls,
            loop=loop,
        )

    async def listen() -> asyncio.Server:
        return await loop.create_server(factory, "127.0.0.1", port, ssl=tls if implicit_tls else None)

    async def close(server: asyncio.Server) -> None:
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, name="mail server")
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(listen(), loop).result()
        mail_server.port = server.sockets[0].getsockname()[1]
        try:
            yield mail_server
        finally:
            asyncio.run_coroutine_threadsafe(close(server), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

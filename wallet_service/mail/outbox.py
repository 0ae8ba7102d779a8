"""The outbox: a mail is a row, written in the transaction of what it is about, and sent by a job after the commit.

The row is the truth. The job that goes with it is what makes the mail leave at once; should it be lost with its worker,
a periodic task finds the row. Claim, send and settle are three steps, and no transaction is open across the network.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.clock import Clock
from wallet_service.errors import SettingsError, Unreachable
from wallet_service.mail.message import MailMessage, as_email
from wallet_service.mail.smtp import Refused, SmtpServer
from wallet_service.settings import Settings
from wallet_service.storage.jobs import defer_job
from wallet_service.storage.tables import Mail

log = structlog.get_logger()
SEND_MAIL, SEND_DUE_MAILS = "send_mail", "send_due_mails"
LEASE = timedelta(minutes=5)
"""How long a claimed mail belongs to its worker: longer than every wait for the server together."""
GIVEN_UP_AFTER = timedelta(days=1)
_DUE_AT_ONCE = 100
_LONGEST_ANSWER = 500


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail as it stands in the table; without a text once it was sent."""

    id: int
    to: str
    subject: str
    text: str | None
    html: str | None
    locale: str
    created_at: datetime
    sent_at: datetime | None
    given_up_at: datetime | None
    attempts: int
    last_answer: str | None


_CLAIM = text("""
UPDATE mails SET attempts = attempts + 1, next_attempt_at = CAST(:now AS timestamptz) + :lease
WHERE id = :id AND sent_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= :now
RETURNING to_address, subject, text, html, locale, message_id, created_at, attempts
""")
_PENDING = text("SELECT next_attempt_at FROM mails WHERE id = :id AND sent_at IS NULL AND given_up_at IS NULL")
_IS_MINE = "WHERE id = :id AND attempts = :attempts AND sent_at IS NULL"
_SENT = text(f"UPDATE mails SET sent_at = :now, text = NULL, html = NULL, last_answer = NULL {_IS_MINE}")  # noqa: S608
_GIVEN_UP = text(
    f"UPDATE mails SET given_up_at = :now, text = NULL, html = NULL, last_answer = :answer {_IS_MINE}"  # noqa: S608
)
_LATER = text(f"UPDATE mails SET next_attempt_at = :again_at, last_answer = :answer {_IS_MINE}")  # noqa: S608
_DUE = text("""
SELECT id FROM mails WHERE sent_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= :now
ORDER BY next_attempt_at LIMIT :most
""")


@dataclass(frozen=True)
class Outbox:
    """Takes mails in, and sends them.

    Without a server mails stay in the table, to be read there; in production they are refused instead.
    """

    sessions: sessionmaker[Session]
    clock: Clock
    server: SmtpServer | None
    sender: str
    first_pause: timedelta
    longest_pause: timedelta
    needs_server: bool = False

    @classmethod
    def of(cls, settings: Settings, sessions: sessionmaker[Session], clock: Clock) -> Outbox:
        """The outbox of this installation."""
        url = settings.smtp_url
        return cls(
            sessions=sessions,
            clock=clock,
            server=None if url is None else SmtpServer.of(url.get_secret_value()),
            sender=settings.mail_from or "wallet-service <nobody@localhost>",
            first_pause=timedelta(seconds=settings.retry_first_s),
            longest_pause=timedelta(seconds=settings.retry_most_s),
            needs_server=settings.is_production,
        )

    @property
    def can_send(self) -> bool:
        """Whether `post` takes mails in."""
        return self.server is not None or not self.needs_server

    def post(self, db: Session, message: MailMessage, *, now: datetime) -> int:
        """Write a mail and its job in the caller's transaction: it leaves after the commit, and only then. Returns its
        number.

        Raises:
            SettingsError: there is no mail server, and this is production.
        """
        if not self.can_send:
            raise SettingsError("WALLET_SMTP_URL is needed to send mails in production")
        mail = Mail(
            to_address=message.to,
            subject=message.subject,
            text=message.text,
            html=message.html,
            locale=message.locale,
            message_id=f"<{secrets.token_hex(16)}@{parseaddr(self.sender)[1].rpartition('@')[2]}>",
            created_at=now,
            next_attempt_at=now,
        )
        db.add(mail)
        db.flush()
        defer_job(db, SEND_MAIL, mail.id)
        return mail.id

    def send(self, mail_id: int) -> timedelta | None:
        """Send one mail, unless that was done or another does it; returns after how long to try again, or None."""
        if self.server is None:
            return None
        now = self.clock()
        with self.sessions.begin() as db:
            row = db.execute(_CLAIM, {"id": mail_id, "now": now, "lease": LEASE}).one_or_none()
            pending: datetime | None = db.scalar(_PENDING, {"id": mail_id}) if row is None else None
        if row is None:
            return None if pending is None else max(pending - now, self.first_pause)
        message = MailMessage(row.to_address, row.subject, row.text, row.html, row.locale)
        email = as_email(message, sender=self.sender, message_id=row.message_id, at=row.created_at)
        mine = {"id": mail_id, "attempts": row.attempts, "now": self.clock()}
        try:
            refused = self.server.send(email)
        except Unreachable as error:
            log.warning("mail_not_sent", mail_id=mail_id, attempts=row.attempts, reason=str(error))
            if now - row.created_at >= GIVEN_UP_AFTER:
                self._settle(_GIVEN_UP, mine | {"answer": str(error)[:_LONGEST_ANSWER]})
                return None
            pause = self._pause(row.attempts)
            again_at = self.clock() + pause
            self._settle(_LATER, mine | {"answer": str(error)[:_LONGEST_ANSWER], "again_at": again_at})
            return pause
        if isinstance(refused, Refused):
            log.warning("mail_refused", mail_id=mail_id, code=refused.answer[:3])
            self._settle(_GIVEN_UP, mine | {"answer": refused.answer[:_LONGEST_ANSWER]})
            return None
        self._settle(_SENT, mine)
        log.info("mail_sent", mail_id=mail_id, attempts=row.attempts)
        return None

    def send_due(self, stopping: Callable[[], bool] = lambda: False) -> Mapping[str, int]:
        """Send what is due and whose job was lost; returns how many were tried."""
        tried = 0
        if self.server is not None:
            with self.sessions() as db:
                due = db.scalars(_DUE, {"now": self.clock(), "most": _DUE_AT_ONCE}).all()
            for mail_id in due:
                if stopping():
                    break
                self.send(mail_id)
                tried += 1
        return {"mails": tried}

    def _pause(self, attempts: int) -> timedelta:
        doubled: timedelta = self.first_pause * 2 ** min(attempts - 1, 30)
        return min(doubled, self.longest_pause)

    def _settle(self, statement: object, values: dict[str, object]) -> None:
        with self.sessions.begin() as db:
            db.execute(statement, values)  # type: ignore[call-overload]


def newest_mails(db: Session, *, to: str | None = None, limit: int = 50) -> Sequence[StoredMail]:
    """The mails in the table, the newest first; for the demo's mailbox and for whoever looks after it."""
    query = select(Mail).order_by(Mail.id.desc()).limit(limit)
    if to is not None:
        query = query.where(Mail.to_address == to)
    return [
        StoredMail(
            id=mail.id,
            to=mail.to_address,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            locale=mail.locale,
            created_at=mail.created_at,
            sent_at=mail.sent_at,
            given_up_at=mail.given_up_at,
            attempts=mail.attempts,
            last_answer=mail.last_answer,
        )
        for mail in db.scalars(query)
    ]

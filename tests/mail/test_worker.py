"""A worker of the installation sends the mails of its web processes, and keeps nothing too long."""

from __future__ import annotations

from datetime import timedelta

from tests.conftest import OpenSystem
from tests.mail.mail_server import running_mail_server
from tests.storage.test_jobs import run_tonight
from tests.system import System, eventually
from wallet_service.access.journal import record
from wallet_service.access.roles import OPERATOR
from wallet_service.mail.message import MailMessage


def test_a_worker_sends_what_was_posted(open_system: OpenSystem) -> None:
    with running_mail_server() as server:
        system = open_system(
            WALLET_SMTP_URL=f"smtp://127.0.0.1:{server.port}", WALLET_MAIL_FROM="Lumière <cards@example.com>"
        )
        with system.services.sessions.begin() as db:
            mail = MailMessage("lea@example.com", "Bonjour", "Bonjour Léa", None, "fr")
            system.services.outbox.post(db, mail, now=system.clock())
        assert server.mails == []
        with system.working():
            eventually(lambda: system.rows("SELECT FROM mails WHERE sent_at IS NOT NULL"))
    assert [mail["From"] for mail in server.mails] == ["Lumière <cards@example.com>"]


def test_a_worker_forgets_the_old_journal(system: System) -> None:
    with system.services.sessions.begin() as db:
        record(db, OPERATOR, "offer_published", "offer", 1, program_id="lumiere", now=system.clock())
    system.clock.advance(timedelta(days=366))
    with system.working():
        run_tonight(system, "forget_access")
        eventually(lambda: not system.rows("SELECT FROM journal"))

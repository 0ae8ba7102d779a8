"""The outbox: a mail leaves after the commit, once, and as often as needed is tried again."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from tests.mail.mail_server import PASSWORD, USER, MailServer, running_mail_server
from tests.system import eventually
from wallet_service.errors import SettingsError
from wallet_service.mail.message import MailMessage
from wallet_service.mail.outbox import GIVEN_UP_AFTER, LEASE, SEND_MAIL, Outbox, StoredMail, newest_mails
from wallet_service.mail.smtp import SmtpServer
from wallet_service.settings import settings_from
from wallet_service.simulators.apns.tls import make_server_identity
from wallet_service.storage.engine import Database
from wallet_service.storage.jobs import JobRunner, Jobs, forget_history

MAIL = MailMessage("lea@example.com", "Votre accès", "Bonjour Léa : https://c.example/console/reset/T", None, "fr")


UNPROTECTED = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")
"""The server's own warning; to it, TLS from the beginning is none."""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def server() -> Iterator[MailServer]:
    with running_mail_server() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Iterator[Database]:
    opened = new_database()
    yield opened
    opened.close()


@pytest.fixture
def sessions(database: Database) -> sessionmaker[Session]:
    return sessionmaker(database.engine, expire_on_commit=False)


@pytest.fixture
def outbox(sessions: sessionmaker[Session], server: MailServer, clock: Clock) -> Outbox:
    environment = {
        "WALLET_SMTP_URL": f"smtp://127.0.0.1:{server.port}",
        "WALLET_MAIL_FROM": "Maison Lumière <cards@example.com>",
        "WALLET_RETRY_FIRST_S": "1",
        "WALLET_RETRY_MOST_S": "5",
    }
    return Outbox.of(settings_from(environment), sessions, clock)


def post(outbox: Outbox, message: MailMessage = MAIL) -> int:
    with outbox.sessions.begin() as db:
        return outbox.post(db, message, now=outbox.clock())


def stored(outbox: Outbox) -> StoredMail:
    with outbox.sessions() as db:
        (mail,) = newest_mails(db)
    return mail


def jobs(outbox: Outbox) -> list[dict[str, Any]]:
    with outbox.sessions() as db:
        rows = db.execute(text("SELECT task_name, args FROM procrastinate_jobs ORDER BY id")).mappings()
        return [dict(row) for row in rows]


def test_a_mail_is_a_row_and_a_job_of_one_transaction(outbox: Outbox, server: MailServer) -> None:
    with outbox.sessions() as db:
        outbox.post(db, MAIL, now=outbox.clock())
        db.rollback()
    assert jobs(outbox) == []
    mail_id = post(outbox)
    assert jobs(outbox) == [{"task_name": SEND_MAIL, "args": {"number": mail_id}}]
    assert server.mails == [], "nothing is sent inside a request"
    assert stored(outbox).text == MAIL.text


def test_a_mail_is_sent_once_and_its_text_is_forgotten(outbox: Outbox, server: MailServer) -> None:
    mail_id = post(outbox)
    assert outbox.send(mail_id) is None
    assert outbox.send(mail_id) is None
    assert server.recipients == ["lea@example.com"]
    (mail,) = server.mails
    assert mail["Subject"] == "Votre accès"
    assert mail.get_content().strip() == MAIL.text
    sent = stored(outbox)
    assert (sent.sent_at, sent.text, sent.attempts) == (outbox.clock(), None, 1)


@pytest.mark.parametrize("answers", [{"rcpt": ["451 later"]}, {"data": ["452 full"]}, {"rcpt": ["421 closing"]}])
def test_a_server_that_says_later_is_asked_again(
    outbox: Outbox, server: MailServer, clock: Clock, answers: dict[str, list[str]]
) -> None:
    for name, lines in answers.items():
        getattr(server, name).extend(lines)
    mail_id = post(outbox)
    pause = outbox.send(mail_id)
    assert pause == timedelta(seconds=1)
    waiting = stored(outbox)
    assert (waiting.sent_at, waiting.attempts) == (None, 1)
    assert next(iter(answers.values()))[0][:3] in (waiting.last_answer or "")
    assert outbox.send(mail_id) == pause, "not before its time"
    assert server.mails == []
    clock.now += pause
    assert outbox.send(mail_id) is None
    assert stored(outbox).sent_at == clock.now
    assert len(server.mails) == 1


def test_the_pauses_grow_to_a_ceiling_and_end_after_a_day(outbox: Outbox, server: MailServer, clock: Clock) -> None:
    mail_id = post(outbox)
    pauses: list[float] = []
    server.rcpt += ["451 later"] * 6
    while (pause := outbox.send(mail_id)) is not None and len(pauses) < 5:
        pauses.append(pause.total_seconds())
        clock.now += pause
    assert pauses == [1, 2, 4, 5, 5]
    clock.now += GIVEN_UP_AFTER
    server.rcpt += ["451 later"]
    assert outbox.send(mail_id) is None
    given_up = stored(outbox)
    assert (given_up.given_up_at, given_up.text) == (clock.now, None)
    assert outbox.send(mail_id) is None
    assert server.mails == []


@pytest.mark.parametrize("answers", [{"rcpt": ["550 nobody here"]}, {"data": ["554 no spam please"]}])
def test_a_mail_that_is_refused_for_good_is_not_tried_again(
    outbox: Outbox, server: MailServer, answers: dict[str, list[str]]
) -> None:
    for name, lines in answers.items():
        getattr(server, name).extend(lines)
    mail_id = post(outbox)
    assert outbox.send(mail_id) is None
    refused = stored(outbox)
    assert refused.given_up_at is not None
    assert refused.last_answer == next(iter(answers.values()))[0]
    assert outbox.send(mail_id) is None
    assert server.mails == []


def test_a_server_that_is_away_is_waited_for(outbox: Outbox, server: MailServer, clock: Clock) -> None:
    assert outbox.server is not None
    nowhere = replace(outbox, server=replace(outbox.server, port=1))
    mail_id = post(outbox)
    pause = nowhere.send(mail_id)
    assert pause == timedelta(seconds=1)
    clock.now += pause
    assert outbox.send(mail_id) is None
    assert len(server.mails) == 1


def test_a_rude_goodbye_sends_nothing_twice(outbox: Outbox, server: MailServer) -> None:
    server.at_quit.append("421 too busy to say goodbye")
    mail_id = post(outbox)
    assert outbox.send(mail_id) is None
    assert stored(outbox).sent_at is not None
    assert len(server.mails) == 1


def test_a_mail_whose_worker_died_is_found_again_with_the_same_identity(
    outbox: Outbox, server: MailServer, clock: Clock
) -> None:
    mail_id = post(outbox)

    class Killed(BaseException):
        """The worker is gone between the server's answer and the settling."""

    class DyingServer(SmtpServer):
        def send(self, email: Any) -> None:
            super().send(email)
            raise Killed

    assert outbox.server is not None
    dying = DyingServer(outbox.server.host, outbox.server.port, "none")
    with pytest.raises(Killed):
        replace(outbox, server=dying).send(mail_id)
    assert outbox.send_due() == {"mails": 0}, "it is still the other's"
    clock.now += LEASE
    assert outbox.send_due() == {"mails": 1}
    assert outbox.send_due() == {"mails": 0}
    first, second = server.mails
    assert first["Message-ID"] == second["Message-ID"]


def test_without_a_server_mails_stay_and_can_be_read(outbox: Outbox) -> None:
    at_home = replace(outbox, server=None)
    mail_id = post(at_home)
    assert at_home.send(mail_id) is None
    assert at_home.send_due() == {"mails": 0}
    kept = stored(at_home)
    assert (kept.to, kept.text, kept.sent_at, kept.attempts) == ("lea@example.com", MAIL.text, None, 0)
    with at_home.sessions() as db:
        assert [mail.id for mail in newest_mails(db, to="lea@example.com")] == [mail_id]
        assert newest_mails(db, to="paul@example.com") == []


def test_in_production_a_mail_without_a_server_is_refused(outbox: Outbox) -> None:
    with pytest.raises(SettingsError, match="WALLET_SMTP_URL"):
        post(replace(outbox, server=None, needs_server=True))
    assert jobs(outbox) == []


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server named localhost shows, and what a client that trusts it uses."""
    identity = make_server_identity()
    pem = folder / "server.pem"
    pem.write_bytes(identity.certificate_pem + identity.key_pem)
    shows = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shows.load_cert_chain(pem)
    return shows, ssl.create_default_context(cadata=identity.ca_pem.decode())


@UNPROTECTED
@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
def test_over_tls_with_name_and_password(outbox: Outbox, tmp_path: Path, scheme: str) -> None:
    shows, trusts = contexts(tmp_path)
    with running_mail_server(shows, implicit_tls=scheme == "smtps", needs_auth=True) as secure:
        server = SmtpServer.of(f"{scheme}://{USER}:p%40ss%2Fword@localhost:{secure.port}")
        assert PASSWORD not in repr(server)
        mail_id = post(outbox)
        assert replace(outbox, server=server).send(mail_id) is not None, "its certificate is not trusted"
        assert secure.mails == []
        outbox.clock.now += timedelta(seconds=1)  # type: ignore[attr-defined]
        assert replace(outbox, server=replace(server, tls=trusts)).send(mail_id) is None
        assert (len(secure.mails), secure.secured, secure.signed_in_as) == (1, [scheme == "smtp+starttls"], [USER])


@UNPROTECTED
def test_a_wrong_password_is_our_trouble_and_not_the_mails(outbox: Outbox) -> None:
    with running_mail_server(needs_auth=True) as strict:
        wrong = SmtpServer.of(f"smtp://{USER}:wrong@127.0.0.1:{strict.port}")
        assert replace(outbox, server=wrong).send(post(outbox)) is not None
        assert "535" in (stored(outbox).last_answer or "")


@pytest.mark.parametrize(
    ("url", "port", "security"),
    [
        ("smtp://mail.example", 25, "none"),
        ("smtps://mail.example", 465, "tls"),
        ("smtp+starttls://mail.example/", 587, "starttls"),
        ("smtp+starttls://a:b@[2001:db8::1]:2525", 2525, "starttls"),
    ],
)
def test_addresses_of_servers(url: str, port: int, security: str) -> None:
    server = SmtpServer.of(url)
    assert (server.port, server.security) == (port, security)


def test_a_worker_sends_at_once_and_again_after_a_failure(
    outbox: Outbox, server: MailServer, database: Database
) -> None:
    real = replace(outbox, clock=lambda: datetime.now(UTC), first_pause=timedelta(seconds=0.05))
    server.rcpt.append("451 later")
    runner = JobRunner(database.libpq_url, Jobs(deferred={SEND_MAIL: real.send}))
    runner.start()
    try:
        post(real)
        eventually(lambda: server.mails)
        eventually(lambda: jobs(real) == [])
    finally:
        runner.stop()
    sent = stored(real)
    assert (sent.attempts, len(server.mails)) == (2, 1)
    assert sent.sent_at is not None


def test_mails_are_kept_for_a_month(outbox: Outbox, clock: Clock) -> None:
    post(outbox)
    assert forget_history(outbox.sessions, now=clock.now + timedelta(days=30))["mails"] == 0
    assert forget_history(outbox.sessions, now=clock.now + timedelta(days=30, seconds=1))["mails"] == 1

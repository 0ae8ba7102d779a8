"""`bench google`: how much of the allowed rate is really used when very many cards change.

Worker processes on one PostgreSQL tell a simulator in a process of its own, which counts strictly and errs now and
then. The rate is raised to shorten the run: what counts is the share of it that is used.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import orjson
from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.cards.enrolment import issue_card
from wallet_service.cards.members import put_member
from wallet_service.cli.bench.apple import Figure, show
from wallet_service.delivery.channels import open_google, open_queues
from wallet_service.documents.members import MemberDocument
from wallet_service.logs import configure_logs
from wallet_service.programs.apply import apply_program
from wallet_service.services import Services, build_services
from wallet_service.settings import settings_from
from wallet_service.storage import engine, schema
from wallet_service.wallets.apple.certificates import apple_trust
from wallet_service.wallets.card_views import card_view

REACH = 0.95
ERRORS = 0.05
POINTS = 250
_PROGRAM, _ISSUER = "lumiere", "3388000000012345678"
_DOCUMENT = f"""
id = "{_PROGRAM}"
name = "Cercle Lumière"
brand = "Maison Lumière"
locales = ["fr", "en"]
time_zone = "Europe/Paris"
template = "points-card"

[google]
issuer_id = "{_ISSUER}"
service_account_file = "account.json"
"""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What Google saw: calls in all, those too fast, those that erred, the seconds from first to last, the fullest
    second.
    """

    calls: int
    too_fast: int
    errors: int
    seconds: float
    most_in_a_second: int


@click.command("google")
@click.option("--cards", default=10_000, show_default=True, type=click.IntRange(10))
@click.option("--rate", default=100, show_default=True, type=click.IntRange(1), help="Calls a second that are allowed.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1))
@click.option("--batch", default=5, show_default=True, type=click.IntRange(1, 100), help="Calls in one request.")
def bench_google(cards: int, rate: int, workers: int, batch: int) -> None:
    """Change very many cards while Google counts strictly and 5 % of its answers are errors."""
    tally = measure_google(cards, rate, workers, batch)
    what = f"{cards:,} cards changed, {workers} workers, {ERRORS:.0%} errors"
    used = Figure(
        what=what,
        rate=tally.calls / tally.seconds,
        yardstick="the allowed rate (Google's own is 20)",
        yardstick_rate=rate,
        reach=REACH,
    )
    show("Telling Google, calls", [used])
    click.echo(
        f"{tally.calls:,} calls, {tally.errors:,} errors, {tally.too_fast} answered 429; "
        f"the fullest second held {tally.most_in_a_second}"
    )


def measure_google(cards: int, rate: int, workers: int, batch: int) -> Tally:
    """Set up the cards, change every card, and let the workers run until nothing is pending."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    google = context.Process(target=_serve_google, args=(theirs, rate))
    google.start()
    theirs.close()  # so that its death ends our waiting
    try:
        far_side = ours.recv()
        with _installation(far_side, rate, batch) as (services, environment):
            ours.send(create_cards(services, cards))
            ours.recv()
            with services.sessions.begin() as db:
                change_all(db, POINTS)
            processes = [context.Process(target=_work, args=(environment,)) for _ in range(workers)]
            for process in processes:
                process.start()
            for process in processes:
                process.join()
            with services.sessions() as db:
                pending = db.scalar(text("SELECT count(*) FROM deliveries WHERE wanted_version > told_version"))
        ours.send(POINTS)
        tally: Tally = ours.recv()
        wrong: int = ours.recv()
    finally:
        google.terminate()
        google.join()
    if pending or wrong:
        raise click.ClickException(f"{pending} cards are still pending, {wrong} show something else at Google")
    return tally


def create_cards(services: Services, cards: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """One card made in the usual way, and copies of it, all known to Google already.

    Returns:
        The class and the first object that Google is to hold, and the ids of all objects.
    """
    with services.sessions.begin() as db:
        now = services.clock()
        program = services.program_cache.program(db, _PROGRAM)
        member, _ = put_member(db, program.document, "M-1", MemberDocument(first_name="Camille"), now=now)
        member.balance.points = 1
        card, _ = issue_card(db, services.publisher, program, member, now=now)
        db.flush()
        clone_cards(db, cards)
        db.execute(text("UPDATE google_objects SET told_digest = ''"))
        db.execute(text("UPDATE deliveries SET wanted_version = 1, told_version = 1"))
        object_ids = list(db.scalars(text("SELECT object_id FROM google_objects ORDER BY id")))
        account = services.keys.google_account(db, _PROGRAM)
        google = program.document.google
        assert google is not None  # noqa: S101 the document above says so
        assert account is not None  # noqa: S101 and so does its file
        view = card_view(
            db, services.program_cache, card, public_url=services.settings.public_url, google_object_id=object_ids[0]
        )
    channel = open_google(google, account, services.tools())
    try:
        return channel.class_body(view), channel.object_body(view), object_ids
    finally:
        channel.close()


def change_all(db: Session, points: int) -> None:
    """Another balance on every card, as if a night's run of the CRM had brought it."""
    db.execute(
        text(
            "UPDATE cards SET version = version + 1, content = jsonb_set(jsonb_set(content, '{fields,0,value}', "
            "to_jsonb(CAST(:points AS int))), '{fields,0,text}', to_jsonb(CAST(:text AS text)))"
        ),
        {"points": points, "text": str(points)},
    )
    db.execute(
        text("UPDATE deliveries SET wanted_version = wanted_version + 1, wanted_at = now(), next_attempt_at = now()")
    )


def clone_cards(db: Session, cards: int) -> None:
    """Copies of the only card, with their own members, objects and delivery rows, until there are `cards`."""
    for statement in _CLONES:
        db.execute(text(statement), {"cards": cards})


_CLONES = (
    """INSERT INTO members (program_id, member_id, card_number, created_at, updated_at)
    SELECT program_id, 'B-' || n, 'B' || n, now(), now() FROM members, generate_series(2, :cards) n""",
    """INSERT INTO balances (member_pk) SELECT id FROM members WHERE member_id LIKE 'B-%'""",
    """INSERT INTO cards (program_id, member_pk, serial_number, auth_token, link_token, issued_at, version, digest,
        content, template_version_id, published_at, modified_at)
    SELECT c.program_id, m.id, md5('s' || m.id), md5('a' || m.id), md5('l' || m.id), now(), c.version, c.digest,
        c.content, c.template_version_id, now(), now()
    FROM members m, cards c WHERE m.member_id LIKE 'B-%'""",
    """INSERT INTO google_objects (card_id, object_id, created_at)
    SELECT c.id, split_part(o.object_id, '.', 1) || '.' || md5('o' || c.id), now()
    FROM cards c, google_objects o WHERE c.member_pk IN (SELECT id FROM members WHERE member_id LIKE 'B-%')""",
    """INSERT INTO deliveries (card_id, program_id, kind, google_object_id, wanted_version, wanted_at, next_attempt_at)
    SELECT o.card_id, c.program_id, 'google', o.id, 0, now(), now()
    FROM google_objects o JOIN cards c ON c.id = o.card_id
    WHERE NOT EXISTS (SELECT FROM deliveries d WHERE d.google_object_id = o.id)""",
)


@contextmanager
def _installation(far_side: dict[str, Any], rate: int, batch: int) -> Iterator[tuple[Services, dict[str, str]]]:
    with tempfile.TemporaryDirectory(prefix="wallet-bench-") as name:
        folder = Path(name)
        (folder / "account.json").write_bytes(orjson.dumps(far_side["account"]))
        (folder / "program.toml").write_text(_DOCUMENT, encoding="utf-8")
        database = engine.open_embedded(folder / "database")
        schema.upgrade(database.engine)
        environment = {
            "WALLET_DATABASE_URL": database.url,
            "WALLET_SECRET_KEY": "a secret for measurements only, on this machine",
            "WALLET_DATA_DIR": str(folder),
            "WALLET_GOOGLE_API_URL": far_side["url"],
            "WALLET_GOOGLE_RATE_PER_S": str(rate),
            "WALLET_GOOGLE_BATCH": str(batch),
            "WALLET_BATCH": "5000",
            "WALLET_RETRY_MOST_S": "5",
        }
        services = build_services(settings_from(environment), database=database)
        try:
            with services.sessions.begin() as db:
                apply_program(
                    db,
                    folder / "program.toml",
                    templates_dir=services.settings.templates_dir,
                    keys=services.keys,
                    trust=apple_trust(),
                    now=services.clock(),
                )
            yield services, environment
        finally:
            services.close()


def _work(environment: dict[str, str]) -> None:
    """One worker process: its queue, until nothing is pending."""
    configure_logs("json", level="ERROR")
    services = build_services(settings_from(environment))
    with services.sessions() as db:
        (queue,) = open_queues(db, _PROGRAM, services.tools(), services.keys, known=())
    due: datetime | None = services.clock()
    while due is not None:
        if queue.step() == 0:
            time.sleep(min(0.05, max(0.0, (due - services.clock()).total_seconds())))
        due = queue.next_due_at()
    queue.close()
    services.close()


def _serve_google(pipe: Connection, rate: int) -> None:
    """The simulator's process: holds the objects, counts the calls, and sends the tally."""
    from wallet_service.simulators.google import GoogleSimulator
    from wallet_service.simulators.google.schema import resource_types

    with GoogleSimulator(enforce_rate=True, rate_per_s=rate) as google:
        pipe.send({"url": google.url, "account": google.make_service_account(_ISSUER)})
        made, item, object_ids = pipe.recv()
        types = resource_types()
        google.resources.insert(types["loyaltyClass"], made)
        for object_id in object_ids:
            google.resources.insert(types["loyaltyObject"], {**item, "id": object_id})
        google.fail_share(ERRORS)
        pipe.send(None)
        points = pipe.recv()
        calls = [call for call in google.calls if call.path.startswith("/walletobjects")]
        times = [call.at.timestamp() for call in calls]
        pipe.send(
            Tally(
                calls=len(calls),
                too_fast=sum(call.status == 429 for call in calls),
                errors=sum(call.status == 503 for call in calls),
                seconds=max(times) - min(times),
                most_in_a_second=_fullest(sorted(times)),
            )
        )
        balances = (google.object(object_id)["loyaltyPoints"]["balance"] for object_id in object_ids)
        pipe.send(sum(balance != {"int": points} for balance in balances))


def _fullest(times: list[float]) -> int:
    most = start = 0
    for end, at in enumerate(times):
        while times[start] < at - 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most

"""`wallet-service google`: classes, messages to everybody, audits, and how long a change takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from sqlalchemy.orm import Session

from wallet_service.cards.template import Template
from wallet_service.cards.template_folder import load_template
from wallet_service.cli.services import opened_services
from wallet_service.delivery.channels import open_google
from wallet_service.delivery.google_bodies import audit_of, class_cards, sample_cards
from wallet_service.documents.programs import GoogleDocument
from wallet_service.errors import NotFound, SettingsError
from wallet_service.services import Services
from wallet_service.storage.notify import wake_workers
from wallet_service.wallets.google import cost_estimate, maintenance
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.classes import ClassState, apply_class, require_published, state_of_class
from wallet_service.wallets.google.notifications.messages import (
    hosts_of,
    message_body,
    message_id_of,
    require_own_links,
)

program_option = click.option("--program", "program_id", required=True, help="The programme's id.")


@click.group()
def google() -> None:
    """Google Wallet: classes, news, audits."""


@dataclass(frozen=True)
class _OpenedProgram:
    """A programme with its open channel to Google."""

    services: Services
    document: GoogleDocument
    channel: GoogleChannel
    template: Template


@contextmanager
def _opened(program_id: str) -> Iterator[_OpenedProgram]:
    with opened_services() as services:
        with services.sessions() as db:
            program = services.program_cache.program(db, program_id)
            account = services.keys.google_account(db, program_id)
        document = program.document.google
        if document is None:
            raise NotFound(f"the programme {program_id} is not on Google Wallet")
        if account is None:
            raise SettingsError(f"no Google service account for {program_id}: name its file and apply the programme")
        require_published(demo=document.demo, is_production=services.settings.is_production)
        channel = open_google(document, account, services.tools())
        try:
            yield _OpenedProgram(services, document, channel, program.composer.template)
        finally:
            channel.close()


@google.command()
@program_option
@click.option("--dry-run", is_flag=True, help="Show what is different, change nothing; exit code 1 if there is any.")
def sync(program_id: str, dry_run: bool) -> None:
    """Make the classes at Google what the programme says, and show their review."""
    with _opened(program_id) as opened:
        with opened.services.sessions() as db:
            cards = class_cards(db, opened.services.program_cache, program_id, now=opened.services.clock())
        states = [(card, state_of_class(opened.channel, card)) for card in cards]
        _show_states([state for _, state in states])
        if any(state.is_demo for _, state in states):
            require_published(demo=True, is_production=opened.services.settings.is_production)
        todo = [(card, state) for card, state in states if state.todo != "nothing"]
        if dry_run:
            raise SystemExit(1 if todo else 0)
        for card, state in todo:
            apply_class(opened.channel, card, state)
        with opened.services.sessions.begin() as db:
            told = opened.channel.take_written_classes()
            maintenance.keep_classes(db, program_id, told, now=opened.services.clock())
    click.echo(f"{program_id}: {len(todo)} of {len(states)} classes changed")


@google.command()
@program_option
@click.option("--title", "titles", required=True, multiple=True, help="TEXT, or LANGUAGE=TEXT once for each language.")
@click.option("--text", "texts", required=True, multiple=True, help="TEXT, or LANGUAGE=TEXT once for each language.")
@click.option("--notify", is_flag=True, help="Notify the holders, if the day's budget allows.")
@click.option(
    "--days", default=7, show_default=True, type=click.IntRange(1, 365), help="How long it stands on the card."
)
@click.option("--id", "campaign", default=None, help="A name of its own; the same again is sent once.")
def news(
    program_id: str, titles: tuple[str, ...], texts: tuple[str, ...], notify: bool, days: int, campaign: str | None
) -> None:
    """One message to everybody who holds a card of the programme: one call for each class, however many they are."""
    with _opened(program_id) as opened:
        services, now = opened.services, opened.services.clock()
        with services.sessions() as db:
            program = services.program_cache.program(db, program_id)
            cards = class_cards(db, services.program_cache, program_id, now=services.clock())
        locale = program.document.locales[0]
        linked = {opened.channel.class_id(card) for card in cards if card.template.template_id in program.linked}
        title, text = _by_language(titles, locale), _by_language(texts, locale)
        require_own_links([*title.values(), *text.values()], hosts_of(opened.template, services.settings.public_url))
        message_id = message_id_of(program_id, campaign or "\n".join([*titles, *texts]))
        ends_at = now + timedelta(days=days)
        message = message_body(message_id, title, text, starts_at=now, ends_at=ends_at)
        with services.sessions.begin() as db:
            opened.channel.classes.update(maintenance.known_classes(db, program_id))
            found = maintenance.queue_class_messages(
                db, program_id, message, notify=notify, ends_at=ends_at, but=linked, now=now
            )
            wake_workers(db, program_id)
        if not found:
            raise NotFound(f"no class at Google yet: run wallet-service google sync --program {program_id}")
        maintenance.Maintenance(
            sessions=services.sessions,
            channel=opened.channel,
            program_id=program_id,
            lease=services.settings.lease,
            timeout=timedelta(seconds=services.settings.google_timeout_s),
            clock=services.clock,
        ).send_class_messages()
        with services.sessions() as db:
            _show_news(db, message_id)


@google.command()
@program_option
@click.option("--dry-run", is_flag=True, help="Only look.")
def audit(program_id: str, dry_run: bool) -> None:
    """Compare what Google holds with what it should, page by page; differences are sent again."""
    with _opened(program_id) as opened:
        services = opened.services
        report = audit_of(services.tools(), opened.channel, program_id, put_back=not dry_run, now=services.clock())
        with services.sessions.begin() as db:
            wake_workers(db, program_id)
    for object_id, difference in report.examples:
        click.echo(f"  {object_id} {difference}")
    click.echo(
        f"{program_id}: {report.seen} objects at Google, {report.different} different, {report.absent} missing, "
        f"{report.holders_changed} with another holder than we believed, {report.strangers} not ours"
    )


@google.command("plan")
@program_option
@click.option(
    "--template",
    "folder",
    default=None,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A new version of the design, to know what it would cost before it is applied.",
)
def plan_command(program_id: str, folder: Path | None) -> None:
    """Say how many calls a change costs and how long it takes, before it starts."""
    with _opened(program_id) as opened:
        design = load_template(folder) if folder is not None else None
        with opened.services.sessions() as db:
            found = cost_estimate.plan_of(
                db,
                opened.channel,
                sample_cards(
                    db, opened.services.program_cache, program_id, opened.services.settings.public_url, most=200
                ),
                program_id=program_id,
                design=design,
            )
    per_s = opened.services.settings.google_rate_per_s
    table = Table("change", "calls", "takes", title=f"{program_id}, {per_s:g} calls/s", title_justify="left")
    for step in found:
        table.add_row(step.what, f"{step.calls:,}", cost_estimate.in_words(step.takes(per_s)))
    Console().print(table)


def _by_language(given: tuple[str, ...], locale: str) -> dict[str, str]:
    texts = {}
    for one in given:
        language, mark, text = one.partition("=")
        is_language = bool(mark) and 2 <= len(language) <= 5 and language.replace("-", "").isalpha()
        texts[language if is_language else locale] = text if is_language else one
    return texts


def _show_states(states: list[ClassState]) -> None:
    for state in states:
        review = f" · {state.review}" if state.review else ""
        demo = " · demo mode: only testers can save" if state.is_demo else ""
        click.echo(f"{state.address.class_id} ({state.address.kind.name}): {state.todo}{review}{demo}")
        if state.comments:
            click.echo(f"  Google says: {state.comments}")
        for difference in state.differences:
            click.echo(f"  {difference}")


def _show_news(db: Session, message_id: str) -> None:
    for class_id, how in maintenance.message_status(db, message_id):
        click.echo(f"{class_id}: {how or 'waits for a worker'}")

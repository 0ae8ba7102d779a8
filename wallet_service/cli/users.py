"""`users invite|list|lock|unlock|reset`: people of the console. The first admin of a programme is made here."""

from __future__ import annotations

import sys

import click

from wallet_service.access.links import link_address, reset_link
from wallet_service.access.passwords import LONGEST
from wallet_service.access.roles import OPERATOR, Role
from wallet_service.access.second_factor import remove_second_factor
from wallet_service.access.users import (
    Granted,
    address_id,
    invite,
    lock_user,
    people,
    person_of,
    set_password,
    unlock_user,
)
from wallet_service.cli.services import opened_services
from wallet_service.errors import Conflict, Invalid
from wallet_service.services import Services


@click.group()
def users() -> None:
    """People who sign in to the console."""


@users.command("invite")
@click.argument("email")
@click.option("--program", "program_id", required=True, help="The programme's id.")
@click.option("--role", type=click.Choice([str(role) for role in Role]), required=True)
@click.option(
    "--store", "store_ids", multiple=True, help="A store that the role is for; with the roles store and till."
)
@click.option("--name", default="", help="The person's name; what stands before the @ if it is left out.")
@click.option("--locale", type=click.Choice(["fr", "en"]), help="The language of their pages and mails.")
@click.option("--password-stdin", is_flag=True, help="Read a ready password from standard input instead of a link.")
def invite_command(
    email: str,
    program_id: str,
    role: str,
    store_ids: tuple[str, ...],
    name: str,
    locale: str | None,
    password_stdin: bool,
) -> None:
    """Give EMAIL a role in a programme, and print the address at which they choose a password: alone, and once.

    Invited again, the role is replaced, and only the newest address opens.
    """
    password = _password_from_stdin() if password_stdin else None
    with opened_services() as services, services.sessions.begin() as db:
        now = services.clock()
        invited = invite(
            db,
            OPERATOR,
            email=email,
            name=name,
            locale=locale,
            program_id=program_id,
            role=role,
            store_ids=store_ids,
            now=now,
        )
        if password is not None:
            set_password(db, OPERATOR, services.passwords, invited.user_id, password, now=now)
        person = person_of(db, invited.user_id)
    if password is not None:
        click.echo(
            f"{person.email} is {role} in {program_id} and may sign in at {_sign_in_address(services)}", err=True
        )
    elif invited.link_token is None:
        click.echo(f"{person.email} has a password already, and is {role} in {program_id} now", err=True)
    else:
        click.echo(link_address(services.settings.public_url, "invitation", invited.link_token))


@users.command("list")
@click.option("--program", "program_id", help="Only this programme's.")
def list_command(program_id: str | None) -> None:
    """List the people: address, name, state, second factor, last seen, programmes with their roles."""
    with opened_services() as services, services.sessions() as db:
        for person in people(db, program_id=program_id):
            seen = person.last_seen_at.isoformat(timespec="minutes") if person.last_seen_at else "never seen"
            factor = "second factor" if person.has_second_factor else "password only"
            roles = ", ".join(_in_words(grant) for grant in person.grants) or "no role"
            click.echo("\t".join((person.email, person.name, person.state, factor, seen, roles)))


@users.command("lock")
@click.argument("email")
def lock_command(email: str) -> None:
    """Lock EMAIL out at once: sessions end, links that were sent open nothing."""
    with opened_services() as services, services.sessions.begin() as db:
        lock_user(db, OPERATOR, address_id(db, email), now=services.clock())
    click.echo(f"{email} is locked")


@users.command("unlock")
@click.argument("email")
def unlock_command(email: str) -> None:
    """Let EMAIL sign in again."""
    with opened_services() as services, services.sessions.begin() as db:
        unlock_user(db, OPERATOR, address_id(db, email), now=services.clock())
    click.echo(f"{email} may sign in again")


@users.command("reset")
@click.argument("email")
@click.option("--second-factor", is_flag=True, help="Forget the second factor too: the phone is lost, say.")
def reset_command(email: str, second_factor: bool) -> None:
    """Print the address at which EMAIL chooses a new password: alone, once, and good for an hour."""
    with opened_services() as services, services.sessions.begin() as db:
        now, user_id = services.clock(), address_id(db, email)
        made = reset_link(db, OPERATOR, email, now=now)
        if made is None:
            raise Conflict(f"{email} is locked; unlock them first")
        if second_factor:
            remove_second_factor(db, OPERATOR, user_id, now=now)
    click.echo(link_address(services.settings.public_url, "reset", made[1]))


def _password_from_stdin() -> str:
    """The first line; a terminal is not read, for it would show what is typed."""
    if sys.stdin.isatty():
        raise Invalid.at("--password-stdin", "expects the password from a pipe: printf %s … | wallet-service users …")
    password = sys.stdin.readline(4 * LONGEST + 2).rstrip("\r\n")
    if not password:
        raise Invalid.at("--password-stdin", "found no password on standard input")
    return password


def _sign_in_address(services: Services) -> str:
    return f"{services.settings.public_url}/console/sign-in"


def _in_words(grant: Granted) -> str:
    stores = f"({', '.join(grant.store_ids)})" if grant.store_ids else ""
    return f"{grant.program_id}:{grant.role}{stores}"

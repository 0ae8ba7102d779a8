"""`offers simulate`: what phones show of a card at a place or along a path, and why not."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

import click
import orjson
from rich.console import Console
from rich.table import Table

from wallet_service.cards.places import card_of_number, walk_with_card, walk_with_profile
from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.cli.services import opened_services
from wallet_service.documents.coordinates import coordinates_in
from wallet_service.errors import Invalid
from wallet_service.offers.choosing_places import Point
from wallet_service.offers.paths import path_of
from wallet_service.offers.places import MemberPlace
from wallet_service.offers.relevance import Answer, Step, StoreHere


class _Instant(click.ParamType[datetime]):
    """An instant with its offset."""

    name = "instant"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it; anything else is a wrong use of the command."""
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} should look like 2026-11-27T10:00+01:00", param, ctx)
        if read.tzinfo is None:
            self.fail(f"{value!r} should have its offset, as in 2026-11-27T10:00+01:00", param, ctx)
        return read.astimezone(UTC)


_PROFILE = ("store", "tier", "home", "consent")


@click.group()
def offers() -> None:
    """Offers and what phones make of them."""


@offers.command()
@click.option("--program", "program_id", required=True, help="The programme's id.")
@click.option("--member", metavar="ID", help="A member, by id or card number; else somebody like --profile.")
@click.option(
    "--profile",
    multiple=True,
    metavar="KEY=VALUE",
    help="store=ID, tier=NAME, home=LAT,LON or consent=yes; repeat it. Without any: somebody of whom nothing is known.",
)
@click.option(
    "--point",
    "points",
    multiple=True,
    required=True,
    metavar="LAT,LON|STORE [@ TIME]",
    help="Where the phone is; repeat it for a path. A time without offset is the programme's.",
)
@click.option("--at", type=_Instant(), help="When, if not now: 2026-11-27T10:00+01:00.")
@click.option("--location-off", is_flag=True, help="The phones do not let their wallet use the location.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def simulate(
    program_id: str,
    member: str | None,
    profile: tuple[str, ...],
    points: tuple[str, ...],
    at: datetime | None,
    location_off: bool,
    as_json: bool,
) -> None:
    """Say what an iPhone and an Android phone show of a card at each point, and why not, with the platform's rule.

    The card has the places that it is composed with at that instant; a phone that was not reached may hold older ones.
    """
    if member is not None and profile:
        raise click.UsageError("choose --member or --profile, not both")
    with opened_services() as services, services.sessions() as db:
        program = services.program_cache.program(db, program_id)
        path = path_of(
            points,
            program.places.stores,
            zone=program.document.time_zone,
            at=at or services.clock(),
            path="--point",
        )
        if member is not None:
            card = card_of_number(db, program_id, member, by_id=True)
            steps = walk_with_card(db, program, card, path, has_location=not location_off)
        else:
            somebody = _member_like(profile, program)
            locale = program.document.locales[0]
            steps = walk_with_profile(program, somebody, path, locale=locale, has_location=not location_off)
    if as_json:
        click.echo(orjson.dumps([_json(step) for step in steps], option=orjson.OPT_INDENT_2))
        return
    for step in steps:
        _print(step)


def _member_like(profile: tuple[str, ...], program: LoadedProgram) -> MemberPlace:
    said = dict(each.partition("=")[::2] for each in profile)
    if unknown := sorted(set(said) - set(_PROFILE)):
        raise click.UsageError(f"--profile knows {', '.join(_PROFILE)}, not {', '.join(unknown)}")
    store_id = said.get("store")
    if store_id is not None and store_id not in program.places.stores:
        raise Invalid.at("--profile", f"there is no store {store_id!r}", "no_such_store", store_id=store_id)
    home = coordinates_in(said["home"]) if "home" in said else None
    if "home" in said and home is None:
        raise Invalid.at("--profile", f"{said['home']!r} is not LAT,LON", "coordinates")
    return MemberPlace(
        home=Point(*home) if home is not None else None,
        favourite_store_id=store_id,
        tier=said.get("tier"),
        has_consented=said.get("consent", "no") in ("yes", "true", "1"),
    )


def _json(step: Step) -> dict[str, object]:
    def answer(one: Answer) -> dict[str, object]:
        place = one.place.store_id if one.place else None
        text = one.place.text if one.place else None
        return asdict(one) | {"place": place, "text": text, "missing_m": one.missing_m}

    return {
        "at": step.stop.at,
        "latitude": step.stop.point.latitude,
        "longitude": step.stop.point.longitude,
        "places": [place.store_id for place in step.places],
        "iphone": answer(step.iphone),
        "android": answer(step.android),
        "stores": [asdict(store) for store in step.stores],
    }


def _print(step: Step) -> None:
    point = step.stop.point
    table = Table(title=f"{point.latitude:g}, {point.longitude:g} at {step.stop.at.isoformat(timespec='minutes')}")
    for column in ("phone", "shows", "why", "rule", "source"):
        table.add_column(column, overflow="fold")
    for name, answer in (("iPhone", step.iphone), ("Android", step.android)):
        shows = {True: "yes", False: "no", None: "decides alone"}[answer.shows]
        table.add_row(name, shows, _why(answer), answer.rule.words, answer.rule.source)
    console = Console()
    console.print(table)
    for store in step.stores:
        console.print(f"  {_about(store)}", highlight=False)


def _why(answer: Answer) -> str:
    said = [answer.cause.replace("_", " ")]
    if answer.place is not None and answer.distance_m is not None:
        said.append(f"{answer.place.store_id}, {answer.distance_m:.0f} m away")
    if answer.shows and answer.place is not None and answer.place.text:
        said.append(f"“{answer.place.text}”")
    if answer.missing_m is not None:
        said.append(f"{answer.missing_m:.0f} m too far (radius {answer.radius_m:.0f} m)")
    return "; ".join(said)


def _about(store: StoreHere) -> str:
    said = [f"{store.store_id} ({store.distance_m:.0f} m): "]
    if store.why is not None:
        said.append(f"on the card ({store.why})")
    elif store.why_not == "too_close":
        said.append(f"not on the card: too close to {store.near}")
    else:
        said.append("not on the card: ten others go first")
    match store.offer:
        case None:
            pass
        case offer if offer.state == "for_others":
            said.append(f"; offer {offer.code} is for others ({offer.condition})")
        case offer:
            when = f" ({offer.at.isoformat(timespec='minutes')})" if offer.at else ""
            said.append(
                f"; offer {offer.code}: {offer.state.replace('_', ' ').replace('paused', 'not at this hour')}{when}"
            )
    return "".join(said)

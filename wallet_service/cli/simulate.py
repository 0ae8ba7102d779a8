"""`simulate`: APNs, Google Wallet and the phones, each alone in a process of its own, until Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import click
import requests
from cryptography import x509

from wallet_service.cli.phone_orders import follow_orders, orders_of_android, orders_of_iphone
from wallet_service.cli.stopping import Stopped, stoppable
from wallet_service.errors import NotFound, SettingsError, Unreachable
from wallet_service.previews import draw_android, draw_iphone, image_from_web
from wallet_service.simulators.apns import Announcement, ApnsSimulator, RemotePushService
from wallet_service.simulators.apns.control import ControlServer
from wallet_service.simulators.google import GoogleSimulator, RemoteGoogle
from wallet_service.simulators.google.backend import ApiCall
from wallet_service.simulators.phones.android import Android, AndroidEvent
from wallet_service.simulators.phones.iphone import Iphone
from wallet_service.simulators.phones.phone_events import PhoneEvent
from wallet_service.simulators.phones.wallet_rules import APPLE_ROOT_PEM

T = TypeVar("T")
Simulator = TypeVar("Simulator", ApnsSimulator, ControlServer, GoogleSimulator)
PORT = click.IntRange(0, 65535)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.group()
def simulate() -> None:
    """Run one simulator in the foreground; Ctrl-C stops it.

    They implement the real protocols on this machine: point the service's WALLET_… variables at the addresses printed.
    """


@simulate.command()
@click.option("--trust", required=True, type=FILE, help="Root certificate (PEM) whose pass certificates may push.")
@click.option("--port", type=PORT, default=2197, show_default=True, help="Where providers connect; 0: any free one.")
@click.option(
    "--control-port", type=PORT, default=2198, show_default=True, help="For `simulate phone`; 0: any free one."
)
@click.option("--write-ca", type=NEW_FILE, help="Write the simulator's own authority (PEM) here.")
def apns(trust: Path, port: int, control_port: int, write_ca: Path | None) -> None:
    """Apple's push service: HTTP/2, client certificates, Apple's refusals; prints every push."""
    root = _certificates(trust)
    with (
        _in_the_foreground(),
        _open(ApnsSimulator(root, port=port)) as simulator,
        _open(ControlServer(simulator, port=control_port)) as control,
    ):
        pushes: SimpleQueue[Announcement] = SimpleQueue()
        simulator.watch(pushes.put)
        click.echo(f"WALLET_APNS_URL={simulator.url}")
        if write_ca is not None:
            click.echo(f"WALLET_APNS_CA_FILE={simulator.write_ca(write_ca).resolve()}")
        click.echo(f"control {control.url}")
        _follow(pushes, _say_push)


@simulate.command()
@click.option("--port", type=PORT, default=2199, show_default=True, help="0: any free one.")
@click.option("--issuer", metavar="ID", help="Issuer account that the service account of --account-out belongs to.")
@click.option("--account-out", type=NEW_FILE, help="Service account key file: written, or known again if it is there.")
@click.option("--rate", type=click.IntRange(1), help="Answer 429 beyond so many calls a second.")
def google(port: int, issuer: str | None, account_out: Path | None, rate: int | None) -> None:
    """Google Wallet: OAuth, the REST API, save links and signed callbacks; prints every call."""
    if (issuer is None) != (account_out is None):
        raise click.UsageError("--issuer and --account-out go together")
    simulator = GoogleSimulator(port=port, enforce_rate=rate is not None, rate_per_s=rate or 20)
    with _in_the_foreground(), _open(simulator):
        if issuer is not None and account_out is not None:
            _write_account(simulator, issuer, account_out)
        calls: SimpleQueue[ApiCall] = SimpleQueue()
        simulator.watch(calls.put)
        click.echo(f"WALLET_GOOGLE_API_URL={simulator.url}")
        click.echo(f"WALLET_GOOGLE_KEYS_URL={simulator.keys_url}")
        click.echo(f"WALLET_GOOGLE_SAVE_URL={simulator.save_url}")
        _follow(calls, _say_call)


@simulate.command()
@click.option("--link", required=True, metavar="URL", help="The card's smart link, which the phone opens.")
@click.option("--apns-control", metavar="URL", help="An iPhone's way to APNs: what `simulate apns` printed as control.")
@click.option("--root", type=FILE, help="Trust passes under this root (PEM) instead of Apple's.")
@click.option("--android", is_flag=True, help="An Android phone instead of an iPhone.")
@click.option("--google", metavar="URL", help="An Android phone's way to Google: the WALLET_GOOGLE_API_URL.")
@click.option("--user", default="camille@example.com", show_default=True, help="An Android phone's Google account.")
@click.option("--locale", default="fr_FR", show_default=True, help="The phone's language and region.")
@click.option("--draw", type=NEW_FILE, help="Draw the card to this PNG, again at each change.")
def phone(
    link: str,
    apns_control: str | None,
    root: Path | None,
    android: bool,
    google: str | None,
    user: str,
    locale: str,
    draw: Path | None,
) -> None:
    """A phone that opens a card's link, adds the card and stays; prints what happens to it.

    It obeys words on standard input, one on each line. An iPhone: offline, online · sleep, wake (pushes are slept
    through) · lie, honest (it lists what changed and never downloads it) · keep, back (keep this copy; put it back over
    a newer one) · refresh, toggle, restore, remove. An Android phone: offline, online, remove.
    """
    if android and google is None:
        raise click.UsageError("an Android phone needs --google")
    if not android and apns_control is None:
        raise click.UsageError("an iPhone needs --apns-control")
    roots = _certificates(root) if root else APPLE_ROOT_PEM
    with _in_the_foreground():
        if android:
            _be_android(link, str(google), user, locale, draw)
        else:
            _be_iphone(link, str(apns_control), roots, locale, draw)


def _be_iphone(link: str, control: str, roots: bytes, locale: str, draw: Path | None) -> None:
    events: SimpleQueue[PhoneEvent] = SimpleQueue()

    def tell(event: PhoneEvent) -> None:
        _say(event.at, event.step, event.detail)
        if event.step == "shown":
            fields = iphone.shows(event.serial_number).fields.values()
            _say(None, "", ", ".join(f"{one.label} {one.text}" for one in fields if one.slot != "backFields"))
            if draw is not None:
                _write(draw, draw_iphone(iphone.bundle(event.serial_number), locale=locale))

    with ExitStack() as cleanup:
        pushes = cleanup.enter_context(RemotePushService(control))
        allow_http = link.startswith("http://")
        iphone = cleanup.enter_context(Iphone(pushes, roots_pem=roots, allow_http=allow_http, locale=locale))
        iphone.watch(events.put)
        _opened(iphone.open_link, link)
        follow_orders(orders_of_iphone(iphone))
        _follow(events, tell)


def _be_android(link: str, google: str, user: str, locale: str, draw: Path | None) -> None:
    events: SimpleQueue[AndroidEvent] = SimpleQueue()

    def tell(event: AndroidEvent) -> None:
        _say(event.at, event.step, event.detail)
        if event.step == "shown":
            card = android.shows(event.object_id)
            _say(None, "", ", ".join(f"{one.label} {one.text}" for one in card.fields.values()))
            if draw is not None:
                _write(draw, draw_android(card.object, card.cls, locale=locale, fetch_image=image_from_web))

    with ExitStack() as cleanup:
        remote = cleanup.enter_context(RemoteGoogle(google))
        android = cleanup.enter_context(Android(remote, user=user, locale=locale))
        android.watch(events.put)
        _opened(android.open_link, link)
        follow_orders(orders_of_android(android))
        _follow(events, tell)


def _opened(open_link: Callable[[str], object], link: str) -> None:
    try:
        open_link(link)
    except requests.RequestException as error:
        raise Unreachable(f"{link}: {error}") from error


@contextmanager
def _in_the_foreground() -> Iterator[None]:
    try:
        with stoppable():
            yield
    except Stopped:
        click.echo("stopped")


@contextmanager
def _open(simulator: Simulator) -> Iterator[Simulator]:
    try:
        simulator.start()
    except OSError as error:
        raise SettingsError(f"a port cannot be opened: {error.strerror or error}; choose another, or 0") from error
    try:
        yield simulator
    finally:
        simulator.stop()


def _follow(entries: SimpleQueue[T], tell: Callable[[T], None]) -> None:
    """Tell of each entry, on this thread, until stopped: a reader who has gone must not stop a simulator's own."""
    while True:
        entry = entries.get()
        with suppress(NotFound):  # the card has left the phone since
            tell(entry)


def _say(at: datetime | None, what: str, detail: str) -> None:
    stamp = at.astimezone().strftime("%H:%M:%S.%f")[:-3] if at else ""
    click.echo(f"{stamp:<12}  {what:<12}  {detail}".rstrip())


def _say_push(one: Announcement) -> None:
    answer = f"{one.status} {one.reason or ''}{'lost' if one.lost else ''}".strip()
    _say(one.arrived_at, answer, f"{one.topic} {one.push_token[:8]}…")


def _say_call(one: ApiCall) -> None:
    _say(one.at, f"{one.status} {one.reason or ''}".strip(), f"{one.method} {one.path}")


def _write(path: Path, picture: bytes) -> None:
    """Replace a file at once, so that a viewer never reads half a picture."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(picture)
    new.replace(path)


def _write_account(simulator: GoogleSimulator, issuer: str, path: Path) -> None:
    if path.exists():
        try:
            account = json.loads(path.read_text(encoding="utf-8"))
            simulator.adopt_service_account(account, issuer)
            token_url = account["token_uri"]
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{path} is there already, and is no service account key file: {error}") from error
        if token_url != simulator.token_url:
            raise SettingsError(f"{path} asks for tokens at {token_url}, not at {simulator.token_url}: use that --port")
        return
    path.touch(mode=0o600)
    path.write_text(json.dumps(simulator.make_service_account(issuer), indent=2), encoding="utf-8")


def _certificates(path: Path) -> bytes:
    pem = path.read_bytes()
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise click.UsageError(f"{path} holds no certificate in PEM") from error
    return pem

"""`bench apple` and `bench apns`: building a pass beside a bare signature, pushing beside h2load, each in one run."""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import click
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from wallet_service.cards.content import Barcode, CardContent, FieldContent, Stamps
from wallet_service.cards.template import Template, TemplateDocument
from wallet_service.offers.facts import Place
from wallet_service.values import Money
from wallet_service.wallets.apple.certificates import PassIdentity, identity_from_files, identity_in_token
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.apple.push.apns import ApnsChannel
from wallet_service.wallets.apple.signers import SealedKey, TokenAddress
from wallet_service.wallets.protocol import Accepted, CardView, Notice, ProgramView

ROUNDS = 60
BUILD_REACH = 0.80
APNS_REACH = 0.20
_PASS_TYPE, _TEAM = "pass.example.maison-lumiere", "DEVELOPMNT"
_STREAMS = 300


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured line. Rates are per second; `reach` is the least ratio that the design asks for."""

    what: str
    rate: float
    yardstick: str
    yardstick_rate: float | None
    reach: float

    @property
    def ratio(self) -> float | None:
        """The figure over its yardstick."""
        return self.rate / self.yardstick_rate if self.yardstick_rate else None


def show(title: str, figures: list[Figure]) -> None:
    """Print a table, ratios last."""
    table = Table("what", "per second", "yardstick", "per second", "ratio", "reach", title=title, title_justify="left")
    for each in figures:
        ratio = "–" if each.ratio is None else f"{each.ratio:.2f} ×"
        style = "red" if each.ratio is not None and each.ratio < each.reach else None
        yardstick = "–" if each.yardstick_rate is None else f"{each.yardstick_rate:,.0f}"
        cells = (each.what, f"{each.rate:,.0f}", each.yardstick, yardstick, ratio, f"≥ {each.reach:.2f} ×")
        table.add_row(*cells, style=style)
    Console().print(table)


def measure_build(passes: int, rounds: int = ROUNDS, *, identity: PassIdentity | None = None) -> list[Figure]:
    """Short rounds of building and of bare signing alternate, in processor time: a busy machine meets both alike.

    Args:
        identity: whoever signs; None: a key of our own.
    """
    identity, at = identity or development_identity(), datetime.now(UTC)
    signer, yardstick = identity.signer, "key.sign, RSA-2048"
    if not isinstance(signer, SealedKey):
        yardstick = "the token's signature, RSA-2048"
    builder = PassBuilder(identity, web_service_url="https://cartes.maison-lumiere.example/apple")
    payload = secrets.token_bytes(128)
    figures = []
    for words, card in _cards():
        size = len(builder.build(card, at=at))

        def build(card: CardView = card) -> object:
            return builder.build(card, at=at)

        def sign() -> object:
            return signer.sign(payload)

        built, bare = _alternating(build, sign, passes, rounds)
        what = f"{words}, {size / 1000:.0f} kB"
        figures.append(Figure(what=what, rate=built, yardstick=yardstick, yardstick_rate=bare, reach=BUILD_REACH))
    return figures


@contextmanager
def identity_in_soft_token() -> Iterator[PassIdentity | None]:
    """A throwaway certificate whose key is in SoftHSM2; None where that is not installed."""
    from wallet_service.simulators.apple_pki import make_chain
    from wallet_service.simulators.soft_token import soft_token, softhsm

    if softhsm() is None:
        yield None
        return
    chain = make_chain(_PASS_TYPE, _TEAM, "Maison Lumière", datetime.now(UTC))
    with tempfile.TemporaryDirectory() as folder:
        address = soft_token(Path(folder), chain.key_pem)
        yield identity_in_token(chain.leaf_pem, TokenAddress(**address), intermediate=chain.intermediate_pem)


def _alternating(
    one: Callable[[], object], other: Callable[[], object], count: int, rounds: int
) -> tuple[float, float]:
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for action, found in ((one, rates[0]), (other, rates[1])):
            started = time.process_time()
            for _ in range(count):
                action()
            found.append(count / (time.process_time() - started))
    return median(rates[0]), median(rates[1])


def measure_apns(counts: tuple[int, ...]) -> list[Figure]:
    """h2load and the channel against the same sink, which answers 200 to all and asks for no client certificate."""
    identity = development_identity()
    figures = []
    with sink() as (url, ca_file), ApnsChannel(url, identity, ca_file=ca_file) as channel:
        list(channel.announce(notices_for(500)))
        yardstick = _h2load(url, max(counts))
        name = "h2load, same sink" if yardstick else "h2load is not installed"
        for count in counts:
            notices = notices_for(count)
            started = time.perf_counter()
            accepted = sum(isinstance(outcome, Accepted) for _, outcome in channel.announce(notices))
            rate = count / (time.perf_counter() - started)
            if accepted != count:
                raise click.ClickException(f"only {accepted} of {count} pushes were accepted")
            figures.append(
                Figure(what=f"{count:,} pushes", rate=rate, yardstick=name, yardstick_rate=yardstick, reach=APNS_REACH)
            )
    return figures


def notices_for(count: int) -> list[Notice]:
    """`count` notices, each to another phone."""
    return [Notice(delivery_id=number, far_end=secrets.token_hex(32), version=1) for number in range(count)]


SINK = """
async def app(scope, protocol):
    protocol.response_empty(200, [])
"""


@contextmanager
def sink() -> Iterator[tuple[str, Path]]:
    """A granian server over TLS and HTTP/2 in a process of its own; yields its address and its authority's file."""
    from wallet_service.simulators.apns.tls import make_server_identity

    server = make_server_identity()
    with socket.socket() as probe, tempfile.TemporaryDirectory() as name:
        probe.bind(("127.0.0.1", 0))
        port, folder = probe.getsockname()[1], Path(name)
        probe.close()
        (folder / "sink.py").write_text(SINK, encoding="utf-8")
        (folder / "ca.pem").write_bytes(server.ca_pem)
        (folder / "certificate.pem").write_bytes(server.certificate_pem)
        with os.fdopen(os.open(folder / "key.pem", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as key:
            key.write(server.key_pem)
        command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--http", "2", "--port", str(port)]
        command += ["--ssl-certificate", "certificate.pem", "--ssl-keyfile", "key.pem", "--no-log", "--loop", "asyncio"]
        command += ["--http2-max-concurrent-streams", "1000", "sink:app"]
        process = subprocess.Popen(command, cwd=folder)
        try:
            _wait_for(port, process)
            yield f"https://127.0.0.1:{port}", folder / "ca.pem"
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 15
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise click.ClickException("the sink did not start")


def _h2load(url: str, count: int) -> float | None:
    program = shutil.which("h2load")
    if program is None:
        return None
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"{}")
        body.flush()
        command = [program, "-n", str(count), "-c", "1", "-t", "1", "-m", str(_STREAMS), "-d", body.name]
        for header in (
            f"apns-topic: {_PASS_TYPE}",
            "apns-push-type: background",
            "apns-priority: 5",
            f"apns-expiration: {int(time.time()) + 604800}",
            "apns-id: 123e4567-e89b-42d3-a456-426614174000",
        ):
            command += ["-H", header]
        shown = subprocess.run(
            [*command, f"{url}/3/device/{secrets.token_hex(32)}"], capture_output=True, text=True, check=True
        ).stdout
    found = re.search(r"([\d.]+) req/s", shown)
    if found is None:
        raise click.ClickException(f"h2load said something unexpected: {shown[-300:]}")
    return float(found[1])


def development_identity() -> PassIdentity:
    """A throwaway certificate; the sink asks for none."""
    from wallet_service.simulators.apple_pki import make_chain

    chain = make_chain(_PASS_TYPE, _TEAM, "Maison Lumière", datetime.now(UTC))
    return identity_from_files(chain.leaf_pem, chain.key_pem, intermediate=chain.intermediate_pem)


def _cards() -> Iterator[tuple[str, CardView]]:
    card = _sample_card()
    places = tuple(
        Place(store_id=f"s{number}", latitude=45.7 + number / 50, longitude=4.8, text="Votre cadeau vous attend")
        for number in range(10)
    )
    yield "points card", card
    yield "with ten places", replace(card, content=card.content.model_copy(update={"places": places}))
    yield "stamp card", replace(card, content=card.content.model_copy(update={"stamps": Stamps(earned=4, total=10)}))


def _sample_card() -> CardView:
    document = TemplateDocument.model_validate(
        {
            "style": "store_card",
            "description": "description",
            "colours": {"background": "#1F3A2E", "text": "#FFFFFF", "label": "#C4D6BE"},
            "barcode": {"formats": ["qr"], "value": "member.card_number"},
            "fields": [
                {"id": "points", "kind": "number", "value": "balance.points", "label": "points", "notify": "points_now",
                 "apple": "header", "google": "points"},
                {"id": "cashback", "kind": "money", "value": "balance.cashback", "label": "cashback",
                 "apple": "primary", "google": "secondary_points"},
                {"id": "tier", "value": "balance.tier", "label": "tier", "apple": "secondary", "google": "text"},
                {"id": "name", "value": "member.full_name", "label": "member", "apple": "auxiliary", "google": "text"},
            ],
            "links": [{"id": "site", "label": "site", "url": "https://maison-lumiere.example/fidelite"}],
        }
    )  # fmt: skip
    words = {
        "description": "Carte de fidélité Maison Lumière", "points": "Points", "points_now": "Vous avez %@ points",
        "cashback": "Cagnotte", "tier": "Statut", "member": "Titulaire", "site": "Notre site",
    }  # fmt: skip
    template = Template(
        template_id="bench",
        digest="bench",
        document=document,
        words={"fr": words},
        images={
            "icon": _picture(114, 114, 40), "logo": _picture(480, 150, 30), "strip": _picture(1125, 432, 45),
            "stamp": _picture(192, 192, 60), "stamp_empty": _picture(192, 192, 60),
        },
    )  # fmt: skip
    money = Money(amount=7990, currency="EUR")
    content = CardContent(
        locale="fr",
        template_digest="bench",
        fields=(
            FieldContent(id="points", kind="number", label="Points", value=320, text="320"),
            FieldContent(id="cashback", kind="money", label="Cagnotte", value=money, text="79,90 €"),
            FieldContent(id="tier", kind="text", label="Statut", value="Or", text="Or"),
            FieldContent(id="name", kind="text", label="Titulaire", value="Camille Moreau", text="Camille Moreau"),
        ),
        barcode=Barcode(format="qr", value="M7HK2MQ9XT4", text="M7HK 2MQ9 XT4"),
        notify_field="points",
    )
    program = ProgramView(
        program_id="bench", name="Cercle Lumière", brand="Maison Lumière", locale="fr",
        organization_name="Maison Lumière", pass_type_id=_PASS_TYPE, team_id=_TEAM, issuer_id=None,
    )  # fmt: skip
    return CardView(
        program=program, template=template, content=content, serial_number="c_7Hk2mQ9xT4",
        auth_token=secrets.token_urlsafe(32), card_link="https://cartes.maison-lumiere.example/c/abcdef", version=1,
    )  # fmt: skip


def _picture(width: int, height: int, grain: int) -> bytes:
    """Soft grain in few tones: it compresses as well as what designers draw for cards."""
    small = Image.effect_noise((max(1, width // grain), max(1, height // grain)), 90)
    soft = small.resize((width, height), Image.Resampling.BICUBIC).convert("RGB")
    out = io.BytesIO()
    ImageOps.posterize(soft, 2).save(out, "PNG")
    return out.getvalue()

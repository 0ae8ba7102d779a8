"""`bench apple`, the web service: a real server on a real database, in a process whose processor time is read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Flask, Response
from sqlalchemy import select, text
from werkzeug.http import http_date

from wallet_service.app import create_app
from wallet_service.cards.enrolment import issue_card
from wallet_service.cards.members import put_member
from wallet_service.cli.bench.apple import Figure
from wallet_service.documents.members import MemberDocument
from wallet_service.programs.apply import apply_program
from wallet_service.services import Services, build_services
from wallet_service.settings import settings_from
from wallet_service.simulators.apple_pki import make_chain
from wallet_service.storage import embedded, engine, schema
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple import devices
from wallet_service.web.server import Server

PASS_REACH, ANSWER_REACH = 0.30, 0.50
_PASS_TYPE, _TEAM = "pass.example.bench", "BENCHMARK1"
_CONNECTIONS = 4
_PROGRAM = f"""
id = "bench"
name = "Cercle Lumière"
brand = "Maison Lumière"
locales = ["fr", "en"]
time_zone = "Europe/Paris"
template = "points-card"

[apple]
pass_type_id = "{_PASS_TYPE}"
team_id = "{_TEAM}"
organization_name = "Maison Lumière"
certificate_file = "leaf.pem"
key_file = "leaf.key"
intermediate_file = "intermediate.pem"
"""


def app_with_yardstick() -> Flask:
    """The app as it is, and beside it an empty route: what Flask and the server cost alone."""
    app = create_app()
    app.add_url_rule("/yardstick", view_func=lambda: Response(status=204))
    return app


def server_with_yardstick() -> Server:
    """The same as `serve` runs it."""
    return Server(app_with_yardstick(), threads=8, body_within_s=20)


@dataclass(frozen=True)
class _ServedCards:
    port: int
    cards: Sequence[Card]
    tag: int
    reset: Callable[[], None]
    key: rsa.RSAPrivateKey


def measure_http(cards: int, rounds: int) -> list[Figure]:
    """A changed pass, an unchanged pass and an unchanged list, in alternating rounds with the yardsticks."""
    with _served_cards(cards) as served, _server(served.port) as used:
        requests = {
            "empty": [b"GET /yardstick HTTP/1.1\r\nHost: bench\r\n\r\n"] * cards,
            "list": [_asking(f"/devices/device-{number}", served.tag) for number in range(cards)],
            "unchanged": [_fetching(card, conditional=True) for card in served.cards],
            "changed": [_fetching(card, conditional=False) for card in served.cards],
        }
        expected = {"empty": 204, "list": 204, "unchanged": 304, "changed": 200}
        rates: dict[str, list[float]] = {name: [] for name in (*requests, "sign")}
        for turn in range(rounds + 1):  # the first round warms
            for name, wires in requests.items():
                if name == "changed":
                    served.reset()
                before = used()
                _send(served.port, wires, expected[name])
                rates[name] += [len(wires) / (used() - before)] if turn else []
            rates["sign"] += [_signing_rate(served.key)] if turn else []
    found = {name: median(values) for name, values in rates.items()}
    rows = (
        ("changed pass, 200", "changed", "key.sign, RSA-2048", "sign", PASS_REACH),
        ("unchanged pass, 304", "unchanged", "empty Flask route", "empty", ANSWER_REACH),
        ("nothing changed, 204", "list", "empty Flask route", "empty", ANSWER_REACH),
    )
    return [
        Figure(what=words, rate=found[name], yardstick=stick, yardstick_rate=found[stick_name], reach=reach)
        for words, name, stick, stick_name, reach in rows
    ]


def _signing_rate(key: rsa.RSAPrivateKey, count: int = 300) -> float:
    pkcs1, sha256 = padding.PKCS1v15(), hashes.SHA256()
    started = time.process_time()
    for _ in range(count):
        key.sign(b"manifest" * 16, pkcs1, sha256)
    return count / (time.process_time() - started)


def _asking(device: str, tag: int) -> bytes:
    path = f"/apple/v1{device}/registrations/{_PASS_TYPE}?passesUpdatedSince={tag}"
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def _fetching(card: Card, *, conditional: bool) -> bytes:
    head = f"GET /apple/v1/passes/{_PASS_TYPE}/{card.serial_number} HTTP/1.1\r\nHost: bench\r\n"
    head += f"Authorization: ApplePass {card.auth_token}\r\n"
    if conditional and card.modified_at is not None:
        head += f"If-Modified-Since: {http_date(card.modified_at)}\r\n"
    return f"{head}\r\n".encode()


def _send(port: int, wires: Sequence[bytes], status: int) -> None:
    """Send all requests over a few kept-open connections and see that each is answered with `status`."""
    failures: list[str] = []

    def work(share: Sequence[bytes]) -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            for wire in share:
                connection.sendall(wire)
                line = _answer(connection)
                if f" {status} ".encode() not in line:
                    failures.append(line.decode("latin-1"))
                    return

    threads = [threading.Thread(target=work, args=(wires[start::_CONNECTIONS],)) for start in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise click.ClickException(f"the server answered {failures[0]!r} where {status} was expected")


def _answer(connection: socket.socket) -> bytes:
    """The status line of one answer, read to its end."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    if b" 304 " not in head[:16]:
        missing = length - len(body)
        while missing > 0:
            missing -= len(connection.recv(min(missing, 1 << 20)))
    return head.split(b"\r\n", 1)[0]


@contextmanager
def _served_cards(count: int) -> Iterator[_ServedCards]:
    """A database with one programme and `count` cards, each on a phone; `WALLET_…` of this process name it."""
    # Not in a folder of the caller's: run as root, the embedded server is somebody else.
    with tempfile.TemporaryDirectory(prefix="wallet-bench-") as name:
        folder = Path(name)
        server = embedded.start(folder / "database", durable=False)
        database = engine.connect(server.url("postgres"))
        schema.upgrade(database.engine)
        chain = make_chain(_PASS_TYPE, _TEAM, "Maison Lumière", datetime.now(UTC))
        for file, data in {
            "leaf.pem": chain.leaf_pem, "leaf.key": chain.key_pem, "intermediate.pem": chain.intermediate_pem,
            "root.pem": chain.root_pem, "program.toml": _PROGRAM.encode(),
        }.items():  # fmt: skip
            (folder / file).write_bytes(data)
        environment = {
            "WALLET_DATABASE_URL": server.url("postgres"),
            "WALLET_DATA_DIR": str(folder),
            "WALLET_APPLE_ROOT_FILE": str(folder / "root.pem"),
        }
        before = dict(os.environ)
        os.environ.update(environment)
        services = build_services(settings_from(environment), database=database)
        try:
            yield _prepared(services, folder, count)
        finally:
            os.environ.clear()
            os.environ.update(before)
            services.close()
            server.close()


def _prepared(services: Services, folder: Path, count: int) -> _ServedCards:
    now = services.clock()
    with services.sessions.begin() as db:
        apply_program(
            db, folder / "program.toml", templates_dir=services.settings.templates_dir, keys=services.keys,
            trust=services.trust, now=now,
        )  # fmt: skip
    with services.sessions.begin() as db:
        program = services.program_cache.program(db, "bench")
        for number in range(count):
            document = MemberDocument(first_name="Claire", last_name=f"Moreau {number}")
            member, _ = put_member(db, program.document, f"M-{number}", document, now=now)
            card, _ = issue_card(db, services.publisher, program, member, now=now)
            devices.record_link_download(db, card.id, card.version)
            devices.register(db, card, f"device-{number}", f"{number:064x}", now=now)
        cards = list(db.scalars(select(Card).order_by(Card.id)))
        identity = services.keys.identity(db, "bench")
    if identity is None:
        raise click.ClickException("the programme of the bench has no certificate")

    def reset() -> None:
        """As if every phone had listed a change and not fetched it yet."""
        with services.sessions.begin() as db:
            db.execute(text("UPDATE cards SET fetched_version = 0"))
            db.execute(text("UPDATE registrations SET fetched_version = 0"))

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return _ServedCards(port, cards, max(card.version for card in cards), reset, identity.key)


@contextmanager
def _server(port: int) -> Iterator[Callable[[], float]]:
    """granian as `serve` runs it, in a process of its own; yields what reads the processor seconds it has used."""
    command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--factory", "--port", str(port), "--no-log"]
    command += ["wallet_service.cli.bench.http:server_with_yardstick"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        else:
            raise click.ClickException("the server did not start")
        yield lambda: _seconds_of(process.pid)
    finally:
        process.terminate()
        process.wait(10)


def _seconds_of(pid: int) -> float:
    """Processor seconds of a process and its children, as the scheduler counts them (Linux)."""
    tasks = list(Path(f"/proc/{pid}/task").iterdir())
    used = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    return used + sum(_seconds_of(int(child)) for child in children)

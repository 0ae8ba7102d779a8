"""`bench console`: the server's time for each page of the console, with very many members."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from time import perf_counter

from flask.testing import FlaskClient
from sqlalchemy import text

from wallet_service.access.roles import OPERATOR
from wallet_service.access.sessions import open_session
from wallet_service.access.users import invite
from wallet_service.app import create_app
from wallet_service.cli.bench.installation import PROGRAM, bench_installation
from wallet_service.services import Services, build_services
from wallet_service.settings import settings_from
from wallet_service.web.console.gate import cookie_name

_STORES, _OFFERS = 2000, 50
_WARM_UP = 2
_FILL = (
    "UPDATE cards SET recompose_at = NULL, version = id, digest = md5(id::text), published_at = now()",
    """INSERT INTO stores (program_id, store_id, name, latitude, longitude, time_zone, address, groups)
    SELECT :program, 's' || n, 'Magasin ' || n, 43 + random() * 7, -4 + random() * 11, 'Europe/Paris',
        jsonb_build_object('city', 'Ville ' || n % 300), ARRAY['groupe-' || n % 10]
    FROM generate_series(1, :stores) n""",
    """INSERT INTO offers (program_id, code, title, starts_at, ends_at, state, store_ids)
    SELECT :program, 'offre-' || n, jsonb_build_object('fr', 'Offre ' || n), CAST(:now AS timestamptz) + CASE n % 4
        WHEN 0 THEN interval '1 day' WHEN 1 THEN interval '-9 days' ELSE interval '-1 day' END,
        CAST(:now AS timestamptz) + CASE n % 4 WHEN 1 THEN interval '-2 days' ELSE interval '5 days' END,
        CASE WHEN n % 4 = 3 THEN 'draft' ELSE 'published' END, ARRAY['s' || n]
    FROM generate_series(1, :offers) n""",
)


@dataclass(frozen=True, kw_only=True)
class PageFigure:
    """One page: its path, the time of the middle one and of nineteen in twenty, milliseconds."""

    path: str
    p50_ms: float
    p95_ms: float


def measure_console(members: int, rounds: int) -> Iterator[PageFigure]:
    """Open every page that an admin of a programme can reach without more than an id in its address."""
    with bench_installation(members) as site:
        services = build_services(settings_from(site.environment))
        try:
            _fill(services)
            client = _signed_in(services)
            gc.collect()
            gc.freeze()  # as `app.create_server` does
            for path in _paths(client):
                yield _timed(client, path, rounds)
        finally:
            services.close()


def _fill(services: Services) -> None:
    values = {"program": PROGRAM.program_id, "stores": _STORES, "offers": _OFFERS, "now": services.clock()}
    for statement in _FILL:
        with services.sessions.begin() as db:
            db.execute(text(statement), {name: value for name, value in values.items() if f":{name}" in statement})
    with services.sessions() as db:
        db.connection(execution_options={"isolation_level": "AUTOCOMMIT"}).execute(text("VACUUM ANALYZE"))


def _signed_in(services: Services) -> FlaskClient:
    now = services.clock()
    with services.sessions.begin() as db:
        person = invite(
            db, OPERATOR, email="bench@example.com", name="Bench", locale="fr", program_id=PROGRAM.program_id,
            role="admin", now=now,
        )  # fmt: skip
        token = open_session(db, person.user_id, agent="bench", now=now + timedelta(seconds=1))
    app = create_app(services)
    client = app.test_client()
    with app.app_context():
        client.set_cookie(cookie_name(), token)
    return client


def _paths(client: FlaskClient) -> list[str]:
    """The pages' addresses, from the routes themselves, with a store and offers of this installation."""
    given = {"program_id": PROGRAM.program_id, "store_id": "s1"}
    paths = []
    for rule in client.application.url_map.iter_rules():
        if not rule.endpoint.startswith("console.") or "GET" not in (rule.methods or ()) or rule.rule.endswith(".csv"):
            continue
        if not rule.arguments <= given.keys() | {"offer_id"}:
            continue
        numbers = (1, 2, 3, 4) if "offer_id" in rule.arguments else (0,)
        for number in numbers:
            values = given | {"offer_id": number}
            path = rule.rule
            for name in rule.arguments:
                path = path.replace(f"<int:{name}>", str(values[name])).replace(f"<{name}>", str(values[name]))
            paths.append(path)
    return sorted(set(paths))


def _timed(client: FlaskClient, path: str, rounds: int) -> PageFigure:
    took = []
    for turn in range(rounds + _WARM_UP):
        began = perf_counter()
        answer = client.get(path)
        answer.get_data()
        if turn >= _WARM_UP:
            took.append((perf_counter() - began) * 1000)
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RuntimeError(f"{path} was answered {answer.status_code}")
    took.sort()
    return PageFigure(path=path, p50_ms=took[len(took) // 2], p95_ms=took[-(-len(took) * 95 // 100) - 1])

"""Every route of the console, found from the app itself, with an address for each: what the sweeps walk over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from tests.routes.test_offer import publish
from tests.routes.test_overlays import strip
from tests.system import System
from wallet_service.access.links import make_link
from wallet_service.access.roles import OPERATOR
from wallet_service.access.users import invite
from wallet_service.documents.programs import ProgramDocument
from wallet_service.stores.import_jobs import keep_file, start_import

CSV = "code;nom;lat;lon\ndijon;Dijon;47,322;5,041\nx;;1;2\n"
STORES: dict[str, dict[str, Any]] = {
    "lyon": {"name": "Lyon Bellecour", "latitude": 45.757, "longitude": 4.832, "address": {"city": "Lyon"}},
    "paris": {"name": "Paris Marais", "latitude": 48.859, "longitude": 2.362, "opening_hours": "24/7"},
}
METHODS = ("GET", "POST")


@dataclass(frozen=True)
class Things:
    """What the addresses of pages name: one thing of each kind."""

    values: dict[str, Any]
    applied_import: int

    def address(self, rule: Rule) -> str:
        """An address of a route."""
        values = dict(self.values)
        if "progress" in rule.rule or "refused.csv" in rule.rule:
            values["number"] = self.applied_import
        elif rule.endpoint == "console.sign_in_invitation":
            values["token"] = values["invitation"]
        elif rule.endpoint in ("console.offers_check_end", "console.offer_report_report"):
            values["offer_id"] = values["running"]
        elif rule.endpoint == "console.offers_check_unpublish":
            values["offer_id"] = values["coming"]
        elif rule.endpoint == "console.overlays_withdraw":
            values["code"] = values["published_overlay"]
        built = rule.build({name: values[name] for name in rule.arguments}, append_unknown=False)
        assert built is not None, rule
        return built[1]


def rules_of(app: Flask) -> list[Rule]:
    """The routes of the console, by address."""
    return sorted(
        (rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("console.")), key=lambda rule: rule.rule
    )


def routes_of(app: Flask) -> list[tuple[str, str, Rule]]:
    """Method, endpoint without its blueprint, and rule of each route."""
    return [
        (method, rule.endpoint.removeprefix("console."), rule)
        for rule in rules_of(app)
        for method in METHODS
        if method in (rule.methods or ())
    ]


def is_a_page(rule: Rule) -> bool:
    """Whether a GET gives HTML, and not a file or a way to another page."""
    others = ("console.sign_in_start", "console.overlays_image")
    return "GET" in (rule.methods or ()) and not rule.rule.endswith(".csv") and rule.endpoint not in others


def make_things(system: System) -> Things:
    """One thing of each kind, made anew: whatever a sweep has done to the last."""
    services, now = system.services, system.clock()
    for store_id, document in STORES.items():
        system.api.ok("PUT", f"/stores/{store_id}", document)
    number = len(system.rows("SELECT FROM users"))
    running = publish(system, timedelta(hours=1), code=f"maille-{number}")
    dates = {"starts_at": (now + timedelta(days=1)).isoformat(), "ends_at": (now + timedelta(days=2)).isoformat()}
    draft = {"code": f"soir-{number}", "title": {"fr": "Soirée", "en": "An evening"}, "store_ids": ["lyon"]} | dates
    drafted = system.api.ok("POST", "/offers", draft)
    coming = system.api.ok("POST", "/offers", draft | {"code": f"demain-{number}"})
    system.api.ok("POST", f"/offers/{coming['id']}/publish")
    _make_overlays(system, dates)
    with services.sessions.begin() as db:
        program: ProgramDocument = services.program_cache.program(db, "lumiere").document
        invited, other = (
            invite(
                db,
                OPERATOR,
                email=f"{name}-{number}@example.com",
                name=name,
                locale=None,
                program_id="lumiere",
                role="marketing",
                store_ids=(),
                now=now,
            )
            for name in ("paul", "rose")
        )
        kept = [
            keep_file(db, "lumiere", OPERATOR, file_name="magasins.csv", text=CSV, columns={}, now=now) for _ in "ab"
        ]
        start_import(db, program, kept[1], OPERATOR, now=now)
        values = {
            "program_id": "lumiere",
            "store_id": "lyon",
            "number": kept[0],
            "offer_id": drafted["id"],
            "running": running["id"],
            "coming": coming["id"],
            "code": "habit",
            "published_overlay": "soiree",
            "name": "strip",
            "user_id": invited.user_id,
            "act": "lock",
            "session_id": 0,
            "token": make_link(db, invited.user_id, "reset", now=now),
            "invitation": make_link(db, other.user_id, "invitation", now=now),
        }
    return Things(values, kept[1])


def _make_overlays(system: System, dates: dict[str, str]) -> None:
    """A draft with a picture, and one that is published; those that are there as they should be stay."""
    states = {row["code"]: row["state"] for row in system.rows("SELECT code, state FROM overlays")}
    for code, state, act in (("habit", "draft", "withdraw"), ("soiree", "published", "publish")):
        if states.get(code) == state:
            continue
        overlay = {"title": "Soirée", "colours": {"background": "#101010"}} | dates
        system.api.ok("PUT", f"/overlays/{code}", overlay)
        system.api.ok("POST", f"/overlays/{code}/{act}")
        if state == "draft":
            assert system.api("PUT", f"/overlays/{code}/images/strip", strip("#cc0000")).ok

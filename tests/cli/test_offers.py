"""`offers simulate` on a real installation, beside what simulated phones do there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
from click.testing import CliRunner, Result

from tests.routes.test_offer import STORE, publish
from tests.system import System, eventually
from wallet_service.cli import main

HERE, BEYOND = "45.7578, 4.8320", "45.7588, 4.8320"  # 111 m to the north


def run(system: System, *arguments: str) -> Result:
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.libpq_url}
    return CliRunner(env=environment | {"COLUMNS": "200"}).invoke(
        main, ["offers", "simulate", "--program", "lumiere", *arguments]
    )


def steps(system: System, *arguments: str) -> list[dict[str, Any]]:
    result = run(system, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = orjson.loads(result.stdout)
    return found


def test_the_simulation_and_the_phones_say_the_same_before_during_and_after_an_offer(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    card = system.enrol(favourite_store_id="lyon", card_number="C-1")
    iphone, android = system.iphone(), system.android()

    def agree(text: str) -> bool:
        here, beyond = steps(system, "--member", "M-1", "--point", HERE, "--point", BEYOND, "--at", _now(system))
        assert (here["iphone"]["text"], here["iphone"]["cause"]) == (text, "near")
        assert beyond["iphone"]["cause"] == "too_far"
        assert 11 < beyond["iphone"]["missing_m"] < 12
        assert here["android"]["shows"] is None
        assert iphone.near(45.7588, 4.8320) == ()
        (place,) = android.shows().merchant_locations
        assert place == (STORE["latitude"], STORE["longitude"])
        return [near.text for near in iphone.near(45.7578, 4.8320)] == [text]

    with system.working():
        iphone.open_link(card["links"]["card"])
        android.open_link(card["links"]["card"])
        assert agree("À deux pas")
        publish(system, timedelta(hours=1))
        eventually(lambda: agree("−20 % aujourd’hui"))
        system.clock.advance(timedelta(hours=2))
        eventually(lambda: agree("À deux pas"))
        system.api.ok("POST", f"/cards/{card['serial_number']}/void")
        iphone.wait_until(lambda phone: phone.near(45.7578, 4.8320) == (), 20)
    (here,) = steps(system, "--member", "C-1", "--point", "lyon")
    assert (here["iphone"]["cause"], here["android"]["cause"]) == ("voided", "not_active")


def _now(system: System) -> str:
    return system.clock().isoformat()


def test_the_table_is_for_people(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    publish(system, timedelta(hours=1), target={"tiers": ["Or"]})
    silver = run(system, "--profile", "tier=Argent", "--point", BEYOND)
    assert silver.exit_code == 0, silver.output
    folded = " ".join(silver.stdout.split())
    assert "11 m too far (radius 100 m)" in folded
    assert "table 4-2" in folded
    assert "decides alone" in folded
    assert "lyon (111 m): on the card (other); offer maille is for others (tier)" in folded
    gold = run(system, "--profile", "tier=Or", "--profile", f"home={HERE}", "--point", "lyon")
    assert "“−20 % aujourd’hui”" in " ".join(gold.stdout.split())
    assert "lyon (0 m): on the card (offer); offer maille: running" in " ".join(gold.stdout.split())
    off = run(system, "--point", "lyon", "--location-off")
    assert "location off" in off.stdout


def test_what_cannot_be_is_said(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    for arguments, words in (
        (("--member", "M-9", "--point", "lyon"), "no member with a card has this number"),
        (("--point", "nantes"), "'nantes' is neither a store nor coordinates"),
        (("--profile", "store=nantes", "--point", "lyon"), "there is no store 'nantes'"),
        (("--profile", "age=3", "--point", "lyon"), "not age"),
        (("--at", "2026-11-27T10:00", "--point", "lyon"), "should have its offset"),
        (("--member", "M-1", "--profile", "tier=Or", "--point", "lyon"), "not both"),
    ):
        result = run(system, *arguments)
        assert result.exit_code != 0
        assert words in result.stderr

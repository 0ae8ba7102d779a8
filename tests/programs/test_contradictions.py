"""B7: what contradicts cards already issued is refused with their number, or done by a flag that says what follows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
from sqlalchemy import text

from tests.system import ISSUER, TEAM, System, eventually
from wallet_service.errors import Conflict
from wallet_service.programs.apply import Applied

Change = Callable[[str], str]


def apply(system: System, change: Change, *, although_issued: bool = False) -> Applied:
    """Apply the programme's file as `change` alters its text."""
    before = (system.folder / "program.toml").read_text(encoding="utf-8")
    other = system.folder / "changed.toml"
    other.write_text(change(before), encoding="utf-8")
    return system.apply(other, although_issued=although_issued)


def without_files(document: str) -> str:
    """The file without its keys, which are imported already."""
    return "\n".join(line for line in document.splitlines() if "_file" not in line)


def another_team(document: str) -> str:
    """A team whose certificate was never imported."""
    return without_files(document).replace(TEAM, "OTHERTEAM1")


def at_google(system: System) -> None:
    """One card whose object Google has."""
    with system.working():
        android = system.android()
        android.open_link(system.enrol()["links"]["card"])
        eventually(lambda: system.rows("SELECT FROM google_objects WHERE told_digest <> ''"))


def test_b7_another_team_is_refused_with_the_number_of_cards(system: System) -> None:
    for number in range(3):
        system.enrol(f"M-{number}")
    with pytest.raises(Conflict, match=r"team_id is LUMIERE123 on 3 cards"):
        apply(system, another_team)
    assert system.rows("SELECT document->'apple'->>'team_id' AS team FROM programs") == [{"team": TEAM}]


def test_b7_with_the_flag_it_is_done_said_and_seen_by_readyz(system: System) -> None:
    system.enrol()
    applied = apply(system, another_team, although_issued=True)
    assert any("although issued: apple.team_id" in change for change in applied.changes)
    keys = requests.get(f"{system.url}/readyz", timeout=10).json()["checks"]["keys"]
    assert keys["lumiere"].startswith("the Apple certificate is for pass.example.lumiere of team LUMIERE123")


def test_b7_a_team_may_change_while_nothing_is_issued(system: System) -> None:
    assert apply(system, another_team).changes == ("apple changed", "google changed")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document.replace(ISSUER, "3388000000099999999"), "google.issuer_id is 3388000000012345678"),
        (lambda document: document.partition("[google]")[0], "google: 1 cards are at Google"),
        (lambda document: document.replace('"points-card"', '"gift-card"'), "template: its style makes giftCard"),
    ],
)
def test_b7_what_googles_records_contradict_is_refused(system: System, change: Change, words: str) -> None:
    at_google(system)
    with pytest.raises(Conflict, match=words.replace(".", r"\.")):
        apply(system, lambda document: change(document))


def test_b7_objects_that_google_never_had_follow_a_corrected_issuer(system: System) -> None:
    system.enrol()
    other = "3388000000099999999"
    applied = apply(system, lambda document: document.replace(ISSUER, other))
    assert "1 cards that Google never had got ids of the present issuer" in applied.changes
    (row,) = system.rows("SELECT object_id FROM google_objects")
    assert row["object_id"].startswith(f"{other}.")
    assert len(row["object_id"]) == len(other) + 33


def test_b7_an_object_of_a_wrong_issuer_is_parked_and_stops_nobody(system: System) -> None:
    """Google says permissionDenied of one object; of our class it does not: so the account is right."""
    cards = [system.enrol(f"M-{number}") for number in range(3)]
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE google_objects SET object_id = '3388000000099999999.wrong' WHERE id = 1"))
        db.execute(text("UPDATE deliveries SET wanted_version = 1, next_attempt_at = now() WHERE kind = 'google'"))
    with system.working():
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE kind = 'google' AND told_version = 1")[1:])
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE kind = 'google' AND parked LIKE '403%'"))
    assert system.card(cards[0]["serial_number"])["far_ends"][0]["state"] == "refused"
    assert system.rows("SELECT FROM stopped_channels") == []


def test_b7_a_stopped_channel_is_told_by_readyz_the_api_and_the_metrics_until_it_works(system: System) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    system.apns.answer_next(403, "Forbidden", count=1)

    def stopped() -> list[dict[str, str]]:
        found: list[dict[str, str]] = system.api.ok("GET", "/deliveries")["stopped"]
        return found

    with system.working():
        eventually(stopped)
        assert [(one["kind"], one["reason"]) for one in stopped()] == [("apple", "Forbidden")]
        checks = requests.get(f"{system.url}/readyz", timeout=10).json()["checks"]
        assert checks["channels"] in ({"lumiere": {"apple": "Forbidden"}}, {})
        eventually(lambda: not stopped())
    assert 'wallet_channel_stopped{kind="apple"' not in requests.get(f"{system.url}/metrics", timeout=10).text


def test_a_rolled_back_design_is_named(system: System) -> None:
    with system.services.sessions.begin() as db:
        db.execute(
            text("""
            INSERT INTO template_versions (template_id, digest, archive, created_at)
            SELECT template_id, 'another', archive, created_at FROM template_versions
        """)
        )
        db.execute(text("UPDATE programs SET template_version_id = (SELECT max(id) FROM template_versions)"))
    assert apply(system, str).changes == ("template points-card is another version than before",)

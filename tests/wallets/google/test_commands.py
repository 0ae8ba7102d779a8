"""`wallet-service google …` against the simulator. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.system import System, eventually
from tests.wallets.google.conftest import DESIGNS
from tests.wallets.google.test_quota import at_rest, saved_card
from wallet_service.cli import main
from wallet_service.cli.bench.google import clone_cards
from wallet_service.errors import SettingsError
from wallet_service.simulators.google.backend import ApiCall
from wallet_service.wallets.google.classes import require_published
from wallet_service.wallets.google.save_link import SaveLinks


def run(system: System, *words: str) -> Result:
    """One command on this system."""
    environment = system.environment | {
        "WALLET_DATABASE_URL": system.services.database.url,
        "WALLET_CLOCK": clock(system),
    }
    return CliRunner().invoke(main, ["google", *words], env=environment)


def clock(system: System) -> str:
    """The system's own time."""
    return f"offset:+{int(system.clock.ahead.total_seconds())}s"


def since(system: System, before: int) -> list[str]:
    """The calls after so many."""

    def words(call: ApiCall) -> str:
        return f"{call.method} {call.path.split('/', 3)[3].partition('/')[0]} {call.status}"

    return [words(call) for call in system.google.calls[before:]]


def test_item_07_sync_shows_the_difference_makes_the_class_and_then_finds_nothing(system: System) -> None:
    look = run(system, "sync", "--program", "lumiere", "--dry-run")
    assert look.exit_code == 1, look.output
    assert "insert" in look.output
    assert since(system, 0) == ["GET loyaltyClass 404"]
    made = run(system, "sync", "--program", "lumiere")
    assert (made.exit_code, made.output.splitlines()[-1]) == (0, "lumiere: 1 of 1 classes changed")
    again = run(system, "sync", "--program", "lumiere", "--dry-run")
    assert again.exit_code == 0
    assert "nothing · APPROVED" in again.output


def test_item_06_what_somebody_changed_at_google_is_shown_and_put_back(system: System) -> None:
    run(system, "sync", "--program", "lumiere")
    class_id = system.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    kind, _ = system.google.resources.find(class_id, is_class=True) or pytest.fail("no class")
    system.google.resources.patch(kind, class_id, {"programName": "Autre", "reviewStatus": "UNDER_REVIEW"})
    look = run(system, "sync", "--program", "lumiere", "--dry-run")
    assert "programName: Autre → Cercle Lumière" in look.output
    assert run(system, "sync", "--program", "lumiere").exit_code == 0
    assert system.google.cls(class_id)["programName"] == "Cercle Lumière"


def test_item_57_a_demo_issuer_is_refused_in_production() -> None:
    require_published(demo=True, is_production=False)
    require_published(demo=False, is_production=True)
    with pytest.raises(SettingsError, match="demo mode"):
        require_published(demo=True, is_production=True)


def test_demo_mode_is_recognised_by_googles_own_mark(system: System) -> None:
    run(system, "sync", "--program", "lumiere")
    class_id = system.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    kind, _ = system.google.resources.find(class_id, is_class=True) or pytest.fail("no class")
    system.google.resources.patch(
        kind, class_id, {"programName": "[TEST ONLY] Cercle Lumière", "reviewStatus": "UNDER_REVIEW"}
    )
    assert "demo mode: only testers can save" in run(system, "sync", "--program", "lumiere", "--dry-run").output


def test_item_26_news_to_everybody_is_one_call_however_many_they_are(system: System) -> None:
    with system.working():
        saved_card(system)
        for number in range(2, 12):
            card = system.enrol(f"M-{number}")
            system.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(system)
    before = len(system.google.calls)
    words = ("news", "--program", "lumiere", "--title", "Soirée privée", "--text", "en=Come", "--notify")
    assert "same languages" in run(system, *words).output
    words = ("news", "--program", "lumiere", "--title", "Soirée privée", "--text", "Jeudi à Lyon", "--notify")
    sent = run(system, *words)
    assert sent.exit_code == 0, sent.output
    assert sent.output.strip().endswith(": notified")
    assert since(system, before) == ["POST loyaltyClass 200"]
    assert len(system.google.notifications) == 1
    repeat = run(system, *words)
    assert repeat.exit_code == 0
    assert since(system, before) == ["POST loyaltyClass 200"]


def test_a_second_news_of_the_day_arrives_silently_and_an_outside_link_is_refused(system: System) -> None:
    run(system, "sync", "--program", "lumiere")
    base = ("news", "--program", "lumiere", "--notify", "--title", "Nouvelle")
    assert run(system, *base, "--text", "Un").output.strip().endswith("notified")
    assert run(system, *base, "--text", "Deux").output.strip().endswith("silent")
    system.clock.advance(timedelta(hours=25))
    assert run(system, *base, "--text", "Trois").output.strip().endswith("notified")
    refused = run(system, *base, "--text", "https://autre.example/")
    assert refused.exit_code == 1
    assert len(system.google.notifications) == 2


def test_news_that_google_cannot_take_now_is_sent_by_a_worker_once(system: System) -> None:
    run(system, "sync", "--program", "lumiere")
    system.google.fail_next(503, "backendError", method="POST", applied=True)
    waits = run(system, "news", "--program", "lumiere", "--title", "A", "--text", "B")
    assert waits.output.strip().endswith("waits for a worker")
    system.clock.advance(timedelta(minutes=5))
    with system.working():
        eventually(lambda: system.rows("SELECT FROM google_messages WHERE sent_at IS NOT NULL"))
    class_id = system.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    assert len(system.google.cls(class_id)["messages"]) == 1


def test_item_14_the_tenth_news_replaces_another_and_what_is_over_goes(system: System) -> None:
    run(system, "sync", "--program", "lumiere")
    for number in range(11):
        sent = run(system, "news", "--program", "lumiere", "--title", "A", "--text", f"B{number}", "--days", "2")
        assert sent.exit_code == 0, sent.output
    class_id = system.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    assert [one["body"] for one in system.google.cls(class_id)["messages"]] == [f"B{number}" for number in range(2, 11)]
    system.clock.advance(timedelta(days=3))
    run(system, "news", "--program", "lumiere", "--title", "A", "--text", "B11")
    assert [one["body"] for one in system.google.cls(class_id)["messages"]] == ["B11"]


def test_news_without_a_class_says_what_to_do(system: System) -> None:
    refused = run(system, "news", "--program", "lumiere", "--title", "A", "--text", "B")
    assert refused.exit_code == 1
    assert "google sync" in refused.output


def test_item_37_an_audit_reads_every_page_and_puts_differences_back(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet_service.wallets.google.audit.PAGE", 2)
    with system.working():
        saved_card(system)
        for number in range(2, 6):
            card = system.enrol(f"M-{number}")
            system.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(system)
        assert "5 objects at Google, 0 different, 0 missing, 0 with another holder" in audit(system, "--dry-run")
        ids = [row["object_id"] for row in system.rows("SELECT object_id FROM google_objects ORDER BY id")]
        kind, _ = system.google.resources.find(ids[1], is_class=False) or pytest.fail("no object")
        system.google.resources.patch(kind, ids[1], {"accountName": "Personne"})
        system.google.save(skinny(system, ids[2]), "dominique")
        system.google.hold_callbacks()
        system.google.remove("camille@example.com", ids[0])
        said = audit(system)
        assert "1 different, 0 missing" in said
        assert f"{ids[1]} accountName: Personne → Claire Moreau" in said
        eventually(lambda: system.google.object(ids[1])["accountName"] == "Claire Moreau")
        rows = system.rows("SELECT removed_at FROM google_objects ORDER BY id")
        assert rows[0]["removed_at"] is not None
    lists = [call for call in system.google.calls if call.method == "GET" and call.path.endswith("/loyaltyObject")]
    assert len(lists) >= 6


def test_an_object_that_google_lost_is_inserted_again(system: System) -> None:
    with system.working():
        saved_card(system)
        object_id = system.rows("SELECT object_id FROM google_objects")[0]["object_id"]
        system.google.resources.forget(object_id)
        assert "0 objects at Google, 0 different, 1 missing" in audit(system)
        eventually(lambda: system.google.resources.find(object_id, is_class=False))


def audit(system: System, *words: str) -> str:
    """An audit's words."""
    result = run(system, "audit", "--program", "lumiere", *words)
    assert result.exit_code == 0, result.output
    return result.output


def skinny(system: System, object_id: str) -> str:
    """The JWT of a save link."""
    with system.services.sessions() as db:
        account = system.services.keys.google_account(db, "lumiere")
    assert account is not None
    return SaveLinks(account, save_url="x").skinny(object_id, now=system.clock()).rpartition("/")[2]


def test_the_planner_knows_before_it_starts(system: System, tmp_path: Path) -> None:
    with system.working():
        saved_card(system)
    said = run(system, "plan", "--program", "lumiere").output
    assert "what is owed now" in said
    assert "under a minute" in said
    design = tmp_path / "points-card"
    copy(DESIGNS / "points-card", design)
    text = (design / "words" / "fr.toml").read_text(encoding="utf-8")
    (design / "words" / "fr.toml").write_text(text.replace("Numéro de carte", "N° de carte"), encoding="utf-8")
    said = run(system, "plan", "--program", "lumiere", "--template", str(design)).output
    assert row_of(said, "this version") == "1"  # a label on the class: one call, whoever holds a card
    (design / "words" / "fr.toml").write_text(text.replace('"Points"', '"Soleils"'), encoding="utf-8")
    said = run(system, "plan", "--program", "lumiere", "--template", str(design)).output
    assert row_of(said, "this version") == "1"  # a label on each object


def row_of(table: str, what: str) -> str:
    """The number of calls in a row."""
    line = next(line for line in table.splitlines() if what in line)
    return line.split("│")[2].strip()


def copy(source: Path, target: Path) -> None:
    """A design's folder."""
    for path in source.rglob("*"):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())


def test_item_54_what_a_person_changed_leaves_before_a_walk_over_many(open_system: OpenSystem) -> None:
    """A thousand cards wait at 20 calls a second; one member at the till is told within two seconds all the same."""
    system = open_system(WALLET_GOOGLE_RATE_PER_S="20")
    with system.working():
        saved_card(system)
    members(system, 300)
    with system.working():
        before = len(system.google.calls)
        system.google.wait_for(lambda google: len(google.calls) >= before + 5, 20)
        asked_at = system.clock()
        system.set_points("M-1", 77, sequence=1)
        object_id = system.rows("SELECT object_id FROM google_objects ORDER BY id LIMIT 1")[0]["object_id"]
        system.google.wait_for(
            lambda google: any(
                object_id in call.path and call.method == "PATCH" and call.at > asked_at for call in google.calls
            ),
            10,
        )
        assert system.rows("SELECT FROM deliveries WHERE wanted_version > told_version"), "the walk is still under way"
    told: list[Any] = [call for call in system.google.calls if object_id in call.path and call.at > asked_at]
    assert told[0].at - asked_at < timedelta(seconds=2)
    assert system.rows("SELECT FROM deliveries WHERE wanted_version > told_version"), (
        "a stop does not wait for the walk"
    )


def members(system: System, count: int) -> None:
    """Cards that are owed to Google and may wait."""
    with system.services.sessions.begin() as db:
        clone_cards(db, count)
        db.execute(
            text(
                "UPDATE deliveries SET wanted_version = (SELECT version FROM cards WHERE id = card_id), urgency = 1, "
                "next_attempt_at = now() - interval '1 hour' WHERE kind = 'google' AND wanted_version = 0"
            )
        )

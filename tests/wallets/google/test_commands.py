"""`wallet-service google …` against the simulator. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from tests.conftest import OpenHouse
from tests.house import House, eventually
from tests.wallets.google.conftest import DESIGNS
from tests.wallets.google.test_budget import at_rest, saved_card
from wallet_service.cli import main
from wallet_service.cli.bench_google import clone_cards
from wallet_service.errors import SettingsError
from wallet_service.simulators.google.routes import ApiCall
from wallet_service.wallets.google.classes import require_published
from wallet_service.wallets.google.save_link import SaveLinks


def run(house: House, *words: str) -> Result:
    """One command on this house."""
    environment = house.environment | {"WALLET_DATABASE_URL": house.services.database.url, "WALLET_CLOCK": clock(house)}
    return CliRunner().invoke(main, ["google", *words], env=environment)


def clock(house: House) -> str:
    """The house's own time."""
    return f"offset:+{int(house.clock.ahead.total_seconds())}s"


def since(house: House, before: int) -> list[str]:
    """The calls after so many."""

    def words(call: ApiCall) -> str:
        return f"{call.method} {call.path.split('/', 3)[3].partition('/')[0]} {call.status}"

    return [words(call) for call in house.google.calls[before:]]


def test_item_07_sync_shows_the_difference_makes_the_class_and_then_finds_nothing(house: House) -> None:
    look = run(house, "sync", "--program", "lumiere", "--dry-run")
    assert look.exit_code == 1, look.output
    assert "insert" in look.output
    assert since(house, 0) == ["GET loyaltyClass 404"]
    made = run(house, "sync", "--program", "lumiere")
    assert (made.exit_code, made.output.splitlines()[-1]) == (0, "lumiere: 1 of 1 classes changed")
    again = run(house, "sync", "--program", "lumiere", "--dry-run")
    assert again.exit_code == 0
    assert "nothing · APPROVED" in again.output


def test_item_06_what_somebody_changed_by_hand_is_shown_and_put_back(house: House) -> None:
    run(house, "sync", "--program", "lumiere")
    class_id = house.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    kind, _ = house.google.resources.find(class_id, is_class=True) or pytest.fail("no class")
    house.google.resources.patch(kind, class_id, {"programName": "Autre", "reviewStatus": "UNDER_REVIEW"})
    look = run(house, "sync", "--program", "lumiere", "--dry-run")
    assert "programName: Autre → Cercle Lumière" in look.output
    assert run(house, "sync", "--program", "lumiere").exit_code == 0
    assert house.google.cls(class_id)["programName"] == "Cercle Lumière"


def test_item_57_a_demo_issuer_is_refused_in_production() -> None:
    require_published(demo=True, is_production=False)
    require_published(demo=False, is_production=True)
    with pytest.raises(SettingsError, match="demo mode"):
        require_published(demo=True, is_production=True)


def test_demo_mode_is_recognised_by_googles_own_mark(house: House) -> None:
    run(house, "sync", "--program", "lumiere")
    class_id = house.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    kind, _ = house.google.resources.find(class_id, is_class=True) or pytest.fail("no class")
    house.google.resources.patch(
        kind, class_id, {"programName": "[TEST ONLY] Cercle Lumière", "reviewStatus": "UNDER_REVIEW"}
    )
    assert "demo mode: only testers can save" in run(house, "sync", "--program", "lumiere", "--dry-run").output


def test_item_26_news_to_everybody_is_one_call_however_many_they_are(house: House) -> None:
    with house.working():
        saved_card(house)
        for number in range(2, 12):
            card = house.enrol(f"M-{number}")
            house.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(house)
    before = len(house.google.calls)
    words = ("news", "--program", "lumiere", "--title", "Soirée privée", "--text", "en=Come", "--notify")
    assert "same languages" in run(house, *words).output
    words = ("news", "--program", "lumiere", "--title", "Soirée privée", "--text", "Jeudi à Lyon", "--notify")
    sent = run(house, *words)
    assert sent.exit_code == 0, sent.output
    assert sent.output.strip().endswith(": notified")
    assert since(house, before) == ["POST loyaltyClass 200"]
    assert len(house.google.notifications) == 1
    repeat = run(house, *words)
    assert repeat.exit_code == 0
    assert since(house, before) == ["POST loyaltyClass 200"]


def test_a_second_news_of_the_day_arrives_silently_and_an_outside_link_is_refused(house: House) -> None:
    run(house, "sync", "--program", "lumiere")
    base = ("news", "--program", "lumiere", "--notify", "--title", "Nouvelle")
    assert run(house, *base, "--text", "Un").output.strip().endswith("notified")
    assert run(house, *base, "--text", "Deux").output.strip().endswith("silent")
    house.clock.advance(timedelta(hours=25))
    assert run(house, *base, "--text", "Trois").output.strip().endswith("notified")
    refused = run(house, *base, "--text", "https://autre.example/")
    assert refused.exit_code == 1
    assert len(house.google.notifications) == 2


def test_news_that_google_cannot_take_now_is_sent_by_a_worker_once(house: House) -> None:
    run(house, "sync", "--program", "lumiere")
    house.google.fail_next(503, "backendError", method="POST", applied=True)
    waits = run(house, "news", "--program", "lumiere", "--title", "A", "--text", "B")
    assert waits.output.strip().endswith("waits for a worker")
    house.clock.advance(timedelta(minutes=5))
    with house.working():
        eventually(lambda: house.rows("SELECT FROM google_messages WHERE sent_at IS NOT NULL"))
    class_id = house.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    assert len(house.google.cls(class_id)["messages"]) == 1


def test_item_14_the_tenth_news_makes_room_and_what_is_over_goes(house: House) -> None:
    run(house, "sync", "--program", "lumiere")
    for number in range(11):
        sent = run(house, "news", "--program", "lumiere", "--title", "A", "--text", f"B{number}", "--days", "2")
        assert sent.exit_code == 0, sent.output
    class_id = house.rows("SELECT class_id FROM google_classes")[0]["class_id"]
    assert [one["body"] for one in house.google.cls(class_id)["messages"]] == [f"B{number}" for number in range(2, 11)]
    house.clock.advance(timedelta(days=3))
    run(house, "news", "--program", "lumiere", "--title", "A", "--text", "B11")
    assert [one["body"] for one in house.google.cls(class_id)["messages"]] == ["B11"]


def test_news_without_a_class_says_what_to_do(house: House) -> None:
    refused = run(house, "news", "--program", "lumiere", "--title", "A", "--text", "B")
    assert refused.exit_code == 1
    assert "google sync" in refused.output


def test_item_37_an_audit_reads_every_page_and_puts_differences_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wallet_service.wallets.google.audit.PAGE", 2)
    with house.working():
        saved_card(house)
        for number in range(2, 6):
            card = house.enrol(f"M-{number}")
            house.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(house)
        assert "5 objects at Google, 0 different, 0 missing, 0 with another holder" in audit(house, "--dry-run")
        ids = [row["object_id"] for row in house.rows("SELECT object_id FROM google_objects ORDER BY id")]
        kind, _ = house.google.resources.find(ids[1], is_class=False) or pytest.fail("no object")
        house.google.resources.patch(kind, ids[1], {"accountName": "Personne"})
        house.google.save(skinny(house, ids[2]), "dominique")
        house.google.hold_callbacks()
        house.google.remove("camille@example.com", ids[0])
        said = audit(house)
        assert "1 different, 0 missing" in said
        assert f"{ids[1]} accountName: Personne → Claire Moreau" in said
        eventually(lambda: house.google.object(ids[1])["accountName"] == "Claire Moreau")
        rows = house.rows("SELECT removed_at FROM google_objects ORDER BY id")
        assert rows[0]["removed_at"] is not None
    lists = [call for call in house.google.calls if call.method == "GET" and call.path.endswith("/loyaltyObject")]
    assert len(lists) >= 6


def test_an_object_that_google_lost_is_inserted_again(house: House) -> None:
    with house.working():
        saved_card(house)
        object_id = house.rows("SELECT object_id FROM google_objects")[0]["object_id"]
        house.google.resources.forget(object_id)
        assert "0 objects at Google, 0 different, 1 missing" in audit(house)
        eventually(lambda: house.google.resources.find(object_id, is_class=False))


def audit(house: House, *words: str) -> str:
    """An audit's words."""
    result = run(house, "audit", "--program", "lumiere", *words)
    assert result.exit_code == 0, result.output
    return result.output


def skinny(house: House, object_id: str) -> str:
    """The JWT of a save link."""
    with house.services.sessions() as db:
        account = house.services.keys.google_account(db, "lumiere")
    assert account is not None
    return SaveLinks(account, save_url="x").skinny(object_id, now=house.clock()).rpartition("/")[2]


def test_the_planner_knows_before_it_starts(house: House, tmp_path: Path) -> None:
    with house.working():
        saved_card(house)
    said = run(house, "plan", "--program", "lumiere").output
    assert "what is owed now" in said
    assert "under a minute" in said
    design = tmp_path / "points-card"
    copy(DESIGNS / "points-card", design)
    text = (design / "words" / "fr.toml").read_text(encoding="utf-8")
    (design / "words" / "fr.toml").write_text(text.replace("Numéro de carte", "N° de carte"), encoding="utf-8")
    said = run(house, "plan", "--program", "lumiere", "--template", str(design)).output
    assert row_of(said, "this version") == "1"  # a label on the class: one call, whoever holds a card
    (design / "words" / "fr.toml").write_text(text.replace('"Points"', '"Soleils"'), encoding="utf-8")
    said = run(house, "plan", "--program", "lumiere", "--template", str(design)).output
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


def test_item_54_what_a_person_changed_leaves_before_a_walk_over_many(open_a_house: OpenHouse) -> None:
    """A thousand cards wait at 20 calls a second; one member at the till is told within two seconds all the same."""
    house = open_a_house(WALLET_GOOGLE_RATE_PER_S="20")
    with house.working():
        saved_card(house)
    members(house, 300)
    with house.working():
        before = len(house.google.calls)
        house.google.wait_for(lambda google: len(google.calls) >= before + 5, 20)
        asked_at = house.clock()
        house.set_points("M-1", 77, sequence=1)
        object_id = house.rows("SELECT object_id FROM google_objects ORDER BY id LIMIT 1")[0]["object_id"]
        house.google.wait_for(
            lambda google: any(
                object_id in call.path and call.method == "PATCH" and call.at > asked_at for call in google.calls
            ),
            10,
        )
        assert house.rows("SELECT FROM deliveries WHERE wanted_version > told_version"), "the walk is still under way"
    told: list[Any] = [call for call in house.google.calls if object_id in call.path and call.at > asked_at]
    assert told[0].at - asked_at < timedelta(seconds=2)
    assert house.rows("SELECT FROM deliveries WHERE wanted_version > told_version"), "a stop does not wait for the walk"


def members(house: House, count: int) -> None:
    """Cards that are owed to Google and may wait."""
    with house.services.sessions.begin() as db:
        clone_cards(db, count)
        db.execute(
            text(
                "UPDATE deliveries SET wanted_version = (SELECT version FROM cards WHERE id = card_id), urgency = 1, "
                "next_attempt_at = now() - interval '1 hour' WHERE kind = 'google' AND wanted_version = 0"
            )
        )

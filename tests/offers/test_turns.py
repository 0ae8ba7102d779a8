"""Many brands' walks and many cards to compose: each brand has its turn, and nobody reads all that waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.delivery.brands import add_phones
from tests.system import System
from wallet_service.cards.publishing import claim_cards_due, composed_next, programs_due
from wallet_service.offers.campaigns import start_campaign, walk_one_page

CARDS = 3000
Found = TypeVar("Found")
_OTHER = """
INSERT INTO programs (program_id, name, document, template_version_id, updated_at)
SELECT 'other', 'Other', document, template_version_id, now() FROM programs;
INSERT INTO members (program_id, member_id, card_number, created_at, updated_at)
VALUES ('other', 'O-1', '1', now(), now());
INSERT INTO cards (program_id, member_pk, serial_number, auth_token, link_token, issued_at, template_version_id)
SELECT 'other', m.id, 'other', 'other', 'other', now(), p.template_version_id
FROM members m JOIN programs p ON p.program_id = m.program_id WHERE m.program_id = 'other'
"""


@pytest.fixture
def system(system: System) -> System:
    """A brand with many cards, and another with one."""
    add_phones(system, "lumiere", CARDS)
    with system.services.sessions.begin() as db:
        for statement in _OTHER.split(";\n"):
            db.execute(text(statement))
    return system


def test_a_brands_walk_waits_for_a_page_of_another_not_for_all_of_it(system: System) -> None:
    walked = []
    with system.services.sessions.begin() as db:
        start_campaign(db, "lumiere", reason="an offer", now=system.clock())
        start_campaign(db, "other", reason="an offer", now=system.clock())
    going = True
    while going:
        before = finished(system)
        with system.services.sessions.begin() as db:
            going = walk_one_page(db, now=system.clock(), page=CARDS // 3)
        system.clock.advance(timedelta(seconds=1))
        walked.append(finished(system) - before)
    assert walked == [set(), {"other"}, set(), set(), {"lumiere"}, set()]


def finished(system: System) -> set[str]:
    return {row["program_id"] for row in system.rows("SELECT program_id FROM campaigns WHERE finished_at IS NOT NULL")}


def test_looking_for_what_is_to_be_composed_reads_one_card_of_each_brand(system: System) -> None:
    now = system.clock()
    soon = now + timedelta(minutes=1)
    due: dict[str, Any] = {"now": now, "soon": soon}
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE cards SET recompose_at = CASE program_id WHEN 'other' THEN :soon ELSE :now END"), due)
    with system.services.sessions.begin() as db:
        db.execute(text("ANALYZE cards"))
    assert reading(system, composed_next) == ({"lumiere": now, "other": soon}, 2)
    assert reading(system, lambda db: programs_due(db, now=now)) == (["lumiere"], 2)
    assert reading(system, lambda db: programs_due(db, now=soon)) == (["lumiere", "other"], 2)
    cards, read = reading(system, lambda db: claim_cards_due(db, "other", now=soon, batch=200))
    assert [card.serial_number for card in cards] == ["other"]
    assert read < 10, "nothing of the brand before it"


def reading(system: System, look: Callable[[Session], Found]) -> tuple[Found, int]:
    """What is found, and how many rows of `cards` were read for it."""
    read = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'cards'")
    with system.services.sessions() as db:
        before = db.execute(read).scalar_one()
        found = look(db)
        return found, db.execute(read).scalar_one() - before

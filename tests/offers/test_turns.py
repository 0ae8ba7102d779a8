"""Many brands' walks and many cards to compose: each brand has its turn, and nobody reads all that waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.delivery.brands import add_phones
from tests.house import House
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
def house(house: House) -> House:
    """A brand with many cards, and another with one."""
    add_phones(house, "lumiere", CARDS)
    with house.services.sessions.begin() as db:
        for statement in _OTHER.split(";\n"):
            db.execute(text(statement))
    return house


def test_a_brands_walk_waits_for_a_page_of_another_not_for_all_of_it(house: House) -> None:
    walked = []
    with house.services.sessions.begin() as db:
        start_campaign(db, "lumiere", reason="an offer", now=house.clock())
        start_campaign(db, "other", reason="an offer", now=house.clock())
    going = True
    while going:
        before = finished(house)
        with house.services.sessions.begin() as db:
            going = walk_one_page(db, now=house.clock(), page=CARDS // 3)
        house.clock.advance(timedelta(seconds=1))
        walked.append(finished(house) - before)
    assert walked == [set(), {"other"}, set(), set(), {"lumiere"}, set()]


def finished(house: House) -> set[str]:
    return {row["program_id"] for row in house.rows("SELECT program_id FROM campaigns WHERE finished_at IS NOT NULL")}


def test_looking_for_what_is_to_be_composed_reads_one_card_of_each_brand(house: House) -> None:
    now = house.clock()
    soon = now + timedelta(minutes=1)
    due: dict[str, Any] = {"now": now, "soon": soon}
    with house.services.sessions.begin() as db:
        db.execute(text("UPDATE cards SET recompose_at = CASE program_id WHEN 'other' THEN :soon ELSE :now END"), due)
    with house.services.sessions.begin() as db:
        db.execute(text("ANALYZE cards"))
    assert reading(house, composed_next) == ({"lumiere": now, "other": soon}, 2)
    assert reading(house, lambda db: programs_due(db, now=now)) == (["lumiere"], 2)
    assert reading(house, lambda db: programs_due(db, now=soon)) == (["lumiere", "other"], 2)
    cards, read = reading(house, lambda db: claim_cards_due(db, "other", now=soon, batch=200))
    assert [card.serial_number for card in cards] == ["other"]
    assert read < 10, "nothing of the brand before it"


def reading(house: House, look: Callable[[Session], Found]) -> tuple[Found, int]:
    """What is found, and how many rows of `cards` were read for it."""
    read = text("SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'cards'")
    with house.services.sessions() as db:
        before = db.execute(read).scalar_one()
        found = look(db)
        return found, db.execute(read).scalar_one() - before

"""Points from member to member, in the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.loyalty.ledger.conftest import Brand, MakeBrand
from wallet_service.cards.members import lock_members
from wallet_service.errors import Conflict, Invalid
from wallet_service.loyalty.ledger.books import Fact, open_book
from wallet_service.loyalty.ledger.orders import book_balance
from wallet_service.loyalty.ledger.spending import reserve
from wallet_service.loyalty.ledger.transfers import book_merge, book_transfer
from wallet_service.values import LARGEST

Move = Callable[..., bool]


@pytest.fixture
def brand(make_brand: MakeBrand) -> Brand:
    brand = make_brand(expiry={"kind": "rolling", "months": 12}, pending_days=1)
    brand.buys("o-1", 4000, member_id="M-1")
    brand.buys("o-2", 1000, member_id="M-2")
    return brand


LATER = datetime(2026, 1, 20, tzinfo=UTC)


def move(brand: Brand, booking: Move, giver: str = "M-1", receiver: str = "M-2", **more: Any) -> bool:
    with brand.sessions.begin() as db:
        members = lock_members(db, brand.program.id, {giver, receiver})
        values = {"key": "t-1", "reason": "family", "actor": "operator", "now": LATER} | more
        return booking(db, members[giver], members[receiver], **values)


def test_a_transfer_conserves_points_and_their_days(brand: Brand) -> None:
    assert move(brand, book_transfer, points=15) is True
    assert move(brand, book_transfer, points=15) is False
    assert (brand.state("M-1"), brand.state("M-2")) == ((25, 0, 0, 25), (25, 0, 0, 25))
    assert len(brand.rows("SELECT DISTINCT expires_at FROM ledger_lots")) == 1
    assert brand.audit(LATER).differences == ()


def test_a_transfer_that_is_too_much_or_another_is_refused(brand: Brand) -> None:
    with pytest.raises(Conflict, match="40 are available"):
        move(brand, book_transfer, points=41)
    move(brand, book_transfer, points=1)
    with pytest.raises(Conflict, match="other content"):
        move(brand, book_transfer, points=2)
    with pytest.raises(Conflict, match="one member"):
        move(brand, book_transfer, receiver="M-1", points=1)


def test_a_merge_takes_the_orders_along(brand: Brand) -> None:
    assert move(brand, book_merge) is True
    assert move(brand, book_merge) is False
    assert (brand.state("M-1"), brand.state("M-2")) == ((0, 0, 0, 0), (50, 0, 0, 50))
    brand.refunds("r-1", "o-1", 4000, to="M-2", now=LATER)
    assert brand.state("M-2")[3] == 10
    assert brand.rows("SELECT earned FROM ledger_accounts ORDER BY id") == [{"earned": 0}, {"earned": 10}]
    assert brand.rows("SELECT reversed, clawed FROM ledger_lots WHERE origin = 'transfer'") == [
        {"reversed": 40, "clawed": 0}
    ]
    assert brand.audit(LATER).differences == ()


def test_a_merge_waits_for_a_reservation(brand: Brand) -> None:
    with brand.member("M-1") as (db, member):
        open_book(db, member, now=LATER).post(
            Fact(key="reserve:r", content={}, actor="test"),
            lambda account: reserve(account, "r", 5, until=datetime(2026, 2, 1, tzinfo=UTC), now=LATER),
        )
    with pytest.raises(Conflict, match="reserved"):
        move(brand, book_merge)
    assert brand.state("M-1")[0] == 35


def test_a_transfer_that_fails_on_one_side_leaves_neither(brand: Brand) -> None:
    with brand.member("M-2") as (db, member):
        book_balance(db, member, LARGEST - 14, key="b", actor="test", now=LATER)
    with pytest.raises(Invalid, match="beyond"):
        move(brand, book_transfer, points=15)
    assert move(brand, book_transfer, points=14) is True
    assert (brand.state("M-1")[3], brand.state("M-2")[3]) == (26, LARGEST)
    assert brand.audit(LATER).differences == ()

"""The ledger in the database: one transaction for each fact, append only, and equal to what its log makes of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import permutations
from random import Random

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.loyalty.ledger.conftest import NOW, Brand, MakeBrand
from wallet_service.errors import Conflict, Invalid
from wallet_service.loyalty.ledger.books import Fact
from wallet_service.loyalty.ledger.spending import cancel, confirm, reserve
from wallet_service.loyalty.ledger.walk import book_what_is_due

DAY = timedelta(days=1)


@pytest.fixture
def brand(make_brand: MakeBrand) -> Brand:
    return make_brand()


def test_scenario_1_points_are_pending_until_the_return_window_has_passed(make_brand: MakeBrand) -> None:
    brand = make_brand(pending_days=14)
    brand.buys("o-1", 4000)
    assert brand.state() == (0, 40, 0, 0)
    opens = datetime(2026, 1, 24, 23, tzinfo=UTC)  # midnight in Paris, after the 14th whole day
    book_what_is_due(brand.sessions, now=opens - timedelta(seconds=1))
    assert brand.state() == (0, 40, 0, 0)
    assert book_what_is_due(brand.sessions, now=opens) == {"postings": 1, "failed": 0}
    assert brand.state() == (40, 0, 0, 40)
    assert brand.audit().differences == ()


def test_scenario_2_three_refunds_take_back_all_and_no_more(brand: Brand) -> None:
    brand.buys("o-1", 5990)
    shown = []
    for number, cents in enumerate((1997, 1997, 1996)):
        brand.refunds(f"r-{number}", "o-1", cents)
        shown.append(brand.state()[3])
    assert shown == [39, 19, 0]
    assert brand.audit().differences == ()


def test_scenario_4_a_reservation_survives_and_runs_out(brand: Brand) -> None:
    """What a process that dies leaves behind is in the database; the next walk gives it back."""
    brand.buys("o-1", 12_000)
    until = NOW + timedelta(minutes=15)
    with brand.book() as book:
        book.post(
            Fact(key="reserve:r-1", content={"points": 100}, actor="till"),
            lambda account: reserve(account, "r-1", 100, until=until, now=NOW),
        )
    before = brand.rows("SELECT number, granted, expires_at FROM ledger_lots")
    assert brand.state()[0] == 20
    assert book_what_is_due(brand.sessions, now=until - timedelta(seconds=1))["postings"] == 0
    assert book_what_is_due(brand.sessions, now=until)["postings"] == 1
    assert brand.state()[0] == 120
    assert brand.rows("SELECT number, granted, expires_at FROM ledger_lots") == before
    with brand.book(until) as book:
        book.read_open(reservation="r-1")
        late = Fact(key="confirm:r-1", content={}, actor="till")
        with pytest.raises(Conflict, match="timed out"):
            book.post(late, lambda account: confirm(account, "r-1", now=until))
    assert brand.audit().differences == ()


@pytest.mark.parametrize(
    ("policy", "shown"), [("only_pending", 0), ("within_balance", 0), ("unlimited", -40)], ids=lambda value: str(value)
)
def test_scenario_6_a_refund_after_the_points_were_spent(make_brand: MakeBrand, policy: str, shown: int) -> None:
    brand = make_brand(refund_policy=policy)
    brand.buys("o-1", 4000)
    with brand.book() as book:
        spend = Fact(key="reserve:r-1", content={}, actor="till")
        book.post(spend, lambda account: reserve(account, "r-1", 40, until=NOW + DAY, now=NOW))
        book.post(Fact(key="confirm:r-1", content={}, actor="till"), lambda account: confirm(account, "r-1", now=NOW))
    brand.refunds("r-1", "o-1", 4000)
    assert brand.state() == (0, 0, max(-shown, 0), shown)
    assert brand.audit().differences == ()


def test_i7_the_same_fact_twice_is_one_transaction(brand: Brand) -> None:
    assert [brand.buys("o-1", 4000), brand.buys("o-1", 4000)] == ["booked", "repeated"]
    assert [brand.refunds("r-1", "o-1", 1000), brand.refunds("r-1", "o-1", 1000)] == ["booked", "repeated"]
    assert [brand.adjusts("a-1", 5), brand.adjusts("a-1", 5)] == ["booked", "repeated"]
    assert brand.state()[3] == 35


def test_i7_another_fact_under_the_same_key_is_refused(brand: Brand) -> None:
    brand.buys("o-1", 4000)
    brand.adjusts("a-1", 5)
    with pytest.raises(Conflict, match="other content"):
        brand.buys("o-1", 4100)
    with pytest.raises(Conflict, match="other content"):
        brand.buys("o-1", 4000, member_id="M-2")
    with pytest.raises(Conflict, match="other content"):
        brand.adjusts("a-1", 6)
    assert brand.state()[3] == 45


def test_a_refund_of_anothers_order_or_in_other_money_is_refused(brand: Brand) -> None:
    brand.buys("o-1", 4000)
    with pytest.raises(Conflict, match="another member"):
        brand.refunds("r-1", "o-1", 4000, to="M-2")
    with pytest.raises(Invalid, match="EUR"):
        brand.refunds("r-1", "o-1", 4000, currency="USD")
    assert brand.state()[3] == 40


def test_i11_every_order_of_arrival_makes_the_same_balance(make_brand: MakeBrand) -> None:
    """Two purchases and three refunds, doubled: a refund that comes first waits for its purchase."""
    brand = make_brand(pending_days=14)
    facts = [("o-1", 5990, ""), ("o-2", 2000, ""), ("r-1", 1997, "o-1"), ("r-2", 1997, "o-1"), ("r-3", 500, "o-2")]
    orders = list(permutations(facts))
    for number, order in enumerate(Random(5).sample(orders, 25)):
        member = f"M-{number}"
        for name, cents, of in [*order, *order]:
            if of:
                brand.refunds(f"{member} {name}", f"{member} {of}", cents, to=member)
            else:
                brand.buys(f"{member} {name}", cents, member_id=member)
    states = brand.rows("SELECT DISTINCT available, pending, debt, earned FROM ledger_accounts")
    assert states == [{"available": 0, "pending": 34, "debt": 0, "earned": 34}]
    assert brand.rows("SELECT FROM ledger_parked_refunds") == []
    assert brand.audit().differences == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET amount = amount + 1",
        "DELETE FROM ledger_entries",
        "UPDATE ledger_transactions SET reason = 'another'",
        "UPDATE ledger_transactions SET forgotten = TRUE, effect_key = 'forgotten:' || id, reason = NULL, trace = '{}',"
        " earned = 0",
        "DELETE FROM ledger_transactions",
        "TRUNCATE ledger_entries",
    ],
)
def test_i13_what_is_booked_stays(brand: Brand, statement: str) -> None:
    brand.buys("o-1", 4000)
    with pytest.raises(DBAPIError, match="append only"), brand.sessions.begin() as db:
        db.execute(text(statement))


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE balances SET points = 41", "I6"),
        ("UPDATE ledger_accounts SET available = 41", "I3"),
        ("UPDATE ledger_lots SET granted = 41, available = 41", "I12"),
        ("UPDATE ledger_accounts SET last_entry = 1", "I13"),
        ("UPDATE ledger_accounts SET earned = 41", "I15"),
        ("UPDATE ledger_entries SET amount = amount * 2", "I13"),
        ("UPDATE ledger_transactions SET reason = 'another'", "I13"),
        ("DELETE FROM ledger_entries WHERE number = 2", "I13"),
    ],
)
def test_the_audit_finds_what_was_changed_behind_its_back(brand: Brand, statement: str, fault: str) -> None:
    """I6, I12, I13: also by somebody who turned the triggers off."""
    brand.buys("o-1", 4000)
    assert brand.audit().differences == ()
    with brand.sessions.begin() as db:
        for table in ("ledger_entries", "ledger_transactions"):
            db.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        db.execute(text(statement))
    found = brand.audit()
    assert fault in {one.fault.partition(":")[0] for one in found.differences}


def test_a_random_history_is_equal_to_its_log(make_brand: MakeBrand) -> None:
    """I1 to I6, I12 and I13 on the database: 300 operations of five members."""
    brand = make_brand(
        pending_days=1, expiry={"kind": "rolling", "days": 3}, refund_policy="unlimited", points_per_unit=2
    )
    choose, now = Random(3), NOW
    for number in range(300):
        member = f"M-{choose.randrange(5)}"
        try:
            match choose.randrange(6):
                case 0 | 1:
                    brand.buys(f"o-{number}", choose.randrange(10_000), now=now, member_id=member)
                case 2:
                    brand.refunds(f"r-{number}", f"o-{choose.randrange(300)}", 700, now=now, to=member)
                case 3:
                    with brand.book(now, member) as book:
                        fact = Fact(key=f"reserve:{number}", content={}, actor="test")
                        until = now + timedelta(hours=choose.choice((1, 60)))
                        book.post(
                            fact,
                            lambda account, key=str(number), until=until, now=now: reserve(  # type: ignore[misc]
                                account, key, 30, until=until, now=now
                            ),
                        )
                case 4:
                    with brand.book(now, member) as book:
                        held = next((key for key, one in book.account.reservations.items() if one.state == "open"), "-")
                        settle = choose.choice((confirm, cancel))
                        book.post(
                            Fact(key=f"settle:{number}", content={}, actor="test"),
                            lambda account, settle=settle, held=held, now=now: settle(account, held, now=now),  # type: ignore[misc]
                        )
                case _:
                    now += timedelta(hours=choose.randrange(20))
                    book_what_is_due(brand.sessions, now=now)
        except Conflict:
            pass
    found = brand.audit(now)
    assert (found.differences, found.accounts) == ((), 5)
    assert found.entries > 300
    kinds = {row["kind"] for row in brand.rows("SELECT DISTINCT kind FROM ledger_transactions")}
    assert kinds >= {"earn", "reverse", "reserve", "confirm", "cancel", "activate", "expire", "time_out"}


def test_twenty_threads_with_duplicates_count_each_fact_once(brand: Brand) -> None:
    """Two hundred deliveries of forty purchases and forty refunds, one member, all at once."""
    with brand.member():
        pass
    facts = [number for number in range(40) for _ in range(5)]
    Random(1).shuffle(facts)

    def deliver(number: int) -> None:
        if number % 2:
            brand.refunds(f"r-{number}", f"o-{number}", 300)
        brand.buys(f"o-{number}", 1000)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(deliver, facts))
    assert brand.state() == (40 * 10 - 20 * 3, 0, 0, 340)
    assert brand.rows("SELECT kind, count(*) AS n FROM ledger_transactions GROUP BY kind ORDER BY kind") == [
        {"kind": "earn", "n": 40},
        {"kind": "reverse", "n": 20},
    ]
    assert brand.audit().differences == ()


def test_members_do_not_wait_for_each_other(brand: Brand) -> None:
    """Each member has a chain of their own: while one is being written, another is written and committed."""
    brand.buys("o-1", 1000, member_id="M-1")
    with brand.book(member_id="M-1") as book:
        book.post(
            Fact(key="reserve:r", content={}, actor="test"),
            lambda account: reserve(account, "r", 5, until=NOW + DAY, now=NOW),
        )
        assert brand.buys("o-2", 2000, member_id="M-2") == "booked"
        assert brand.state("M-2")[3] == 20


def test_expiry_is_effective_at_its_instant_and_booked_once(make_brand: MakeBrand) -> None:
    brand = make_brand(expiry={"kind": "rolling", "days": 30})
    brand.buys("o-1", 4000)
    midnight = datetime(2026, 2, 9, 23, tzinfo=UTC)
    with brand.book(midnight - timedelta(seconds=1)) as book:
        assert book.account.available == 40
    assert brand.buys("o-2", 1000, now=midnight) == "booked"  # whoever comes books what is due
    assert brand.state()[3] == 10
    assert book_what_is_due(brand.sessions, now=midnight)["postings"] == 0
    assert brand.audit(midnight).differences == ()


def test_a_purchase_from_long_ago_has_expired_when_it_arrives(make_brand: MakeBrand) -> None:
    brand = make_brand(expiry={"kind": "rolling", "days": 30})
    brand.buys("o-1", 4000)
    order_of_last_year = brand.rows("SELECT expires_at FROM ledger_lots")
    assert order_of_last_year[0]["expires_at"] > NOW
    assert book_what_is_due(brand.sessions, now=NOW + 365 * DAY) == {"postings": 1, "failed": 0}
    assert brand.state()[3] == 0


def test_one_account_that_is_wrong_stops_no_other(make_brand: MakeBrand) -> None:
    brand = make_brand(pending_days=1)
    for number in range(3):
        brand.buys(f"o-{number}", 1000, member_id=f"M-{number}")
    with brand.sessions.begin() as db:
        db.execute(text("UPDATE ledger_accounts SET pending = 0 WHERE id = (SELECT min(id) FROM ledger_accounts)"))
    assert book_what_is_due(brand.sessions, now=NOW + 3 * DAY) == {"postings": 2, "failed": 1}
    assert [brand.state(f"M-{number}")[3] for number in range(3)] == [0, 10, 10]

"""Who may use an offer: each condition alone, and all together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.offers.targets import (
    NOWHERE,
    OWN_FOR,
    Condition,
    History,
    LastPurchase,
    Targeting,
    TargetMember,
    has_consented,
    targeting_of,
)

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STORES = ("lyon", "lille", "nice", NOWHERE)


def why_not(targeting: Targeting, member: TargetMember, now: datetime = NOW) -> Condition | None:
    return targeting.why_not(member, code="maille", here={"lyon", "lille"}, now=now)


MET = TargetMember(
    tier="Or",
    favourite_store_id="lyon",
    attributes={"size": 38, "vip": True, "likes": ["silk", "wool"]},
    has_consented=True,
    history=History(
        purchases=(LastPurchase("lyon", NOW - 3 * DAY),), wallets=frozenset({"apple"}), uses={"maille": 1, "soie": 9}
    ),
)
ALL = Targeting(
    tiers=frozenset({"Or", "Argent"}),
    favourite_store_ids=frozenset({"lyon"}),
    attributes={"size": frozenset({"36", "38"}), "vip": frozenset({"true"}), "likes": frozenset({"wool"})},
    purchased_within=7 * DAY,
    purchased_here=True,
    consent=True,
    wallets=frozenset({"apple"}),
    uses_per_member=2,
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"tier": None}, "tier"),
        ({"tier": "or"}, "tier"),
        ({"favourite_store_id": "lille"}, "favourite_store"),
        ({"favourite_store_id": None}, "favourite_store"),
        ({"attributes": {}}, "attributes"),
        ({"attributes": {"size": "38", "vip": "true", "likes": "wool"}}, None),
        ({"attributes": {"size": 40, "vip": True, "likes": ["wool"]}}, "attributes"),
        ({"attributes": {"size": 38, "vip": False, "likes": ["wool"]}}, "attributes"),
        ({"attributes": {"size": 38, "vip": True, "likes": {"wool": 1}}}, "attributes"),
        ({"has_consented": False}, "consent"),
        ({"history": replace(MET.history, purchases=())}, "purchase"),
        ({"history": replace(MET.history, purchases=(LastPurchase("nice", NOW),))}, "purchase"),
        ({"history": replace(MET.history, purchases=(LastPurchase("lyon", NOW - 7 * DAY),))}, "purchase"),
        ({"history": replace(MET.history, wallets=frozenset({"google"}))}, "wallet"),
        ({"history": replace(MET.history, uses={"maille": 2})}, "uses"),
    ],
)
def test_each_condition(change: dict[str, Any], expected: str | None) -> None:
    assert why_not(ALL, replace(MET, **change)) == expected


purchases = st.lists(
    st.builds(LastPurchase, st.sampled_from(STORES), st.integers(0, 800).map(lambda days: NOW - days * DAY)),
    max_size=4,
    unique_by=lambda last: last.store_id,
).map(lambda found: tuple(sorted(found, key=lambda last: last.at, reverse=True)))
members = st.builds(
    TargetMember,
    tier=st.sampled_from([None, "Or", "Argent"]),
    favourite_store_id=st.sampled_from([None, *STORES[:3]]),
    attributes=st.fixed_dictionaries({}, optional={"size": st.sampled_from([36, "38", None, True])}),
    has_consented=st.booleans(),
    history=st.builds(
        History,
        purchases=purchases,
        wallets=st.frozensets(st.sampled_from(["apple", "google"])),
        uses=st.fixed_dictionaries({}, optional={"maille": st.integers(0, 3)}),
    ),
)
targets = st.fixed_dictionaries(
    {},
    optional={
        "tiers": st.lists(st.sampled_from(["Or", "Argent"]), max_size=2),
        "favourite_store_ids": st.lists(st.sampled_from(STORES[:3]), max_size=2),
        "purchased_within_days": st.one_of(st.none(), st.integers(1, 700)),
        "purchased_at": st.sampled_from(["anywhere", "offer_stores"]),
        "attributes": st.fixed_dictionaries({}, optional={"size": st.just(["36", "38"])}),
        "consent": st.booleans(),
        "wallets": st.lists(st.sampled_from(["apple", "google"]), max_size=2, unique=True),
    },
)


@given(targets, st.one_of(st.none(), st.integers(1, 3)), members)
def test_a_target_is_met_exactly_where_each_of_its_parts_is(
    target: dict[str, Any], uses: int | None, member: TargetMember
) -> None:
    whole = why_not(targeting_of(target, uses), member)
    place = {"purchased_at": target["purchased_at"]} if "purchased_at" in target else {}
    parts = [why_not(targeting_of({name: value, **place}, None), member) for name, value in target.items()]
    parts.append(why_not(targeting_of({}, uses), member))
    assert (whole is None) == all(part is None for part in parts)
    assert whole is None or whole in parts


@given(targets, members, st.integers(0, 1500))
def test_by_itself_the_answer_changes_only_where_it_says(
    target: dict[str, Any], member: TargetMember, days: int
) -> None:
    targeting = targeting_of(target, None)
    lapses_at = targeting.lapses_at(member.history.purchases, {"lyon", "lille"})
    before, later = why_not(targeting, member), why_not(targeting, member, NOW + days * DAY)
    if before is None and later is not None:
        assert lapses_at is not None
        assert NOW < lapses_at <= NOW + days * DAY
    if before is None and later is None:
        assert lapses_at is None or lapses_at > NOW + days * DAY
    if before is not None:
        assert later is not None


@given(purchases, st.integers(0, 1500))
def test_own_stores_leave_one_by_one_when_they_say(found: tuple[LastPurchase, ...], days: int) -> None:
    history, later = History(purchases=found), NOW + days * DAY
    now, then = history.own_stores(NOW), history.own_stores(later)
    assert NOWHERE not in now
    assert then == now[: len(then)], "the oldest go first"
    changes_at = history.changes_at(NOW)
    assert (then != now) == (changes_at is not None and changes_at <= later)
    assert all(NOW - last.at < OWN_FOR for last in found if last.store_id in now)


@pytest.mark.parametrize(
    ("consents", "expected"),
    [
        ({}, False),
        ({"marketing": True}, True),
        ({"marketing": False}, False),
        ({"marketing": {"given": True}}, True),
        ({"marketing": {"given": False}}, False),
        ({"marketing": None}, False),
    ],
)
def test_consent_in_both_forms(consents: dict[str, Any], expected: bool) -> None:
    assert has_consented(consents) is expected

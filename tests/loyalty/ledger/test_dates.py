"""When points become available and expire, in the programme's own time (loyalty-mechanics 2.5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from wallet_service.documents.programs import ExpiryDocument, RulesDocument
from wallet_service.errors import Invalid
from wallet_service.loyalty.ledger.dates import available_at, expires_at
from wallet_service.parsing import parse

PARIS = "Europe/Paris"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expiry", "earned", "expires"),
    [
        ({"kind": "rolling", "months": 12}, "2026-07-06T10:00", "2027-07-06T22:00"),
        ({"kind": "rolling", "months": 1}, "2026-01-31T10:00", "2026-02-28T23:00"),
        ({"kind": "rolling", "months": 1}, "2028-01-31T10:00", "2028-02-29T23:00"),
        ({"kind": "rolling", "days": 30}, "2026-03-20T23:30", "2026-04-20T22:00"),  # the 21st already, in Paris
        ({"kind": "calendar", "on": ["06-30", "12-31"]}, "2026-03-01T10:00", "2026-06-30T22:00"),
        ({"kind": "calendar", "on": ["06-30", "12-31"]}, "2026-12-31T10:00", "2026-12-31T23:00"),
        ({"kind": "calendar", "on": ["02-29"]}, "2026-03-01T10:00", "2027-02-28T23:00"),
    ],
)
def test_points_are_valid_through_a_day_of_the_programme(expiry: dict[str, Any], earned: str, expires: str) -> None:
    assert expires_at(parse(ExpiryDocument, expiry), utc(earned), PARIS) == utc(expires)


def test_points_without_expiry_stay() -> None:
    assert expires_at(ExpiryDocument(), utc("2026-01-01T00:00"), PARIS) is None


def test_pending_days_are_whole_days_after_that_of_the_purchase() -> None:
    assert available_at(utc("2026-03-20T09:00"), 14, PARIS) == utc("2026-04-03T22:00")
    assert available_at(utc("2026-03-20T09:00"), 0, PARIS) is None


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ({"pending_days": -1}, "pending_days"),
        ({"refund_policy": "never"}, "refund_policy"),
        ({"expiry": {"kind": "rolling"}}, "expiry.months"),
        ({"expiry": {"kind": "rolling", "months": 1, "days": 1}}, "expiry.months"),
        ({"expiry": {"kind": "calendar"}}, "expiry.on"),
        ({"expiry": {"kind": "calendar", "on": ["02-30"]}}, "expiry.on[0]"),
        ({"expiry": {"kind": "none", "days": 3}}, "expiry.days"),
        ({"expiry": {"kind": "yearly"}}, "expiry.kind"),
    ],
)
def test_wrong_rules_are_refused_with_their_path(rules: dict[str, Any], path: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(RulesDocument, rules)
    assert [fault.path for fault in refused.value.faults] == [path]


def test_rules_of_before_are_still_rules() -> None:
    rules = parse(RulesDocument, {"points_per_unit": 2, "stamps_per_purchase": 1})
    assert (rules.pending_days, rules.expiry.kind, rules.refund_policy) == (0, "none", "within_balance")

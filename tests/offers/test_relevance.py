"""What phones show along a path, and why not; held against the simulated iPhone, which is written apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.offers.test_reasons import HOUR, NOW, offer, program, store
from wallet_service.documents.offers import WEEKDAYS
from wallet_service.offers.choosing_places import Point, haversine_m
from wallet_service.offers.facts import Place
from wallet_service.offers.places import MemberPlace
from wallet_service.offers.relevance import (
    RULES_OF_ANDROID,
    RULES_OF_IPHONE,
    Face,
    OfferHere,
    Step,
    Stop,
    android_at,
    iphone_at,
    walk,
)
from wallet_service.offers.weekly_hours import weekly_spans
from wallet_service.simulators.phones.screen import RADIUS_M, Screen, ShownLocation, nearby

HERE = Point(45.0, 4.8)
CARD = Face(reach_m=100)
SOMEBODY = MemberPlace(home=HERE, favourite_store_id=None, tier=None)
METRE = 1 / 111_195.0
"""In degrees of latitude."""


def place(metres: float = 0.0, text: str | None = None) -> Place:
    return Place(store_id=f"s{metres:g}", latitude=45.0 + metres * METRE, longitude=4.8, text=text)


def stop(metres: float = 0.0, after: timedelta = timedelta(0)) -> Stop:
    return Stop(Point(45.0 + metres * METRE, 4.8), NOW + after)


def only(steps: tuple[Step, ...]) -> Step:
    (step,) = steps
    return step


@pytest.mark.parametrize(
    ("face", "radius_m", "metres", "has_location", "cause"),
    [
        (CARD, None, 99, True, "near"),
        (CARD, None, 101, True, "too_far"),
        (CARD, 50, 60, True, "too_far"),
        (CARD, 500, 101, True, "too_far"),  # maxDistance only makes it smaller
        (Face(reach_m=1000), None, 990, True, "near"),
        (CARD, None, 10, False, "location_off"),
        (replace(CARD, voided=True), None, 10, False, "voided"),
        (replace(CARD, expires_at=NOW), None, 10, True, "expired"),
        (replace(CARD, expires_at=NOW + HOUR), None, 10, True, "near"),
        (Face(reach_m=None), None, 10, True, "no_relevance"),
    ],
)
def test_an_iphone_shows_the_card_or_says_why_not(
    face: Face, radius_m: float | None, metres: float, has_location: bool, cause: str
) -> None:
    answer = iphone_at([place()], radius_m, face, stop(metres), has_location=has_location)
    assert (answer.cause, answer.shows) == (cause, cause == "near")
    assert answer.rule == RULES_OF_IPHONE[answer.cause]


def test_too_far_is_told_in_metres_and_the_nearest_place_has_the_word() -> None:
    answer = iphone_at([place(0, "là"), place(1000, "ici")], 80, CARD, stop(900))
    assert (answer.place, answer.radius_m) == (place(1000, "ici"), 80)
    assert answer.missing_m == pytest.approx(20, abs=0.1)
    assert iphone_at([place()], 80, CARD, stop()).missing_m is None
    assert iphone_at([], None, CARD, stop()).cause == "no_places"


def test_android_is_certain_of_no_only() -> None:
    told = [
        android_at(places, face, stop(), has_location=on)
        for places, face, on in (
            ([place()], CARD, True),
            ([], CARD, True),
            ([place()], CARD, False),
            ([place()], replace(CARD, voided=True), True),
            ([place()], replace(CARD, expires_at=NOW), True),
        )
    ]
    assert [(one.cause, one.shows) for one in told] == [
        ("decides_alone", None),
        ("no_places", False),
        ("location_off", False),
        ("not_active", False),
        ("not_active", False),
    ]
    assert all(one.radius_m is None for one in told), "Google publishes none"
    assert all(one.rule == RULES_OF_ANDROID[one.cause] for one in told)


def test_every_rule_names_a_platforms_document() -> None:
    rules = [*RULES_OF_IPHONE.values(), *RULES_OF_ANDROID.values()]
    assert all(rule.words.endswith(".") for rule in rules)
    assert all(rule.source.startswith("Apple, ") for rule in RULES_OF_IPHONE.values())
    assert all(rule.source.startswith("Google Wallet") for rule in RULES_OF_ANDROID.values())


def test_an_offer_is_followed_before_it_begins_while_it_runs_and_after() -> None:
    places = program([store("a", 45.0)], offer("maille", "a"))
    path = [stop(after=-2 * HOUR), stop(), stop(after=HOUR), stop(after=timedelta(days=40))]
    steps = walk(places, SOMEBODY, CARD, path, locale="fr")
    assert [step.stores[0].offer for step in steps] == [
        OfferHere(code="maille", state="not_begun", at=NOW - HOUR),
        OfferHere(code="maille", state="running", at=NOW + HOUR),
        OfferHere(code="maille", state="ended", at=NOW + HOUR),
        None,
    ]
    assert [step.places[0].text for step in steps] == [None, "maille", None, None]
    assert [step.iphone.place.text if step.iphone.place else "" for step in steps] == [None, "maille", None, None]
    assert [step.stores[0].why for step in steps] == ["nearest", "offer", "nearest", "nearest"]


def test_an_offer_of_certain_hours_pauses_between_them() -> None:
    evenings = replace(offer("soir", "a"), starts_at=NOW - timedelta(days=1), ends_at=NOW + timedelta(days=1))
    hours = weekly_spans([{"day": day, "from": "18:00", "to": "20:00"} for day in WEEKDAYS])
    places = program([store("a", 45.0)], replace(evenings, weekly=hours))
    steps = walk(places, SOMEBODY, CARD, [stop(), stop(after=6 * HOUR)], locale="fr")  # 13:00 and 19:00 in Paris
    assert [step.stores[0].offer for step in steps] == [
        OfferHere(code="soir", state="paused"),
        OfferHere(code="soir", state="running", at=NOW + timedelta(days=1)),
    ]
    assert [step.places[0].text for step in steps] == [None, "soir"]


def test_an_offer_for_others_says_which_condition_is_not_met() -> None:
    places = program([store("a", 45.0)], offer("or", "a", tiers=("Or",)))
    step = only(walk(places, SOMEBODY, CARD, [stop()], locale="fr"))
    assert step.stores[0].offer == OfferHere(code="or", state="for_others", condition="tier")
    assert step.iphone.shows
    gold = replace(SOMEBODY, tier="Or")
    assert only(walk(places, gold, CARD, [stop()], locale="fr")).stores[0].offer == OfferHere(
        code="or", state="running", at=NOW + HOUR
    )


def test_a_store_off_the_card_is_explained() -> None:
    stores = [store(f"s{number:02}", 45.0 + number) for number in range(11)]
    places = program([*stores, store("beside", 45.0 + 30 * METRE)])
    far = only(walk(places, SOMEBODY, CARD, [Stop(Point(55.0, 4.8), NOW)], locale="fr"))
    assert [(one.store_id, one.why_not) for one in far.stores] == [("s10", "ten_others")]
    assert far.iphone.cause == "too_far"
    beside = only(walk(places, SOMEBODY, CARD, [stop(40)], locale="fr"))
    assert [(one.store_id, one.why, one.why_not, one.near) for one in beside.stores] == [
        ("beside", None, "too_close", "s00"),
        ("s00", "nearest", None, None),
    ]


spots = st.tuples(st.floats(-3000, 3000), st.floats(-3000, 3000))
STYLES = {"storeCard": 100, "coupon": 100, "generic": 100, "eventTicket": 1000, "boardingPass": 1000}


@given(
    where=st.lists(st.tuples(spots, st.sampled_from([None, "bon", "soir"])), max_size=10),
    at=spots,
    style=st.sampled_from(sorted(RADIUS_M)),
    radius_m=st.one_of(st.none(), st.integers(1, 2000)),
    voided=st.booleans(),
    ends=st.sampled_from([None, -1, 0, 1]),
)
def test_the_simulated_iphone_does_the_same(
    where: list[tuple[tuple[float, float], str | None]],
    at: tuple[float, float],
    style: str,
    radius_m: int | None,
    voided: bool,
    ends: int | None,
) -> None:
    def point(spot: tuple[float, float]) -> Point:
        return Point(45.0 + spot[0] * METRE, 4.8 + spot[1] * METRE)

    spotted = [(point(spot), text) for spot, text in where]
    chosen = [
        Place(store_id=f"s{number}", latitude=one.latitude, longitude=one.longitude, text=text)
        for number, (one, text) in enumerate(spotted)
    ]
    expires_at = None if ends is None else NOW + ends * HOUR
    face = Face(reach_m=STYLES[style], voided=voided, expires_at=expires_at)
    answer = iphone_at(chosen, radius_m, face, Stop(point(at), NOW))
    if answer.distance_m is not None and answer.radius_m is not None:
        assume(abs(answer.distance_m - answer.radius_m) > 0.01)  # the two spheres are a few metres apart in size
    shown = nearby(_screen(style, spotted, radius_m, voided, expires_at), point(at).latitude, point(at).longitude)
    assert answer.shows == (shown is not None), answer
    if shown is not None and answer.distance_m is not None:
        assert shown.distance_m == pytest.approx(answer.distance_m, rel=1e-5, abs=1e-3)
        ties = {one.text or "" for one in chosen if _as_near(one, answer.distance_m, point(at))}
        assert shown.text in ties
        assert answer.place is not None
        assert (answer.place.text or "") in ties


def _as_near(one: Place, distance_m: float, here: Point) -> bool:
    return haversine_m(here, Point(one.latitude, one.longitude)) <= distance_m + 0.01


def _screen(
    style: str,
    where: list[tuple[Point, str | None]],
    radius_m: int | None,
    voided: bool,
    expires_at: datetime | None,
) -> Screen:
    return Screen(
        pass_type_id="pass.example",
        serial_number="1",
        style=style,
        organization_name="Maison Lumière",
        description="",
        logo_text="",
        fields={},
        barcode=None,
        locations=tuple(ShownLocation(one.latitude, one.longitude, text or "") for one, text in where),
        max_distance_m=radius_m,
        background_color=None,
        voided=voided,
        expired=voided or (expires_at is not None and expires_at <= NOW),
        images=frozenset(),
        shown_at=datetime(2026, 1, 1, tzinfo=UTC),
        last_modified=None,
    )

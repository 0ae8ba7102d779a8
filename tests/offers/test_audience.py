"""The audience of an offer: each member once, and as composing then does."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from tests.system import System, eventually
from wallet_service.offers.audience import Verdict, audience_of
from wallet_service.storage.tables import Member, Offer

WORD = "dix-sept pour cent"


def idle(system: System) -> None:
    with system.working():
        eventually(lambda: not system.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
        eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= :now", now=system.clock()))


def offer_document(system: System, code: str, **more: Any) -> dict[str, Any]:
    now = system.clock()
    span = {"starts_at": (now - timedelta(hours=1)).isoformat(), "ends_at": (now + timedelta(days=9)).isoformat()}
    return {"code": code, "title": code, "proximity_text": code} | span | more


def furnished(system: System, chance: random.Random, *, members: int) -> None:
    """A programme with stores in one region, members with and without installed cards, and other offers."""
    for number in range(14):
        place = {"latitude": 45.0 + chance.random(), "longitude": 4.0 + chance.random()}
        store = {"name": f"B{number}", "groups": chance.sample(["sud", "nord"], 1)} | place
        system.api.ok("PUT", f"/stores/s{number}", store)
    for number in range(members):
        member = {
            "home": {"latitude": 45.0 + chance.random(), "longitude": 4.0 + chance.random()},
            "favourite_store_id": chance.choice([None, "s1", "s2"]),
            "attributes": {"size": chance.choice([36, 38, "40"])},
            "consents": {"marketing": chance.random() < 0.6},
        }
        system.api.ok("PUT", f"/members/M-{number}", member)
        if chance.random() < 0.9:
            system.api.ok("POST", f"/members/M-{number}/card")
        if chance.random() < 0.5:
            system.api.ok("PUT", f"/members/M-{number}/balances", {"sequence": 1, "tier": "Or"})
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE google_objects SET saved_at = now() WHERE id % 4 <> 0"))
    for code in ("a", "b"):
        stores = chance.sample([f"s{number}" for number in range(14)], chance.randint(8, 12))
        made = offer_document(system, code, store_ids=stores, priority=chance.choice([-1, 5]))
        system.api.ok("POST", f"/offers/{system.api.ok('POST', '/offers', made)['id']}/publish")
    idle(system)


def verdicts(system: System, offer_id: int) -> dict[str, Verdict]:
    found: dict[str, Verdict] = {}
    with system.services.sessions() as db:
        program = system.services.publisher.program_cache.program(db, "lumiere")
        offer = db.get_one(Offer, offer_id)
        for number, member_id in db.execute(select(Member.id, Member.member_id)).all():
            one = audience_of(
                db, program.document, program.places, offer, reach_m=100, after=number - 1, most=1, now=system.clock()
            )
            assert one.members == 1
            found[member_id] = next(iter(one.counts))
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_c30_c31_what_is_counted_is_what_composing_does(system: System, seed: int) -> None:
    """C30: the counts sum to the members. C31: each member's verdict is what the card then shows."""
    chance = random.Random(seed)
    furnished(system, chance, members=24)
    target = {
        "tiers": chance.choice([[], ["Or"]]),
        "attributes": chance.choice([{}, {"size": ["36", "40"]}]),
        "consent": chance.random() < 0.5,
    }
    where = chance.choice([{"groups": ["sud"]}, {"store_ids": ["s3"]}, {"store_ids": ["s4", "s5"]}])
    document = offer_document(system, WORD.replace(" ", "-"), target=target, notify=chance.random() < 0.5)
    document |= where | {"title": WORD, "proximity_text": WORD, "priority": 0}
    before = system.api.ok("POST", "/offers/audience", document)
    offer = system.api.ok("POST", "/offers", document)
    assert system.api.ok("GET", f"/offers/{offer['id']}/audience") == before
    found = verdicts(system, offer["id"])
    counted = sum(before["not_for"].values()) + before["receives"]
    counted += before["not_installed"] + before["other_offer"] + before["other_places"]
    assert counted == before["members"] == len(found) == 24
    assert before["may_notify"] + before["silently"] == before["receives"]
    system.api.ok("POST", f"/offers/{offer['id']}/publish")
    idle(system)
    shown = {
        row["member_id"]: WORD in json.dumps(row["content"], ensure_ascii=False)
        for row in system.rows("SELECT member_id, content FROM members m LEFT JOIN cards c ON c.member_pk = m.id")
    }
    receiving = {"may_notify", "silently"}
    assert {name: verdict in receiving for name, verdict in found.items() if verdict != "not_installed"} == {
        name: shown[name] for name, verdict in found.items() if verdict != "not_installed"
    }
    assert system.api.ok("GET", f"/offers/{offer['id']}/audience")["receives"] == before["receives"]


def test_a_portion_at_a_time_gives_the_same(system: System) -> None:
    furnished(system, random.Random(4), members=7)
    document = offer_document(system, "c", target={"attributes": {"size": ["36", "40"]}})
    offer = system.api.ok("POST", "/offers", document)
    whole = system.api.ok("GET", f"/offers/{offer['id']}/audience")
    portions, after = [], 0
    while after is not None:
        portions.append(system.api.ok("GET", f"/offers/{offer['id']}/audience?after={after}&limit=3"))
        after = portions[-1]["next"]
    assert [portion["members"] for portion in portions] == [3, 3, 1]
    for name in ("members", "receives", "silently", "not_installed", "other_offer", "other_places"):
        assert sum(portion[name] for portion in portions) == whole[name]


def test_a_used_up_offer_reaches_nobody(system: System) -> None:
    furnished(system, random.Random(5), members=4)
    offer = system.api.ok("POST", "/offers", offer_document(system, "c", uses_total=1))
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE offers SET uses = 1 WHERE code = 'c'"))
    assert system.api.ok("GET", f"/offers/{offer['id']}/audience")["not_for"] == {"uses": 4}


def test_a_wrong_document_is_refused_as_a_new_offer(system: System) -> None:
    document = offer_document(system, "c", store_ids=["nowhere"])
    assert system.api("POST", "/offers/audience", document).json() == system.api("POST", "/offers", document).json()

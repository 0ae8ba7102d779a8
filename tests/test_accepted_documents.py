"""What the documents accept can be shown: composed, signed and checked for Apple, valid for Google, for every shipped
design and language (A2).
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.system import PASS_TYPE, TEAM
from tests.wallets.google.conftest import DESIGNS, OBJECT_ID, composer
from wallet_service.cards.composing import next_change_at
from wallet_service.cards.facts import BalanceFacts, CardFacts, Facts, MemberFacts, ProgramFacts
from wallet_service.cards.members import voucher_facts
from wallet_service.documents.balances import BalancesDocument
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.types import LATEST
from wallet_service.errors import Invalid
from wallet_service.parsing import parse, read_json
from wallet_service.simulators.apple_pki import Chain, DevelopmentAuthority
from wallet_service.wallets.apple.certificates import development_trust, identity_from_files
from wallet_service.wallets.apple.checking.check import check_bundle
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.google.content import bodies, schema
from wallet_service.wallets.google.content.kinds import kind_of
from wallet_service.wallets.protocol import CardView, ProgramView

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
FACES = [(design.name, locale) for design in sorted(DESIGNS.iterdir()) if design.is_dir() for locale in ("fr", "en")]

texts = st.one_of(
    st.text(max_size=220),
    st.sampled_from(
        ["", " ", "é", "Ω" * 64, "x" * 65, "a\nb", "a\0b", "\u2028", "👩‍👩‍👧", "\ud83d", "</a>", "%@", "\ufeff", "null"]
    ),
)
numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.sampled_from([True, "5", 12.0, None, 0, -1, 2**31, 2**53 - 1, 2**53, 9 * 10**14]),
)
instants = st.one_of(
    st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.timezones()).map(lambda at: at.isoformat()),  # noqa: DTZ001
    st.dates(date(1, 1, 1), date(9999, 12, 31)).map(str),
    st.sampled_from(["9999-12-31T23:59:59Z", "2031-12-31", "2031-12-31T10:00:00", 1764234000, "2999-12-31T23:59:59Z"]),
)
moneys = st.fixed_dictionaries(
    {"amount": numbers, "currency": st.sampled_from(["EUR", "JPY", "KWD", "AFN", "CLF", "XAU", "EUX", "eur"])}
)
members = st.fixed_dictionaries(
    {},
    optional={
        "first_name": texts,
        "last_name": texts,
        "locale": st.sampled_from(["fr", "fr_FR", "es-419", "zh-Hant", "french", "en-150"]),
        "birthday": instants,
        "card_number": texts,
        "attributes": st.dictionaries(texts, st.one_of(texts, numbers), max_size=3),
    },
)
vouchers = st.fixed_dictionaries({"code": texts}, optional={"amount": moneys, "valid_until": instants, "label": texts})
balances = st.fixed_dictionaries(
    {"sequence": st.just(1)},
    optional={
        "points": numbers,
        "tier": texts,
        "tier_points": numbers,
        "stamps": numbers,
        "cashback": moneys,
        "vouchers": st.lists(vouchers, max_size=3),
        "badges": st.lists(texts, max_size=2),
        "lines": st.dictionaries(texts, texts, max_size=2),
    },
)


def accepted(document: Any, raw: dict[str, Any]) -> Any:
    """What the documents make of each field by itself: those that are refused are left out."""
    kept: dict[str, Any] = {}
    for name, value in raw.items():
        try:
            parse(document, {"sequence": 1, name: value} if document is BalancesDocument else {name: value})
        except Invalid:
            continue
        kept[name] = value
    return parse(document, kept)


def facts_of(member: MemberDocument, balance: BalancesDocument, zone: str) -> Facts:
    """As they are read back from what was stored."""
    known = balance.model_dump(mode="json", exclude={"vouchers", "sequence", "as_of"}, exclude_none=True)
    known["vouchers"] = [voucher_facts(one, zone).model_dump(mode="json") for one in balance.vouchers or ()]
    names = [name for name in (member.first_name, member.last_name) if name]
    return Facts(
        member=MemberFacts(
            member_id="M-1",
            first_name=member.first_name,
            last_name=member.last_name,
            full_name=" ".join(names) or None,
            birthday=member.birthday,
            locale=member.locale or "fr",
            card_number=member.card_number or "290000100100",
            attributes=member.attributes or {},
        ),
        balance=BalanceFacts.model_validate(known),
        card=CardFacts(serial_number="sample0001", link="https://cards.example.com/c/sample", issued_at=NOW),
        program=ProgramFacts(name="Cercle Lumière", brand="Maison Lumière", time_zone=zone),
    )


@pytest.fixture(scope="module")
def chain() -> Chain:
    return DevelopmentAuthority.make(NOW).issue(PASS_TYPE, TEAM, "Maison Lumière", NOW)


@pytest.fixture(scope="module")
def builder(chain: Chain) -> PassBuilder:
    identity = identity_from_files(chain.leaf_pem, chain.key_pem, intermediate=chain.intermediate_pem)
    return PassBuilder(identity, web_service_url="https://cards.example.com/apple")


@pytest.mark.parametrize(("design", "locale"), FACES)
@given(member=members, balance=balances, zone=st.sampled_from(["Europe/Paris", "Pacific/Kiritimati", "Etc/GMT+12"]))
@example(
    member={"card_number": "é" * 10, "first_name": "Ada"},
    balance={"sequence": 1, "vouchers": [{"code": "БОН-20", "amount": {"amount": 5, "currency": "AFN"}}]},
    zone="Europe/Paris",
)
@example(
    member={},
    balance={"sequence": 1, "points": 2**53 - 1, "vouchers": [{"code": "x" * 64, "valid_until": "2999-12-31"}]},
    zone="Pacific/Kiritimati",
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_what_is_accepted_can_be_shown_in_both_wallets(
    builder: PassBuilder, chain: Chain, design: str, locale: str, member: Any, balance: Any, zone: str
) -> None:
    facts = facts_of(accepted(MemberDocument, member), accepted(BalancesDocument, balance), zone)
    content = composer(design).compose(facts, locale=locale, now=NOW)
    change = next_change_at(facts, NOW)
    assert change is None or NOW < change <= LATEST + timedelta(days=2)
    program = ProgramView(
        program_id="lumiere",
        name="Cercle Lumière",
        brand="Maison Lumière",
        locale="fr",
        organization_name="Maison Lumière",
        pass_type_id=PASS_TYPE,
        team_id=TEAM,
        issuer_id="3388000000012345678",
    )
    view = CardView(
        program=program,
        template=composer(design).template,
        content=content,
        serial_number="sample0001",
        auth_token="0123456789abcdef0123456789abcdef",
        card_link="https://cards.example.com/c/sample",
        version=1,
        google_object_id=OBJECT_ID,
    )
    found = check_bundle(builder.build(view, at=NOW), now=NOW, trust=development_trust(chain.root_pem))
    assert [one for one in found if one.severity == "error"] == []
    kind = kind_of(view.template)
    class_id = bodies.class_id_of(program, view.template.template_id, "", bodies.variant_of(view.template, content))
    full = bodies.object_body(view, class_id=class_id, image_url=lambda name: f"https://cards.example.com/{name}.png")
    for body in (full, bodies.first_body(view, class_id=class_id)):
        assert schema.faults_in(kind.object_schema, body) == []


leaves = st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.just("\ud83d")
trees = st.recursive(
    leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(), below, max_size=3), max_leaves=10
)


@given(trees)
def test_what_is_read_as_json_can_be_written_again(document: Any) -> None:
    """In PostgreSQL's words too: no NUL, no half pair, no number that JSON has not."""
    try:
        read = read_json(json.dumps(document))
    except Invalid:
        return
    assert "\\u0000" not in json.dumps(read)
    assert orjson.loads(orjson.dumps(read)) == read

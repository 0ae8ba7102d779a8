"""One pass of a design out of values that a person gives: without database, programme or account."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from wallet_service.cards.composing import Composer
from wallet_service.cards.facts import Facts, ProgramFacts
from wallet_service.cards.members import voucher_facts
from wallet_service.cards.samples import sample_facts
from wallet_service.cards.template import Template
from wallet_service.documents.balances import VoucherDocument
from wallet_service.errors import Invalid
from wallet_service.parsing import parse, read_json, require_sound
from wallet_service.values import Value
from wallet_service.wallets.apple.certificates import PassIdentity, identity_from_files
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.protocol import CardView, ProgramView

_PASS_TYPE, _TEAM = "pass.com.example.sample", "SAMPLE0001"
_ADDRESS = "https://cards.example.com"


def facts_from(assignments: tuple[str, ...], file: Path | None, *, locale: str, sample: bool, now: datetime) -> Facts:
    """The facts of a card: an empty or a sample card, then the file's values, then `NAME=VALUE` ones.

    Raises:
        Invalid: with the path of each wrong value; unknown names are refused.
    """
    raw = sample_facts(locale=locale, now=now).model_dump(mode="json") if sample else _empty(locale, now)
    if file is not None:
        raw = _merged(raw, _document(file))
    given: dict[str, str] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise Invalid.at("--value", f"{assignment!r} should look like member.first_name=Claire")
        given[name] = text
        raw = _merged(raw, _nested(name, _literal(text)))
    try:
        return _facts(raw)
    except Invalid as error:
        # `member.card_number=2900001001001` looks like a number, and is a text where a text is wanted
        texts = [fault.path for fault in error.faults if fault.code == "string_type" and fault.path in given]
        if not texts:
            raise
    for name in texts:
        raw = _merged(raw, _nested(name, given[name]))
    return _facts(raw)


def _nested(name: str, value: Any) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        value = {part: value}
    made: dict[str, Any] = value
    return made


def _facts(raw: dict[str, Any]) -> Facts:
    """The facts that a document gives. A voucher's last day ends in the programme's zone, as everywhere."""
    require_sound(raw)
    program, balance = raw.get("program"), raw.get("balance")
    zone = program.get("time_zone") if isinstance(program, dict) else None
    vouchers = balance.get("vouchers") if isinstance(balance, dict) else None
    if isinstance(balance, dict) and isinstance(vouchers, list | tuple) and isinstance(zone, str):
        read = parse(Vouchers, {"balance": {"vouchers": list(vouchers)}}).balance.vouchers
        zone = parse(ProgramFacts, program).time_zone
        plain = [voucher_facts(one, zone).model_dump(mode="json") for one in read]
        raw = raw | {"balance": balance | {"vouchers": plain}}
    return parse(Facts, raw)


class _Balance(Value):
    vouchers: tuple[VoucherDocument, ...]


class Vouchers(Value):
    """The part of a document of facts that is written as a CRM writes it."""

    balance: _Balance


def _empty(locale: str, now: datetime) -> dict[str, Any]:
    serial_number = secrets.token_hex(16)
    return {
        "member": {"member_id": "1", "locale": locale, "card_number": "000000000000"},
        "balance": {},
        "card": {"serial_number": serial_number, "link": f"{_ADDRESS}/c/{serial_number}", "issued_at": now},
        "program": {"name": "Cercle Lumière", "brand": "Maison Lumière", "time_zone": "Europe/Paris"},
    }


def _document(file: Path) -> dict[str, Any]:
    try:
        document = read_json(file.read_bytes())
    except OSError as error:
        raise Invalid.at(str(file), f"cannot be read: {error.strerror}") from error
    except Invalid as error:
        raise error.under(str(file)) from error
    if not isinstance(document, dict):
        raise Invalid.at(str(file), "should be a JSON object")
    return document


def _literal(text: str) -> Any:
    try:
        return read_json(text)
    except Invalid:
        return text


def _merged(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in other.items():
        below = merged.get(key)
        merged[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def pass_of(template: Template, facts: Facts, *, locale: str, identity: PassIdentity | None, now: datetime) -> bytes:
    """Compose the card and build its pass; without an identity, signed with a throwaway one.

    Raises:
        Invalid: the design has no words for the locale, or the pass would break a rule of Apple's.
    """
    signer = identity or _throwaway(facts.program.brand, now)
    program = ProgramView(
        program_id="sample",
        name=facts.program.name,
        brand=facts.program.brand,
        locale=locale,
        organization_name=facts.program.brand,
        pass_type_id=signer.pass_type_id,
        team_id=signer.team_id,
        issuer_id=None,
    )
    card = CardView(
        program=program,
        template=template,
        content=Composer(template).compose(facts, locale=locale, now=now),
        serial_number=facts.card.serial_number,
        auth_token=secrets.token_urlsafe(24),
        card_link=facts.card.link,
        version=1,
    )
    return PassBuilder(signer, web_service_url=f"{_ADDRESS}/apple").build(card, at=now)


def _throwaway(organization: str, now: datetime) -> PassIdentity:
    from wallet_service.simulators.apple_pki import make_chain  # an extra that production does without

    chain = make_chain(_PASS_TYPE, _TEAM, organization, now)
    return identity_from_files(chain.leaf_pem, chain.key_pem, intermediate=chain.intermediate_pem)

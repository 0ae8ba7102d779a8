"""One pass of a design out of values that a person gives: without database, programme or account."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from wallet_service.cards.composing import Composer
from wallet_service.cards.facts import Facts
from wallet_service.cards.samples import sample_facts
from wallet_service.cards.template import Template
from wallet_service.errors import Invalid
from wallet_service.parsing import parse
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
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise Invalid.at("--value", f"{assignment!r} should look like member.first_name=Claire")
        nested: Any = _literal(text)
        for part in reversed(name.split(".")):
            nested = {part: nested}
        raw = _merged(raw, nested)
    return parse(Facts, raw)


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
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid.at(str(file), f"is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Invalid.at(str(file), "should be a JSON object")
    return document


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
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

"""The void card of an erased member, in every design: both platforms take it, and it names nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.wallets.apple import conftest as apple_cards
from tests.wallets.apple.conftest import NOW, SERVICE, Chain, files_of, make_chain
from tests.wallets.apple.test_design import MORE_IMAGES, PERSONALIZATION, POSTER, design
from tests.wallets.google.conftest import DESIGNS, ISSUER, OBJECT_ID, Unpaced, card_view, composer
from tests.wallets.google.test_kinds import STYLES, styled
from wallet_service.cards.composing import erased_content
from wallet_service.cards.content import CardContent
from wallet_service.cards.template import Template
from wallet_service.simulators.google import GoogleSimulator
from wallet_service.wallets.apple.checking.check import check_bundle
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.apple.passes.rules import Rules
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.updates import ObjectUpdate
from wallet_service.wallets.protocol import Accepted

SHIPPED = sorted(folder.name for folder in DESIGNS.iterdir() if folder.is_dir())
JOURNEY = {"boardingPass": {"transitType": "PKTransitTypeTrain"}}
SPECIAL = {"poster": POSTER, "journey": JOURNEY, "sign_up": {"nfc": {}, "personalization": PERSONALIZATION}}


@pytest.fixture(scope="module")
def chain() -> Chain:
    return make_chain()


def template_named(name: str) -> Template:
    return composer(name).template if name in SHIPPED else design(MORE_IMAGES, apple=SPECIAL[name])


@pytest.mark.parametrize("name", [*SHIPPED, *SPECIAL])
def test_apple_takes_the_void_card_of_every_design(name: str, chain: Chain) -> None:
    template = template_named(name)
    content = erased_content(template, locale=template.locale_for("fr", "fr"))
    program = replace(apple_cards.PROGRAM, sign_up=True)
    card = replace(apple_cards.CARD, program=program, template=template, content=content)
    builder = PassBuilder(chain.identity(), web_service_url=SERVICE, rules=Rules(nfc=True))
    files = files_of(bundle := builder.build(card, at=NOW))
    assert [one for one in check_bundle(bundle, now=NOW, trust=chain.trust) if one.severity == "error"] == []
    document = json.loads(files["pass.json"])
    assert document["voided"] is True
    assert {"barcodes", "nfc", "locations", "expirationDate"}.isdisjoint(document)
    assert "personalization.json" not in files, "nobody is to be asked for a name"


@pytest.mark.parametrize("style", STYLES)
def test_google_empties_the_object_of_every_kind(style: str) -> None:
    card = styled(style)
    void = replace(card, content=erased_content(card.template, locale="fr"))
    with GoogleSimulator() as google:
        account = google.make_service_account(ISSUER)
        channel = GoogleChannel(google.url, account, public_url="https://x.example", rate=Unpaced(), timeout_s=5)
        held: list[dict[str, Any]] = []
        for version, one in enumerate((card, void), 1):
            notice = ObjectUpdate(delivery_id=1, far_end=OBJECT_ID, version=version, card=one)
            ((_, outcome),) = channel.announce([notice])
            assert isinstance(outcome, Accepted), outcome
            held.append(google.object(OBJECT_ID))
        channel.close()
    before, after = (json.dumps(one, ensure_ascii=False) for one in held)
    shown = {field.text for field in card.content.fields} | {"ML10482736"}
    assert any(text in before for text in shown)
    left = [text for text in shown if text in after and text not in json.dumps(held[1].get("classReference", {}))]
    assert left == []
    assert held[1]["state"] == "INACTIVE"


def test_the_card_of_nobody_is_another_than_a_void_card_without_fields() -> None:
    content = erased_content(card_view().template, locale="fr")
    known = content.model_copy(update={"erased": False})
    assert content.digest() != known.digest()
    assert CardContent.model_validate(content.model_dump(mode="json")) == content

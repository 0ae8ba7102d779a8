"""Every kind of pass from a neutral design, and what hangs on a card. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.system import System, eventually
from tests.wallets.google.conftest import DESIGNS, ISSUER, NOW, OBJECT_ID, PROGRAM, Unpaced, card_view, composer
from tests.wallets.google.test_quota import at_rest, balances, saved_card
from wallet_service.cards.content import FieldContent
from wallet_service.cards.template import Template
from wallet_service.cli import main
from wallet_service.errors import Invalid
from wallet_service.simulators.google import GoogleSimulator
from wallet_service.values import Money
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.content import schema
from wallet_service.wallets.google.content.bodies import (
    class_body,
    class_id_of,
    faults_in_raw_keys,
    first_body,
    first_class,
    object_body,
    patch_of,
    variant_of,
)
from wallet_service.wallets.google.content.kind_parts import rotating_barcode
from wallet_service.wallets.google.content.kinds import KINDS, kind_of
from wallet_service.wallets.google.content.rotating_barcode import accepted_step, code_of, step_at
from wallet_service.wallets.google.linked_objects import MOST_LINKS, link_objects
from wallet_service.wallets.google.save_link import SaveLinks
from wallet_service.wallets.protocol import Accepted, CardView, Notice
from wallet_service.wallets.unsupported_features import losses_of

STYLES = {
    "store_card": "loyalty",
    "coupon": "offer",
    "gift_card": "giftCard",
    "event_ticket": "eventTicket",
    "generic": "generic",
}


def image_url(name: str) -> str:
    return f"https://cards.example.com/{name}.png"


def styled(style: str, google: dict[str, Any] | None = None) -> CardView:
    """The sample card in another style; a gift card's points are money."""
    card = card_view()
    document = card.template.document
    fields, content = document.fields, card.content
    if style == "gift_card":
        fields = tuple(spec.model_copy(update={"kind": "money"}) if spec.id == "points" else spec for spec in fields)
        money = Money(amount=5000, currency="EUR")
        balance = FieldContent(id="points", kind="money", label="Solde", value=money, text="50,00 €")
        content = content.model_copy(update={"fields": (balance, *content.fields[1:])})
    changed = document.model_copy(update={"style": style, "fields": fields, "google": google or {}})
    return replace(card, template=replace(card.template, document=changed), content=content)


def bodies(card: CardView, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Class and object."""
    class_id = class_id_of(PROGRAM, card.template.template_id, "t-", variant_of(card.template, card.content))
    variant = variant_of(card.template, card.content)
    made = class_body(
        PROGRAM,
        card.template,
        class_id=class_id,
        image_url=image_url,
        callback_url="https://cards.example.com/google/callback",
        variant=variant,
    )
    return made, object_body(card, class_id=class_id, image_url=image_url, **more)


@pytest.mark.parametrize(("style", "kind"), STYLES.items())
def test_item_22_each_style_becomes_its_kind_and_fits_the_schema(style: str, kind: str) -> None:
    card = styled(style)
    assert kind_of(card.template) is KINDS[kind]
    assert faults_in_raw_keys(card.template) == []
    found = kind_of(card.template)
    for name, body in zip((found.class_schema, found.object_schema), bodies(card), strict=True):
        schema.require_valid(name, body)
        schema.require_valid(name, patch_of(name, body), partial=True)
    made, item = bodies(card)
    shown = orjson.dumps(item).decode()
    for field in card.content.fields:
        assert field.text in shown or field.id in ("points", "tier"), field.id
    assert item["barcode"]["value"] == "ML10482736"
    assert ("reviewStatus" in made) is (kind != "generic")


@pytest.mark.parametrize("style", STYLES)
def test_each_kind_is_taken_and_saved_by_either_link(style: str) -> None:
    card = styled(style)
    kind = kind_of(card.template)
    with GoogleSimulator() as google:
        account = google.make_service_account(ISSUER)
        channel = GoogleChannel(
            google.url, account, public_url="https://cards.example.com", rate=Unpaced(), id_prefix="t-", timeout_s=5
        )
        for points in (1, 2):
            notice = Notice(delivery_id=points, far_end=OBJECT_ID, version=points, card=card)
            ((_, outcome),) = channel.announce([notice])
            assert isinstance(outcome, Accepted), outcome
        channel.close()
        links = SaveLinks(account, save_url="x")
        skinny = links.skinny(OBJECT_ID, now=datetime.now(UTC), kind=kind)
        assert google.save(skinny.rpartition("/")[2], "camille") == [OBJECT_ID]
        other = replace(card, google_object_id=f"{ISSUER}.t-other")
        class_id = class_id_of(PROGRAM, card.template.template_id, "t-")
        small = first_class(PROGRAM, card.template, class_id=class_id, image_url=image_url, callback_url="https://a.b/")
        fat = links.fat(first_body(other, class_id=class_id), small, now=datetime.now(UTC), kind=kind)
        assert google.save(fat.rpartition("/")[2], "dominique") == [f"{ISSUER}.t-other"]


@pytest.mark.parametrize(
    ("style", "state"),
    [
        ("store_card", "INACTIVE"),
        ("coupon", "COMPLETED"),
        ("gift_card", "COMPLETED"),
        ("event_ticket", "INACTIVE"),
        ("generic", "INACTIVE"),
    ],
)
def test_item_56_blocked_is_inactive_and_used_is_completed(style: str, state: str) -> None:
    card = styled(style)
    voided = replace(card, content=card.content.model_copy(update={"voided": True, "barcode": None}))
    assert bodies(voided)[1]["state"] == state


def test_a_gift_card_without_number_or_with_points_is_refused() -> None:
    card = card_view()
    document = card.template.document.model_copy(update={"style": "gift_card"})
    lonely = document.model_copy(update={"fields": tuple(f for f in document.fields if f.google != "account_id")})
    faults = [str(fault) for fault in faults_in_raw_keys(replace(card.template, document=lonely))]
    assert [fault[:25] for fault in faults] == ["fields: a gift card needs", "fields: the field with go"]


def test_a_tier_on_the_class_makes_a_class_for_each_tier() -> None:
    card = card_view()
    fields = tuple(
        spec.model_copy(update={"google": "tier"}) if spec.id == "tier" else spec
        for spec in card.template.document.fields
    )
    template = replace(card.template, document=card.template.document.model_copy(update={"fields": fields}))
    silver, gold = (replace(card_view(balance={"tier": tier}), template=template) for tier in ("Argent", "Or"))
    (one, item), (other, _) = bodies(silver), bodies(gold)
    assert (one["rewardsTier"], other["rewardsTier"]) == ("Argent", "Or")
    assert one["id"] != other["id"]
    assert item["classId"] == one["id"]
    assert "secondaryLoyaltyPoints" not in item
    schema.require_valid("LoyaltyClass", one)


ROTATING = {"rotating_barcode": {"pattern": "{value}-{totp_value_0}", "period_s": 30, "digits": 8}}
KEY = "3132333435363738393031323334353637383930"


def test_a_rotating_barcode_stands_beside_the_static_one() -> None:
    card = styled("store_card", ROTATING)
    assert faults_in_raw_keys(card.template) == []
    _, item = bodies(card, totp_key=KEY)
    schema.require_valid("LoyaltyObject", item)
    assert item["rotatingBarcode"]["valuePattern"] == "ML10482736-{totp_value_0}"
    assert item["rotatingBarcode"]["totpDetails"]["periodMillis"] == "30000"
    assert item["barcode"]["value"] == "ML10482736"
    assert card.content.barcode is not None
    assert rotating_barcode(card.template, card.content.barcode, None) == {}


def test_item_42_the_secret_never_travels_in_a_link(service_account: dict[str, str]) -> None:
    card = styled("store_card", ROTATING)
    class_id = class_id_of(PROGRAM, card.template.template_id)
    assert "rotatingBarcode" not in first_body(card, class_id=class_id)
    small = first_class(PROGRAM, card.template, class_id=class_id, image_url=image_url, callback_url="https://a.b/")
    _, whole = bodies(card, totp_key=KEY)
    with pytest.raises(Invalid, match="must not travel"):
        SaveLinks(service_account, save_url="x").fat(whole, small, now=NOW)


@pytest.mark.parametrize(
    ("unix_ms", "period_ms", "eight"),
    [
        (59000, 30000, "94287082"),
        (1111111109000, 30000, "07081804"),
        (1234567890000, 30000, "89005924"),
        (2000000000000, 30000, "69279037"),
        (59000, 3000, "21578337"),
        (1790000000000, 60000, "15005740"),
    ],
)
def test_the_codes_are_those_of_the_specification(unix_ms: int, period_ms: int, eight: str) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=unix_ms)
    step = step_at(at, period_ms=period_ms)
    assert code_of(KEY, step, digits=8) == eight
    assert code_of(KEY, step, digits=6) == eight[2:]


def test_a_code_is_good_for_its_period_and_its_neighbours_once() -> None:
    now = step_at(NOW, period_ms=30000)

    def accepted(step: int, last_used: int | None = None) -> int | None:
        code = code_of(KEY, step, digits=6)
        return accepted_step(KEY, code, at=NOW, period_ms=30000, digits=6, last_used=last_used)

    assert [accepted(now + offset) for offset in (-2, -1, 0, 1, 2)] == [None, now - 1, now, now + 1, None]
    assert accepted(now, last_used=now) is None
    assert accepted(now + 1, last_used=now) == now + 1


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"pattern": "{value}"}, "google.rotating_barcode.pattern: should hold {totp_value_0}"),
        ({"pattern": "{totp_value_0}", "digits": 4}, "google.rotating_barcode.digits: should be 6, 7 or 8"),
        ({"pattern": "{totp_value_0}", "period_s": 1}, "google.rotating_barcode.period_s: should be 3 to 3600"),
        ({"pattern": "{totp_value_0}", "every": 1}, "google.rotating_barcode.every: unknown key"),
    ],
)
def test_a_wrong_rotation_is_refused_with_its_path(table: dict[str, Any], fault: str) -> None:
    (found,) = faults_in_raw_keys(styled("store_card", {"rotating_barcode": table}).template)
    assert str(found).startswith(fault)


EXTRAS = {
    "class": {
        "enableSmartTap": True,
        "redemptionIssuers": [ISSUER],
        "securityAnimation": {"animationType": "FOIL_SHIMMER"},
        "classTemplateInfo": {
            "cardTemplateOverride": {
                "cardRowTemplateInfos": [
                    {"oneItem": {"item": {"firstValue": {"fields": [{"fieldPath": "object.accountName"}]}}}}
                ]
            }
        },
        "valueAddedModuleData": [
            {"header": {"defaultValue": {"language": "fr", "value": "La soie"}}, "uri": "https://a.example/"}
        ],
        "appLinkData": {
            "webAppLinkInfo": {"appTarget": {"targetUri": {"uri": "https://a.example/", "description": "Boutique"}}}
        },
    },
    "object": {"passConstraints": {"screenshotEligibility": "INELIGIBLE"}},
}


def test_what_only_google_has_goes_through_the_designs_google_table() -> None:
    card = styled("store_card", EXTRAS)
    assert faults_in_raw_keys(card.template) == []
    made, item = bodies(card)
    schema.require_valid("LoyaltyClass", made)
    schema.require_valid("LoyaltyObject", item)
    assert item["smartTapRedemptionValue"] == "ML10482736"
    assert item["passConstraints"]["screenshotEligibility"] == "INELIGIBLE"


def linked_system(system: System) -> list[str]:
    """Four cards at Google."""
    with system.working():
        saved_card(system)
        for number in range(2, 5):
            card = system.enrol(f"M-{number}")
            system.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(system)
    return [row["object_id"] for row in system.rows("SELECT object_id FROM google_objects ORDER BY id")]


def link(system: System, card: str, other: str) -> bool:
    """Link, in a transaction."""
    with system.services.sessions.begin() as db:
        return link_objects(db, card, other, now=system.clock())


def test_item_52_links_are_checked_before_they_are_made_for_life(system: System) -> None:
    ids = linked_system(system)
    assert link(system, ids[0], ids[1]) is True
    assert link(system, ids[0], ids[1]) is False
    for card, other, words in (
        (ids[0], ids[0], "hang on itself"),
        (ids[2], ids[0], "links of its own"),
        (ids[1], ids[2], "hangs on another card"),
    ):
        with pytest.raises(Invalid, match=words):
            link(system, card, other)
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE google_objects SET told_digest = NULL WHERE object_id = :id"), {"id": ids[3]})
    with pytest.raises(Invalid, match="not at Google yet"):
        link(system, ids[0], ids[3])
    with system.working():
        at_rest(system)
        eventually(lambda: system.google.object(ids[0]).get("linkedObjectIds") == [ids[1]])
        balances(system, 1, points=5)
    assert system.google.object(ids[0])["linkedObjectIds"] == [ids[1]]
    many = [f"{ISSUER}.x{number}" for number in range(MOST_LINKS)]
    with system.services.sessions.begin() as db:
        db.execute(
            text("UPDATE google_objects SET linked_ids = :many WHERE object_id = :id"), {"many": many, "id": ids[0]}
        )
    with pytest.raises(Invalid, match="50 links in its life"):
        link(system, ids[0], ids[2])


def test_a_secret_is_made_once_sealed_and_only_google_learns_it(open_system: OpenSystem, tmp_path: Path) -> None:
    design = tmp_path / "designs" / "points-card"
    for path in (DESIGNS / "points-card").rglob("*"):
        if path.is_file():
            place = design / path.relative_to(DESIGNS / "points-card")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    document = design / "template.toml"
    table = '\n[google.rotating_barcode]\npattern = "{value}-{totp_value_0}"\n'
    document.write_text(document.read_text(encoding="utf-8") + table, encoding="utf-8")
    system = open_system(WALLET_TEMPLATES_DIR=str(tmp_path / "designs"))
    with system.working():
        saved_card(system)
        balances(system, 1, points=5)
    row = system.rows("SELECT object_id, totp_secret FROM google_objects")[0]
    rotating = system.google.object(row["object_id"])["rotatingBarcode"]
    key = rotating["totpDetails"]["parameters"][0]["key"]
    opened = system.services.keys.sealer.open(bytes(row["totp_secret"]), f"totp:{row['object_id']}")
    assert opened.hex() == key
    assert len(opened) == 20
    assert key.encode() not in bytes(row["totp_secret"])


@pytest.mark.parametrize("design", ["points-card", "stamp-card"])
def test_a_report_says_what_each_wallet_loses(design: str) -> None:
    said = CliRunner().invoke(main, ["templates", "losses", str(DESIGNS / design)])
    assert said.exit_code == 0
    assert "google: colours.text: Google chooses the colour" in said.output
    template: Template = composer(design).template
    assert {loss.wallet for loss in losses_of(template)} <= {"apple", "google"}
    assert "google: stamps" not in said.output

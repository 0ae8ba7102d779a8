"""Every style of pass is drawn its own way, and every field and image of it is seen."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.previews.test_drawing import NOW, differ, opened
from tests.simulators.pass_maker import IMAGES, make_pass, pass_content, png
from wallet_service.previews import draw_iphone, draw_lock_screen
from wallet_service.simulators.apple_pki import Chain

STYLES = ("storeCard", "coupon", "generic", "eventTicket", "boardingPass")
PICTURES = {
    "generic": ("thumbnail@2x.png", png(180, 180, "#c04040")),
    "eventTicket": ("background@2x.png", png(686, 1006, "#c04040")),
    "boardingPass": ("footer@2x.png", png(536, 30, "#c04040")),
    "storeCard": ("strip@2x.png", png(750, 288, "#c04040")),
    "coupon": ("strip@2x.png", png(750, 288, "#c04040")),
}


def content_of(style: str, **more: Any) -> dict[str, Any]:
    content = pass_content(**more)
    content[style] = content.pop("storeCard")
    if style == "boardingPass":
        content[style]["transitType"] = "PKTransitTypeTrain"
        content[style]["primaryFields"].append({"key": "to", "label": "VERS", "value": "PARIS"})
    return content


def drawn(content: dict[str, Any], chain: Chain, images: dict[str, bytes] | None = None, **options: Any) -> bytes:
    return draw_iphone(make_pass(content, chain, IMAGES | (images or {})), scale=1, now=NOW, **options)


@pytest.mark.parametrize("style", STYLES)
def test_every_field_of_a_style_is_seen(style: str, chain: Chain) -> None:
    content = content_of(style)
    plain = drawn(content, chain)
    assert opened(plain).size == (390, 520)
    for array in ("headerFields", "primaryFields", "secondaryFields", "auxiliaryFields"):
        changed = deepcopy(content)
        changed[style][array][0]["label"] = "AUTRE"
        assert differ(plain, drawn(changed, chain)), array


@pytest.mark.parametrize("style", STYLES)
def test_the_image_of_a_style_is_seen(style: str, chain: Chain) -> None:
    name, picture = PICTURES[style]
    assert differ(drawn(content_of(style), chain), drawn(content_of(style), chain, {name: picture}))


def test_styles_differ(chain: Chain) -> None:
    pictures = [drawn(content_of(style), chain) for style in ("storeCard", "generic", "eventTicket", "boardingPass")]
    assert all(differ(one, other) for index, one in enumerate(pictures) for other in pictures[:index])


def test_a_second_row_of_a_ticket(chain: Chain) -> None:
    content = content_of("eventTicket")
    content["eventTicket"]["auxiliaryFields"].append({"key": "gate", "label": "PORTE", "value": "B"})
    below = deepcopy(content)
    below["eventTicket"]["auxiliaryFields"][1]["row"] = 1
    assert differ(drawn(content, chain), drawn(below, chain))


def test_the_poster_is_drawn_where_there_is_one(chain: Chain) -> None:
    poster = {
        "headerFields": [{"key": "points", "label": "POINTS", "value": 120}],
        "primaryFields": [
            {"key": "member", "value": "Camille Dubois"},
            {"key": "tier", "label": "STATUT", "value": "Or"},
        ],
        "footerFields": [{"key": "club", "value": "Le Cercle"}],
    }
    content = pass_content(posterGeneric=poster)
    images = {"artwork@2x.png": png(716, 896, "#304050"), "primaryLogo@2x.png": png(252, 60, "#f0f0f0")}
    shown = drawn(content, chain, images, face="poster")
    assert differ(shown, drawn(content, chain, images))
    assert differ(shown, drawn(content, chain, face="poster"))
    for array in poster:
        changed = deepcopy(content)
        changed["posterGeneric"][array][0]["value"] = "?"
        assert differ(shown, drawn(changed, chain, images, face="poster")), array
    plain = pass_content()
    assert not differ(drawn(plain, chain, face="poster"), drawn(plain, chain)), "without a poster, the card"


def test_dark_mode_is_of_the_phone_and_not_of_the_card(chain: Chain) -> None:
    content = pass_content()
    assert not differ(drawn(content, chain), drawn(content, chain, dark=True))
    assert differ(drawn(content, chain, face="back"), drawn(content, chain, face="back", dark=True))
    bundle = make_pass(content, chain)
    light, dark = (draw_lock_screen(bundle, text="Bonjour", dark=dark, scale=1, now=NOW) for dark in (False, True))
    assert differ(light, dark)

"""What travels in a long save link, and what stands on Google's card: classes, deprecated members, drawn stamps."""

from __future__ import annotations

import base64
import io
from typing import Any

import orjson
import requests
from PIL import Image
from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.system import System, eventually
from tests.wallets.google.conftest import card_view
from tests.web.test_landing import ANDROID, get
from wallet_service.wallets.google.content.bodies import object_body, patch_of


def payload(link: str) -> dict[str, Any]:
    """What a save link carries."""
    middle = link.rsplit("/", 1)[1].split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    found: dict[str, Any] = claims["payload"]
    return found


def test_c13_a_long_link_has_no_class_that_google_has(system: System) -> None:
    first, second = system.enrol("M-1"), system.enrol("M-2")
    assert set(payload(get(first["links"]["google"], ANDROID).headers["Location"])) == {
        "loyaltyClasses",
        "loyaltyObjects",
    }
    with system.working():
        eventually(lambda: system.rows("SELECT FROM google_classes"))
    assert set(payload(get(second["links"]["google"], ANDROID).headers["Location"])) == {"loyaltyObjects"}


def test_c13_no_patch_names_the_deprecated_locations() -> None:
    for design in ("points-card", "voucher", "gift-card", "event-ticket", "stamp-card"):
        card = card_view(design)
        kind = {"voucher": "OfferObject", "gift-card": "GiftCardObject", "event-ticket": "EventTicketObject"}
        schema_name = kind.get(design, "LoyaltyObject")
        assert "locations" not in patch_of(schema_name, object_body(card, class_id="1.c"))


def test_f23_stamps_are_drawn_on_google_one_picture_for_each_count(open_system: OpenSystem) -> None:
    system = open_system(template="stamp-card")
    android = system.android()
    with system.working():
        android.open_link(system.enrol()["links"]["card"])
        system.api.ok("PUT", "/members/M-1/balances", {"sequence": 1, "stamps": 3})

        def shown() -> str:
            (row,) = system.rows("SELECT object_id FROM google_objects")
            address: str = system.google.object(row["object_id"])["heroImage"]["sourceUri"]["uri"]
            return address

        eventually(lambda: "/stamps-3-" in shown())
        three = requests.get(shown(), timeout=10)
        system.api.ok("PUT", "/members/M-1/balances", {"sequence": 2, "stamps": 4})
        eventually(lambda: "/stamps-4-" in shown())
        four = requests.get(shown(), timeout=10)
    assert (three.headers["Content-Type"], four.status_code) == ("image/png", 200)
    assert Image.open(io.BytesIO(three.content)).size == (1032, 336)
    assert three.content != four.content
    assert three.headers["Cache-Control"].endswith("immutable")
    for other in ("stamps-3-99", "stamps-31-10", "stamps-x"):
        assert requests.get(shown().replace("stamps-4-10", other), timeout=10).status_code == 404


def test_e17_deliveries_that_are_refused_and_stale_are_listed_together(system: System) -> None:
    for number in range(3):
        phone = system.iphone()
        phone.open_link(system.enrol(f"M-{number}")["links"]["card"])
    with system.services.sessions.begin() as db:
        apple = "SELECT id FROM deliveries WHERE kind = 'apple' ORDER BY id LIMIT 1"
        db.execute(text(f"UPDATE deliveries SET parked = 'BadDeviceToken' WHERE id = ({apple})"))
        db.execute(text(f"UPDATE deliveries SET stale_at = now() WHERE id = ({apple} OFFSET 1)"))

    def states(query: str) -> list[str]:
        return [one["state"] for one in system.api.ok("GET", f"/deliveries{query}")["items"]]

    assert states("") == ["refused", "stale"]
    assert states("?state=stale") == ["stale"]
    assert states("?state=refused") == ["refused"]

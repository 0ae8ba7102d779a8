"""Overlays: another face over a design for a span, by priority, that goes by itself."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.cards.linked_designs import SHIPPED
from tests.system import System, eventually
from wallet_service.cards.overlays import Overlay, overlay_at, overlays_change_at

BLACK = {"background": "#101010", "text": "#FFFFFF", "label": "#FFD400"}
START = datetime(2026, 11, 27, tzinfo=UTC)


def strip(colour: str) -> bytes:
    """A picture as large as a strip must be."""
    with Image.open(SHIPPED / "points-card" / "images" / "strip.png") as known:
        size = known.size
    drawn = io.BytesIO()
    Image.new("RGB", size, colour).save(drawn, "PNG")
    return drawn.getvalue()


def put(system: System, code: str = "black-friday", **more: Any) -> dict[str, Any]:
    """An overlay that begins in an hour and lasts one, if nothing else is said."""
    now = system.clock()
    document = {
        "title": "Black Friday",
        "starts_at": (now + timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(hours=2)).isoformat(),
        "colours": BLACK,
        "words": {"fr": {"points_label": "Points noirs"}, "en": {"points_label": "Black points"}},
    }
    answer: dict[str, Any] = system.api.ok("PUT", f"/overlays/{code}", document | more)
    return answer


def published(system: System, code: str = "black-friday", **more: Any) -> None:
    """The same, published."""
    put(system, code, **more)
    system.api.ok("POST", f"/overlays/{code}/publish")


def worn(system: System, link: str) -> tuple[str, str, bytes]:
    """The background, the label of the points and the strip of the pass as a phone would download it now."""
    answer = requests.get(f"{link}/pass.pkpass", timeout=20)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        document = json.loads(bundle.read("pass.json"))
        picture = bundle.read("strip@2x.png")
    label = document["storeCard"]["headerFields"][0]["label"]
    return document["backgroundColor"], label, picture


def colour_of(picture: bytes) -> tuple[int, ...]:
    """The colour of a picture's middle."""
    with Image.open(io.BytesIO(picture)) as image:
        pixel = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return tuple(int(part) for part in pixel)


def test_an_overlay_comes_and_goes_by_itself_on_both_phones_and_is_silent(system: System) -> None:
    card = system.enrol()
    iphone, android = system.iphone(), system.android()

    def google_colour() -> str:
        return str(system.google.cls(android.shows().object["classId"])["hexBackgroundColor"])

    with system.working():
        iphone.open_link(card["links"]["card"])
        android.open_link(card["links"]["card"])
        system.set_points("M-1", 79, sequence=1)
        put(system)
        answer = system.api("PUT", "/overlays/black-friday/images/strip", strip("#cc0000"))
        assert answer.ok, answer.text
        system.api.ok("POST", "/overlays/black-friday/publish")
        iphone.wait_until(lambda phone: phone.shows(card["serial_number"]).text("points") == "79", 60)
        eventually(lambda: not system.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
        before, told = worn(system, card["links"]["card"]), len(iphone.notifications)
        assert before[1] != "Points noirs"
        version = system.card(card["serial_number"])["version"]
        assert system.rows("SELECT min(recompose_at) AS at FROM cards")[0]["at"] is not None

        system.clock.advance(timedelta(hours=1))
        iphone.wait_until(lambda phone: "Points noirs" in str(phone.shows(card["serial_number"])), 60)
        android.wait_until(lambda phone: google_colour() == "#101010", 60)
        now = worn(system, card["links"]["card"])
        assert now[:2] == ("rgb(16, 16, 16)", "Points noirs")
        assert colour_of(now[2]) == (204, 0, 0)
        assert system.card(card["serial_number"])["version"] > version

        system.clock.advance(timedelta(hours=1))
        iphone.wait_until(lambda phone: "Points noirs" not in str(phone.shows(card["serial_number"])), 60)
        android.wait_until(lambda phone: google_colour() != "#101010", 60)
        assert worn(system, card["links"]["card"]) == before
        assert len(iphone.notifications) == told


def test_an_overlay_that_ended_while_all_was_down_is_gone_at_the_next_fetch(system: System) -> None:
    card = system.enrol()
    system.set_points("M-1", 79, sequence=1)
    published(system, starts_at=system.clock().isoformat())
    with system.working():
        eventually(lambda: system.card(card["serial_number"])["face"]["points"]["label"] == "Points noirs")
    system.clock.advance(timedelta(hours=3))
    assert worn(system, card["links"]["card"])[1] != "Points noirs"


def test_an_erased_member_s_card_does_not_keep_the_overlay(system: System) -> None:
    card = system.enrol()
    system.set_points("M-1", 79, sequence=1)
    published(system, starts_at=system.clock().isoformat())
    with system.working():
        eventually(lambda: system.card(card["serial_number"])["face"]["points"]["label"] == "Points noirs")
    own = "SELECT c.template_version_id = p.template_version_id AS own FROM cards c JOIN programs p USING (program_id)"
    assert system.rows(own) == [{"own": False}]
    system.api.ok("DELETE", "/members/M-1")
    assert system.rows(own) == [{"own": True}]


def test_the_highest_priority_is_seen_then_what_began_last(system: System) -> None:
    card = system.enrol()
    system.set_points("M-1", 79, sequence=1)
    now = system.clock()
    published(system, "low", priority=1, words={"fr": {"points_label": "Bas"}}, starts_at=now.isoformat())
    published(system, "high", priority=2, words={"fr": {"points_label": "Haut"}})
    with system.working():

        def label() -> str:
            return str(system.card(card["serial_number"])["face"]["points"]["label"])

        eventually(lambda: label() == "Bas")
        system.clock.advance(timedelta(hours=1))
        eventually(lambda: label() == "Haut")
        system.api.ok("POST", "/overlays/high/withdraw")
        eventually(lambda: label() == "Bas")
        assert system.api.ok("GET", "/overlays/high")["state"] == "draft"
        system.api.ok("POST", "/overlays/high/publish")
        eventually(lambda: label() == "Haut")
        system.clock.advance(timedelta(hours=2))
        eventually(lambda: label() not in ("Bas", "Haut"))


def test_what_does_not_fit_is_refused_at_its_field(system: System) -> None:
    system.enrol()

    def refused(**more: Any) -> list[str]:
        now = system.clock()
        document = {"title": "T", "starts_at": now.isoformat(), "ends_at": (now + timedelta(1)).isoformat()} | more
        answer = system.api("PUT", "/overlays/o", document)
        assert answer.status_code == 422, answer.text
        return [error["path"] for error in answer.json()["faults"]]

    assert refused(colours=BLACK | {"text": "#111111"})[0].startswith("colours.text")
    assert refused(colours={"background": "black"}) == ["colours.background"]
    assert refused(words={"fr": {"pionts_label": "x"}}) == ["words.fr.pionts_label"]
    assert refused(words={"de": {"points_label": "x"}}) == ["words.de"]
    assert refused(words={"fr": {"points_changed": "sans la marque"}})[0].startswith("words.fr")
    assert refused(template="no-such") == ["template"]
    assert refused(ends_at=system.clock().isoformat()) == ["ends_at"]
    put(system)
    answer = system.api("PUT", "/overlays/black-friday/images/strip", b"not a picture")
    assert (answer.status_code, answer.json()["faults"][0]["path"]) == (422, "images.strip")
    assert system.api("PUT", "/overlays/black-friday/images/icon", strip("#cc0000")).status_code == 422
    assert system.api.ok("GET", "/overlays/black-friday")["images"] == []


def test_an_empty_one_and_one_that_is_over_are_not_published(system: System) -> None:
    put(system, "empty", colours={}, words={})
    assert system.api("POST", "/overlays/empty/publish").status_code == 409
    put(system, "past")
    system.clock.advance(timedelta(hours=2))
    assert system.api("POST", "/overlays/past/publish").status_code == 409


def test_two_editors_and_the_journal(system: System) -> None:
    first = put(system)
    assert system.api("PUT", "/overlays/black-friday", _said(first, title="A"), **{"If-Match": "1"}).ok
    assert system.api("PUT", "/overlays/black-friday", _said(first, title="B"), **{"If-Match": "1"}).status_code == 409
    assert system.api.ok("GET", "/overlays/black-friday")["title"] == "A"
    system.api.ok("PUT", "/overlays/black-friday", _said(first, title="A"))
    assert system.api("DELETE", "/overlays/black-friday").status_code == 204
    assert system.api("GET", "/overlays/black-friday").status_code == 404
    actions = [
        row["action"] for row in system.rows("SELECT action FROM journal WHERE object_kind = 'overlay' ORDER BY id")
    ]
    assert actions == ["overlay_created", "overlay_changed", "overlay_deleted"]


def _said(answer: dict[str, Any], **more: Any) -> dict[str, Any]:
    names = ("title", "template", "starts_at", "ends_at", "priority", "colours", "words")
    return {name: answer[name] for name in names} | more


def test_a_new_version_of_the_design_carries_the_overlay(system: System) -> None:
    card = system.enrol()
    system.set_points("M-1", 79, sequence=1)
    published(system, starts_at=system.clock().isoformat())
    designs = system.folder / "designs"
    words = "points_label"

    def apply(change: Any) -> tuple[str, ...]:
        shutil.rmtree(designs, ignore_errors=True)
        shutil.copytree(SHIPPED, designs)
        change(designs / "points-card")
        return system.apply(templates_dir=designs).changes

    def other_tier_label(folder: Any) -> None:
        for file in (folder / "words").iterdir():
            text = file.read_text(encoding="utf-8")
            lines = ['tier_label = "Rang"' if line.startswith("tier_label") else line for line in text.splitlines()]
            file.write_text("\n".join(lines), encoding="utf-8")

    def other_key(folder: Any) -> None:
        for file in [*(folder / "words").iterdir(), folder / "template.toml"]:
            file.write_text(file.read_text(encoding="utf-8").replace(words, "score_label"), encoding="utf-8")

    assert apply(other_tier_label)
    with system.working():
        eventually(lambda: system.card(card["serial_number"])["face"]["points"]["label"] == "Points noirs")
        system.api.ok("PUT", "/members/M-1/balances", {"sequence": 2, "tier": "Or"})
        eventually(lambda: system.card(card["serial_number"])["face"].get("tier", {}).get("label") == "Rang")
    with pytest.raises(Exception, match=r"overlays\.black-friday\.words\.fr\.points_label"):
        apply(other_key)


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 10), st.integers(-2, 2), st.sampled_from(["a", "b"])), max_size=6
    )
)
def test_the_next_change_is_where_the_overlay_changes(spans: list[tuple[int, int, int, str]]) -> None:
    overlays = [
        Overlay(
            over=over,
            template_version_id=number,
            starts_at=START + timedelta(hours=start),
            ends_at=START + timedelta(hours=start + length),
            priority=priority,
            number=number,
        )
        for number, (start, length, priority, over) in enumerate(spans)
    ]
    assert [Overlay.of(one.as_json()) for one in overlays] == overlays
    for hour in range(-1, 32):
        now = START + timedelta(hours=hour)
        seen, change = overlay_at(overlays, "a", now), overlays_change_at(overlays, "a", now)
        holding = [one for one in overlays if one.over == "a" and one.starts_at <= now < one.ends_at]
        assert (seen is None) == (not holding)
        assert all(seen is not None and one.priority <= seen.priority for one in holding)
        last = change - timedelta(microseconds=1) if change is not None else START + timedelta(days=9)
        assert overlay_at(overlays, "a", last) is seen

"""Coordinates out of pasted texts and map links (console check C21)."""

from __future__ import annotations

import pytest

from wallet_service.documents.coordinates import coordinates_in

PARIS = (48.8566, 2.3522)


@pytest.mark.parametrize(
    "text",
    [
        "48.8566, 2.3522",
        "48.8566,2.3522",
        " 48.8566 2.3522 ",
        "48.8566;2.3522",
        "48,8566; 2,3522",
        "48,8566 2,3522",
        "48,8566, 2,3522",
        "geo:48.8566,2.3522?z=16",
        "https://www.google.com/maps/@48.8566,2.3522,17z",
        "https://www.google.com/maps/place/Boutique/@48.1,2.1,17z/data=!3m1!4b1!3d48.8566!4d2.3522",
        "https://www.google.com/maps?q=48.8566,2.3522",
        "https://www.google.com/maps/search/?api=1&query=48.8566%2C2.3522",
        "https://maps.apple.com/?ll=48.8566,2.3522&q=Boutique",
        "https://maps.apple.com/place?coordinate=48.8566,2.3522&name=Boutique",
        "https://www.openstreetmap.org/?mlat=48.8566&mlon=2.3522#map=19/48.1/2.1",
        "https://www.openstreetmap.org/#map=19/48.8566/2.3522",
        "https://www.bing.com/maps?cp=48.8566~2.3522&lvl=16",
        "https://waze.com/ul?ll=48.8566,2.3522&navigate=yes",
        "https://www.google.com/maps/dir//48.8566,2.3522",
    ],
)
def test_c21_what_people_paste_is_read(text: str) -> None:
    assert coordinates_in(text) == PARIS


@pytest.mark.parametrize(
    "text", ["", "48,85", "48.8566", "Lyon Bellecour", "https://example.com/a", "2026, 11", "95.0, 2.0"]
)
def test_c21_what_names_no_place_on_earth_is_not(text: str) -> None:
    assert coordinates_in(text) is None


def test_c21_south_and_west_are_negative() -> None:
    assert coordinates_in("-21.1151, 55.5364") == (-21.1151, 55.5364)
    assert coordinates_in("https://www.google.com/maps/@14.6415,-61.0242,15z") == (14.6415, -61.0242)

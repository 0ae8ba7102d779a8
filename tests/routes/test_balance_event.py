"""Route (a): a CRM's word on a balance becomes a new card on the phones. Nothing is patched."""

from __future__ import annotations

from tests.house import House, eventually


def test_a_balance_reaches_both_phones(house: House) -> None:
    card = house.enrol()
    iphone, android = house.iphone(), house.android()
    with house.working():
        iphone.open_link(card["links"]["card"])
        android.open_link(card["links"]["card"])
        house.set_points("M-1", 120, sequence=1)
        iphone.wait_until(lambda phone: phone.shows().fields.get("points") is not None, 10)
        assert iphone.shows().text("points") == "120"
        android.wait_until(lambda phone: phone.shows().fields["loyaltyPoints"].text == "120", 10)
        ends = eventually(lambda: [e for e in house.card(card["serial_number"])["far_ends"]])
        assert {end["kind"]: end["state"] for end in ends} == {"apple": "up_to_date", "google": "up_to_date"}

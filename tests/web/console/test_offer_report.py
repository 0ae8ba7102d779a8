"""The report of an offer in the console (checks C3, C68)."""

from __future__ import annotations

import csv
import io

import pytest

from tests.offers.pressure_system import enrol, publish
from tests.offers.test_report import buys
from tests.system import System
from tests.web.console.staff import sign_in

LYON = {"name": "Lyon", "latitude": 45.7, "longitude": 4.8}


def test_c68_table_bars_and_csv_agree(system: System) -> None:
    """C68."""
    enrol(system, 6)
    offer_id = publish(system)
    for number in range(3):
        buys(system, number, "M-1", f"O-{number}", 7990, "maille")
    staff = sign_in(system, "marketing")
    page = staff.get(f"/offers/{offer_id}/report")
    answer = staff.client.get(f"/console/lumiere/offers/{offer_id}/report.csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")), delimiter=";"))[1:]
    table = [
        [" ".join("".join(cell.itertext()).split()) for cell in row if cell.tag in ("th", "td")]
        for row in page.all("tr")
        if row.find("td") is not None
    ]
    assert [(row[0], row[1].replace("\xa0", " ")) for row in rows] == [
        (row[0], row[1].replace("\xa0", " ")) for row in table
    ]
    figures = {row[0]: row[1] for row in rows}
    assert figures["Targeted"] == figures["To update"] == figures["Notified"] == "6"
    assert (figures["Uses"], figures["Members who used it"]) == ("3", "1")
    assert figures["Revenue of purchases with a use"] == "€239.70"
    assert all(row[3] for row in rows), "every figure says how it is counted"
    bars = [bar.text or "" for bar in page.one("section").iter("strong")]
    assert [bar.partition(" · ")[0] for bar in bars] == [row[1] for row in rows[:6]]


@pytest.mark.parametrize("members", [4, 5])
def test_a_manager_of_a_store_is_not_told_of_fewer_than_five(system: System, members: int) -> None:
    system.api.ok("PUT", "/stores/lyon", LYON)
    enrol(system, members)
    offer_id = publish(system, store_ids=["lyon"])
    buys(system, 1, "M-1", "O-1", 7990, "maille")
    text = sign_in(system, "store", stores=("lyon",)).get(f"/offers/{offer_id}/report").text
    assert "< 5" in text, "one use"
    assert "79.90" not in text
    assert "fewer than 5 people" in text
    assert ("Targeted 5 " in text) == (members == 5)


def test_c3_the_report_of_another_store_s_offer_does_not_exist(system: System) -> None:
    """C3."""
    for store in ("lyon", "paris"):
        system.api.ok("PUT", f"/stores/{store}", LYON)
    enrol(system, 1)
    theirs, everywhere = publish(system, store_ids=["paris"]), publish(system, "soie")
    manager = sign_in(system, "store", stores=("lyon",))
    for offer_id in (theirs, everywhere, 99, 2**70):
        for address in (f"/offers/{offer_id}/report", f"/offers/{offer_id}/report.csv"):
            manager.get(address, status=404)
    sign_in(system, "till", stores=("lyon",)).get(f"/offers/{theirs}/report", status=403)

"""A programme with rules on pressure, members whose cards count as installed, a worker whose rounds a test calls."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.system import System

SHIPPED = Path(__file__).parents[2] / "pass_templates"
PARIS = ZoneInfo("Europe/Paris")
_NEWS = """
[[fields]]
id = "news"
value = "offer.news"
label = "offer_label"
notify = "offer_news"
topic = "news"
apple = "back"
google = "none"

[[links]]
"""


def set_pressure(system: System, **rules: Any) -> None:
    """Apply the programme with these rules on pressure, and no others."""
    file = system.folder / "program.toml"
    document = file.read_text(encoding="utf-8").partition("\n[pressure]")[0]
    lines = "\n".join(f"{name} = {orjson.dumps(value).decode()}" for name, value in rules.items())
    file.write_text(f"{document}\n[pressure]\n{lines}\n", encoding="utf-8")
    system.apply()
    compose(system)


def system_with_news(open_system: OpenSystem, folder: Path) -> System:
    """The usual system in a design that notifies of offers on iPhones, too."""
    designs = folder / "designs"
    shutil.copytree(SHIPPED, designs)
    document = designs / "points-card" / "template.toml"
    document.write_text(document.read_text(encoding="utf-8").replace("[[links]]", _NEWS, 1), encoding="utf-8")
    for words in (designs / "points-card" / "words").glob("*.toml"):
        words.write_text(f'offer_news = "Offre : %@"\n{words.read_text(encoding="utf-8")}', encoding="utf-8")
    return open_system(WALLET_TEMPLATES_DIR=str(designs))


def compose(system: System) -> None:
    """Let a worker compose all that is due now."""
    worker = system.services.worker()
    while worker.compose_step():
        pass


def enrol(system: System, count: int, **more: Any) -> None:
    """Members `M-1`, `M-2` … with the consent to marketing and a card that is saved at Google."""
    for number in range(1, count + 1):
        system.enrol(f"M-{number}", **{"consents": {"marketing": True}} | more)
    save_all(system)


def save_all(system: System) -> None:
    """Every card counts as saved at Google."""
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE google_objects SET saved_at = now()"))
        db.execute(text("UPDATE deliveries SET wanted_version = c.version FROM cards c WHERE c.id = card_id"))


def publish(system: System, code: str = "maille", *, lasts: timedelta = timedelta(days=3), **more: Any) -> int:
    """An offer that notifies and holds from now on; returns its number. The cards are composed."""
    now = system.clock()
    document = {
        "code": code, "title": {"fr": f"Offre {code}"}, "notify": True,
        "starts_at": now.isoformat(), "ends_at": (now + lasts).isoformat(),
    }  # fmt: skip
    offer_id: int = system.api.ok("POST", "/offers", document | more)["id"]
    system.api.ok("POST", f"/offers/{offer_id}/publish")
    compose(system)
    return offer_id


def decisions(system: System, offer_id: int) -> dict[str, str]:
    """What became of an offer's notifications, by member."""
    rows = system.rows(
        "SELECT m.member_id, s.decision FROM offer_showings s JOIN cards c ON c.id = s.card_id"
        " JOIN members m ON m.id = c.member_pk WHERE s.offer_id = :offer ORDER BY m.id",
        offer=offer_id,
    )
    return {row["member_id"]: row["decision"] for row in rows}


def clock_time(at: datetime, zone: ZoneInfo = PARIS) -> str:
    """What a clock there shows, as a programme's document writes it."""
    return f"{at.astimezone(zone):%H:%M}"

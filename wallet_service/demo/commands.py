"""Command lines to copy: the JSON API as a CRM calls it, with the demo's own key, card and addresses. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from wallet_service.demo.brand import TOUR_MEMBER
from wallet_service.demo.session import SHOP

_NOW_S = "$(date +%s)"
_SOON = "date -u -d '+5 minutes' +%FT%TZ 2>/dev/null || date -u -v+5M +%FT%TZ"
"""Five minutes from now, as GNU's `date` says it, or else BSD's."""

_ID_OF_OFFER = "OFFER=$(printf '%s' \"$OFFER\" | sed -n 's/.*\"id\": *\\([0-9]*\\).*/\\1/p')"


@dataclass(frozen=True)
class Command:
    """A name that `words` knows, and the shell's lines."""

    name: str
    lines: str


def commands(url: str, key: str, serial_number: str) -> tuple[Command, ...]:
    """The commands of the demo's page, in the order in which one would try them.

    Args:
        url: of the API, `…/api/v1`.
        key: an API key of the points programme.
        serial_number: of Claire's card.
    """
    purchase = {
        "specversion": "1.0",
        "id": f"order-{_NOW_S}",
        "source": "https://shop.maison-lumiere.example",
        "type": "purchase.completed",
        "subject": TOUR_MEMBER,
        "data": {"order_id": f"order-{_NOW_S}", "paid": {"amount": 4990, "currency": "EUR"}, "store_id": SHOP},
    }
    balances = {"sequence": "SEQUENCE", "points": 480, "tier": "Or"}
    offer = {
        "code": f"offre-{_NOW_S}",
        "title": {"fr": "Thé offert", "en": "Tea on us"},
        "proximity_text": {"fr": "Un thé vous attend en boutique", "en": "A cup of tea awaits you"},
        "store_ids": [SHOP],
        "starts_at": "$(date -u +%FT%TZ)",
        "ends_at": f"$({_SOON})",
    }
    card = f"{url}/cards/{serial_number}"
    drafted = _with_body("POST", f"{url}/offers", key, offer)
    publish = _call("POST", f"{url}/offers/$OFFER/publish", key)
    return (
        Command("purchase", _with_body("POST", f"{url}/events", key, purchase)),
        Command(
            "balances",
            _with_body("PUT", f"{url}/members/{TOUR_MEMBER}/balances", key, balances).replace('"SEQUENCE"', _NOW_S),
        ),
        Command("card", f"{_call('GET', card, key)} | python3 -m json.tool"),
        Command("timeline", f"{_call('GET', f'{card}/timeline', key)} | python3 -m json.tool"),
        Command("places", f"{_call('GET', f'{card}/places', key)} | python3 -m json.tool"),
        Command(
            "offer",
            f"OFFER=$({drafted}\n)\n{_ID_OF_OFFER}\n{publish}",
        ),
        Command("void", _call("POST", f"{card}/void", key)),
    )


def _call(method: str, address: str, key: str) -> str:
    verb = "" if method == "GET" else f" -X {method}"
    return f'curl -sS -w "\\n"{verb} "{address}" \\\n  -H "Authorization: Bearer {key}"'


def _with_body(method: str, address: str, key: str, body: dict[str, Any]) -> str:
    text = json.dumps(body, ensure_ascii=False)
    return f'{_call(method, address, key)} \\\n  -H "Content-Type: application/json" -d @- <<END\n{text}\nEND'

"""Maison Lumière, a fashion brand that does not exist: two programmes, three shops, a few members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wallet_service.simulators.apple_pki import Chain

TEAM_ID = "LUMIERE123"
ISSUER_ID = "3388000000012345678"
TIME_ZONE = "Europe/Paris"
"""Of all its shops: what the phones show and what the page says has one clock."""


@dataclass(frozen=True, kw_only=True)
class DemoProgram:
    """A programme of the brand."""

    program_id: str
    name: str
    pass_type_id: str
    template: str
    points_per_unit: int
    stamps_per_purchase: int

    def document(self) -> str:
        """Its file, as an operator would write it."""
        return f"""\
id = "{self.program_id}"
name = "{self.name}"
brand = "Maison Lumière"
locales = ["fr", "en"]
time_zone = "{TIME_ZONE}"
master = "builtin"
template = "{self.template}"

[apple]
pass_type_id = "{self.pass_type_id}"
team_id = "{TEAM_ID}"
organization_name = "Maison Lumière"
certificate_file = "{self.program_id}.pem"
key_file = "{self.program_id}.key"
intermediate_file = "intermediate.pem"

[google]
issuer_id = "{ISSUER_ID}"
service_account_file = "google-account.json"

[rules]
points_per_unit = {self.points_per_unit}
stamps_per_purchase = {self.stamps_per_purchase}
"""

    def files(self, chain: Chain) -> dict[str, bytes]:
        """The files that the document names, but for Google's."""
        return {
            f"{self.program_id}.toml": self.document().encode(),
            f"{self.program_id}.pem": chain.leaf_pem,
            f"{self.program_id}.key": chain.key_pem,
            "intermediate.pem": chain.intermediate_pem,
            "root.pem": chain.root_pem,
        }


POINTS = DemoProgram(
    program_id="cercle-lumiere",
    name="Cercle Lumière",
    pass_type_id="pass.example.maison-lumiere.points",  # noqa: S106
    template="points-card",
    points_per_unit=1,
    stamps_per_purchase=0,
)
STAMPS = DemoProgram(
    program_id="atelier-lumiere",
    name="Atelier Lumière",
    pass_type_id="pass.example.maison-lumiere.stamps",  # noqa: S106
    template="stamp-card",
    points_per_unit=0,
    stamps_per_purchase=1,
)
PROGRAMS = (POINTS, STAMPS)

STORES: dict[str, dict[str, Any]] = {
    "lyon-presquile": {
        "name": "Maison Lumière Lyon Presqu’île",
        "short_name": "Lyon Presqu’île",
        "latitude": 45.7578,
        "longitude": 4.8320,
        "address": {"street": "1 rue des Exemples", "postal_code": "69002", "city": "Lyon", "country": "FR"},
        "proximity_text": {"fr": "Votre boutique est à deux pas", "en": "Your shop is around the corner"},
        "groups": ["lyon"],
    },
    "lyon-part-dieu": {
        "name": "Maison Lumière Lyon Part-Dieu",
        "short_name": "Lyon Part-Dieu",
        "latitude": 45.7610,
        "longitude": 4.8570,
        "address": {"street": "2 rue des Exemples", "postal_code": "69003", "city": "Lyon", "country": "FR"},
        "groups": ["lyon"],
    },
    "paris-marais": {
        "name": "Maison Lumière Paris Marais",
        "short_name": "Paris Marais",
        "latitude": 48.8590,
        "longitude": 2.3620,
        "address": {"street": "3 rue des Exemples", "postal_code": "75004", "city": "Paris", "country": "FR"},
        "groups": ["paris"],
    },
}

MEMBERS: dict[str, dict[str, Any]] = {
    "M-1001": {
        "first_name": "Claire",
        "last_name": "Moreau",
        "locale": "fr",
        "card_number": "2900001001001",
        "favourite_store_id": "lyon-presquile",
        "home": {"latitude": 45.7500, "longitude": 4.8400},
        "consents": {"marketing": True},
    },
    "M-1002": {
        "first_name": "Hugo",
        "last_name": "Lambert",
        "locale": "en",
        "card_number": "2900001001002",
        "favourite_store_id": "paris-marais",
    },
}
TOUR_MEMBER = "M-1001"

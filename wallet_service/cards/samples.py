"""A fictitious member, for previews of designs: every fact is known, so that every field shows. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from wallet_service.cards.facts import BalanceFacts, CardFacts, Facts, MemberFacts, ProgramFacts
from wallet_service.documents.balances import VoucherFacts
from wallet_service.offers.facts import OfferFacts, Place, StoreFacts
from wallet_service.values import Money

SAMPLE_PLACES = (
    Place(store_id="lyon-republique", latitude=45.7640, longitude=4.8357, text="Rue de la République"),
    Place(store_id="paris-marais", latitude=48.8590, longitude=2.3622, text="Rue des Francs-Bourgeois"),
)


def sample_facts(*, locale: str, now: datetime) -> Facts:
    """The facts of a fictitious member with points, a tier, a voucher and an offer that end after `now`."""
    french = locale.startswith("fr")
    return Facts(
        member=MemberFacts(
            member_id="C-10482",
            first_name="Camille",
            last_name="Durand",
            full_name="Camille Durand",
            birthday=date(1991, 4, 17),
            locale=locale,
            card_number="ML10482736",
        ),
        balance=BalanceFacts(
            points=1250,
            tier="Argent" if french else "Silver",
            tier_points=1250,
            stamps=7,
            cashback=Money(amount=1840, currency="EUR"),
            vouchers=(
                VoucherFacts(
                    code="BA-7F3K", amount=Money(amount=1000, currency="EUR"), valid_until=now + timedelta(days=40)
                ),
            ),
            badges=("first-visit",),
        ),
        card=CardFacts(serial_number="sample0001", link="https://cards.example.com/c/sample", issued_at=now),
        program=ProgramFacts(name="Cercle Lumière", brand="Maison Lumière", time_zone="Europe/Paris"),
        offer=OfferFacts(
            code="SOIE-15",
            title="−15 % sur la soie" if french else "15% off silk",
            text="Foulards et carrés de soie, en boutique." if french else "Silk scarves and squares, in store.",
            ends_at=now + timedelta(days=9),
            store_name="Lyon République",
        ),
        store=StoreFacts(
            name="Lyon République", city="Lyon", is_open=True, open_until=now + timedelta(hours=3), opens_at=None
        ),
    )

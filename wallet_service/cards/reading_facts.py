"""Reading the facts of a card's expressions from its rows, once, under the card's lock."""

from __future__ import annotations

from wallet_service.cards.facts import BalanceFacts, CardFacts, Facts, LinkedFacts, MemberFacts, ProgramFacts
from wallet_service.documents.balances import VoucherFacts
from wallet_service.documents.programs import ProgramDocument
from wallet_service.offers.facts import OfferFacts, StoreFacts
from wallet_service.storage.tables import Balance, Card, Member
from wallet_service.values import Money


def read_facts(
    card: Card, *, program: ProgramDocument, card_link: str, offer: OfferFacts | None, store: StoreFacts | None
) -> Facts:
    """Gather the facts of `card`, whose member and balance are loaded."""
    return Facts(
        member=_member_facts(card.member, program),
        balance=balance_facts(card.member.balance),
        card=CardFacts(
            serial_number=card.serial_number, link=card_link, issued_at=card.issued_at, voided=card.state == "void"
        ),
        program=ProgramFacts(name=program.name, brand=program.brand, time_zone=program.time_zone),
        offer=offer,
        store=store,
        linked=linked_facts(card) if card.linked_to is not None else None,
    )


def linked_facts(card: Card) -> LinkedFacts:
    """What was said of a linked pass."""
    return LinkedFacts.model_validate({"key": card.linked_key, **card.linked_facts})


def balance_facts(balance: Balance) -> BalanceFacts:
    """A balance row as facts."""
    return BalanceFacts(
        points=balance.points,
        tier=balance.tier,
        tier_points=balance.tier_points,
        stamps=balance.stamps,
        cashback=Money.model_validate(balance.cashback) if balance.cashback else None,
        vouchers=tuple(VoucherFacts.model_validate(voucher) for voucher in balance.vouchers),
        badges=tuple(balance.badges),
        lines=balance.lines,
    )


def _member_facts(member: Member, program: ProgramDocument) -> MemberFacts:
    names = [name for name in (member.first_name, member.last_name) if name]
    return MemberFacts(
        member_id=member.member_id,
        first_name=member.first_name,
        last_name=member.last_name,
        full_name=" ".join(names) or None,
        birthday=member.birthday,
        locale=member.locale or program.locales[0],
        card_number=member.card_number,
        attributes=member.attributes,
    )

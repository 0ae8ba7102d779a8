"""The report of an offer: bars, the table under them, and the same numbers as CSV."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from flask import Response, current_app, url_for
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import STORE_ROLES, Permission
from wallet_service.errors import NotFound
from wallet_service.offers.places import text_in
from wallet_service.offers.pressure import DECISIONS
from wallet_service.offers.report import FEWEST, OfferReport, counts_of_people, report_of
from wallet_service.storage.tables import Offer
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.offers import is_mine, own_offer
from wallet_service.web.console.visit import actor, session
from wallet_service.web.context import now
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import current_reader, page

_LIST = "console.offers_offers"
_FUNNEL: tuple[tuple[str, Lazy, Lazy], ...] = (
    ("targeted", lazy("Targeted"), lazy("Members whose card has carried the offer, installed or not.")),
    ("to_update", lazy("To update"), lazy("Of these, members with the card in a wallet.")),
    ("announced", lazy("Announced"), lazy("Of these, members with a phone or a wallet that was told of the change.")),
    (
        "proven",
        lazy("Proven"),
        lazy("Of these, members whose iPhone has fetched the card with the offer, or for whom Google has accepted it."),
    ),
    ("uses", lazy("Uses"), lazy("Purchases that named the offer’s code. An order counts once.")),
    ("holders", lazy("Members who used it"), lazy("Members with at least one use; erased members do not count.")),
)
_STEPS = frozenset({"to_update", "announced", "proven"})
"""Each is a part of the one before it."""
_DECISIONS: dict[str, tuple[Lazy, Lazy]] = {
    "sent": (lazy("Notified"), lazy("Their phones notified of the offer, as far as the wallet does.")),
    "held": (lazy("Waiting for quiet hours to end"), lazy("They are notified afterwards, if the offer still runs.")),
    "capped": (lazy("Held back by the cap"), lazy("They have had as many notifications as the programme allows.")),
    "no_consent": (lazy("Without consent"), lazy("They have not agreed to marketing.")),
    "silent": (lazy("Silent"), lazy("The offer or the wallet does not notify, or the card came with the offer.")),
    "expired": (lazy("Expired in quiet hours"), lazy("The offer was over before the quiet hours were.")),
    "not_installed": (lazy("Card not installed"), lazy("The offer is on a card that no wallet holds yet.")),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure as the page and the file have it.

    Attributes:
        value: in the reader's words; `share` of the figure before, `width` of the bar, of a hundred.
    """

    key: str
    label: str
    value: str
    share: str
    definition: str
    width: int


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/offers/<int:offer_id>/report", report, needs=Permission.FIGURES_READ)
    console.page("/offers/<int:offer_id>/report.csv", export, needs=Permission.FIGURES_READ)


def report(offer_id: int) -> AnyResponse:
    """The figures of an offer."""
    offer = _own_offer(offer_id)
    found = report_of(session(), offer, now=now())
    here = _LIST if _LIST in current_app.view_functions else ""
    reader = current_reader()
    trail = ((reader.gettext("Offers"), url_for(here)),) if here else ()
    return page(
        "console/offers/report.html",
        Audience.CONSOLE,
        frame=frame(here, trail=trail),
        title=text_in(offer.title, reader.language) or offer.code,
        offer=offer,
        state=found.state,
        is_forgotten=found.is_forgotten,
        counted_at=found.counted_at,
        funnel=_funnel(found),
        revenue=_revenue(found),
        decisions=_decisions(found),
        fewest=FEWEST if _hides() else None,
        csv=url_for("console.offer_report_export", offer_id=offer.id),
    )


def export(offer_id: int) -> AnyResponse:
    """The same figures as CSV."""
    offer = _own_offer(offer_id)
    found = report_of(session(), offer, now=now())
    written = io.StringIO()
    rows = csv.writer(written, delimiter=";")
    _ = current_reader().gettext
    rows.writerow([_("Figure"), _("Value"), _("Of the step before"), _("How it is counted")])
    for one in (*_funnel(found), *_revenue(found), *_decisions(found)):
        rows.writerow([one.label, one.value, one.share, one.definition])
    headers = {"Content-Disposition": "attachment; filename=offer-report.csv", "Cache-Control": "no-store"}
    return Response("\ufeff" + written.getvalue(), mimetype="text/csv", headers=headers)


def _own_offer(offer_id: int) -> Offer:
    """An offer that the person may change; others do not exist here, for the figures are those of all its stores."""
    offer = own_offer(offer_id)
    if not is_mine(offer):
        raise NotFound("not one of this person's offers")
    return offer


def _hides() -> bool:
    return actor().role in STORE_ROLES


def _funnel(found: OfferReport) -> list[Figure]:
    counts, reader = counts_of_people(found, hides=_hides()), current_reader()
    most = max((counts[key] or 0 for key, _, _ in _FUNNEL), default=0)
    figures, before = [], None
    for key, label, definition in _FUNNEL:
        count = counts[key]
        share = reader.percent(count / before) if key in _STEPS and count is not None and before else ""
        width = round(100 * count / most) if count is not None and most else 0
        figures.append(Figure(key, label.to(reader), _shown(count), share, definition.to(reader), width))
        before = count
    return figures


def _decisions(found: OfferReport) -> list[Figure]:
    counts, reader = counts_of_people(found, hides=_hides()), current_reader()
    shown = ((key, _DECISIONS[key], counts[key]) for key in DECISIONS)
    return [Figure(key, words[0].to(reader), _shown(count), "", words[1].to(reader), 0) for key, words, count in shown]


def _revenue(found: OfferReport) -> list[Figure]:
    """What the purchases came to: one for each currency; it tells of few people as their count does."""
    reader = current_reader()
    label = reader.gettext("Revenue of purchases with a use")
    definition = reader.gettext(
        "What these purchases came to as a whole, less what was given back. It does not say what the offer has caused."
    )
    if counts_of_people(found, hides=_hides())["holders"] is None:
        return [Figure("revenue", label, reader.gettext("hidden"), "", definition, 0)]
    amounts = [reader.money(money.amount, money.currency) for money in found.revenue] or ["–"]
    return [Figure("revenue", label, amount, "", definition, 0) for amount in amounts]


def _shown(count: int | None) -> str:
    return current_reader().number(count) if count is not None else f"< {FEWEST}"

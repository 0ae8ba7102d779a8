"""An offer in sentences, and what to look at before it is published."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from wallet_service.offers.choosing_places import MOST_PLACES
from wallet_service.offers.opening_hours import Opening
from wallet_service.offers.places import LiveOffer, LiveStore, live_offer
from wallet_service.storage.tables import Offer
from wallet_service.web.console.offers import span_in_words, stores_in_words, title_of, zone_of
from wallet_service.web.console.offers_fields import LANGUAGE_NAMES, stores_in
from wallet_service.web.console.offers_hours import hours_in_words
from wallet_service.web.console.visit import program
from wallet_service.web.pages import current_reader

_SHORT = timedelta(hours=2)
_STORES_ASKED = 50
"""Of so many stores the opening hours are looked at."""
_NAMED = 3


def facts_of(offer: Offer) -> Iterator[tuple[str, list[str]]]:
    """An offer in sentences, by the blocks of its form."""
    _ = current_reader().gettext
    yield _("Where"), list(_where(offer))
    for locale in program().document.locales:
        if locale in offer.title or locale in offer.text or locale in offer.proximity_text:
            yield LANGUAGE_NAMES.get(locale.split("-")[0], locale), list(_what(offer, locale))
    zone = zone_of(offer.store_ids, offer.groups)
    when = [span_in_words(current_reader(), offer.starts_at, offer.ends_at, zone)]
    if offer.weekly_hours:
        when.append(_("Only at these hours: %(hours)s.", hours=hours_in_words(offer.weekly_hours)))
    if offer.only_when_open:
        when.append(_("Only while the store is open."))
    yield _("When"), when
    yield _("For whom"), list(_whom(offer))
    yield _("Options"), list(_options(offer))


def warnings_of(offer: Offer, now: datetime) -> Iterator[str]:
    """What to look at before publishing; none of it forbids that."""
    reader = current_reader()
    _ = reader.gettext
    begins = max(offer.starts_at, now)
    if offer.ends_at - begins < _SHORT:
        yield _("It holds for less than two hours. A phone may learn of it only when it is nearly over.")
    stores = _stores(offer)
    yield from _closed(stores, begins, offer.ends_at)
    yield from _beside(offer, {store.store_id for store in stores}, begins)
    for locale in program().document.locales:
        language = LANGUAGE_NAMES.get(locale.split("-")[0], locale)
        if locale not in offer.title:
            yield _("The title is missing in %(language)s: those cards show another language.", language=language)
        for texts, missing in ((offer.text, _("the text")), (offer.proximity_text, _("the lock-screen text"))):
            if texts and locale not in texts:
                yield _("In %(language)s %(what)s is missing.", language=language, what=missing)
    rules = program().pressure
    if offer.notify and rules.quiet.until(zone_of(offer.store_ids, offer.groups), begins) is not None:
        yield _("It begins in quiet hours: whoever is to be notified hears of it when these are over.")
    if len(stores) > MOST_PLACES:
        yield reader.gettext(
            "It is for %(stores)s stores. A card holds ten places: each member gets those that go first for them.",
            stores=len(stores),
        )


def notify_hint() -> str:
    """Who is notified of an offer, and what the brand's cap and quiet hours hold back."""
    reader, pressure = current_reader(), program().document.pressure
    _ = reader.gettext
    told = [_("A notification goes to those who consented to marketing; for the others the card changes silently.")]
    if pressure.marketing_per_week is not None:
        told.append(
            reader.ngettext(
                "A cardholder gets %(num)s in %(days)s days at most.",
                "A cardholder gets %(num)s in %(days)s days at most.",
                pressure.marketing_per_week,
                days=pressure.marketing_days,
            )
        )
    if program().pressure.quiet.spans:
        begins = f"{pressure.quiet_from:%H:%M}" if pressure.quiet_from else "00:00"
        ends = f"{pressure.quiet_until:%H:%M}" if pressure.quiet_until else "24:00"
        told.append(_("From %(begins)s to %(ends)s it waits: these are quiet hours.", begins=begins, ends=ends))
    if not program().composer.shows_news:
        told.append(_("iPhones say nothing of offers with this design; near the store they show the card."))
    return " ".join(told)


def _where(offer: Offer) -> Iterator[str]:
    _ = current_reader().gettext
    known = program().places.stores
    names = [known[each].name if each in known else each for each in offer.store_ids]
    yield _(
        "%(stores)s.", stores=", ".join(names) if names and not offer.groups else stores_in_words(names, offer.groups)
    )
    metres = offer.radius_m or program().reach_m
    yield _("iPhone shows the card within about %(metres)s m; Android decides the distance by itself.", metres=metres)


def _what(offer: Offer, locale: str) -> Iterator[str]:
    _ = current_reader().gettext
    if title := offer.title.get(locale):
        yield _("Title: “%(text)s”.", text=title)
    if text := offer.text.get(locale):
        yield _("Text: “%(text)s”.", text=text)
    shown = offer.proximity_text.get(locale) or offer.title.get(locale)
    if shown and not (offer.proximity_text and locale not in offer.proximity_text):
        yield _("On the lock screen near the store: “%(text)s”.", text=shown)


def _whom(offer: Offer) -> Iterator[str]:
    reader, target = current_reader(), offer.target
    _ = reader.gettext
    conditions = []
    if tiers := target.get("tiers"):
        conditions.append(_("Those with the status %(names)s.", names=", ".join(tiers)))
    if favourites := target.get("favourite_store_ids"):
        here = set(favourites) == set(stores_in(offer.store_ids, offer.groups))
        conditions.append(
            _("Those whose favourite store is one of this offer.")
            if here
            else _("Those whose favourite store is %(stores)s.", stores=stores_in_words(favourites, ()))
        )
    if days := target.get("purchased_within_days"):
        at_these = target.get("purchased_at") == "offer_stores"
        conditions.append(
            reader.ngettext(
                "Those who bought at one of its stores in the last %(num)s day.",
                "Those who bought at one of its stores in the last %(num)s days.",
                days,
            )
            if at_these
            else reader.ngettext(
                "Those who bought in the last %(num)s day.", "Those who bought in the last %(num)s days.", days
            )
        )
    if attributes := target.get("attributes"):
        told = "; ".join(f"{name}: {', '.join(values)}" for name, values in attributes.items())
        conditions.append(_("Those with %(features)s.", features=told))
    if wallets := target.get("wallets"):
        conditions.append(_("Those with the card in %(wallets)s.", wallets=", ".join(w.capitalize() for w in wallets)))
    if target.get("consent"):
        conditions.append(_("Those who consented to marketing."))
    yield from conditions or [_("All cardholders.")]


def _options(offer: Offer) -> Iterator[str]:
    reader = current_reader()
    _ = reader.gettext
    yield (
        _("Cardholders who consented to marketing are notified.")
        if offer.notify
        else _("Nobody is notified: the card changes silently.")
    )
    if offer.uses_per_member:
        yield reader.ngettext(
            "Each cardholder may use it %(num)s time.",
            "Each cardholder may use it %(num)s times.",
            offer.uses_per_member,
        )
    if offer.uses_total:
        yield reader.ngettext(
            "It is over after %(num)s use in all.", "It is over after %(num)s uses in all.", offer.uses_total
        )
    if offer.priority:
        yield _("Priority: %(number)s.", number=offer.priority)
    yield _("Code: %(code)s", code=offer.code)


def _stores(offer: Offer) -> list[LiveStore]:
    known = program().places.stores
    return [known[each] for each in stores_in(offer.store_ids, offer.groups) if each in known]


def _closed(stores: list[LiveStore], begins: datetime, ends: datetime) -> Iterator[str]:
    reader = current_reader()
    closed, later = list[LiveStore](), list[tuple[LiveStore, Opening]]()
    for store in stores[:_STORES_ASKED]:
        opening = store.opening(begins)
        if opening is None or opening.is_open:
            continue
        if opening.changes_at is None or opening.changes_at >= ends:
            closed.append(store)
        else:
            later.append((store, opening))
    if closed:
        names = _names([store.name for store in closed])
        yield reader.gettext("Closed during the whole offer: %(stores)s.", stores=names)
    for store, opening in later[:_NAMED]:
        assert opening.changes_at is not None  # noqa: S101  (a store that never opens is among the closed ones)
        moment = reader.moment(opening.changes_at, store.time_zone)
        yield reader.gettext(
            "%(store)s is closed when the offer begins, and opens %(moment)s.", store=store.name, moment=moment
        )


def _beside(offer: Offer, here: set[str], begins: datetime) -> Iterator[str]:
    """Offers that run at the same store in the same time."""
    places, mine = program().places, live_offer(offer)
    for other in places.offers:
        if other.id == offer.id or other.ends_at <= begins or other.starts_at >= offer.ends_at:
            continue
        shared = [store.name for store in places.stores.values() if store.store_id in here and other.holds_at(store)]
        if shared:
            yield _at_once(other, mine, shared)


def _at_once(other: LiveOffer, mine: LiveOffer, shared: list[str]) -> str:
    _ = current_reader().gettext
    title, stores = title_of(other.title, other.code), _names(shared)
    if other.rank < mine.rank:
        return _("%(stores)s has “%(title)s” in that time, which goes first.", stores=stores, title=title)
    return _("%(stores)s has “%(title)s” in that time; this offer goes first.", stores=stores, title=title)


def _names(names: list[str]) -> str:
    reader = current_reader()
    if len(names) > _NAMED:
        return reader.ngettext("%(num)s store", "%(num)s stores", len(names))
    return ", ".join(names)

"""Rendering: templates of `web/templates` with words, dates and assets, as whole pages or as one named block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, g, request
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from werkzeug.local import LocalProxy

from wallet_service.web.assets import Assets, make_assets
from wallet_service.web.headers import Audience, headers_for
from wallet_service.web.locale import LANGUAGES, Lazy, Reader, choose_locale

_EXTENSION = "wallet_pages"


@dataclass(frozen=True)
class PageSettings:
    """What every page of an installation shares."""

    assets: Assets
    https: bool
    tiles: str | None = None
    """The address pattern of map tiles, where there are any."""


@dataclass(frozen=True)
class _Pages:
    settings: PageSettings
    environment: Environment


def install_pages(app: Flask, settings: PageSettings) -> None:
    """Teach the app's templates our words, filters and addresses, and serve the static files."""
    # Our own rules for templates, beside those of other templates of the app (the API's documentation has its own).
    environment = app.jinja_env.overlay(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        lambda msgid: current_reader().gettext(msgid),
        lambda msgid, plural, num: current_reader().ngettext(msgid, plural, num),
        newstyle=True,
    )
    environment.globals.update(asset=settings.assets.address, reader=LocalProxy(current_reader), languages=LANGUAGES)
    environment.filters.update(
        ago=lambda at, now: current_reader().relative(at, now),
        clock=_clock,
        day=_day,
        moment=_moment,
        money=lambda value: current_reader().money(value.amount, value.currency),
        number=lambda value: current_reader().number(value),
        percent=lambda share, digits=1: current_reader().percent(share, digits),
        words=lambda text: text.to(current_reader()) if isinstance(text, Lazy) else text,
    )
    app.extensions[_EXTENSION] = _Pages(settings, environment)
    app.register_blueprint(make_assets(settings.assets))


def templates_of(app: Flask) -> Environment:
    """The environment that pages are rendered in."""
    pages: _Pages = app.extensions[_EXTENSION]
    return pages.environment


def read_as(reader: Reader) -> None:
    """From here on this request's pages are written for `reader`."""
    g.wallet_reader = reader


def current_reader() -> Reader:
    """Who reads this request's pages."""
    reader: Reader | None = g.get("wallet_reader")
    if reader is None:  # refused before anything was looked at: an address that no page has, too large a body
        reader = reader_of_request(UTC)
        read_as(reader)
    return reader


def reader_of_request(zone: tzinfo, *, kept: str | None = None, offered: Sequence[str] = LANGUAGES) -> Reader:
    """The reader that the request itself tells of: `?lang`, then the person's setting, then the browser's languages."""
    accepted = [language for language, _ in request.accept_languages]
    locale = choose_locale(asked=request.args.get("lang"), kept=kept, accepted=accepted, offered=offered)
    return Reader(locale, zone)


def page(name: str, audience: Audience, *, status: HTTPStatus = HTTPStatus.OK, **values: Any) -> Response:
    """A whole page.

    Raises:
        jinja2.UndefinedError: the template asks for a value that was not given.
        UnknownAsset: it names a static file that is not there.
    """
    html = templates_of(current_app).get_template(name).render(_with_request(values))
    return _answer(html, audience, status)


def fragment(
    name: str,
    block: str,
    audience: Audience,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    said: str | None = None,
    **values: Any,
) -> Response:
    """One named block of a page's template, for a part of the page that changes by itself.

    `said` is what a screen reader says of the change, through the page's status region.
    """
    template = templates_of(current_app).get_template(name)
    context = template.new_context(_with_request(values))
    # The first step of the whole template runs its imports, whose names the block needs, and nothing of its text.
    whole = template.root_render_func(context)
    next(whole, None)
    html = "".join(template.blocks[block](context))
    if said is not None:
        html += str(Markup('<div id="status" hx-swap-oob="innerHTML">{}</div>').format(said))
    return _answer(html, audience, status)


def _with_request(values: dict[str, Any]) -> dict[str, Any]:
    return {"path": quote(request.path), "refused": False, **values}


def _answer(html: str, audience: Audience, status: HTTPStatus) -> Response:
    pages: _Pages = current_app.extensions[_EXTENSION]
    settings = pages.settings
    answer = Response(html, status=status.value, content_type="text/html; charset=utf-8")
    answer.headers.update(headers_for(audience, https=settings.https, tiles=settings.tiles))
    answer.content_language.add(current_reader().locale)
    answer.vary.add("Accept-Language")
    return answer


def _moment(at: datetime, zone: str | None = None) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), current_reader().moment(at, zone))


def _clock(at: datetime, zone: str | None = None, seconds: bool = False) -> Markup:
    shown = current_reader().clock(at, zone, seconds=seconds)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), shown)


def _day(when: date | datetime, zone: str | None = None) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(when.isoformat(), current_reader().day(when, zone))

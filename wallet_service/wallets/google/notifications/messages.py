"""Messages on the back of a card, for one holder or for everybody who has the design. Pure.

Ids are made from what a message is about, so that a repeat is known as one. Each message has an end; at most nine stand
on a card at once. The words on the lock screen are Google's; ours are behind the tap.

Source: google-wallet.md section 11; section 25, checks 14, 15, 26 and 27.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from wallet_service.cards.content import CardContent
from wallet_service.cards.template import FieldSpec, Template
from wallet_service.errors import Invalid
from wallet_service.wallets.google.content.schema import Body

MOST = 9
"""Google takes ten; what it does with the eleventh is not said."""
LIFE = timedelta(days=7)
_LINK = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class PendingMessage:
    """A message on its way. `attempted`: an earlier call may have arrived, so Google is asked before it is sent."""

    message_pk: int
    message: Body
    notify: bool
    attempted: bool = False

    def body(self, *, notify: bool) -> Body:
        """What addMessage takes."""
        kind = "TEXT_AND_NOTIFY" if notify else "TEXT"
        return {"message": {**self.message, "messageType": kind}}


def message_id_of(*parts: str) -> str:
    """The same id for the same parts, on every try."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def message_body(
    message_id: str, title: Mapping[str, str], text: Mapping[str, str], *, starts_at: datetime, ends_at: datetime
) -> Body:
    """A Message without its type. Texts by language, the first is the default.

    Raises:
        Invalid: a text is missing in a language, or the message ends before it starts.
    """
    if not title or set(title) != set(text):
        raise Invalid.at("text", "title and text should be given in the same languages")
    if ends_at <= starts_at:
        raise Invalid.at("until", "the message would be over before it starts")
    first = next(iter(title))
    body: Body = {"id": message_id, "header": title[first], "body": text[first]}
    if len(title) > 1:
        body |= {"localizedHeader": _localized(title), "localizedBody": _localized(text)}
    interval = {"start": {"date": _instant(starts_at)}, "end": {"date": _instant(ends_at)}}
    return {**body, "displayInterval": interval}


def news_message(
    template: Template, content: CardContent, spec: FieldSpec, *, version: int, now: datetime
) -> tuple[str, Body]:
    """The news of one field that Google would not notify about by itself: its id and the message."""
    field = content.field(spec.id)
    if field is None or spec.notify is None:
        raise Invalid.at(f"fields.{spec.id}", "has no news")
    words = template.words[content.locale][spec.notify].replace("%@", field.text)
    message_id = f"v{version}-{spec.id}"
    locale = content.locale
    return message_id, message_body(
        message_id, {locale: field.label}, {locale: words}, starts_at=now, ends_at=now + LIFE
    )


def require_own_links(texts: Collection[str], hosts: Collection[str]) -> None:
    """Google's policy: a link in a message leads to a site that belongs to the pass.

    Raises:
        Invalid: a link leads elsewhere, or is no https link.
    """
    for found in (link for text in texts for link in _LINK.findall(text)):
        parts = urlsplit(found)
        host = parts.hostname or ""
        if parts.scheme.lower() != "https" or not any(host == own or host.endswith(f".{own}") for own in hosts):
            raise Invalid.at(
                "text", f"{found} is not a site of this card; allowed: {', '.join(sorted(hosts)) or 'none'}"
            )


def hosts_of(template: Template, public_url: str) -> frozenset[str]:
    """The sites that belong to a card: those that its design links to, and ours. `www.` stands for the whole domain."""
    addresses = [link.url for link in template.document.links if link.url.startswith("https://")]
    found = (urlsplit(address).hostname or "" for address in (*addresses, public_url))
    return frozenset(host.removeprefix("www.") for host in found if host)


def kept(messages: Sequence[tuple[int, datetime, Body]], *, new: int, now: datetime) -> tuple[list[int], list[int]]:
    """Which of the messages that stand on a card may stay when `new` more come: (stay, go) by their numbers.

    Args:
        messages: number, end and body, oldest first.
    """
    current = [number for number, ends_at, _ in messages if ends_at > now]
    stay = current[max(0, len(current) + new - MOST) :]
    return stay, [number for number, _, _ in messages if number not in stay]


def _localized(texts: Mapping[str, str]) -> Body:
    (first, value), *others = texts.items()
    body: Body = {"defaultValue": {"language": first, "value": value}}
    if others:
        body["translatedValues"] = [{"language": language, "value": text} for language, text in others]
    return body


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds")

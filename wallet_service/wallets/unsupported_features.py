"""What a design holds that a wallet cannot show. Pure.

Sources: apple-wallet.md 2.6 and 7; google-wallet.md sections 6 to 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from wallet_service.cards.template import FieldSpec, Template, TemplateDocument
from wallet_service.wallets.google.content.kind_parts import class_label, object_slot
from wallet_service.wallets.google.content.kinds import GENERIC, LOYALTY, kind_of
from wallet_service.wallets.google.notifications.quota import NOTIFYING_SLOTS


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that one wallet does not do; `path` is the place in template.toml."""

    wallet: Literal["apple", "google"]
    path: str
    words: str


def losses_of(template: Template) -> list[Loss]:
    """Everything that a design loses on each wallet, in the order of the document."""
    document = template.document
    return [*_of_look(template), *_of_fields(template), *_of_barcode(document), *_of_extras(template)]


def silent_news(template: Template) -> list[Loss]:
    """Which news of a design no phone will announce, and why; `path` is the place in template.toml."""
    return [one for index, spec in enumerate(template.document.fields) for one in _silent(template, index, spec)]


def _silent(template: Template, index: int, spec: FieldSpec) -> Iterator[Loss]:
    path = f"fields[{index}].notify"
    if spec.notify is None:
        return
    if spec.apple == "none":
        yield Loss("apple", path, f"{spec.id} is not on the pass, so no iPhone announces its changes")
    elif not spec.stays:
        yield Loss("apple", path, f"{spec.id} leaves the pass without a value, so its first value is silent on iPhones")
    if spec.google in NOTIFYING_SLOTS and kind_of(template) is not LOYALTY:
        kind = kind_of(template).name
        yield Loss("google", path, f"Google announces points of loyalty cards alone, not {spec.id} of a {kind} pass")


def _of_look(template: Template) -> Iterator[Loss]:
    document, kind = template.document, kind_of(template)
    if document.logo_text is not None:
        yield Loss("google", "logo_text", "Google shows the brand and the programme beside the logo instead")
    for name in ("text", "label"):
        yield Loss("google", f"colours.{name}", "Google chooses the colour of texts itself")
    if kind is LOYALTY:
        yield Loss("google", "colours.background", "is the class's: the same for every holder of the design")
    if "strip" in template.images and "hero" not in template.images:
        yield Loss("google", "images/strip.png", "Google shows no strip; add images/hero.png")
    if "hero" in template.images:
        yield Loss("apple", "images/hero.png", "Apple shows no hero image")


def _of_fields(template: Template) -> Iterator[Loss]:
    kind = kind_of(template)
    for index, spec in enumerate(template.document.fields):
        path = f"fields[{index}]"
        if spec.apple == "none":
            yield Loss("apple", path, f"{spec.id} is not shown")
        if spec.google == "none":
            yield Loss("google", path, f"{spec.id} is not shown")
        elif object_slot(kind, spec.google) is None and spec.google not in ("text", "tier"):
            yield Loss("google", path, f"a {kind.name} pass has no {spec.google}: {spec.id} becomes a text")
        elif object_slot(kind, spec.google) is not None and kind is not LOYALTY and not class_label(kind, spec.google):
            yield Loss("google", path, f"{spec.id} stands without its label")
        if spec.google == "tier" and kind is LOYALTY:
            yield Loss("google", path, f"{spec.id} is on the class: each value makes a class of its own")
        if spec.kind in ("date", "instant") and spec.google == "text":
            yield Loss("google", path, f"{spec.id} is written in the card's language, not in the phone's")
        if spec.notify is not None:
            yield from _of_news(template, path, index)
            yield from _silent(template, index, spec)
        if spec.apple == "back" and spec.google in NOTIFYING_SLOTS:
            yield Loss("apple", path, f"{spec.id} is on the back on Apple and in front on Google")


def _of_news(template: Template, path: str, index: int) -> Iterator[Loss]:
    spec = template.document.fields[index]
    if spec.google not in NOTIFYING_SLOTS:
        yield Loss("google", f"{path}.notify", f"news of {spec.id} is a message behind Google's own announcement")
    elif kind_of(template) is LOYALTY:
        yield Loss("google", f"{path}.notify", f"Google announces {spec.id} in its own words, at most three a day")


_SINCE_IOS_27 = ("code39", "codabar", "ean13", "itf")


def _of_barcode(document: TemplateDocument) -> Iterator[Loss]:
    for name in document.barcode.formats if document.barcode is not None else ():
        if name in _SINCE_IOS_27:
            words = f"{name} is drawn from iOS 27 on; older iPhones and Apple Watch show the next code, a QR at last"
            yield Loss("apple", "barcode.formats", words)
        elif name == "code128":
            yield Loss("apple", "barcode.formats", f"Apple Watch draws no {name} and shows the next code, a QR at last")
    if "rotating_barcode" in document.google:
        yield Loss("apple", "google.rotating_barcode", "Apple shows the static barcode")


def _of_extras(template: Template) -> Iterator[Loss]:
    document = template.document
    if document.apple:
        yield Loss("google", "apple", f"Apple only: {', '.join(sorted(document.apple))}")
    for table in ("class", "object"):
        if keys := document.google.get(table):
            yield Loss("apple", f"google.{table}", f"Google only: {', '.join(sorted(keys))}")
    yield Loss("google", "places", "Google takes the places without a text and without a radius")
    if kind_of(template) is GENERIC:
        yield Loss("google", "style", "a generic pass cannot notify of changes; a loyalty card can")

"""The rules of a design beyond the shape of its document. Pure: each rule gives its faults.

Sources: Apple, pass design and field counts (apple-wallet.md 1.2, 2.6, 2.8); Google, images and modules
(google-wallet.md 6, 7, 9); WCAG 2.2, "Contrast (minimum)" for large text.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from PIL import Image, UnidentifiedImageError

from wallet_service.cards.content import FieldKind
from wallet_service.cards.expressions import (
    CompiledExpression,
    ExpressionError,
    Kinds,
    compiled,
    did_you_mean,
    in_words,
)
from wallet_service.cards.template import AppleSlot, GoogleSlot, ImageName, TemplateDocument
from wallet_service.errors import Fault
from wallet_service.values import Money

Words = Mapping[str, Mapping[str, str]]
Images = Mapping[ImageName, bytes]
Uses = dict[str, str]
"""Key of the words → the path that uses it first."""

LEAST_CONTRAST = 3.0
LONGEST_SIDE_PX = 8192
MOST_LINKS = 10

KINDS_FOR: Mapping[FieldKind, Kinds] = {
    "text": frozenset({str, int}),
    "number": frozenset({int}),
    "money": frozenset({Money}),
    "date": frozenset({date, datetime}),
    "instant": frozenset({datetime}),
}
"""The types of value that a field of each kind takes."""


@dataclass(frozen=True)
class _Shape:
    width: int
    height: int
    square: bool = False
    least_ratio: float = 0.0
    why: str = ""


_SHAPES: Mapping[ImageName, _Shape] = {
    "icon": _Shape(114, 114, square=True, why="Apple's lock screen"),
    "logo": _Shape(660, 660, square=True, why="Google's round logo"),
    "strip": _Shape(1125, 432, why="Apple's strip"),
    "hero": _Shape(1032, 336, least_ratio=3.0, why="Google's hero image"),
    "stamp": _Shape(180, 180, square=True, why="the strip of stamps"),
    "stamp_empty": _Shape(180, 180, square=True, why="the strip of stamps"),
    "thumbnail": _Shape(180, 180, why="Apple's thumbnail"),
    "background": _Shape(1029, 1509, why="Apple's background"),
    "footer": _Shape(804, 45, why="Apple's footer"),
    "primary_logo": _Shape(90, 90, why="Apple's poster"),
    "secondary_logo": _Shape(36, 36, why="Apple's poster ticket"),
    "artwork": _Shape(1074, 1344, why="Apple's poster"),
    "personalization_logo": _Shape(120, 120, why="Apple's sign-up form"),
}
_NEEDED: tuple[ImageName, ...] = ("icon", "logo")
_STAMPS: tuple[ImageName, ...] = ("stamp", "stamp_empty")
_SINGLE_SLOTS: tuple[GoogleSlot, ...] = ("points", "secondary_points", "account_name", "account_id", "tier")
_MOST_TEXTS = 10


def faults_in_design(
    document: TemplateDocument, words: Words, images: Images, local_images: Mapping[str, Images] | None = None
) -> list[Fault]:
    """Every fault of a document whose shape is right already, in the order of the document."""
    uses: Uses = {}
    faults = list(_faults_in_expressions(document, uses))
    faults += _faults_in_words(document, words, uses)
    rules: tuple[Callable[[TemplateDocument], Iterator[Fault]], ...] = (_ids, _slots, _contrast, _links)
    for rule in rules:
        faults += rule(document)
    faults += _faults_in_images(document, images)
    for locale, own in (local_images or {}).items():
        if locale not in words:
            faults.append(Fault(f"images/{locale}", f"there are no words/{locale}.toml"))
        for name, png in own.items():
            faults += [Fault(f"images/{locale}/{name}.png", words) for words in _image_faults(_SHAPES[name], png)]
    return faults


def _faults_in_expressions(document: TemplateDocument, uses: Uses) -> Iterator[Fault]:
    sources: list[tuple[str, str, Kinds]] = [
        (f"fields[{index}].value", spec.value, KINDS_FOR[spec.kind]) for index, spec in enumerate(document.fields)
    ]
    if document.barcode is not None:
        sources.append(("barcode.value", document.barcode.value, KINDS_FOR["text"]))
        if document.barcode.text is not None:
            sources.append(("barcode.text", document.barcode.text, KINDS_FOR["text"]))
    if document.stamps is not None:
        sources.append(("stamps.earned", document.stamps.earned, KINDS_FOR["number"]))
    if document.looks is not None:
        sources.append(("looks.value", document.looks.value, KINDS_FOR["text"]))
    if document.expires is not None:
        sources.append(("expires", document.expires, KINDS_FOR["date"]))
    for path, source, wanted in sources:
        try:
            expression = compiled(source)
        except ExpressionError as error:
            yield Fault(path, str(error))
            continue
        for key in expression.words:
            uses.setdefault(key, path)
        yield from _wrong_kinds(path, expression, wanted)


def _wrong_kinds(path: str, expression: CompiledExpression, wanted: Kinds) -> Iterator[Fault]:
    allowed = " or ".join(sorted(in_words(kind) for kind in wanted))
    for kind in sorted(expression.kinds - wanted, key=str):
        if kind is not Any and isinstance(kind, type):
            yield Fault(path, f"gives {in_words(kind)} where {allowed} belongs")


def _faults_in_words(document: TemplateDocument, words: Words, uses: Uses) -> Iterator[Fault]:
    uses.setdefault(document.description, "description")
    if document.logo_text is not None:
        uses.setdefault(document.logo_text, "logo_text")
    for index, spec in enumerate(document.fields):
        uses.setdefault(spec.label, f"fields[{index}].label")
        if spec.notify is not None:
            uses.setdefault(spec.notify, f"fields[{index}].notify")
        if spec.empty:
            uses.setdefault(spec.empty, f"fields[{index}].empty")
    for index, link in enumerate(document.links):
        uses.setdefault(link.label, f"links[{index}].label")
    form = document.apple.get("personalization")
    for key in ("description", "terms"):
        if isinstance(form, dict) and isinstance(form.get(key), str):
            uses.setdefault(form[key], f"apple.personalization.{key}")
    for locale, table in words.items():
        name = f"words/{locale}.toml"
        for key, path in uses.items():
            if key not in table:
                spare = [other for other in table if other not in uses]
                yield Fault(name, f"{key} is missing; it is used by {path}{did_you_mean(key, spare)}")
        for key in table:
            if key not in uses:
                yield Fault(name, f"{key} is used by nothing in template.toml{did_you_mean(key, uses)}")
    for index, spec in enumerate(document.fields):
        for locale, table in words.items():
            if spec.notify is not None and (text := table.get(spec.notify)) and text.count("%@") != 1:
                what = f"{spec.notify} should hold %@ once, where the new value goes"
                yield Fault(f"words/{locale}.toml", f"{what}; it is used by fields[{index}].notify")


def _ids(document: TemplateDocument) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    named = [(f"fields[{index}].id", spec.id) for index, spec in enumerate(document.fields)]
    named += [(f"links[{index}].id", link.id) for index, link in enumerate(document.links)]
    for path, name in named:
        if name in seen:
            yield Fault(path, f"{name} is the id of {seen[name].removesuffix('.id')} already")
        seen.setdefault(name, path)


def _slots(document: TemplateDocument) -> Iterator[Fault]:
    for index, spec in enumerate(document.fields):
        if spec.apple == "none" and spec.google == "none":
            yield Fault(f"fields[{index}]", f"{spec.id} has no slot on any wallet")
        if spec.empty is not None and spec.notify is None:
            yield Fault(f"fields[{index}].empty", f"{spec.id} has no notify; without a value it is not shown")
    on_apple = Counter(spec.apple for spec in document.fields)
    for slots, most in _apple_limits(document):
        count = sum(on_apple[slot] for slot in slots)
        if count > most:
            where = " and ".join(slots)
            yield Fault("fields", f"{count} fields are in Apple's {where}; this style draws {most}")
    on_google = Counter(spec.google for spec in document.fields)
    for slot in _SINGLE_SLOTS:
        if on_google[slot] > 1:
            yield Fault("fields", f"{on_google[slot]} fields are in Google's {slot}, which holds one")
    if on_google["text"] > _MOST_TEXTS:
        yield Fault("fields", f"{on_google['text']} fields are in Google's text, which shows {_MOST_TEXTS}")


def _apple_limits(document: TemplateDocument) -> list[tuple[tuple[AppleSlot, ...], int]]:
    squares = {"qr", "aztec"}
    code = document.barcode.formats if document.barcode is not None else ()
    one_row = document.style in ("store_card", "coupon", "gift_card") or (
        document.style == "generic" and bool(squares.intersection(code))
    )
    rows: list[tuple[tuple[AppleSlot, ...], int]] = [(("header",), 3), (("primary",), 1)]
    return rows + ([(("secondary", "auxiliary"), 4)] if one_row else [(("secondary",), 4), (("auxiliary",), 4)])


def _contrast(document: TemplateDocument) -> Iterator[Fault]:
    cases = document.looks.cases if document.looks is not None else {}
    for path, colours in (
        ("colours", document.colours),
        *((f"looks.cases.{name}", one) for name, one in cases.items()),
    ):
        for name, colour in (("text", colours.text), ("label", colours.label)):
            ratio = contrast(colour, colours.background)
            if ratio < LEAST_CONTRAST:
                words = f"{colour} on {colours.background} has a contrast of {ratio:.1f}"
                yield Fault(f"{path}.{name}", f"{words}; {LEAST_CONTRAST:.0f} is the least")


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two `#RRGGBB` colours, 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _links(document: TemplateDocument) -> Iterator[Fault]:
    if len(document.links) > MOST_LINKS:
        yield Fault("links", f"there are {len(document.links)} links; Google shows {MOST_LINKS}")


def least_size(name: ImageName) -> tuple[int, int]:
    """The least width and height that an image must have, in pixels."""
    return _SHAPES[name].width, _SHAPES[name].height


def _faults_in_images(document: TemplateDocument, images: Images) -> Iterator[Fault]:
    needed: Iterable[ImageName] = _NEEDED + (_STAMPS if document.stamps is not None else ())
    for name in needed:
        if name not in images:
            yield Fault(f"images/{name}.png", "is missing")
    if document.stamps is None:
        for name in _STAMPS:
            if name in images:
                yield Fault(f"images/{name}.png", "is used by nothing: template.toml has no [stamps]")
    for name, png in images.items():
        for message in _image_faults(_SHAPES[name], png):
            yield Fault(f"images/{name}.png", message)


def _image_faults(shape: _Shape, png: bytes) -> Iterator[str]:
    try:
        with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
            width, height = image.size
            if max(width, height) <= LONGEST_SIDE_PX:
                image.load()
    except UnidentifiedImageError:
        yield "is not a PNG image"
        return
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        yield f"is a damaged PNG image: {error}"
        return
    size = f"is {width} x {height} pixels"
    if max(width, height) > LONGEST_SIDE_PX:
        yield f"{size}; {LONGEST_SIDE_PX} is the longest side"
    if width < shape.width or height < shape.height:
        yield f"{size}; {shape.why} needs at least {shape.width} x {shape.height}"
    if shape.square and width != height:
        yield f"{size}; it should be square"
    if width < shape.least_ratio * height:
        yield f"{size}; it should be at least {shape.least_ratio:.0f} times as wide as high"

"""Building a `.pkpass`: pass.json, its manifest, the signature and the images in one archive.

Apple, "Building a Pass". The archive is written here, not by zipfile: all but three small files are the same for all
cards of a design, and those entries are made once, checksums and headers included, and copied from then on.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from threading import Lock
from typing import Any, NamedTuple

import orjson
from cachetools import LRUCache, cached

from wallet_service.cards.content import Stamps
from wallet_service.cards.template import Template
from wallet_service.errors import Invalid
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.passes.compiled_template import compile_template, shape_of
from wallet_service.wallets.apple.passes.design import constant_files
from wallet_service.wallets.apple.passes.images import constant_images, stamp_strips
from wallet_service.wallets.apple.passes.pass_json import pass_json
from wallet_service.wallets.apple.passes.rules import Rules, validate
from wallet_service.wallets.apple.passes.signing import ManifestSigner
from wallet_service.wallets.protocol import CardView

MIME_TYPE = "application/vnd.apple.pkpass"
BUNDLE_MIME_TYPE = "application/vnd.apple.pkpasses"
MOST_PASSES, MOST_BUNDLE_BYTES = 10, 150_000_000
MOST_DESIGNS = 256
"""Designs (and stamp counts of one) whose images are kept ready; the least recently used goes first."""
MOST_COMPILED = 1024

# PKWARE APPNOTE 6.3: local header, central header, end record. No flags, no extra field, no comment; 1980-01-01, made
# on Unix with mode 0644.
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHI")
_END = struct.Struct("<4sHHHHIIH")
_NEW_YEAR_1980 = 1 << 5 | 1
_VERSION_NEEDED = 20
_MADE_ON_UNIX = 3 << 8 | 20
_REGULAR_0644 = 0o100644 << 16
_STORED = 0


class Entry(NamedTuple):
    """One file, ready to be copied into an archive: its local part, and its directory line but for the offset."""

    name: bytes
    local: bytes
    directory: bytes


def entry(name: str, body: bytes) -> Entry:
    """Make an entry, stored: PNG and signature hardly shrink, and two small texts cost more to pack than to send."""
    crc, raw, size = zlib.crc32(body), name.encode("ascii"), len(body)
    header = _LOCAL.pack(b"PK\x03\x04", _VERSION_NEEDED, 0, _STORED, 0, _NEW_YEAR_1980, crc, size, size, len(raw), 0)
    directory = _CENTRAL.pack(
        b"PK\x01\x02", _MADE_ON_UNIX, _VERSION_NEEDED, 0, _STORED, 0, _NEW_YEAR_1980, crc,
        size, size, len(raw), 0, 0, 0, 0, _REGULAR_0644,
    )  # fmt: skip
    return Entry(raw, b"".join((header, raw, body)), directory)


@dataclass(frozen=True, slots=True)
class Artwork:
    """The constant part of a design's bundles.

    Attributes:
        body: the images' local parts, joined.
        directory: for each image its directory line, where it begins in `body`, and its name.
        manifest: the images' members of the manifest.
    """

    body: bytes
    directory: tuple[tuple[bytes, int, bytes], ...]
    manifest: bytes

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> Artwork:
        """Prepare `files`, in order of their names."""
        names = sorted(files)
        entries = tuple(entry(name, files[name]) for name in names)
        hashes = {name: hashlib.sha1(files[name]).hexdigest() for name in names}  # noqa: S324  (Apple's manifest is SHA-1)
        starts = accumulate((len(each.local) for each in entries), initial=0)
        directory = tuple((each.directory, start, each.name) for each, start in zip(entries, starts, strict=False))
        return cls(b"".join(each.local for each in entries), directory, orjson.dumps(hashes)[1:-1])


def artwork_of(template: Template, stamps: Stamps | None, locale: str) -> Artwork:
    """The artwork of a card, drawn if this process has not drawn it yet: designs are the same for all pass types.

    Raises:
        Invalid: an image is missing, broken or too small; with its path.
    """
    own = locale if locale in template.local_images else None
    return _artwork(template, own, stamps and Stamps(earned=min(stamps.earned, stamps.total), total=stamps.total))


@cached(
    LRUCache[tuple[object, ...], Artwork](MOST_DESIGNS),
    key=lambda template, own, stamps: (template.digest, own, stamps and (stamps.earned, stamps.total)),
    lock=Lock(),
)
def _artwork(template: Template, own: str | None, stamps: Stamps | None) -> Artwork:
    files = _constant_images(template, own, stamps is None)
    return Artwork.of(files if stamps is None else files | stamp_strips(template, stamps, own))


@cached(
    LRUCache[tuple[object, ...], dict[str, bytes]](MOST_DESIGNS),
    key=lambda template, own, with_strip: (template.digest, own, with_strip),
    lock=Lock(),
)
def _constant_images(template: Template, own: str | None, with_strip: bool) -> dict[str, bytes]:
    """Kept apart from the artwork, so that another number of stamps costs no more than its strip."""
    return constant_images(template, own, with_strip=with_strip)


class _Shape(NamedTuple):
    """What cards of one shape share: their compiled `pass.json`, and the files that are neither it nor images."""

    render: Callable[[CardView], bytes | None]
    texts: Artwork


class PassBuilder:
    """Builds signed passes of one pass type. Safe to share between threads.

    Args:
        identity: the certificate of the pass type, already found usable.
        web_service_url: the base for phones, without trailing slash.
        rules: how strictly passes are checked before they are signed.
    """

    def __init__(self, identity: PassIdentity, *, web_service_url: str, rules: Rules | None = None) -> None:
        self._identity = identity
        self._signer = ManifestSigner(identity)
        self._web_service_url = web_service_url
        self._rules = rules or Rules()
        self._compiled: LRUCache[Hashable, _Shape] = LRUCache(MOST_COMPILED)
        self._lock = Lock()

    def build(self, card: CardView, *, at: datetime) -> bytes:
        """Make the `.pkpass` of a card, signed as of `at`. The same card at the same instant gives the same bytes.

        Raises:
            Invalid: the pass would break one of Apple's rules, or is not of this builder's pass type; with the paths.

        Source: Apple, "Creating the Source for a Pass", "Building a Pass".
        """
        program = card.program
        if (program.pass_type_id, program.team_id) != (self._identity.pass_type_id, self._identity.team_id):
            words = f"is {program.pass_type_id} of {program.team_id}, and the certificate is for"
            message = f"{words} {self._identity.pass_type_id} of {self._identity.team_id}"
            raise Invalid.at("passTypeIdentifier", message)
        shape = shape_of(card)
        with self._lock:
            compiled = self._compiled.get(shape)
        if compiled is None:
            compiled = self._compile(card)
            with self._lock:
                self._compiled[shape] = compiled
        document = compiled.render(card)
        if document is None:
            document = orjson.dumps(self._compose(card))
        images = artwork_of(card.template, card.content.stamps, card.content.locale)
        return self._archive(document, images, compiled.texts, at)

    def _compile(self, card: CardView) -> _Shape:
        document = self._compose(card)
        return _Shape(compile_template(card, document, self._rules).render, Artwork.of(constant_files(card, document)))

    def _compose(self, card: CardView) -> dict[str, Any]:
        """The long way: compose the document and check it whole."""
        document = pass_json(card, web_service_url=self._web_service_url)
        if faults := validate(document, self._rules):
            raise Invalid(*faults)
        return document

    def in_time(self, at: datetime) -> bool:
        """Whether the certificate may sign at that instant."""
        return self._identity.not_before <= at <= self._identity.not_after

    def sign(self, token: bytes, *, at: datetime) -> bytes:
        """Sign a personalization token; the same form as a bundle's signature."""
        return self._signer.sign(token, at=at)

    def _archive(self, pass_document: bytes, images: Artwork, texts: Artwork, at: datetime) -> bytes:
        digest = hashlib.sha1(pass_document).hexdigest()  # noqa: S324  (Apple's manifest is SHA-1)
        members = (b'"pass.json":"%s"' % digest.encode("ascii"), images.manifest, texts.manifest)
        manifest = b"{%s}" % b",".join(filter(None, members))
        first = (
            entry("pass.json", pass_document),
            entry("manifest.json", manifest),
            entry("signature", self._signer.sign(manifest, at=at)),
        )
        return archive(first, images, texts)


def archive(first: tuple[Entry, ...], *artworks: Artwork) -> bytes:
    """Join entries into an archive: those of `first`, then the artworks'."""
    lines: list[bytes] = []
    offset, count = 0, len(first)
    for each in first:
        lines += (each.directory, offset.to_bytes(4, "little"), each.name)
        offset += len(each.local)
    for artwork in artworks:
        for line, start, name in artwork.directory:
            lines += (line, (offset + start).to_bytes(4, "little"), name)
        offset += len(artwork.body)
        count += len(artwork.directory)
    directory = b"".join(lines)
    end = _END.pack(b"PK\x05\x06", 0, 0, count, count, len(directory), offset, 0)
    bodies = [artwork.body for artwork in artworks]
    return b"".join([*(each.local for each in first), *bodies, directory, end])


def bundle_of(passes: Mapping[str, bytes]) -> bytes:
    """Several passes in one `.pkpasses`, which Safari opens at once.

    Args:
        passes: a name without extension → its `.pkpass`.

    Raises:
        Invalid: there are fewer than two or more than ten, or they are too large together.

    Source: Apple, "Distributing and updating a pass".
    """
    if not 2 <= len(passes) <= MOST_PASSES:
        raise Invalid.at("passes", f"there are {len(passes)}; a bundle holds 2 to {MOST_PASSES}")
    made = archive(tuple(entry(f"{name}.pkpass", body) for name, body in passes.items()))
    if len(made) > MOST_BUNDLE_BYTES:
        raise Invalid.at("passes", f"are {len(made):,} bytes together; a bundle holds {MOST_BUNDLE_BYTES:,}")
    return made

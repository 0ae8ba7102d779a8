"""Addresses and bytes of the static files: `/static/<digest>/<name>`, immutable for a year.

The digest is of all files together, so that what a script or a style sheet names beside itself (an image, a module, a
wasm) is of the same release; another digest, from a page of another release, gets the file of this one and may not
keep it.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from flask import Blueprint, Response, abort, request

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/vnd.microsoft.icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
}
_PACKED_ALREADY = (".png", ".ico")
_FOR_A_YEAR = "public, max-age=31536000, immutable"
_DIGEST_LENGTH = 16


class UnknownAsset(LookupError):
    """A template or a script names a file that is not there: a fault of ours, so the render fails."""


@dataclass(frozen=True)
class Assets:
    """The static files of this release, by name (`css/base.css`)."""

    digest: str
    files: Mapping[str, Path]

    def address(self, name: str) -> str:
        """The address of a file.

        Raises:
            UnknownAsset: there is no such file. For `vendor/…`: `python -m tools.vendor` has not been run.
        """
        if name not in self.files:
            raise UnknownAsset(f"there is no static file {name!r}")
        return f"/static/{self.digest}/{name}"


def read_assets(folder: Path = STATIC) -> Assets:
    """List and digest the files under `folder`.

    Raises:
        UnknownAsset: a file has an ending without a content type.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    whole = hashlib.sha256()
    for name, path in files.items():
        if path.suffix not in CONTENT_TYPES:
            raise UnknownAsset(f"{name}: what content type does {path.suffix!r} have?")
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return Assets(digest=whole.hexdigest()[:_DIGEST_LENGTH], files=files)


def make_assets(assets: Assets) -> Blueprint:
    """The blueprint that serves them, under `/static`; on any WSGI server, without help of a proxy."""
    blueprint = Blueprint("assets", __name__, url_prefix="/static")

    def serve(digest: str, name: str) -> Response:
        path = assets.files.get(name)
        if path is None:
            abort(404)
        packed = path.suffix not in _PACKED_ALREADY and request.accept_encodings["gzip"] > 0
        answer = Response(_bytes_of(path, packed), content_type=CONTENT_TYPES[path.suffix])
        answer.headers["Cache-Control"] = _FOR_A_YEAR if digest == assets.digest else "no-cache"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        answer.vary.add("Accept-Encoding")
        if packed:
            answer.content_encoding = "gzip"
        return answer

    blueprint.add_url_rule(f"/<string(length={_DIGEST_LENGTH}):digest>/<path:name>", view_func=serve)
    return blueprint


@lru_cache(maxsize=256)
def _bytes_of(path: Path, packed: bool) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0) if packed else path.read_bytes()

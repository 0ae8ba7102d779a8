"""Passes for the simulators' own tests, made in the plainest way, and every way to break them."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7
from PIL import Image

from tests.system import PASS_TYPE, TEAM
from wallet_service.simulators.apple_pki import Chain

OPTIONS = (pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCapabilities)


def pass_content(serial_number: str = "carte-0001", *, points: int = 120, **more: Any) -> dict[str, Any]:
    """A loyalty card of Maison Lumière; `more` replaces top-level keys."""
    return {
        "formatVersion": 1,
        "passTypeIdentifier": PASS_TYPE,
        "teamIdentifier": TEAM,
        "serialNumber": serial_number,
        "organizationName": "Maison Lumière",
        "description": "Carte de fidélité Maison Lumière",
        "logoText": "Maison Lumière",
        "backgroundColor": "rgb(28, 36, 64)",
        "foregroundColor": "rgb(255, 255, 255)",
        "labelColor": "rgb(222, 196, 140)",
        "barcodes": [
            {
                "format": "PKBarcodeFormatQR",
                "message": "ML0001",
                "messageEncoding": "iso-8859-1",
                "altText": "ML 0001",
            }
        ],
        "locations": [{"latitude": 45.7640, "longitude": 4.8357, "relevantText": "À deux pas de la place Bellecour"}],
        "storeCard": {
            "headerFields": [
                {
                    "key": "points",
                    "label": "POINTS",
                    "value": points,
                    "numberStyle": "PKNumberStyleDecimal",
                    "changeMessage": "Vous avez maintenant %@ points",
                }
            ],
            "primaryFields": [{"key": "tier", "label": "STATUT", "value": "Or"}],
            "secondaryFields": [{"key": "member", "label": "MEMBRE", "value": "Camille Dubois"}],
            "auxiliaryFields": [
                {
                    "key": "until",
                    "label": "VALABLE JUSQU’AU",
                    "value": "2027-12-31T23:59+01:00",
                    "dateStyle": "PKDateStyleMedium",
                    "timeStyle": "PKDateStyleNone",
                }
            ],
            "backFields": [{"key": "contact", "label": "Contact", "value": "bonjour@maisonlumiere.example"}],
        },
        **more,
    }


def png(width: int, height: int, colour: str = "#1c2440") -> bytes:
    """One plain image."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


IMAGES = {"icon.png": png(38, 38), "icon@2x.png": png(76, 76)}


def compact(document: object) -> bytes:
    """JSON on one line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The manifest of these files."""
    return compact({name: hashlib.sha1(body).hexdigest() for name, body in files.items()})


def sign(
    manifest: bytes,
    chain: Chain,
    options: tuple[pkcs7.PKCS7Options, ...] = OPTIONS,
    intermediate_pem: bytes | None = None,
) -> bytes:
    """A CMS signature; `intermediate_pem` b"" leaves the intermediate out."""
    key = serialization.load_pem_private_key(chain.key_pem, None)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(manifest)
    builder = builder.add_signer(x509.load_pem_x509_certificate(chain.leaf_pem), key, hashes.SHA256())  # type: ignore[arg-type]
    pem = chain.intermediate_pem if intermediate_pem is None else intermediate_pem
    if pem:
        builder = builder.add_certificate(x509.load_pem_x509_certificate(pem))
    return builder.sign(serialization.Encoding.DER, list(options))


def zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files, plain."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, body)
    return out.getvalue()


def signed_files(content: Mapping[str, Any], chain: Chain, images: Mapping[str, bytes] = IMAGES) -> dict[str, bytes]:
    """Every file of a good pass."""
    files = {"pass.json": compact(content), **images}
    manifest = manifest_of(files)
    return {**files, "manifest.json": manifest, "signature": sign(manifest, chain)}


def make_pass(content: Mapping[str, Any], chain: Chain, images: Mapping[str, bytes] = IMAGES) -> bytes:
    """A good pass."""
    return zipped(signed_files(content, chain, images))

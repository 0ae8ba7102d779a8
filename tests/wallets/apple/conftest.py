"""A throwaway chain shaped like Apple's, a small design and a card. Made with code that does not sign passes."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from PIL import Image, ImageDraw

from wallet_service.cards.content import Barcode, CardContent, FieldContent
from wallet_service.cards.template import ImageName, Template, TemplateDocument
from wallet_service.offers.facts import Place
from wallet_service.values import Money
from wallet_service.wallets.apple.certificates import PassIdentity, Trust, identity_from_files, pem_of
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.protocol import CardView, ProgramView

PASS_TYPE = "pass.example.maison-lumiere"
TEAM = "ABCDE12345"
NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
DATA = Path(__file__).parents[2] / "data"
SERVICE = "https://cartes.maison-lumiere.example/apple"


@lru_cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """A key for each name, made once for the whole run."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_pem(key: rsa.RSAPrivateKey, password: bytes | None = None) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def name(**parts: str) -> x509.Name:
    oids = {
        "uid": NameOID.USER_ID,
        "cn": NameOID.COMMON_NAME,
        "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "o": NameOID.ORGANIZATION_NAME,
        "c": NameOID.COUNTRY_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[part], text) for part, text in parts.items()])


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Root, intermediate and leaf with the leaf's key."""

    root: x509.Certificate
    intermediate: x509.Certificate
    leaf: x509.Certificate
    key: rsa.RSAPrivateKey

    @property
    def trust(self) -> Trust:
        return Trust(self.root)

    def identity(self) -> PassIdentity:
        return identity_from_files(pem_of(self.leaf), key_pem(self.key), intermediate=pem_of(self.intermediate))


def authority(
    subject: x509.Name, key_name: str, *, issuer: x509.Certificate | None = None, issuer_key: str = "", ends: datetime
) -> x509.Certificate:
    key = rsa_key(key_name)
    signer = rsa_key(issuer_key) if issuer else key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=900))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0 if issuer else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )


def make_chain(
    *,
    pass_type_id: str = PASS_TYPE,
    team_id: str = TEAM,
    starts: datetime = NOW - timedelta(days=10),
    ends: datetime = NOW + timedelta(days=355),
    intermediate_ends: datetime = NOW + timedelta(days=1400),
    leaf_signed_by: str = "intermediate",
) -> Chain:
    """A chain as in Apple's PKI; each argument is one way for it to be wrong."""
    root = authority(name(cn="Root of Tests", o="Tests", c="FR"), "root", ends=NOW + timedelta(days=3000))
    intermediate = authority(
        name(cn="Developer Relations of Tests", ou="G4", o="Tests", c="FR"),
        "intermediate",
        issuer=root,
        issuer_key="root",
        ends=intermediate_ends,
    )
    key, signer = rsa_key("leaf"), rsa_key(leaf_signed_by)
    subject = name(uid=pass_type_id, cn=f"Pass Type ID: {pass_type_id}", ou=team_id, o="Maison Lumière", c="FR")
    utf8 = pass_type_id.encode()
    leaf = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(intermediate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ObjectIdentifier("1.2.840.113635.100.4.14")]),
            critical=False,
        )
        .add_extension(
            x509.UnrecognizedExtension(ObjectIdentifier("1.2.840.113635.100.6.1.16"), bytes([0x0C, len(utf8)]) + utf8),
            critical=False,
        )
        .sign(signer, hashes.SHA256())
    )
    return Chain(root=root, intermediate=intermediate, leaf=leaf, key=key)


@pytest.fixture(scope="session")
def chain() -> Chain:
    return make_chain()


@pytest.fixture(scope="session")
def identity(chain: Chain) -> PassIdentity:
    return chain.identity()


@pytest.fixture(scope="module")
def builder(identity: PassIdentity) -> PassBuilder:
    return PassBuilder(identity, web_service_url=SERVICE)


@pytest.fixture(scope="module")
def bundle(builder: PassBuilder) -> bytes:
    """The pass of `CARD`."""
    return builder.build(CARD, at=NOW)


@pytest.fixture
def files(bundle: bytes) -> dict[str, bytes]:
    """The files of that pass, for the test to change."""
    return files_of(bundle)


def files_of(bundle: bytes) -> dict[str, bytes]:
    """The files of a pass, by name."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def png(width: int, height: int, colour: str = "#1f3a2e", mark: str = "#f4e9d8") -> bytes:
    """A small picture with something on it."""
    image = Image.new("RGB", (width, height), colour)
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=mark)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


IMAGES: dict[ImageName, bytes] = {
    "icon": png(256, 256),
    "logo": png(640, 200),
    "strip": png(1125, 432),
    "stamp": png(192, 192, mark="#ffffff"),
    "stamp_empty": png(192, 192, mark="#557766"),
}

WORDS = {
    "fr": {
        "description": "Carte de fidélité Maison Lumière",
        "points": "Points",
        "points_now": "Vous avez maintenant %@ points",
        "cashback": "Cagnotte",
        "tier": "Statut",
        "until": "Valable jusqu'au",
        "terms": "Conditions",
        "contact": "Nous écrire",
    },
    "en": {
        "description": "Maison Lumière loyalty card",
        "points": "Points",
        "points_now": "You now have %@ points",
        "cashback": "Cashback",
        "tier": "Tier",
        "until": "Valid until",
        "terms": "Terms",
        "contact": "Write to us",
    },
}

DOCUMENT = TemplateDocument.model_validate(
    {
        "style": "store_card",
        "description": "description",
        "colours": {"background": "#1F3A2E", "text": "#FFFFFF", "label": "#C4D6BE"},
        "barcode": {"formats": ["code128"], "value": "member.card_number"},
        "fields": [
            {"id": "points", "kind": "number", "value": "balance.points", "label": "points", "notify": "points_now",
             "apple": "header", "google": "points"},
            {"id": "cashback", "kind": "money", "value": "balance.cashback", "label": "cashback", "apple": "primary",
             "google": "secondary_points"},
            {"id": "tier", "value": "balance.tier", "label": "tier", "apple": "secondary", "google": "text"},
            {"id": "until", "kind": "date", "value": "x", "label": "until", "apple": "auxiliary", "google": "text"},
            {"id": "internal", "value": "x", "label": "tier", "apple": "none", "google": "none"},
        ],
        "links": [
            {"id": "terms", "label": "terms", "url": "https://maison-lumiere.example/conditions?a=1&b=2"},
            {"id": "contact", "label": "contact", "url": "mailto:bonjour@maison-lumiere.example"},
        ],
    }
)  # fmt: skip


def make_template(document: TemplateDocument = DOCUMENT, images: dict[ImageName, bytes] | None = None) -> Template:
    """A loaded design; its digest follows its parts, as the loader's does."""
    images = IMAGES if images is None else images
    parts = hashlib.sha256(document.model_dump_json().encode())
    for image in sorted(images):
        parts.update(image.encode() + images[image])
    return Template(
        template_id="points", digest=parts.hexdigest(), document=document, words=WORDS, images=images
    )  # fmt: skip


TEMPLATE = make_template()

CONTENT = CardContent(
    locale="fr",
    template_digest=TEMPLATE.digest,
    fields=(
        FieldContent(id="points", kind="number", label="Points", value=320, text="320"),
        FieldContent(
            id="cashback", kind="money", label="Cagnotte", value=Money(amount=7990, currency="EUR"), text="79,90 €"
        ),
        FieldContent(id="tier", kind="text", label="Statut", value="Or", text="Or"),
        FieldContent(id="until", kind="date", label="Valable jusqu'au", value="2027-12-31", text="31/12/2027"),
        FieldContent(id="internal", kind="text", label="Statut", value="x", text="x"),
    ),
    barcode=Barcode(format="code128", value="M7HK2MQ9XT4", text="M7HK 2MQ9 XT4"),
    places=(
        Place(store_id="lyon", latitude=45.7640, longitude=4.8357, text="Votre cadeau vous attend, place Bellecour"),
        Place(store_id="paris", latitude=48.8566, longitude=2.3522),
    ),
    radius_m=80,
    notify_field="points",
)

PROGRAM = ProgramView(
    program_id="lumiere",
    name="Cercle Lumière",
    brand="Maison Lumière",
    locale="fr",
    organization_name="Maison Lumière",
    pass_type_id=PASS_TYPE,
    team_id=TEAM,
    issuer_id=None,
)

CARD = CardView(
    program=PROGRAM,
    template=TEMPLATE,
    content=CONTENT,
    serial_number="c_7Hk2mQ9xT4",
    auth_token="b2N0b3B1cy1nYXJkZW4tMTczLWV4YW1wbGU",
    card_link="https://cartes.maison-lumiere.example/c/abcdef",
    version=7,
)


def card_with(*, template: Template | None = None, **content: object) -> CardView:
    """The card of the tests with some of its content replaced."""
    card = replace(CARD, template=template or CARD.template)
    return replace(card, content=CARD.content.model_copy(update=content))

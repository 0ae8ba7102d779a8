"""New keys: for a certificate request at Apple's portal, and for the shops' NFC readers."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from wallet_service.errors import Invalid


@dataclass(frozen=True, kw_only=True)
class CertificateRequest:
    """A new private key and the request for its certificate, both PEM. The key never shows in its repr."""

    key_pem: bytes = field(repr=False)
    csr_pem: bytes


def make_csr(*, pass_type_id: str, team_id: str, organization: str, country: str = "FR") -> CertificateRequest:
    """Make a 2048-bit RSA key and a PKCS#10 request signed with SHA-256, as Apple's portal takes it.

    Apple replaces the subject with its own; ours lets a person tell the files apart.

    Raises:
        Invalid: the pass type identifier does not begin with `pass.`.
    """
    if not pass_type_id.startswith("pass."):
        raise Invalid.at("pass_type_id", f"is {pass_type_id!r}; it should look like pass.com.example.loyalty")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, pass_type_id),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Pass Type ID: {pass_type_id}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, team_id),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pkcs8 = serialization.PrivateFormat.PKCS8
    return CertificateRequest(
        key_pem=key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption()),
        csr_pem=request.public_bytes(serialization.Encoding.PEM),
    )


_COMPRESSED_P256 = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200")
"""What stands before the 33 bytes of a compressed point in a SubjectPublicKeyInfo of P-256 (RFC 5480)."""


@dataclass(frozen=True, kw_only=True)
class ReaderKey:
    """A key pair of the shops' NFC readers: the private part, PEM, for the readers; the public one for the passes."""

    private_pem: bytes = field(repr=False)
    public_base64: str


def make_reader_key() -> ReaderKey:
    """Make a P-256 key pair; the public key in Base64 with its point compressed, as readers' makers exchange it.

    Source: Apple, "Pass.NFC".
    """
    key = ec.generate_private_key(ec.SECP256R1())
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ReaderKey(private_pem=pem, public_base64=base64.b64encode(_COMPRESSED_P256 + point).decode())

"""A throwaway certificate chain with the shape of Apple's, for development, the demo and tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASS_SIGNING_USAGE = x509.ObjectIdentifier("1.2.840.113635.100.4.14")
PASS_TYPE_EXTENSION = x509.ObjectIdentifier("1.2.840.113635.100.6.1.16")


@dataclass(frozen=True)
class Chain:
    """A root, an intermediate and a pass type certificate with its key, all PEM; the key is PKCS#8 without password."""

    root_pem: bytes
    intermediate_pem: bytes
    leaf_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True)
class DevelopmentAuthority:
    """A root and an intermediate that issue certificates for any number of pass types."""

    root_pem: bytes
    intermediate: x509.Certificate
    _key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def make(cls, now: datetime) -> DevelopmentAuthority:
        """Make the two, valid for ten years from a year before `now` (so that an expired leaf can be made, too)."""
        root_key, intermediate_key = _rsa_key(), _rsa_key()
        root_name = _name(
            (NameOID.COUNTRY_NAME, "US"),
            (NameOID.ORGANIZATION_NAME, "Development Inc."),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, "Development Certification Authority"),
            (NameOID.COMMON_NAME, "Development Root CA"),
        )
        name = _name(
            (NameOID.COMMON_NAME, "Development Relations Certification Authority"),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, "G4"),
            (NameOID.ORGANIZATION_NAME, "Development Inc."),
            (NameOID.COUNTRY_NAME, "US"),
        )
        start, end = now - timedelta(days=365), now + timedelta(days=3650)
        root = _authority(root_name, root_key, root_name, root_key, start, end, path_length=None)
        intermediate = _authority(name, intermediate_key, root_name, root_key, start, end, path_length=0)
        return cls(root.public_bytes(serialization.Encoding.PEM), intermediate, intermediate_key)

    def issue(
        self, pass_type_id: str, team_id: str, organization: str, now: datetime, *, days: int = 365, country: str = "FR"
    ) -> Chain:
        """Issue a certificate that may sign passes of `pass_type_id` and authenticate to the APNs simulator.

        Args:
            pass_type_id: `pass.` and a reverse domain name; becomes the leaf's UID.
            team_id: ten characters; becomes the leaf's OU.
            organization: becomes the leaf's O.
            now: the leaf is valid from one hour before it.
            days: how long the leaf is valid; negative makes a leaf that has expired.
            country: two letters; becomes the leaf's C.

        Source: apple-wallet.md, sections 1.7 and 9.
        """
        key = _rsa_key()
        name = _name(
            (NameOID.USER_ID, pass_type_id),
            (NameOID.COMMON_NAME, f"Pass Type ID: {pass_type_id}"[:64]),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, team_id),
            (NameOID.ORGANIZATION_NAME, organization),
            (NameOID.COUNTRY_NAME, country),
        )
        start = min(now - timedelta(hours=1), now + timedelta(days=days - 1))
        leaf = (
            _certificate(name, key, self.intermediate.subject, self._key, start, now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, PASS_SIGNING_USAGE]), critical=False)
            .add_extension(x509.UnrecognizedExtension(PASS_TYPE_EXTENSION, _der_utf8(pass_type_id)), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        key_pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem = serialization.Encoding.PEM
        return Chain(self.root_pem, self.intermediate.public_bytes(pem), leaf.public_bytes(pem), key_pem)


def make_chain(
    pass_type_id: str, team_id: str, organization: str, now: datetime, *, days: int = 365, country: str = "FR"
) -> Chain:
    """An authority of its own and one certificate under it; see `DevelopmentAuthority.issue`."""
    return DevelopmentAuthority.make(now).issue(pass_type_id, team_id, organization, now, days=days, country=country)


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _certificate(
    name: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    start: datetime,
    end: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _authority(
    name: x509.Name,
    key: rsa.RSAPrivateKey,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    start: datetime,
    end: datetime,
    path_length: int | None,
) -> x509.Certificate:
    return (
        _certificate(name, key, issuer, issuer_key, start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _der_utf8(text: str) -> bytes:
    encoded = text.encode("utf-8")
    if len(encoded) > 127:
        raise ValueError("a pass type identifier longer than 127 bytes has no short DER form")
    return bytes([0x0C, len(encoded)]) + encoded

"""The signature of a pass, checked as Wallet checks it: by code that shares nothing with what made it.

Source: apple-wallet.md, sections 1.6 and 1.7.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type.univ import SetOf
from pyasn1_modules import rfc5652

from wallet_service.errors import Invalid

_DATA = "1.2.840.113549.1.7.1"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME = (f"1.2.840.113549.1.9.{number}" for number in (3, 4, 5))
_DIGESTS: dict[str, tuple[str, hashes.HashAlgorithm]] = {
    "1.3.14.3.2.26": ("sha1", hashes.SHA1()),
    "2.16.840.1.101.3.4.2.1": ("sha256", hashes.SHA256()),
}
_RSA_SIGNATURES = {"1.2.840.113549.1.1.1", "1.2.840.113549.1.1.5", "1.2.840.113549.1.1.11"}


@dataclass(frozen=True)
class Signer:
    """Who signed a pass, and when by their own word."""

    pass_type_id: str | None
    team_id: str | None
    signed_at: datetime
    certificate: x509.Certificate


def verify_signature(signature: bytes, content: bytes, roots_pem: bytes) -> Signer:
    """Check a detached CMS signature over `content` and the chain of its signer up to one of `roots_pem`.

    Raises:
        Invalid: the first reason for which Wallet would not accept it; the path is `signature`.
    """
    signed_data = _signed_data(signature)
    if len(signed_data["signerInfos"]) != 1:
        raise _refusal(f"there must be exactly one signer, not {len(signed_data['signerInfos'])}")
    if signed_data["encapContentInfo"]["eContent"].isValue:
        raise _refusal("the signed content is inside; the signature must be detached")
    info = signed_data["signerInfos"][0]
    attributes = _attributes(info)
    digest = _DIGESTS.get(str(info["digestAlgorithm"]["algorithm"]))
    if digest is None or str(info["signatureAlgorithm"]["algorithm"]) not in _RSA_SIGNATURES:
        raise _refusal("only RSA with SHA-1 or SHA-256 is accepted")
    digest_name, algorithm = digest
    if bytes(attributes[_MESSAGE_DIGEST]) != hashlib.new(digest_name, content, usedforsecurity=False).digest():
        raise _refusal("the digest is not that of manifest.json")
    certificates = _certificates(signed_data)
    leaf = _signer_certificate(info, certificates)
    _check_maths(info, leaf, algorithm, signature)
    signed_at = _instant(attributes[_SIGNING_TIME])
    _check_chain(leaf, certificates, roots_pem, signed_at)
    return Signer(_subject(leaf, NameOID.USER_ID), _subject(leaf, NameOID.ORGANIZATIONAL_UNIT_NAME), signed_at, leaf)


def _refusal(reason: str) -> Invalid:
    return Invalid.at("signature", reason)


def _signed_data(signature: bytes) -> Any:
    try:
        outer, rest = decoder.decode(signature, asn1Spec=rfc5652.ContentInfo())
        if rest:
            raise _refusal("bytes follow the signature")
        if str(outer["contentType"]) != _SIGNED_DATA:
            raise _refusal("this is not CMS signed data")
        signed_data, _ = decoder.decode(outer["content"], asn1Spec=rfc5652.SignedData())
    except PyAsn1Error as error:
        raise _refusal(f"this is not a DER CMS structure ({type(error).__name__})") from error
    if str(signed_data["encapContentInfo"]["eContentType"]) != _DATA:
        raise _refusal("the content type must be data")
    return signed_data


def _attributes(info: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in info["signedAttrs"]:
        found[str(attribute["attrType"])] = decoder.decode(attribute["attrValues"][0])[0]
    names = {_CONTENT_TYPE: "contentType", _MESSAGE_DIGEST: "messageDigest", _SIGNING_TIME: "signingTime"}
    for oid, name in names.items():
        if oid not in found:
            raise _refusal(f"the signed attribute {name} is missing")
    if str(found[_CONTENT_TYPE]) != _DATA:
        raise _refusal("the signed attribute contentType must be data")
    return found


def _certificates(signed_data: Any) -> list[x509.Certificate]:
    chosen = [one["certificate"] for one in signed_data["certificates"]] if signed_data["certificates"].isValue else []
    return [x509.load_der_x509_certificate(encoder.encode(one)) for one in chosen]


def _signer_certificate(info: Any, certificates: list[x509.Certificate]) -> x509.Certificate:
    wanted = info["sid"]["issuerAndSerialNumber"]
    for one in certificates:
        if one.serial_number == int(wanted["serialNumber"]) and one.issuer.public_bytes() == encoder.encode(
            wanted["issuer"]
        ):
            return one
    raise _refusal("the signer's certificate is not inside")


def _check_maths(info: Any, leaf: x509.Certificate, algorithm: hashes.HashAlgorithm, signature: bytes) -> None:
    attributes = SetOf(componentType=rfc5652.Attribute())
    attributes.extend(info["signedAttrs"])
    signed = encoder.encode(attributes)
    # Inside the structure the set has the tag [0]; behind its tag the bytes must be these, sorted as DER demands.
    if signed[1:] not in signature:
        raise _refusal("the signed attributes are not DER-sorted")
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise _refusal("the signer's key is not RSA")
    try:
        key.verify(bytes(info["signature"]), signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature as error:
        raise _refusal("the signature does not verify with the signer's key") from error


def _instant(signing_time: Any) -> datetime:
    instant: datetime = signing_time.asDateTime
    return instant.astimezone(UTC)


def _check_chain(
    leaf: x509.Certificate, certificates: list[x509.Certificate], roots_pem: bytes, signed_at: datetime
) -> None:
    if not leaf.not_valid_before_utc <= signed_at <= leaf.not_valid_after_utc:
        raise _refusal(f"the pass type certificate was not valid at the signing time, {signed_at:%Y-%m-%d %H:%M} UTC")
    issuers = [one for one in certificates if one.subject == leaf.issuer and one.fingerprint(hashes.SHA256())]
    if not issuers:
        raise _refusal("the intermediate certificate that issued the signer's is not inside")
    store = crypto.X509Store()
    for root in x509.load_pem_x509_certificates(roots_pem):
        store.add_cert(crypto.X509.from_cryptography(root))
    store.set_time(signed_at.replace(tzinfo=None))
    helpers = [crypto.X509.from_cryptography(one) for one in certificates if one != leaf]
    try:
        crypto.X509StoreContext(store, crypto.X509.from_cryptography(leaf), helpers).verify_certificate()
    except crypto.X509StoreContextError as error:
        raise _refusal(f"the certificates do not chain to a trusted root: {error}") from error


def _subject(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if len(found) == 1 else None

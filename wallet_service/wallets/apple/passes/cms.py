"""The few CMS structures that a pass signature is made of (RFC 5652), declared; they are read as strict DER.

Where DER would sort a SET and issuers in the field do not, the field is declared as a list under the same tag, so that
foreign signatures can be read and told about, rather than refused unread.
"""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

SIGNED_DATA = ObjectIdentifier("1.2.840.113549.1.7.2")
DATA = ObjectIdentifier("1.2.840.113549.1.7.1")
CONTENT_TYPE = ObjectIdentifier("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = ObjectIdentifier("1.2.840.113549.1.9.4")
SIGNING_TIME = ObjectIdentifier("1.2.840.113549.1.9.5")
SHA1 = ObjectIdentifier("1.3.14.3.2.26")
SHA256 = ObjectIdentifier("2.16.840.1.101.3.4.2.1")
SHA384 = ObjectIdentifier("2.16.840.1.101.3.4.2.2")
SHA512 = ObjectIdentifier("2.16.840.1.101.3.4.2.3")
RSA_ENCRYPTION = ObjectIdentifier("1.2.840.113549.1.1.1")
SHA1_WITH_RSA = ObjectIdentifier("1.2.840.113549.1.1.5")
SHA256_WITH_RSA = ObjectIdentifier("1.2.840.113549.1.1.11")
SHA384_WITH_RSA = ObjectIdentifier("1.2.840.113549.1.1.12")
SHA512_WITH_RSA = ObjectIdentifier("1.2.840.113549.1.1.13")
KEY_IDENTIFIER = b"\x80"
"""The tag of a signer that is named by its certificate's subject key identifier, not by issuer and serial number."""


@asn1.sequence
class Algorithm:
    """AlgorithmIdentifier; digests and RSA take no parameters but NULL."""

    algorithm: ObjectIdentifier
    parameters: asn1.Null | None = None


@asn1.sequence
class IssuerAndSerial:
    """Which certificate signed; `issuer` is the Name, undecoded."""

    issuer: asn1.TLV
    serial: int


@asn1.sequence
class Attribute:
    """A signed or unsigned attribute; values are undecoded."""

    type: ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class SignerInfo:
    """One signer. `sid` is an `IssuerAndSerial` (version 1), or a key identifier under the tag [0] (version 3)."""

    version: int
    sid: asn1.TLV
    digest_algorithm: Algorithm
    signed_attrs: Annotated[list[Attribute] | None, asn1.Implicit(0)]
    signature_algorithm: Algorithm
    signature: bytes
    unsigned_attrs: Annotated[list[Attribute] | None, asn1.Implicit(1)]


@asn1.sequence
class EncapsulatedContent:
    """What was signed; a detached signature leaves `content` out."""

    content_type: ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
class SignedData:
    """The body."""

    version: int
    digest_algorithms: asn1.SetOf[Algorithm]
    content: EncapsulatedContent
    certificates: Annotated[list[x509.Certificate] | None, asn1.Implicit(0)]
    signer_infos: asn1.SetOf[SignerInfo]


@asn1.sequence
class ContentInfo:
    """The envelope."""

    content_type: ObjectIdentifier
    content: Annotated[SignedData, asn1.Explicit(0)]

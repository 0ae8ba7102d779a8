"""Detached signatures over a manifest (or a personalization token) as Wallet accepts them.

Apple, "Wallet Developer Guide: Pass Design and Creation": PKCS#7 in DER, one signer, the certificate and its issuer
inside, signing time among the signed attributes. SHA-256 and RSA PKCS#1 v1.5.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from wallet_service.errors import SettingsError
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.passes import cms
from wallet_service.wallets.apple.signers import SealedKey

_OPTIONS = [
    pkcs7.PKCS7Options.DetachedSignature,
    pkcs7.PKCS7Options.Binary,
    pkcs7.PKCS7Options.NoCapabilities,
]
_SHA256 = hashes.SHA256()


class ManifestSigner:
    """Signs for one identity at the cost of one RSA operation; safe to share between threads.

    Of one identity's signatures only three things ever differ, and none in length: signing time, digest and signature.
    The library signs once, here; from then on those three are replaced. (Its builder takes no signing time, and
    encodes certificates and names anew each time.)
    """

    def __init__(self, identity: PassIdentity) -> None:
        self._signer = identity.signer
        # The model's own signature is thrown away; of the key only its length counts.
        key = identity.signer.key if isinstance(identity.signer, SealedKey) else _stand_in(identity)
        builder = pkcs7.PKCS7SignatureBuilder().set_data(b"")
        builder = builder.add_signer(identity.leaf, key, _SHA256).add_certificate(identity.intermediate)
        model = builder.sign(serialization.Encoding.DER, _OPTIONS)

        (signer,) = asn1.decode_der(cms.ContentInfo, model).content.signer_infos.as_list()
        values = {each.type: bytes(each.values.as_list()[0].data) for each in signer.signed_attrs or ()}
        attributes = b"".join(asn1.encode_der(each) for each in signer.signed_attrs or ())
        start = model.rindex(attributes)
        self._head = model[:start]
        self._tail = model[start + len(attributes) : -len(signer.signature)]
        self._before_time, rest = attributes.split(values[cms.SIGNING_TIME])
        self._before_digest, after_digest = rest.split(values[cms.MESSAGE_DIGEST])
        if after_digest or len(attributes) > 127:
            raise ValueError("the library arranges signed attributes in another way than this program expects")
        # What is signed is the attributes under the tag of a SET, not under the [0] they travel with (RFC 5652, 5.4).
        self._set_header = bytes([0x31, len(attributes)])

    def sign(self, data: bytes, *, at: datetime) -> bytes:
        """Sign `data` as of the instant `at` (aware; before 2050, when UTCTime ends); returns DER.

        Source: Apple, "Building a Pass"; RFC 5652, sections 5 and 11.
        """
        instant = at.astimezone(UTC)
        if instant.year >= 2050:
            raise ValueError("signing times from 2050 on need another encoding")
        time = instant.strftime("%y%m%d%H%M%SZ").encode("ascii")
        attributes = b"".join((self._before_time, time, self._before_digest, hashlib.sha256(data).digest()))
        signature = self._signer.sign(self._set_header + attributes)
        return b"".join((self._head, attributes, self._tail, signature))


def _stand_in(identity: PassIdentity) -> rsa.RSAPrivateKey:
    """A key of the length of one that cannot be had."""
    public = identity.leaf.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise SettingsError(
            f"the certificate of {identity.pass_type_id} is not for an RSA key, the only kind that signs passes"
        )
    return rsa.generate_private_key(public_exponent=65537, key_size=public.key_size)

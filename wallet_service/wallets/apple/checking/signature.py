"""Reading somebody's signature: lines 13 to 20 of the conformance checklist, for any pass, ours or not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from wallet_service.wallets.apple.certificates import Trust, chain_findings, subject_of
from wallet_service.wallets.apple.checking.ber import der_of
from wallet_service.wallets.apple.findings import Finding, Severity
from wallet_service.wallets.apple.passes import cms

_PATH = "signature"
_SIGN_AGAIN = "sign again with this program"
_DIGESTS: dict[x509.ObjectIdentifier, type[hashes.HashAlgorithm]] = {
    cms.SHA1: hashes.SHA1, cms.SHA256: hashes.SHA256, cms.SHA384: hashes.SHA384, cms.SHA512: hashes.SHA512,
}  # fmt: skip
_IN_USE = (cms.SHA1, cms.SHA256)
"""The digests of which it is known that Wallet takes them."""
_UNREADABLE = (
    ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
_RSA = (
    cms.RSA_ENCRYPTION, cms.SHA1_WITH_RSA, cms.SHA256_WITH_RSA, cms.SHA384_WITH_RSA, cms.SHA512_WITH_RSA,
)  # fmt: skip


def signature_findings(
    signature: bytes, manifest: bytes, *, pass_type_id: str | None, team_id: str | None, now: datetime, trust: Trust
) -> list[Finding]:
    """Everything that is wrong with a detached signature over `manifest`.

    Args:
        pass_type_id: as the pass names it, None if it does not.
        team_id: the same.
        now: to tell of certificates that have expired since.
    """
    try:
        der = der_of(signature)
        envelope = asn1.decode_der(cms.ContentInfo, der)
        findings = _findings_in(envelope, manifest, pass_type_id, team_id, now=now, trust=trust)
    except _UNREADABLE as error:
        # Certificates are decoded as they are looked at, so a damaged one may be noticed late.
        words = next(iter(str(error).splitlines()), type(error).__name__)
        return [Finding("13", _PATH, f"is not CMS signed data: {words}", _SIGN_AGAIN)]
    if der != signature:
        words = "is in BER; Wallet takes it, other readers want DER"
        findings.append(Finding("13", _PATH, words, "write it in DER", "note"))
    return findings


def _findings_in(
    envelope: cms.ContentInfo,
    manifest: bytes,
    pass_type_id: str | None,
    team_id: str | None,
    *,
    now: datetime,
    trust: Trust,
) -> list[Finding]:
    signed = envelope.content
    signers = signed.signer_infos.as_list()
    if envelope.content_type != cms.SIGNED_DATA:
        return [Finding("13", _PATH, "is CMS of another type than signed data", _SIGN_AGAIN)]
    if len(signers) != 1:
        return [Finding("13", _PATH, f"has {len(signers)} signers; Wallet takes exactly one", _SIGN_AGAIN)]
    findings = []
    if signed.content.content is not None:
        findings.append(_attached(signed.content.content, manifest))
    signing_time, attribute_findings = _attributes(signers[0], manifest)
    findings += attribute_findings
    certificates = signed.certificates or []
    leaf = _signer_among(certificates, signers[0])
    if leaf is None:
        return [*findings, Finding("16", _PATH, "does not carry the signer's certificate", _SIGN_AGAIN)]
    findings += _mathematics(signers[0], leaf)
    findings += _chain(leaf, certificates, at=signing_time or now, now=now, trust=trust)
    uid, unit = subject_of(leaf)
    for key, named, certified in (("passTypeIdentifier", pass_type_id, uid), ("teamIdentifier", team_id, unit)):
        if named is not None and named != certified:
            message = f"is {named!r}, and the certificate is for {certified!r}"
            findings.append(Finding("18", f"pass.json {key}", message, "sign with the certificate of this pass type"))
    return findings


def _attached(content: bytes, manifest: bytes) -> Finding:
    """Some streaming signers put what they sign into the signature, too; verified against the file it is the same."""
    if content == manifest:
        return Finding("13", _PATH, "holds the manifest itself; Apple asks for none", "sign detached", "warning")
    return Finding("13", _PATH, "holds another text than manifest.json", "sign detached")


def _attributes(signer: cms.SignerInfo, manifest: bytes) -> tuple[datetime | None, list[Finding]]:
    if not signer.signed_attrs:
        return None, [Finding("14", _PATH, "has no signed attributes, so no signing time", "sign with attributes")]
    findings = []
    values = {each.type: each.values.as_list() for each in signer.signed_attrs}
    encoded = [asn1.encode_der(each) for each in signer.signed_attrs]
    if encoded != sorted(encoded):
        words = "its attributes are not in DER order, which some readers refuse"
        findings.append(Finding("14", _PATH, words, _SIGN_AGAIN, "note"))
    content_type = values.get(cms.CONTENT_TYPE)
    if not content_type or content_type[0].parse(x509.ObjectIdentifier) != cms.DATA:
        findings.append(Finding("14", _PATH, "does not say that it signs data", _SIGN_AGAIN))
    algorithm = _DIGESTS.get(signer.digest_algorithm.algorithm)
    digest = values.get(cms.MESSAGE_DIGEST)
    if signer.digest_algorithm.algorithm not in _IN_USE:
        severity: Severity = "error" if algorithm is None else "warning"
        words = "uses another digest than SHA-1 and SHA-256"
        findings.append(Finding("14", _PATH, words, "sign with SHA-256", severity))
    if algorithm is not None and (
        not digest or bytes(digest[0].data) != hashlib.new(algorithm().name, manifest).digest()
    ):
        words = "the digest of manifest.json is another: the file was changed, or its line ends, before signing"
        findings.append(Finding("14", _PATH, words, "sign the very bytes that are packed (option Binary)"))
    signing_time = _time_in(values.get(cms.SIGNING_TIME))
    if signing_time is None:
        findings.append(Finding("14", _PATH, "has no signing time, which Apple requires", "sign with attributes"))
    return signing_time, findings


def _time_in(values: Sequence[asn1.TLV] | None) -> datetime | None:
    for kind in (asn1.UTCTime, asn1.GeneralizedTime):
        try:
            return values[0].parse(kind).as_datetime().replace(tzinfo=UTC) if values else None
        except ValueError:
            continue
    return None


def _signer_among(certificates: Sequence[x509.Certificate], signer: cms.SignerInfo) -> x509.Certificate | None:
    if signer.sid.tag_bytes == cms.KEY_IDENTIFIER:
        return next((each for each in certificates if _key_identifier(each) == bytes(signer.sid.data)), None)
    named = signer.sid.parse(cms.IssuerAndSerial)
    matching = (each for each in certificates if each.serial_number == named.serial)
    return next((each for each in matching if each.issuer.public_bytes().endswith(bytes(named.issuer.data))), None)


def _key_identifier(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _mathematics(signer: cms.SignerInfo, leaf: x509.Certificate) -> Iterator[Finding]:
    key, algorithm = leaf.public_key(), _DIGESTS.get(signer.digest_algorithm.algorithm)
    if not isinstance(key, rsa.RSAPublicKey) or signer.signature_algorithm.algorithm not in _RSA:
        yield Finding("15", _PATH, "is not RSA PKCS#1 v1.5", "sign with an RSA key")
    elif algorithm is not None and signer.signed_attrs:
        try:
            key.verify(signer.signature, _as_set(signer.signed_attrs), padding.PKCS1v15(), algorithm())
        except InvalidSignature:
            yield Finding("15", _PATH, "was not made with the key of its certificate", _SIGN_AGAIN)


def _as_set(attributes: Sequence[cms.Attribute]) -> bytes:
    body = b"".join(asn1.encode_der(each) for each in attributes)
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return (b"\x31" + length if len(body) < 128 else b"\x31" + bytes([0x80 | len(length)]) + length) + body


def _chain(
    leaf: x509.Certificate, certificates: Sequence[x509.Certificate], *, at: datetime, now: datetime, trust: Trust
) -> Iterator[Finding]:
    issuer = next((each for each in certificates if each.subject == leaf.issuer and each != leaf), None)
    others = [each for each in certificates if each != leaf]
    issuer = issuer or (others[0] if others else None)
    if issuer is None:
        yield Finding("16", _PATH, "does not carry the intermediate certificate", "add WWDR G4 when signing")
        return
    for finding in chain_findings(leaf, issuer, now=at, trust=trust, issuing=False):
        if finding.rule != "19" or finding.severity == "error":  # what was soon to end then is of no account now
            yield replace(finding, path=f"{_PATH} {finding.path}")
    if at <= leaf.not_valid_after_utc < now:
        words = f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}, after signing: the pass stays, and cannot be updated"
        yield Finding("19", f"{_PATH} certificate", words, "sign updates with a new certificate", "warning")

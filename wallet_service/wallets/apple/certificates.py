"""The Pass Type ID certificate, its key and its issuer: reading them, checking them, asking for a new one.

Apple, "Building a Pass" and "WWDR intermediate certificates". The trust anchor is a parameter: Apple's own root with
WWDR G4 pinned for real passes, a throwaway root for development.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import resources

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from wallet_service.errors import Invalid, SettingsError
from wallet_service.wallets.apple.findings import Finding, Severity
from wallet_service.wallets.apple.signers import Pkcs11Key, SealedKey, Signer, TokenAddress

LEAF_WARNING = timedelta(days=60)
INTERMEDIATE_WARNING = timedelta(days=90)

_GENERATIONS = {
    "ce057691d730f89ca25e916f7335f4c8a15713dcd273a658c024023f8eb809c2": "G1",
    "9ed4b3b88c6a339cf1387895bda9ca6ea31a6b5ce9edf7511845923b0c8ac94c": "G2",
    "dcf21878c77f4198e4b4614f03d696d89c66c66008d4244e1b99161aac91601f": "G3",
    "ea4757885538dd8cb59ff4556f676087d83c85e70902c122e42c0808b5bce14c": "G4",
    "53fd008278e5a595fe1e908ae9c5e5675f26243264a5a6438c023e3ce2870760": "G5",
    "bdd4ed6e74691f0c2bfd01be0296197af1379e0418e2d300efa9c3bef642ca30": "G6",
}
_NEW_CERTIFICATE = "make a request with `wallet-service certs csr` and have Apple issue a new certificate"
_USE_G4 = "use WWDR G4, which comes with this program"


@dataclass(frozen=True)
class Trust:
    """The trust anchors: a root, and the only intermediate allowed below it (None: any that the root issued)."""

    root: x509.Certificate
    pinned_intermediate: x509.Certificate | None = None


@lru_cache(maxsize=1)
def apple_trust() -> Trust:
    """Apple Root CA, with WWDR G4 as the one issuer of Pass Type ID certificates."""
    folder = resources.files(__package__) / "apple_ca"
    root, g4 = (
        x509.load_pem_x509_certificate((folder / name).read_bytes())
        for name in ("AppleRootCA.pem", "AppleWWDRCAG4.pem")
    )
    return Trust(root, g4)


def development_trust(root: bytes) -> Trust:
    """A throwaway root, PEM or DER, for development and tests; any intermediate below it will do."""
    return Trust(read_certificate(root, "root"))


@dataclass(frozen=True, kw_only=True)
class PassIdentity:
    """A pass type certificate with whoever signs for it. With a key of our own it authenticates to APNs, too. The key
    never shows in its repr.

    Attributes:
        pass_type_id: the certificate's UID, e.g. `pass.com.example.loyalty`.
        team_id: the certificate's OU.
    """

    leaf: x509.Certificate
    intermediate: x509.Certificate
    signer: Signer = field(repr=False, compare=False)
    pass_type_id: str
    team_id: str

    @property
    def key(self) -> rsa.RSAPrivateKey:
        """The private key.

        Raises:
            SettingsError: it is in a token, and cannot be taken out.
        """
        if not isinstance(self.signer, SealedKey):
            raise SettingsError(f"the key of {self.pass_type_id} is in a token: only the token can use it")
        return self.signer.key

    @property
    def not_before(self) -> datetime:
        """The first instant at which the certificate may sign."""
        return self.leaf.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """The last instant at which the certificate may sign."""
        return self.leaf.not_valid_after_utc

    def certificates_pem(self) -> bytes:
        """The certificate and its issuer, in the order in which TLS sends them."""
        return pem_of(self.leaf) + pem_of(self.intermediate)

    def key_pem(self, password: bytes | None = None) -> bytes:
        """The private key as PKCS#8 PEM, encrypted if a password is given."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password)
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def pem_of(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def read_certificate(data: bytes, path: str = "certificate") -> x509.Certificate:
    """Read one certificate, PEM or DER (`.cer`).

    Raises:
        Invalid: at `path`, for anything else.
    """
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificate(data)
        return x509.load_der_x509_certificate(data)
    except ValueError as error:
        raise Invalid.at(path, "is not a certificate in PEM or DER (.cer) form") from error


def identity_from_files(
    certificate: bytes, key: bytes, *, key_password: str | None = None, intermediate: bytes | None = None
) -> PassIdentity:
    """Join a certificate (PEM, or the `.cer` that Apple returns) and its private key (PEM or DER).

    Args:
        intermediate: the issuer's certificate; without it, one that follows in the PEM file, else WWDR G4.

    Raises:
        Invalid: with the path `certificate`, `key`, `password` or `intermediate`.
    """
    leaf = read_certificate(certificate)
    issuer = read_certificate(intermediate, "intermediate") if intermediate else issuer_for(certificate)
    return _identity(leaf, _read_key(key, key_password), issuer)


def issuer_for(certificate: bytes) -> x509.Certificate:
    """The issuer that follows a certificate in its PEM file, else WWDR G4."""
    following = x509.load_pem_x509_certificates(certificate)[1:] if b"-----BEGIN" in certificate else []
    return _issuer_among(following, read_certificate(certificate))


def identity_from_p12(data: bytes, password: str | None, *, intermediate: bytes | None = None) -> PassIdentity:
    """Read a `.p12` as Keychain Access exports it; an empty password and none are tried alike.

    Raises:
        Invalid: with the path `p12` or `password`.
    """
    tries = [password.encode("utf-8")] if password else [None, b""]
    for attempt in tries:
        try:
            key, leaf, others = pkcs12.load_key_and_certificates(data, attempt)
            break
        except ValueError as error:
            reason = error
    else:
        if "password" in str(reason).lower() or "mac" in str(reason).lower():
            words = "the password does not open this .p12" if password else "this .p12 needs its password"
            raise Invalid.at("password", words) from reason
        raise Invalid.at("p12", "is not a PKCS#12 (.p12) file") from reason
    if leaf is None or key is None:
        raise Invalid.at("p12", "holds no certificate with its private key: export both together from the keychain")
    issuer = read_certificate(intermediate, "intermediate") if intermediate else _issuer_among(others, leaf)
    return _identity(leaf, key, issuer)


def _read_key(data: bytes, password: str | None) -> object:
    load = serialization.load_pem_private_key if b"-----BEGIN" in data else serialization.load_der_private_key
    try:
        return load(data, password.encode("utf-8") if password else None)
    except TypeError as error:
        words = "the key is not encrypted: leave the password out" if password else "the key needs its password"
        raise Invalid.at("password", words) from error
    except ValueError as error:
        if password:
            raise Invalid.at("password", "the password does not open this key") from error
        raise Invalid.at("key", "is not a private key in PEM or DER form") from error


def _issuer_among(others: Iterable[x509.Certificate], leaf: x509.Certificate) -> x509.Certificate:
    pinned = apple_trust().pinned_intermediate
    assert pinned is not None  # noqa: S101  (this is how apple_trust is made)
    return next((other for other in others if other.subject == leaf.issuer), pinned)


def _identity(leaf: x509.Certificate, key: object, intermediate: x509.Certificate) -> PassIdentity:
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Invalid.at("key", "is not an RSA key, the only kind that signs passes")
    pass_type_id, team_id = _names_in(leaf)
    signer = SealedKey(key)
    return PassIdentity(leaf=leaf, intermediate=intermediate, signer=signer, pass_type_id=pass_type_id, team_id=team_id)


def identity_in_token(certificate: bytes, address: TokenAddress, *, intermediate: bytes | None = None) -> PassIdentity:
    """Join a certificate and the key that a PKCS#11 token has for it; the token is opened when it is needed.

    Raises:
        Invalid: with the path `certificate` or `intermediate`.
    """
    leaf = read_certificate(certificate)
    issuer = read_certificate(intermediate, "intermediate") if intermediate else issuer_for(certificate)
    pass_type_id, team_id = _names_in(leaf)
    return PassIdentity(
        leaf=leaf, intermediate=issuer, signer=Pkcs11Key(address), pass_type_id=pass_type_id, team_id=team_id
    )


def _names_in(leaf: x509.Certificate) -> tuple[str, str]:
    pass_type_id, team_id = subject_of(leaf)
    if not pass_type_id.startswith("pass.") or not team_id:
        raise Invalid.at(
            "certificate",
            "is not a Pass Type ID certificate: its subject should have the pass type as UID and the team as OU",
        )
    return pass_type_id, team_id


def subject_of(leaf: x509.Certificate) -> tuple[str, str]:
    """The UID (pass type identifier) and the OU (team identifier) of a certificate's subject; empty where absent."""
    uid, unit = (
        next((str(part.value) for part in leaf.subject.get_attributes_for_oid(oid)), "")
        for oid in (NameOID.USER_ID, NameOID.ORGANIZATIONAL_UNIT_NAME)
    )
    return uid, unit


def check(identity: PassIdentity, *, pass_type_id: str, team_id: str, now: datetime, trust: Trust) -> list[Finding]:
    """Everything that would keep passes of this identity from installing, and what soon will (checklist 16 to 20)."""
    findings = [*chain_findings(identity.leaf, identity.intermediate, now=now, trust=trust)]
    if identity.pass_type_id != pass_type_id:
        message = f"is for another pass type: {identity.pass_type_id} instead of {pass_type_id}"
        findings.append(Finding("18", "certificate", message, "import the certificate of this pass type"))
    if identity.team_id != team_id:
        message = f"belongs to another team: {identity.team_id} instead of {team_id}"
        findings.append(Finding("18", "certificate", message, "correct team_id or import the right certificate"))
    try:
        matches = identity.signer.public_key() == identity.leaf.public_key()
    except SettingsError as error:
        findings.append(Finding("19", "key", f"cannot be asked: {error}", "see [apple] pkcs11_… in docs/apple.md"))
    else:
        if not matches:
            message = "does not match the certificate"
            findings.append(Finding("19", "key", message, "use the key that the certificate request was made with"))
    return findings


def chain_findings(
    leaf: x509.Certificate, intermediate: x509.Certificate, *, now: datetime, trust: Trust, issuing: bool = True
) -> list[Finding]:
    """Whether `leaf` was issued by `intermediate`, that by the trusted root, and whether both are in their time.

    Args:
        issuing: new passes are to be signed; else what Apple issued in former years is told of and let be.
    """
    findings = [
        *_validity("certificate", leaf, now, LEAF_WARNING, _NEW_CERTIFICATE),
        *_validity("intermediate", intermediate, now, INTERMEDIATE_WARNING, _USE_G4),
    ]
    pinned = trust.pinned_intermediate
    if pinned is not None and intermediate != pinned:
        name = generation_of(intermediate)
        message = f"is WWDR {name}, which does not issue Pass Type ID certificates" if name else "is not WWDR G4"
        if name == "G1" and not issuing:
            message = "is WWDR G1, which issued Pass Type ID certificates until 2021 and ended in 2023"
            findings.append(Finding("20", "intermediate", message, "sign updates with a new certificate", "warning"))
        else:
            findings.append(Finding("20", "intermediate", message, _USE_G4))
    elif not _issued_by(intermediate, trust.root) or not _may_issue(intermediate):
        findings.append(Finding("16", "intermediate", "is not an authority under the trusted root", _USE_G4))
    if leaf.issuer != intermediate.subject:
        message = f"was issued by {leaf.issuer.rfc4514_string()}, not by {intermediate.subject.rfc4514_string()}"
        findings.append(Finding("16", "certificate", message, "use the intermediate that issued it"))
    elif not _key_identifiers_agree(leaf, intermediate):
        message = "its authority key identifier is not the intermediate's subject key identifier"
        findings.append(Finding("16", "certificate", message, "use the intermediate that issued it"))
    elif not _issued_by(leaf, intermediate):
        findings.append(Finding("16", "certificate", "its signature is not the intermediate's", "get it again"))
    elif isinstance(leaf.signature_hash_algorithm, hashes.SHA1):
        message = "is signed with SHA-1, as Apple signed such certificates before 2022"
        severity: Severity = "error" if issuing else "note"
        findings.append(Finding("16", "certificate", message, _NEW_CERTIFICATE, severity))
    return findings


def generation_of(intermediate: x509.Certificate) -> str | None:
    """`G1` … `G6` for Apple's own intermediates, None for any other certificate."""
    return _GENERATIONS.get(intermediate.fingerprint(hashes.SHA256()).hex())


def require_usable(
    identity: PassIdentity, *, pass_type_id: str, team_id: str, now: datetime, trust: Trust
) -> list[Finding]:
    """Refuse an identity whose passes would not install; returns the warnings that remain.

    Raises:
        SettingsError: naming every fault.
    """
    findings = check(identity, pass_type_id=pass_type_id, team_id=team_id, now=now, trust=trust)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise SettingsError(f"Apple certificate for {pass_type_id}: " + "; ".join(str(error) for error in errors))
    return findings


def _validity(
    path: str, certificate: x509.Certificate, now: datetime, warning: timedelta, remedy: str
) -> Iterable[Finding]:
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    name = generation_of(certificate)
    which = f" (WWDR {name})" if name else ""
    if now > ends:
        yield Finding("19", path, f"expired on {ends:%Y-%m-%d}{which}", remedy)
    elif now < starts:
        yield Finding(
            "19", path, f"is not valid before {starts:%Y-%m-%d %H:%M} UTC{which}", "check this machine's clock"
        )
    elif ends - now < warning:
        yield Finding("19", path, f"expires in {(ends - now).days} days{which}", remedy, "warning")


def _key_identifiers_agree(leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        authority = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        subject = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return False
    return authority == subject


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    try:
        if isinstance(certificate.signature_hash_algorithm, hashes.SHA1) and isinstance(key, rsa.RSAPublicKey):
            # The library's own comparison says of SHA-1 what it says of a wrong signature.
            if certificate.issuer != issuer.subject:
                return False
            key.verify(
                certificate.signature,
                certificate.tbs_certificate_bytes,
                padding.PKCS1v15(),
                hashes.SHA1(),  # noqa: S303
            )
        else:
            certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True

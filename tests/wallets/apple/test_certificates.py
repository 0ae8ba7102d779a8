"""Pass Type ID certificates: every way for one to be wrong is refused in words (checklist 16, 18, 19, 20, 22)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.wallets.apple.conftest import DATA, NOW, PASS_TYPE, TEAM, Chain, key_pem, make_chain, rsa_key
from wallet_service.errors import Invalid, SettingsError
from wallet_service.wallets.apple.certificates import (
    PassIdentity,
    Trust,
    apple_trust,
    chain_findings,
    check,
    development_trust,
    generation_of,
    identity_from_files,
    identity_from_p12,
    pem_of,
    read_certificate,
    require_usable,
)
from wallet_service.wallets.apple.new_keys import make_csr
from wallet_service.wallets.apple.signers import SealedKey

WRONG_GENERATIONS = {
    "G1": "AppleWWDRCA-G1-expired.pem",
    "G2": "AppleWWDRCAG2.pem",
    "G3": "AppleWWDRCAG3.pem",
    "G5": "AppleWWDRCAG5.pem",
    "G6": "AppleWWDRCAG6.pem",
}


def said(identity: PassIdentity, trust: Trust, pass_type_id: str = PASS_TYPE, team_id: str = TEAM) -> str:
    found = check(identity, pass_type_id=pass_type_id, team_id=team_id, now=NOW, trust=trust)
    return "; ".join(str(each) for each in found)


def test_a_good_chain_has_no_findings(chain: Chain) -> None:
    assert check(chain.identity(), pass_type_id=PASS_TYPE, team_id=TEAM, now=NOW, trust=chain.trust) == []


def test_item_18_another_pass_type_or_team(chain: Chain) -> None:
    words = said(chain.identity(), chain.trust, "pass.example.other", "ZZZZZ99999")
    assert f"{PASS_TYPE} instead of pass.example.other" in words
    assert f"{TEAM} instead of ZZZZZ99999" in words
    with pytest.raises(SettingsError, match=r"another pass type.*another team"):
        require_usable(
            chain.identity(), pass_type_id="pass.example.other", team_id="ZZZZZ99999", now=NOW, trust=chain.trust
        )


def test_item_19_out_of_time() -> None:
    expired = make_chain(ends=NOW - timedelta(days=1))
    assert "certificate: expired on 2026-11-20" in said(expired.identity(), expired.trust)
    early = make_chain(starts=NOW + timedelta(hours=1))
    assert "certificate: is not valid before 2026-11-21 11:30 UTC" in said(early.identity(), early.trust)
    old = make_chain(intermediate_ends=NOW - timedelta(days=1))
    assert "intermediate: expired on" in said(old.identity(), old.trust)


def test_item_19_the_key_of_another_certificate(chain: Chain) -> None:
    other = replace(chain.identity(), signer=SealedKey(rsa_key("other")))
    assert "key: does not match the certificate" in said(other, chain.trust)


@pytest.mark.parametrize(
    ("leaf_days", "intermediate_days", "warned"), [(59, 91, "certificate"), (61, 89, "intermediate")]
)
def test_item_19_warns_before_the_end(leaf_days: int, intermediate_days: int, warned: str) -> None:
    chain = make_chain(ends=NOW + timedelta(days=leaf_days), intermediate_ends=NOW + timedelta(days=intermediate_days))
    (warning,) = require_usable(chain.identity(), pass_type_id=PASS_TYPE, team_id=TEAM, now=NOW, trust=chain.trust)
    assert (warning.severity, warning.path) == ("warning", warned)
    assert "expires in" in warning.message


@pytest.mark.parametrize(("generation", "file"), WRONG_GENERATIONS.items())
def test_item_20_wrong_generations_are_named(chain: Chain, generation: str, file: str) -> None:
    wrong = read_certificate((DATA / "apple-ca" / file).read_bytes())
    assert generation_of(wrong) == generation
    identity = replace(chain.identity(), intermediate=wrong)
    words = said(identity, apple_trust())
    assert f"intermediate: is WWDR {generation}, which does not issue Pass Type ID certificates" in words
    if generation == "G1":
        assert "expired on 2023-02-07 (WWDR G1)" in words
    with pytest.raises(SettingsError, match=generation):
        require_usable(identity, pass_type_id=PASS_TYPE, team_id=TEAM, now=NOW, trust=apple_trust())


def test_item_16_g4_is_pinned_and_under_apples_root(chain: Chain) -> None:
    trust = apple_trust()
    assert trust.pinned_intermediate is not None
    assert generation_of(trust.pinned_intermediate) == "G4"
    trust.pinned_intermediate.verify_directly_issued_by(trust.root)
    assert "intermediate: is not WWDR G4" in said(chain.identity(), trust)


def test_item_16_a_leaf_that_another_authority_issued(chain: Chain) -> None:
    by_name = replace(chain.identity(), intermediate=chain.root)
    assert "was issued by" in said(by_name, chain.trust)
    same_name = make_chain(leaf_signed_by="other")
    assert "authority key identifier" in said(same_name.identity(), same_name.trust)
    foreign = make_chain()
    stranger = Trust(apple_trust().root)
    assert "is not an authority under the trusted root" in said(foreign.identity(), stranger)
    assert chain_findings(chain.leaf, chain.intermediate, now=NOW, trust=development_trust(pem_of(chain.root))) == []


def test_item_22_the_key_does_not_show(chain: Chain) -> None:
    identity = chain.identity()
    secret = identity.key.private_numbers()
    for text in (repr(identity), str(identity), repr(make_csr(pass_type_id=PASS_TYPE, team_id=TEAM, organization="M"))):
        assert "PRIVATE KEY" not in text
        assert "key=" not in text
        assert str(secret.d) not in text


def p12(chain: Chain, password: bytes | None, *, with_issuer: bool = True) -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password)
    others = [chain.intermediate] if with_issuer else None
    return pkcs12.serialize_key_and_certificates(b"pass", chain.key, chain.leaf, others, encryption)


def test_p12_with_and_without_password(chain: Chain) -> None:
    identity = identity_from_p12(p12(chain, b"secret"), "secret")
    assert identity == chain.identity()
    assert identity.key.private_numbers() == chain.key.private_numbers()
    assert identity_from_p12(p12(chain, None), None) == chain.identity()
    given = identity_from_p12(
        p12(chain, b"secret", with_issuer=False), "secret", intermediate=pem_of(chain.intermediate)
    )
    assert given.intermediate == chain.intermediate
    assumed = identity_from_p12(p12(chain, b"secret", with_issuer=False), "secret")
    assert assumed.intermediate == apple_trust().pinned_intermediate


def test_p12_that_does_not_open(chain: Chain) -> None:
    with pytest.raises(Invalid, match="password: the password does not open"):
        identity_from_p12(p12(chain, b"secret"), "wrong")
    with pytest.raises(Invalid, match=r"password: this \.p12 needs its password"):
        identity_from_p12(p12(chain, b"secret"), None)
    with pytest.raises(Invalid, match="p12: is not a PKCS#12"):
        identity_from_p12(b"nonsense", "secret")
    only = pkcs12.serialize_key_and_certificates(None, None, chain.leaf, None, serialization.NoEncryption())
    with pytest.raises(Invalid, match="p12: holds no certificate with its private key"):
        identity_from_p12(only, None)


def test_files_in_every_form(chain: Chain) -> None:
    der = chain.leaf.public_bytes(serialization.Encoding.DER)
    issuer = pem_of(chain.intermediate)
    assert identity_from_files(der, key_pem(chain.key), intermediate=issuer) == chain.identity()
    locked = key_pem(chain.key, b"secret")
    assert identity_from_files(der, locked, key_password="secret", intermediate=issuer) == chain.identity()
    bundle = pem_of(chain.leaf) + issuer
    assert identity_from_files(bundle, key_pem(chain.key)).intermediate == chain.intermediate
    assert identity_from_files(der, key_pem(chain.key)).intermediate == apple_trust().pinned_intermediate
    again = identity_from_files(chain.identity().certificates_pem(), chain.identity().key_pem(b"x"), key_password="x")
    assert again == chain.identity()
    assert again.key.private_numbers() == chain.key.private_numbers()


def test_files_that_are_something_else(chain: Chain) -> None:
    leaf, key = pem_of(chain.leaf), key_pem(chain.key)
    with pytest.raises(Invalid, match="certificate: is not a certificate"):
        identity_from_files(b"-----BEGIN nothing", key)
    with pytest.raises(Invalid, match="key: is not a private key"):
        identity_from_files(leaf, b"nothing")
    with pytest.raises(Invalid, match="password: the password does not open this key"):
        identity_from_files(leaf, key_pem(chain.key, b"right"), key_password="wrong")
    with pytest.raises(Invalid, match="password: the key needs its password"):
        identity_from_files(leaf, key_pem(chain.key, b"right"))
    with pytest.raises(Invalid, match="password: the key is not encrypted"):
        identity_from_files(leaf, key, key_password="needless")
    with pytest.raises(Invalid, match="certificate: is not a Pass Type ID certificate"):
        identity_from_files(pem_of(chain.intermediate), key)
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(Invalid, match="key: is not an RSA key"):
        identity_from_files(leaf, curve)


def test_a_request_that_apples_portal_takes(tmp_path: Path) -> None:
    made = make_csr(pass_type_id=PASS_TYPE, team_id=TEAM, organization="Maison Lumière")
    request = x509.load_pem_x509_csr(made.csr_pem)
    assert request.is_signature_valid
    assert request.signature_hash_algorithm is not None
    assert request.signature_hash_algorithm.name == "sha256"
    key = serialization.load_pem_private_key(made.key_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 2048
    assert key.public_key() == request.public_key()
    with pytest.raises(Invalid, match="pass_type_id"):
        make_csr(pass_type_id="com.example", team_id=TEAM, organization="x")


def _p12(chain: Chain, password: bytes) -> bytes:
    encryption = serialization.BestAvailableEncryption(password)
    return pkcs12.serialize_key_and_certificates(None, chain.key, chain.leaf, [chain.intermediate], encryption)


def _files(chain: Chain, **changed: bytes) -> PassIdentity:
    parts = {"certificate": pem_of(chain.leaf), "key": key_pem(chain.key), "intermediate": pem_of(chain.intermediate)}
    parts |= changed
    return identity_from_files(parts["certificate"], parts["key"], intermediate=parts["intermediate"])


def _wwdr(file: str) -> bytes:
    return (DATA / "apple-ca" / file).read_bytes()


def _under(file: str) -> PassIdentity:
    return _files(make_chain(), intermediate=_wwdr(file))


BROKEN: dict[str, tuple[Callable[[], PassIdentity], str]] = {
    "expired": (lambda: make_chain(ends=NOW - timedelta(days=3)).identity(), "expired on 2026-11-18"),
    "not yet valid": (lambda: make_chain(starts=NOW + timedelta(days=2)).identity(), "is not valid before 2026-11-23"),
    "intermediate expired": (
        lambda: make_chain(intermediate_ends=NOW - timedelta(days=1)).identity(),
        "intermediate: expired on",
    ),
    "another pass type": (
        lambda: make_chain(pass_type_id="pass.example.other").identity(),
        "is for another pass type: pass.example.other instead of",
    ),
    "another team": (lambda: make_chain(team_id="ZZZZZ99999").identity(), "belongs to another team: ZZZZZ99999"),
    "another key": (
        lambda: replace(make_chain().identity(), signer=SealedKey(rsa_key("other"))),
        "key: does not match the certificate",
    ),
    "issued by a namesake": (lambda: make_chain(leaf_signed_by="other").identity(), "authority key identifier"),
    "root instead of intermediate": (
        lambda: replace(make_chain().identity(), intermediate=make_chain().root),
        "was issued by",
    ),
    **{
        f"WWDR {generation}": (partial(_under, file), "was issued by") for generation, file in WRONG_GENERATIONS.items()
    },
    "not a pass certificate": (
        lambda: make_chain(pass_type_id="com.example.app").identity(),
        "is not a Pass Type ID certificate",
    ),
    "no team": (lambda: make_chain(team_id=" ").identity(), "belongs to another team"),
    "nonsense certificate": (lambda: _files(make_chain(), certificate=b"x"), "is not a certificate in PEM or DER"),
    "nonsense key": (lambda: _files(make_chain(), key=b"x"), "is not a private key in PEM or DER"),
    "nonsense intermediate": (lambda: _files(make_chain(), intermediate=b"x"), "intermediate: is not a certificate"),
    "elliptic key": (
        lambda: _files(make_chain(), key=_pkcs8(ec.generate_private_key(ec.SECP256R1()))),
        "is not an RSA key",
    ),
    "locked key": (lambda: _files(make_chain(), key=key_pem(rsa_key("leaf"), b"secret")), "the key needs its password"),
    "locked p12": (lambda: identity_from_p12(_p12(make_chain(), b"secret"), None), "this .p12 needs its password"),
    "wrong password": (
        lambda: identity_from_p12(_p12(make_chain(), b"secret"), "guess"),
        "the password does not open this .p12",
    ),
    "nonsense p12": (lambda: identity_from_p12(b"PK", None), "is not a PKCS#12"),
}


def _pkcs8(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@pytest.mark.parametrize("case", BROKEN)
def test_each_way_to_be_broken_is_named_in_words(case: str) -> None:
    """The matrix: refused on reading or on checking, and the words say which way it is broken."""
    make, words = BROKEN[case]
    try:
        told = said(make(), make_chain().trust)
    except Invalid as refused:
        told = str(refused)
    assert words in told

"""Whoever signs passes: a key of our own, and a key in a PKCS#11 token (SoftHSM2). The same contract for both."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.wallets.apple.conftest import CARD, NOW, PASS_TYPE, SERVICE, TEAM, Chain, key_pem, rsa_key
from wallet_service.errors import SettingsError
from wallet_service.simulators.soft_token import soft_token, softhsm
from wallet_service.wallets.apple.certificates import PassIdentity, check, identity_in_token, pem_of
from wallet_service.wallets.apple.checking.check import check_bundle
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.apple.signers import Pkcs11Key, SealedKey, Signer, TokenAddress


def soft_address(folder: Path, pem: bytes, **label: str) -> TokenAddress:
    """A token that holds the key; where SoftHSM2 is not installed the test is left out, but not in CI."""
    if softhsm() is None:
        if os.environ.get("CI"):
            pytest.fail("SoftHSM2 is not installed: apt install softhsm2")
        pytest.skip("SoftHSM2 is not installed: apt install softhsm2")
    return TokenAddress(**soft_token(folder, pem, **label))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, chain: Chain) -> TokenAddress:
    return soft_address(tmp_path_factory.mktemp("token"), key_pem(chain.key))


@pytest.fixture(params=["sealed", "token"])
def signer(request: pytest.FixtureRequest, chain: Chain) -> Signer:
    if request.param == "sealed":
        return SealedKey(chain.key)
    return Pkcs11Key(request.getfixturevalue("address"))


def in_token(chain: Chain, address: TokenAddress) -> PassIdentity:
    return identity_in_token(pem_of(chain.leaf), address, intermediate=pem_of(chain.intermediate))


def test_both_make_the_same_signature(signer: Signer, chain: Chain) -> None:
    assert signer.public_key() == chain.key.public_key()
    assert signer.sign(b"manifest") == chain.key.sign(b"manifest", padding.PKCS1v15(), hashes.SHA256())


def test_many_threads_share_a_signer(signer: Signer, chain: Chain) -> None:
    public = chain.key.public_key()
    texts = [b"%d" % number for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        for text, signature in zip(texts, pool.map(signer.sign, texts), strict=True):
            public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())


def test_neither_shows_its_secret(signer: Signer, chain: Chain, address: TokenAddress) -> None:
    """Item 22."""
    identity = replace(chain.identity(), signer=signer)
    for shown in (repr(identity), str(identity), repr(signer), repr(address)):
        assert address.pin not in shown.replace(TEAM, "")
        assert str(chain.key.private_numbers().d) not in shown


def test_a_pass_that_a_token_signs_is_byte_for_byte_the_same(
    bundle: bytes, chain: Chain, address: TokenAddress
) -> None:
    identity = in_token(chain, address)
    assert check(identity, pass_type_id=PASS_TYPE, team_id=TEAM, now=NOW, trust=chain.trust) == []
    made = PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW)
    assert made == bundle
    assert check_bundle(made, now=NOW, trust=chain.trust) == []


def test_a_key_in_a_token_cannot_be_had(chain: Chain, address: TokenAddress) -> None:
    with pytest.raises(SettingsError, match="only the token can use it"):
        in_token(chain, address).key_pem()


def test_a_token_that_was_restarted_is_opened_again(chain: Chain, address: TokenAddress) -> None:
    """Whoever logged in logs out, and its session ends, as when the token loses its power."""
    signer, other = Pkcs11Key(address), Pkcs11Key(address)
    before = signer.sign(b"x")
    assert other.sign(b"x") == before, "two programmes may have keys in one token"
    assert signer._opened is not None
    signer._opened.session.close()
    assert signer.sign(b"x") == before
    assert other.sign(b"x") == before, "whose login it was does not matter"


def test_what_is_wrong_with_a_token_is_said(chain: Chain, address: TokenAddress) -> None:
    for change, words in (
        ({"module": "/nowhere/module.so"}, "there is no /nowhere/module.so"),
        ({"token": "another"}, "token 'another' cannot be opened: NoSuchToken"),
        ({"key": "another"}, "the key 'another' of the token 'passes' cannot be opened: NoSuchKey"),
    ):
        identity = in_token(chain, replace(address, **change))
        (finding,) = check(identity, pass_type_id=PASS_TYPE, team_id=TEAM, now=NOW, trust=chain.trust)
        assert (finding.path, finding.severity) == ("key", "error")
        assert words in finding.message
        with pytest.raises(SettingsError, match="cannot be opened"):
            PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW)


def test_a_token_with_another_key_is_found_out(chain: Chain, address: TokenAddress) -> None:
    identity = replace(chain.identity(), signer=Pkcs11Key(address))
    assert check(identity, pass_type_id=PASS_TYPE, team_id=TEAM, now=NOW, trust=chain.trust) == []
    stranger = replace(identity, signer=SealedKey(rsa_key("other")))
    (finding,) = check(stranger, pass_type_id=PASS_TYPE, team_id=TEAM, now=NOW, trust=chain.trust)
    assert str(finding).startswith("key: does not match the certificate")

"""Who holds the private key of a pass type certificate: this program, sealed, or a PKCS#11 token, which signs for it.

Both make the same signature: RSA PKCS#1 v1.5 over SHA-256 (apple-wallet.md, 1.6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from wallet_service.errors import SettingsError

if TYPE_CHECKING:
    import pkcs11
    from pkcs11 import SignMixin

Made = TypeVar("Made")
_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()


class Signer(Protocol):
    """Signs for one certificate; safe to share between threads."""

    def public_key(self) -> rsa.RSAPublicKey:
        """The public half of the key."""

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""


@dataclass(frozen=True, slots=True)
class SealedKey:
    """A key that this program holds. It never shows in a repr."""

    key: rsa.RSAPrivateKey = field(repr=False)

    def public_key(self) -> rsa.RSAPublicKey:
        """The public half of the key."""
        return self.key.public_key()

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`."""
        return self.key.sign(data, _PADDING, _SHA256)


@dataclass(frozen=True, kw_only=True)
class TokenAddress:
    """Where a key is: the module of the token's maker, the token's label, the key's label, and the user's PIN."""

    module: str
    token: str
    key: str
    pin: str = field(repr=False)


@cache
def _lock_of(module: str) -> RLock:
    """python-pkcs11 tells a module that one thread alone will call it, and then waits without Python's own lock: so
    each process lets one thread at a time in. Several processes sign at once.
    """
    return RLock()


class Pkcs11Key:
    """A key inside a PKCS#11 token (a smart card, a network HSM, SoftHSM), which never leaves it.

    The token is opened at the first use, so in the process that uses it, and stays open.

    Source: OASIS, "PKCS #11 Cryptographic Token Interface Base Specification", 2.40.
    """

    def __init__(self, address: TokenAddress) -> None:
        self.address = address
        self._opened: pkcs11.Key | None = None
        self._lock = _lock_of(address.module)

    def public_key(self) -> rsa.RSAPublicKey:
        """The public half of the key, as the token tells it.

        Raises:
            SettingsError: the token is not there, or does not have the key.
        """
        return self._using(_public_key)

    def sign(self, data: bytes) -> bytes:
        """The signature of `data`.

        Raises:
            SettingsError: as `public_key`.
        """
        return self._using(lambda key: _signature(key, data))

    def _using(self, use: Callable[[pkcs11.Key], Made]) -> Made:
        """Use the key. A session ends with the token's power, or when whoever logged in logs out; so what fails in an
        old one is tried in a new one.
        """
        with self._lock:
            was_open = self._opened is not None
            key = self._opened = self._opened or self._open()
            from pkcs11 import PKCS11Error

            try:
                return use(key)
            except PKCS11Error as error:
                self._opened = None
                if not was_open:
                    raise SettingsError(f"{self._words()} does not sign: {_in_words(error)}") from error
            return self._using(use)

    def _open(self) -> pkcs11.Key:
        try:
            import pkcs11
        except ImportError as error:
            raise SettingsError('keys in a token need python-pkcs11: pip install "wallet-service[pkcs11]"') from error
        if not Path(self.address.module).exists():
            raise SettingsError(f"{self._words()} cannot be opened: there is no {self.address.module}")
        try:
            token = pkcs11.lib(self.address.module).get_token(token_label=self.address.token)
            try:
                session = token.open(user_pin=self.address.pin)
            except pkcs11.UserAlreadyLoggedIn:  # by another programme of this process, and so for all sessions
                session = token.open()
            return session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self.address.key)
        except (pkcs11.PKCS11Error, RuntimeError) as error:
            raise SettingsError(f"{self._words()} cannot be opened: {_in_words(error)}") from error

    def _words(self) -> str:
        return f"the key {self.address.key!r} of the token {self.address.token!r}"


def _public_key(key: pkcs11.Key) -> rsa.RSAPublicKey:
    from pkcs11 import Attribute

    names = (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)
    exponent, modulus = (int.from_bytes(key[name], "big") for name in names)
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _signature(key: pkcs11.Key, data: bytes) -> bytes:
    from pkcs11 import Mechanism

    signs = cast("SignMixin", key)  # as every private key does whose token lets it
    return bytes(signs.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS))


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()

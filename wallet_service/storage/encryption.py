"""Secrets at rest: sealed with AES-GCM under a key that is derived from the installation's own secret.

The secret is `WALLET_SECRET_KEY`; outside production one is made at the first start and kept in the data folder.
"""

from __future__ import annotations

import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from wallet_service.errors import SettingsError
from wallet_service.settings import Settings

_NONCE_BYTES = 12


class Sealer:
    """Seals and opens small secrets; `purpose` is bound in, so that one kind cannot be passed off as another."""

    def __init__(self, secret: str) -> None:
        derived = HKDF(SHA256(), length=32, salt=None, info=b"wallet-service sealing 1").derive(secret.encode())
        self._cipher = AESGCM(derived)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Encrypt; every call gives other bytes."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Decrypt.

        Raises:
            SettingsError: it was sealed under another secret, or for another purpose.
        """
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise SettingsError(
                f"the stored key material ({purpose}) was sealed under another WALLET_SECRET_KEY; "
                "set the old one again, or import the keys anew"
            ) from error


class KeyedDigester:
    """Digests that only this installation can make, so that guessing the input needs its secret; `purpose` keeps the
    digests of one kind from being compared with those of another.
    """

    def __init__(self, secret: str, purpose: str) -> None:
        info = f"wallet-service digests 1 {purpose}".encode()
        self._key = HKDF(SHA256(), length=32, salt=None, info=info).derive(secret.encode())

    def digest(self, text: str) -> bytes:
        """32 bytes; equal texts give equal digests."""
        return hmac.digest(self._key, text.encode(), "sha256")


def sealer_for(settings: Settings) -> Sealer:
    """The sealer of this installation."""
    return Sealer(_secret_of(settings))


def digester_for(settings: Settings, purpose: str) -> KeyedDigester:
    """The digester of this installation for one purpose."""
    return KeyedDigester(_secret_of(settings), purpose)


def _secret_of(settings: Settings) -> str:
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    return _secret_in(settings.data_dir)


def _secret_in(data_dir: Path) -> str:
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "secret_key"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", encoding="ascii", dir=data_dir) as draft:  # 0600 by itself
            draft.write(secrets.token_urlsafe(48))
            draft.flush()
            with suppress(FileExistsError):  # whole or not at all; the first of two processes wins
                os.link(draft.name, path)
    return path.read_text(encoding="ascii")

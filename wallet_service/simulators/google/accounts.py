"""Service accounts: their keys, the tokens they get, and the signatures they make.

Source: google-wallet.md, sections 2 and 18.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from wallet_service.simulators.google.api_error import ApiError

SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
PUBLIC_AUDIENCE = "https://oauth2.googleapis.com/token"


@dataclass(frozen=True)
class Account:
    """One service account: who it is, its public key, and the issuers that invited it."""

    email: str
    key_id: str
    public_key: rsa.RSAPublicKey
    issuer_ids: frozenset[str]


class Accounts:
    """Makes accounts, checks what they sign, keeps their tokens. Thread-safe.

    Tokens live in the machine's own time, since the client library that renews them does.
    """

    def __init__(self, *, token_lifetime_s: int) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._token_lifetime_s = token_lifetime_s
        self.issued_tokens = 0

    def make(self, issuer_id: str, token_uri: str) -> dict[str, str]:
        """A new account invited by one issuer, as the JSON of Google's key file."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        email, key_id = f"wallet-{secrets.token_hex(4)}@simulator.iam.gserviceaccount.com", secrets.token_hex(20)
        with self._lock:
            self._accounts[email] = Account(email, key_id, key.public_key(), frozenset({issuer_id}))
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "simulator",
            "private_key_id": key_id,
            "private_key": pem.decode("ascii"),
            "client_email": email,
            "client_id": str(secrets.randbelow(10**21)),
            "token_uri": token_uri,
        }

    def adopt(self, info: Mapping[str, str], issuer_id: str) -> None:
        """Know the account of a key file that an earlier run made.

        Raises:
            ValueError: the private key is not an RSA key in PEM.
        """
        key = serialization.load_pem_private_key(info["private_key"].encode("ascii"), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("the key of a service account is RSA")
        email = info["client_email"]
        account = Account(email, info["private_key_id"], key.public_key(), frozenset({issuer_id}))
        with self._lock:
            self._accounts[email] = account

    def withdraw(self, email: str) -> None:
        """Delete an account: its key signs nothing any more, and its tokens open nothing."""
        with self._lock:
            self._accounts.pop(email, None)
            self._tokens = {token: owner for token, owner in self._tokens.items() if owner[0] != email}

    def exchange(self, grant_type: str, assertion: str, audience: str) -> dict[str, object]:
        """The token endpoint: a signed assertion becomes a bearer token.

        Raises:
            ApiError: 400 with OAuth's word as the reason.
        """
        if grant_type != GRANT:
            raise ApiError(400, "unsupported_grant_type", f"the grant type must be {GRANT}")
        try:
            account, claims = self.verified(assertion)
        except ApiError as error:
            raise ApiError(400, "invalid_grant", error.message) from error
        now = time.time()
        if claims.get("aud") not in (audience, PUBLIC_AUDIENCE):
            raise ApiError(400, "invalid_grant", "Invalid JWT: wrong audience.")
        issued_at, expires_at = claims.get("iat", 0), claims.get("exp", 0)
        if not (issued_at <= now + 300 and now < expires_at <= issued_at + 3600):
            raise ApiError(400, "invalid_grant", "Invalid JWT: iat and exp must make a reasonable timeframe.")
        if claims.get("scope") != SCOPE:
            raise ApiError(400, "invalid_scope", f"the scope must be exactly {SCOPE}")
        access_token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[access_token] = account.email, now + self._token_lifetime_s
            self.issued_tokens += 1
        return {"access_token": access_token, "expires_in": self._token_lifetime_s, "token_type": "Bearer"}

    def caller(self, authorization: str | None) -> Account:
        """Who sends this Authorization header; 401 if nobody known."""
        scheme, _, access_token = (authorization or "").partition(" ")
        with self._lock:
            email, expires_at = self._tokens.get(access_token, ("", 0.0))
            if scheme == "Bearer" and expires_at > time.time():
                return self._accounts[email]
        raise ApiError(401, "authError", "Request had invalid authentication credentials.")

    def expire_tokens(self) -> None:
        """Make every token invalid, as after an hour."""
        with self._lock:
            self._tokens.clear()

    def verified(self, token: str) -> tuple[Account, dict[str, Any]]:
        """Check an RS256 JWT with the key of the account that its `iss` names; 400 if it does not hold."""
        try:
            signed, _, signature = token.rpartition(".")
            header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
            if header.get("alg") != "RS256" or not isinstance(claims, dict):
                raise ApiError(400, "invalid", "The JWT must be signed with RS256.")
            with self._lock:
                account = self._accounts.get(str(claims.get("iss")))
            if account is None or header.get("kid", account.key_id) != account.key_id:
                raise ApiError(400, "invalid", "The issuer or the key of the JWT is not known.")
            account.public_key.verify(_decoded(signature), signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, AttributeError, InvalidSignature) as error:
            raise ApiError(400, "invalid", f"The JWT does not hold: {type(error).__name__}.") from error
        return account, claims


def _decoded(part: str) -> bytes:
    if "=" in part or "+" in part or "/" in part:
        raise binascii.Error("a JWT is unpadded base64url")
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

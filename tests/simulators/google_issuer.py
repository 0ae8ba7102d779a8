"""An issuer at the Google simulator, in the plainest way: Google's own client library, a class and an object."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials

from wallet_service.simulators.google import GoogleSimulator
from wallet_service.simulators.google.accounts import SCOPE

ISSUER = "3388000000012345678"
CLASS, OBJECT = f"{ISSUER}.fidelite", f"{ISSUER}.carte-0001"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class LocalCredentials(Credentials):
    """Google's credentials without the look-up of allowed locations, which would leave this machine."""

    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False


class Issuer:
    """The service's side, in the plainest way."""

    def __init__(self, google: GoogleSimulator, known: Mapping[str, str] | None = None) -> None:
        if known is not None:
            google.adopt_service_account(known, ISSUER)
        info = google.make_service_account(ISSUER) if known is None else known
        self.info = {**info, "token_uri": google.token_url}
        make_credentials: Any = LocalCredentials.from_service_account_info
        make_session: Any = AuthorizedSession
        self.credentials = make_credentials(self.info, scopes=[SCOPE])
        self.session = make_session(self.credentials)
        self._google = google
        self._base = f"{google.url}/walletobjects/v1"

    def __call__(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        answer = self.session.request(method, f"{self._base}/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: object, status: int = 400) -> str:
        error = self(method, path, body, status)["error"]
        return f"{error['errors'][0]['reason']}: {error['message']}"

    def jwt(self, payload: Mapping[str, Any], **claims: Any) -> str:
        """A save link's JWT."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.info["private_key_id"]}
        body = {"iss": self.info["client_email"], "aud": "google", "typ": "savetowallet", "iat": 1_790_000_000}
        segments = [_segment(json.dumps(one).encode()) for one in (header, {**body, "payload": payload, **claims})]
        signed = ".".join(segments)
        return f"{signed}.{_segment(self.credentials.signer.sign(signed))}"

    def save_link(self, *object_ids: str, **claims: Any) -> str:
        """A skinny link."""
        return self._google.save_url + self.jwt({"loyaltyObjects": [{"id": one} for one in object_ids]}, **claims)


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def loyalty_class(**more: Any) -> dict[str, Any]:
    return {
        "id": CLASS,
        "issuerName": "Maison Lumière",
        "programName": "Le Cercle",
        "programLogo": {"sourceUri": {"uri": "https://maisonlumiere.example/logo.png"}},
        "reviewStatus": "UNDER_REVIEW",
        "rewardsTierLabel": "Statut",
        "rewardsTier": "Or",
        **more,
    }


def loyalty_object(object_id: str = OBJECT, *, points: int = 120, **more: Any) -> dict[str, Any]:
    return {
        "id": object_id,
        "classId": CLASS,
        "state": "ACTIVE",
        "accountName": "Camille Dubois",
        "loyaltyPoints": {"label": "Points", "balance": {"int": points}},
        "barcode": {"type": "QR_CODE", "value": "ML0001"},
        **more,
    }

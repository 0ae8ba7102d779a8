"""The signed link behind "Add to Google Wallet". No network: it works while Google is away.

Source: google-wallet.md section 18; section 25, checks 38, 39, 41.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from wallet_service.errors import Invalid
from wallet_service.wallets.google.client.account import credentials_from
from wallet_service.wallets.google.content import schema
from wallet_service.wallets.google.content.kinds import LOYALTY, Kind
from wallet_service.wallets.google.content.schema import Body

LONGEST_JWT = 1800
"""Characters; beyond it browsers may cut the link."""
TOO_LONG = "link_too_long"


class SaveLinks:
    """Makes save links with one service account's key."""

    def __init__(self, service_account_info: Mapping[str, Any], *, save_url: str) -> None:
        """Args: `save_url` is Google's address for links, without trailing slash.

        Raises:
            SettingsError: the account's file is incomplete.
        """
        credentials = credentials_from(service_account_info)
        self._signer = credentials.signer
        self._email = credentials.service_account_email
        self._save_url = save_url

    def skinny(self, *object_ids: str, now: datetime, kind: Kind = LOYALTY) -> str:
        """The default: only the ids of objects that were inserted before; short, and their content is always current.

        Raises:
            Invalid: there are so many that the link would be too long.
        """
        return self._link({f"{kind.object_collection}s": [{"id": object_id} for object_id in object_ids]}, now)

    def fat(self, body: Body, first_class: Body | None, *, now: datetime, kind: Kind = LOYALTY) -> str:
        """The whole object in the link, for when it could not be inserted yet; where Google has no class yet, with one
        that will do until ours is there.

        Raises:
            Invalid: a body breaks Google's rules, or is too long to travel in a link.
        """
        schema.require_valid(kind.object_schema, body)
        if first_class is not None:
            schema.require_valid(kind.class_schema, first_class)
        if "rotatingBarcode" in body:
            raise Invalid.at("rotatingBarcode", "its secret must not travel in a link")
        payload: Body = {f"{kind.object_collection}s": [body]}
        if first_class is not None:
            payload = {f"{kind.class_collection}es": [first_class], **payload}
        return self._link(payload, now)

    def _link(self, payload: Body, now: datetime) -> str:
        claims = {
            "iss": self._email,
            "aud": "google",
            "typ": "savetowallet",
            "iat": int(now.timestamp()),
            "payload": payload,
        }
        jwt = self._signed(claims)
        if len(jwt) > LONGEST_JWT:
            raise Invalid.at("", f"the save link is {len(jwt)} characters long; {LONGEST_JWT} is the most", TOO_LONG)
        return f"{self._save_url}/{jwt}"

    def _signed(self, claims: Mapping[str, Any]) -> str:
        header = {"alg": "RS256", "typ": "JWT"}
        if self._signer.key_id:
            header["kid"] = self._signer.key_id
        # not google.auth.jwt.encode: its spaces and escapes cost up to 40 % of the length
        signed = f"{_segment(orjson.dumps(header))}.{_segment(orjson.dumps(claims))}"
        return f"{signed}.{_segment(self._signer.sign(signed.encode()))}"


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

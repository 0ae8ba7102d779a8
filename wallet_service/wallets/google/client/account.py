"""The service account: one key for two jobs, REST calls and signed save links. Source: google-wallet.md section 2."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from google.auth.exceptions import GoogleAuthError
from google.oauth2.service_account import Credentials

from wallet_service.errors import SettingsError


class AccountCredentials(Credentials):
    """A service account's credentials that call the token endpoint and nothing else; threads share one token."""

    _refreshing = threading.Lock()

    def refresh(self, request: object) -> None:
        """Get a token, unless another thread has just got one while this one waited."""
        seen = self.token
        with self._refreshing:
            if self.token is seen:
                super().refresh(request)  # type: ignore[no-untyped-call]

    def _is_regional_access_boundary_lookup_required(self) -> bool:
        """The Wallet API has no regions: asking google-auth's other host for them would be a call for nothing."""
        return False


SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"


def credentials_from(service_account_info: Mapping[str, Any]) -> Credentials:
    """The account's credentials, with the only scope that Google Wallet knows; no network.

    Args:
        service_account_info: the JSON key file of the account, parsed.

    Raises:
        SettingsError: a member is missing or the key cannot be read.
    """
    missing = [name for name in ("client_email", "private_key", "token_uri") if not service_account_info.get(name)]
    if missing:
        raise SettingsError(
            f"the Google service account file lacks {', '.join(missing)}; use the JSON key as downloaded"
        )
    try:
        credentials: Credentials = AccountCredentials.from_service_account_info(  # type: ignore[no-untyped-call]
            dict(service_account_info), scopes=[SCOPE]
        )
    except (ValueError, GoogleAuthError) as error:
        raise SettingsError(f"the Google service account file holds no usable private_key: {error}") from error
    return credentials

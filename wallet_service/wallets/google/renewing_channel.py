"""A channel to Google that outlives its account: with another account, or other `[google]` settings, it reconnects.

Source: google-wallet.md section 2 (key rotation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

import structlog

from wallet_service.errors import SettingsError
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.protocol import ChannelDown, Notice, Outcome

log = structlog.get_logger()
Terms = TypeVar("Terms")
Account = Mapping[str, Any]


class RenewingGoogleChannel(Generic[Terms]):
    """An `Announcer` on the channel of whichever account is current. Used by one thread.

    Args:
        wanted: looks up the account, the same object for as long as it is the same, and the programme's settings for
            Google, which are compared; None: the programme is not on Google, or its account was never imported.
        dial: opens a channel for these.
    """

    def __init__(
        self, wanted: Callable[[], tuple[Account, Terms] | None], dial: Callable[[Account, Terms], GoogleChannel]
    ) -> None:
        self._wanted = wanted
        self._dial = dial
        self._dialled: tuple[Account, Terms] | None = None
        self._open: GoogleChannel | None = None

    def current(self) -> GoogleChannel | None:
        """The channel as it should be now; the same one for as long as nothing has changed. None: there is none."""
        wanted = self._wanted()
        if wanted is None or not self._has_dialled(*wanted):
            self.close()
            self._dialled = wanted
            self._open = self._dial_or_complain(*wanted) if wanted is not None else None
        return self._open

    def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        """As `GoogleChannel.announce`; without a channel, that is down."""
        channel = self.current()
        if channel is None:
            yield from ((notice, ChannelDown("no usable service account")) for notice in notices)
            return
        yield from channel.announce(notices)

    def stop(self) -> None:
        """Send nothing more on the channel that is open. From any thread."""
        if (channel := self._open) is not None:
            channel.stop()

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
        self._open = self._dialled = None

    def _has_dialled(self, account: Account, terms: Terms) -> bool:
        return self._dialled is not None and self._dialled[0] is account and self._dialled[1] == terms

    def _dial_or_complain(self, account: Account, terms: Terms) -> GoogleChannel | None:
        try:
            channel = self._dial(account, terms)
        except SettingsError as error:  # said once; the next account is tried as soon as it is there
            log.error("google_account_unusable", reason=str(error))
            return None
        log.info("google_dialled", account=account.get("client_email"), key_id=account.get("private_key_id"))
        return channel

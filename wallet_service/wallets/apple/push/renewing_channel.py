"""A channel to APNs that outlives its certificate: when another one signs, it hangs up and dials again with that.

Apple: a connection that was opened with a replaced certificate is to be closed (spec apple-wallet, 5.1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog

from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.push.apns import ApnsChannel
from wallet_service.wallets.protocol import ChannelDown, Later, Notice, Outcome, Refused

log = structlog.get_logger()


class RenewingChannel:
    """An `Announcer` on the connection of whichever identity signs now. Used by one thread.

    Args:
        identity: looks up who signs now; the same object for as long as it is the same.
        dial: opens a channel for an identity.
    """

    def __init__(
        self, identity: Callable[[], PassIdentity | None], dial: Callable[[PassIdentity], ApnsChannel]
    ) -> None:
        self._identity = identity
        self._dial = dial
        self._signer: PassIdentity | None = None
        self._open: ApnsChannel | None = None

    def signer(self) -> PassIdentity | None:
        """Look who signs now; if it is another than before, disconnect."""
        identity = self._identity()
        if identity is not self._signer:
            self.close()
            self._signer = identity
        return identity

    def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        """Push to each phone once, as `ApnsChannel.announce`, on the connection of whom `signer` saw last; without any
        identity the channel is down.
        """
        identity = self._signer or self.signer()
        if identity is None:
            yield from ((notice, ChannelDown("no certificate")) for notice in notices)
            return
        if self._open is None:
            log.info("apns_dialled", pass_type_id=identity.pass_type_id, certificate_until=str(identity.not_after))
            self._open = self._dial(identity)
        yield from self._open.announce(notices)

    def close(self) -> None:
        """Close the connection."""
        if self._open is not None:
            self._open.close()
            self._open = None


_NOBODY = "00" * 32


def refusal_of(channel: ApnsChannel) -> str | None:
    """Whether APNs takes the identity that the channel was dialled with: what it says against it, or None.

    One push to a phone that cannot exist: the answer that the token is bad comes only after the certificate was good.
    """
    ((_, outcome),) = channel.announce([Notice(delivery_id=0, far_end=_NOBODY, version=0)])
    match outcome:
        case ChannelDown(reason=reason):
            return f"APNs refused it: {reason}"
        case Later(reason=reason):
            return f"APNs could not be asked: {reason}"
        case Refused(reason=reason) if "BadDeviceToken" not in reason:
            return f"APNs refused it: {reason}"
        case _:
            return None

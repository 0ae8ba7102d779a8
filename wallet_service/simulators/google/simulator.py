"""The Google simulator: the REST API, save links, callbacks and phones, on one loopback port.

Source: google-wallet.md.
"""

from __future__ import annotations

from typing import Any

from wallet_service.simulators.google.backend import GoogleBackend
from wallet_service.simulators.google.routes import Routes
from wallet_service.simulators.loopback_http import LoopbackServer


class GoogleSimulator(GoogleBackend):
    """Google Wallet on a loopback port; everything runs on background threads.

    Args:
        port: 0 takes a free one.
        options: as `GoogleBackend`.
    """

    def __init__(self, *, port: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._server = LoopbackServer(Routes(self).handle, port=port, name="google-simulator")

    @property
    def url(self) -> str:
        """The address, for `WALLET_GOOGLE_API_URL`."""
        return self._server.url

    def start(self) -> None:
        """Bind and serve."""
        self._server.start()
        super().start()

    def stop(self) -> None:
        """Close connections, drop what was not sent, join the threads."""
        self.stopping.set()
        self._server.stop()
        super().stop()

    def __enter__(self) -> GoogleSimulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

"""What a simulated phone can be told on standard input, a word on each line: to lose its network, to sleep, to lie, to
keep an old copy of its card and bring it back.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import click

from wallet_service.errors import WalletServiceError
from wallet_service.simulators.phones.android import Android
from wallet_service.simulators.phones.iphone import Iphone

Orders = Mapping[str, Callable[[], object]]


def orders_of_iphone(iphone: Iphone) -> Orders:
    """What an iPhone can be told."""
    kept: list[bytes] = []

    def back() -> None:
        if not kept:
            raise WalletServiceError("nothing was kept: say keep first")
        iphone.add_pass(kept[-1])

    return {
        "offline": iphone.offline,
        "online": iphone.online,
        "sleep": iphone.sleep,
        "wake": iphone.wake,
        "lie": iphone.lie,
        "honest": lambda: iphone.lie(lying=False),
        "keep": lambda: kept.append(iphone.bundle()),
        "back": back,
        "refresh": iphone.refresh,
        "toggle": iphone.toggle_updates,
        "restore": iphone.restore,
        "remove": iphone.remove,
    }


def orders_of_android(android: Android) -> Orders:
    """What an Android phone can be told."""
    return {"offline": android.offline, "online": android.online, "remove": android.remove}


def follow_orders(orders: Orders) -> None:
    """Do what standard input says, on a thread that ends with the process."""
    threading.Thread(target=_follow, args=(orders,), name="orders", daemon=True).start()


def _follow(orders: Orders) -> None:
    with suppress(OSError, ValueError):  # no standard input, or it was closed
        for line in sys.stdin:
            _do(orders, line.strip())


def _do(orders: Orders, word: str) -> None:
    if not word:
        return
    order = orders.get(word)
    if order is None:
        click.echo(f"{word!r} is no order; there are {', '.join(orders)}")
        return
    click.echo(f"told to {word}")
    try:
        order()
    except WalletServiceError as error:
        click.echo(f"{word}: {error}")

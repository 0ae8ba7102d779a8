"""Cards in phones and what waits, counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from tests.system import System, eventually
from wallet_service.delivery.overview import LATELY, Installed, InstalledCounts, Waiting, count_installed, waiting_in


def counted(system: System) -> Installed:
    with system.services.sessions() as db:
        return count_installed(db, "lumiere", now=system.clock())


def numbers(found: Installed) -> tuple[int, ...]:
    return found.members, found.installed, found.added_apple, found.added_google, found.removed_google


def test_cards_are_counted_from_enrolment_to_removal(system: System) -> None:
    both, one = system.enrol("M-1"), system.enrol("M-2")
    system.enrol("M-3")
    assert numbers(counted(system)) == (3, 0, 0, 0, 0)
    iphone, second, android = system.iphone(), system.iphone(), system.android()
    with system.working():
        iphone.open_link(both["links"]["card"])
        second.open_link(both["links"]["card"])
        android.open_link(both["links"]["card"])
        system.iphone().open_link(one["links"]["card"])
        eventually(lambda: numbers(counted(system)) == (3, 2, 3, 1, 0))
        android.remove()
        eventually(lambda: numbers(counted(system)) == (3, 2, 3, 0, 1))
        iphone.remove()
        second.remove()
        eventually(lambda: numbers(counted(system)) == (3, 1, 1, 0, 1))
        system.api.ok("POST", f"/cards/{one['serial_number']}/void")
        assert counted(system).installed == 0, "a void card is nobody's active one"
        system.api("DELETE", "/members/M-3")
        assert counted(system).members == 2
    system.clock.advance(LATELY + timedelta(minutes=1))
    assert numbers(counted(system)) == (2, 0, 0, 0, 0)


def test_what_waits_by_platform(system: System) -> None:
    card = system.enrol("M-1")
    system.enrol("M-2")

    def waiting() -> tuple[Waiting, ...]:
        with system.services.sessions() as db:
            return waiting_in(db, "lumiere", now=system.clock())

    assert waiting() == (Waiting("apple", 0, None, 0), Waiting("google", 0, None, 0))
    system.iphone().open_link(card["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    apple, google = waiting()
    (row,) = system.rows("SELECT next_attempt_at FROM deliveries WHERE kind = 'apple'")
    assert apple == Waiting("apple", 1, row["next_attempt_at"], 0)
    assert google.due == 0, "nobody has saved a card"
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET parked = 'config' WHERE kind = 'apple'"))
    assert waiting()[0] == Waiting("apple", 0, None, 1)


@contextmanager
def counts_that_wait(system: System) -> Iterator[tuple[InstalledCounts, Any]]:
    """Counts that are made only once they may go on."""
    go_on = threading.Event()

    class Sessions:
        def __call__(self) -> Any:
            go_on.wait(20)
            return system.services.sessions()

    counts = InstalledCounts(Sessions(), system.clock)  # type: ignore[arg-type]
    try:
        yield counts, go_on
    finally:
        go_on.set()
        for thread in threading.enumerate():
            if thread.name == "installed":
                thread.join(20)


def test_a_page_never_waits_for_a_slow_count_and_has_the_last_one_meanwhile(system: System) -> None:
    with counts_that_wait(system) as (counts, go_on):
        assert counts.of("lumiere") is None
        go_on.set()
        first = eventually(lambda: counts.of("lumiere"))
        system.enrol()
        assert counts.of("lumiere") == first, "it took long, so it is kept for long"
        system.clock.advance(timedelta(hours=1))
        go_on.clear()
        assert counts.of("lumiere") == first
        go_on.set()
        assert eventually(lambda: counts.of("lumiere") != first)


def test_a_quick_count_is_soon_made_anew(system: System) -> None:
    counts = InstalledCounts(system.services.sessions, system.clock)
    first = counts.of("lumiere")
    assert first is not None
    system.enrol()
    system.clock.advance(timedelta(minutes=15))
    again = counts.of("lumiere")
    assert again is not None
    assert (first.members, again.members) == (0, 1)

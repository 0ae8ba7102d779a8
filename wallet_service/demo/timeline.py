"""The tour's record: what happened, when, and how long after the step began."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from wallet_service.clock import Clock


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, at an instant."""

    at: datetime
    what: str


@dataclass
class Step:
    """A step of the tour in the making."""

    title: str
    began_at: datetime
    moments: list[Moment] = field(default_factory=list)

    def note(self, what: str, at: datetime) -> None:
        """Something happened."""
        self.moments.append(Moment(at, what))


class StepFailed(Exception):
    """A step did not happen on the phones."""


@dataclass
class Timeline:
    """Prints each step as it ends; remembers whether all went well."""

    console: Console
    clock: Clock
    steps: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """One step; what its body notes is printed, in order of time, when it ends.

        Raises:
            StepFailed: whatever the body raised, in words.
        """
        step = Step(title, self.clock())
        self.steps.append(step)
        try:
            yield step
        except Exception as error:
            self._print(step, ok=False)
            raise StepFailed(f"{title}: {error}") from error
        self._print(step, ok=True)

    def _print(self, step: Step, *, ok: bool) -> None:
        sign, style = ("✓", "bold green") if ok else ("✗", "bold red")
        self.console.print(Text.assemble((f"{sign} ", style), (step.title, "bold")))
        for moment in sorted(step.moments, key=lambda moment: moment.at):
            self.console.print(Text.assemble((f"  {_ms(moment.at - step.began_at):>9}", "cyan"), f"  {moment.what}"))


def _ms(span: timedelta) -> str:
    return f"+{span / timedelta(milliseconds=1):.0f} ms"

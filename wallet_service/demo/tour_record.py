"""The tour's record: what happened, when, and how long after the step began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rich.console import Console
from rich.text import Text

from wallet_service.clock import Clock


@dataclass(frozen=True, slots=True)
class Told:
    """Words with gaps, and what fills them, so that another language can put them in its own order."""

    words: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.words.format(**self.values)

    def in_other_words(self, words: Mapping[str, str]) -> str:
        """The same by a table from our words to another language's; our own where it has none."""
        values = {name: words.get(str(value), value) for name, value in self.values.items()}
        return words.get(self.words, self.words).format(**values)


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened, at an instant."""

    at: datetime
    what: Told


@dataclass
class Step:
    """A step of the tour in the making."""

    title: Told
    began_at: datetime
    moments: list[Moment] = field(default_factory=list)

    def note(self, what: str, at: datetime, **values: object) -> None:
        """Something happened; `values` fill the gaps of `what`."""
        self.moments.append(Moment(at, Told(what, values)))

    @property
    def took(self) -> timedelta:
        """From its beginning to the last thing that was noted."""
        return max((moment.at for moment in self.moments), default=self.began_at) - self.began_at

    def in_order(self) -> list[tuple[int, Told]]:
        """What happened, in order of time, each with the whole milliseconds since the step began."""
        return [
            (round((moment.at - self.began_at) / timedelta(milliseconds=1)), moment.what)
            for moment in sorted(self.moments, key=lambda moment: moment.at)
        ]


class StepFailed(Exception):
    """A step did not happen on the phones."""


@dataclass
class Timeline:
    """Prints each step as it ends; remembers whether all went well."""

    console: Console
    clock: Clock
    steps: list[Step] = field(default_factory=list)

    @property
    def moments(self) -> int:
        """How many things were noted."""
        return sum(len(step.moments) for step in self.steps)

    @property
    def took(self) -> timedelta:
        """What all steps took together."""
        return sum((step.took for step in self.steps), timedelta())

    @contextmanager
    def step(self, title: str, **values: object) -> Iterator[Step]:
        """One step; what its body notes is printed, in order of time, when it ends.

        Raises:
            StepFailed: whatever the body raised, in words.
        """
        step = Step(Told(title, values), self.clock())
        self.steps.append(step)
        try:
            yield step
        except Exception as error:
            self._print(step, ok=False)
            raise StepFailed(f"{step.title}: {error}") from error
        self._print(step, ok=True)

    def _print(self, step: Step, *, ok: bool) -> None:
        sign, style = ("✓", "bold green") if ok else ("✗", "bold red")
        self.console.print(Text.assemble((f"{sign} ", style), (str(step.title), "bold")))
        for after_ms, what in step.in_order():
            self.console.print(Text.assemble((f"  {f'+{after_ms} ms':>9}", "cyan"), f"  {what}"))

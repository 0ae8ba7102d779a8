"""What the frame of a staff page shows around its content: programme, navigation, the person. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One link of the navigation. `icon` is a name in `parts/icons.html`."""

    label: str
    address: str
    icon: str = "home"
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The frame, for one person in one programme."""

    program: str
    navigation: tuple[Entry, ...]
    person: str
    account_address: str
    sign_out_address: str
    current: str = ""
    """The address of the entry that this page belongs to."""
    programs: tuple[Entry, ...] = ()
    """The person's programmes, where there are several to choose from."""
    search_address: str | None = None
    """Where to look for members, for those who may."""
    trail: tuple[tuple[str, str], ...] = ()
    """The pages above this one: words and address, from the top."""

    @property
    def initials(self) -> str:
        """Two letters in the programme's mark."""
        words = [word for word in self.program.split() if word[0].isalnum()]
        return "".join(word[0] for word in words[:2]).upper() or "–"

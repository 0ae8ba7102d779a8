"""Passwords: which are good enough, and their digests (argon2id)."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from importlib.resources import files
from threading import BoundedSemaphore
from typing import NamedTuple, Protocol

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from wallet_service.errors import Invalid

SHORTEST, LONGEST = 12, 256
_LONGEST_TYPED = 4 * LONGEST
"""Composing shortens a text; what is longer than this cannot become a password."""
_LEAST_OWN = 6
"""How many characters have to be left when the guessable parts are taken away."""
_LEAST_DISTINCT = 5
_SHORTEST_ROW = 4
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "1qaz2wsx3edc4rfv5tgb6yhn",
)
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_SHORTEST_OWN_WORD = 3
_LOOKALIKES = str.maketrans("0134578@$!", "oieastbasi")
_AT_ONCE = BoundedSemaphore(2)
"""A digest takes 64 MiB and all of a core: two at once in a process, so that sign-ins cannot exhaust the machine."""


class Hashing(Protocol):
    """What this module needs of argon2's `PasswordHasher`."""

    def hash(self, password: str | bytes) -> str:
        """A new digest."""
        ...

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 the library's own name
        """True, or an exception."""
        ...

    def check_needs_rehash(self, hash: str | bytes) -> bool:  # noqa: A002 the library's own name
        """Whether the digest was made with other parameters than these."""
        ...


class Verdict(NamedTuple):
    """Whether a password was right; `new_digest` takes the place of one with old parameters."""

    is_right: bool
    new_digest: str | None = None


class Passwords:
    """Makes and checks digests with the parameters that it was given."""

    def __init__(self, hashing: Hashing) -> None:
        self._hashing = hashing

    @classmethod
    def for_production(cls) -> Passwords:
        """argon2id with RFC 9106's second recommended option: 64 MiB, three passes, four lanes."""
        return cls(PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY))

    @classmethod
    def for_tests(cls) -> Passwords:
        """The cheapest that argon2id can do: never for real passwords."""
        return cls(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1, type=Type.ID))

    def digest(self, password: str) -> str:
        """The digest to be kept."""
        with _AT_ONCE:
            return self._hashing.hash(normal(password))

    def check(self, digest: str | None, password: str) -> Verdict:
        """Check a password. Without a digest (nobody has that address) the work is the same, and the answer no."""
        if len(password) > _LONGEST_TYPED:
            digest, password = None, ""
        known, candidate = digest or self._nobodys, normal(password)
        with _AT_ONCE:
            try:
                self._hashing.verify(known, candidate)
            except (VerificationError, InvalidHashError):
                return Verdict(False)
            if digest is None:
                return Verdict(False)
            stale = self._hashing.check_needs_rehash(known)
            return Verdict(True, self._hashing.hash(candidate) if stale else None)

    def prepare(self) -> None:
        """Make nobody's digest before the first unknown address asks for it, which would take twice as long."""
        _ = self._nobodys

    @cached_property
    def _nobodys(self) -> str:
        with _AT_ONCE:
            return self._hashing.hash(secrets.token_urlsafe(32))


def normal(password: str) -> str:
    """The same characters in the same bytes, whatever keyboard they were typed on."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, own: Iterable[str] = ()) -> None:
    """Refuse a password that is too short, too long or easily guessed.

    Args:
        own: the person's name, mail address, brand: what others would try first.

    Raises:
        Invalid: at `password`, with what to do.
    """
    text = normal(password)
    if len(text) < SHORTEST:
        message = f"is too short: use at least {SHORTEST} characters, for example four words"
        raise Invalid.at("password", message, "password_too_short", min_length=SHORTEST)
    if len(text) > LONGEST:
        message = f"is too long: use at most {LONGEST} characters"
        raise Invalid.at("password", message, "password_too_long", max_length=LONGEST)
    plain = _plain(text)
    if len(set(plain)) < _LEAST_DISTINCT or _is_repeated(plain):
        raise Invalid.at("password", "repeats itself: use more different characters", "password_repeats")
    own_words = {word for phrase in own for word in _words(phrase)}
    if _left(plain, own_words | _common_words()) < _LEAST_OWN:
        if own_words and _left(plain, _common_words()) >= _LEAST_OWN:
            message = "is made of your own name or address: others would try that first"
            raise Invalid.at("password", message, "password_own_name")
        message = "is one of the first that others would try: add something of your own"
        raise Invalid.at("password", message, "password_common")


def _plain(text: str) -> str:
    """Small letters without accents, one character for each."""
    return "".join(unicodedata.normalize("NFD", character.lower())[0] for character in text)


def _words(phrase: str) -> Iterator[str]:
    letters = "".join(character if character.isalnum() else " " for character in _plain(phrase))
    return (word for word in letters.split() if len(word) >= _SHORTEST_OWN_WORD)


def _is_repeated(text: str) -> bool:
    """Whether a part of at most half of it, said again and again, is all of it."""
    return any(
        (text[:size] * len(text))[: len(text)] == text for size in range(1, len(text) // 2 + 1) if size < SHORTEST
    )


def _left(plain: str, words: Iterable[str]) -> int:
    """How many characters belong to none of the words, to no year, and to no row of keys or of the alphabet."""
    guessed = [False] * len(plain)
    for year in _YEAR.finditer(plain):
        guessed[year.start() : year.end()] = [True] * len(year[0])
    for text in (plain, plain.translate(_LOOKALIKES)):
        for word in words:
            start = text.find(word)
            while start >= 0:
                guessed[start : start + len(word)] = [True] * len(word)
                start = text.find(word, start + 1)
        for start in range(len(text) - _SHORTEST_ROW + 1):
            part = text[start : start + _SHORTEST_ROW]
            if any(part in row or part[::-1] in row for row in _ROWS):
                guessed[start : start + _SHORTEST_ROW] = [True] * _SHORTEST_ROW
    return guessed.count(False)


@cache
def _common_words() -> frozenset[str]:
    lines = files(__package__).joinpath("data/common_words.txt").read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))

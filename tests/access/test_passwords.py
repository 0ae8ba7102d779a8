"""Which passwords are good enough, and what is kept of them."""

from __future__ import annotations

import threading
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters

from wallet_service.access.passwords import LONGEST, Passwords, check_password
from wallet_service.errors import Invalid


class CountingHasher(PasswordHasher):
    """The library's hasher at its cheapest; notes the digests that passwords were checked against."""

    def __init__(self, passes: int = 1) -> None:
        super().__init__(time_cost=passes, memory_cost=8, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 the library's own name
        self.verified.append(str(hash))
        return super().verify(hash, password)


class HeldHasher(CountingHasher):
    """Says when a digest is begun, and ends none before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on, self.done = threading.Semaphore(0), threading.Event(), 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.begun.release()
        assert self.go_on.wait(10)
        self.done += 1
        return super().hash(password, salt=salt)


def code_of(password: str, *own: str) -> str | None:
    """Why a password is refused; None if it is good."""
    try:
        check_password(password, own=own)
    except Invalid as refused:
        (fault,) = refused.faults
        assert fault.path == "password"
        return fault.code
    return None


@pytest.mark.parametrize(
    "password",
    [
        "quatre mots bien choisis",
        "correct horse battery staple",
        "839201746352",
        "  espaces devant  ",
        "пароль из слов",
        "J'ai vu 3 hérons!",
        "soleil-tramway-42",
        "x" * 3 + "y7!K-pq_Z",
    ],
)
def test_good_passwords_of_any_characters(password: str) -> None:
    assert code_of(password, "lea.martin@example.com", "Léa Martin") is None


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("onze-lettre", "password_too_short"),
        ("k7" * (LONGEST // 2) + "x", "password_too_long"),
        ("aaaaaaaaaaaaaa", "password_repeats"),
        ("abcdeabcdeabcde", "password_repeats"),
        ("motdepasse2026!", "password_common"),
        ("P@ssw0rd2026!!", "password_common"),
        ("azertyuiop123", "password_common"),
        ("qwertyuiop[]", "password_common"),
        ("123456789012", "password_common"),
        ("BonjourParis75", "password_common"),
        ("Bienvénue12345", "password_common"),
        ("lea.martin.2026", "password_own_name"),
        ("MartinLéa2026", "password_own_name"),
        ("example.com lea", "password_own_name"),
    ],
)
def test_refused_passwords_say_why(password: str, code: str) -> None:
    assert code_of(password, "lea.martin@example.com", "Léa Martin") == code


def test_twelve_characters_are_enough_and_256_still_are() -> None:
    assert code_of("hG7-kd92.Qpw") is None
    assert code_of("hG7-kd92.Qpw, " * 18 + "abcd") is None


def test_the_same_word_typed_on_two_keyboards_is_the_same() -> None:
    passwords = Passwords.for_tests()
    digest = passwords.digest("de\u0301ja\u0300 vu et revu")
    assert passwords.check(digest, "déjà vu et revu").is_right
    assert not passwords.check(digest, "deja vu et revu").is_right


def test_a_digest_with_old_parameters_is_made_anew() -> None:
    old = Passwords(CountingHasher(passes=1)).digest("quatre mots")
    verdict = Passwords(CountingHasher(passes=2)).check(old, "quatre mots")
    assert verdict.is_right
    assert verdict.new_digest is not None
    assert extract_parameters(verdict.new_digest).time_cost == 2
    assert Passwords(CountingHasher(passes=2)).check(verdict.new_digest, "quatre mots").new_digest is None
    assert Passwords(CountingHasher(passes=2)).check(old, "cinq mots").new_digest is None


def test_c8_without_a_digest_as_much_is_computed() -> None:
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    passwords.prepare()
    known = passwords.digest("quatre mots")
    assert not passwords.check(known, "wrong").is_right
    assert not passwords.check(None, "wrong").is_right
    assert len(hasher.verified) == 2
    assert extract_parameters(hasher.verified[0]) == extract_parameters(hasher.verified[1])


def test_a_damaged_digest_and_an_endless_password_are_wrong_and_no_error() -> None:
    passwords = Passwords.for_tests()
    assert not passwords.check("not a digest", "quatre mots").is_right
    assert not passwords.check(passwords.digest("a" * 9), "a" * 100_000).is_right


def test_two_digests_at_once_in_a_process() -> None:
    hasher = HeldHasher()
    threads = [threading.Thread(target=Passwords(hasher).digest, args=("quatre mots",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert hasher.begun.acquire(timeout=10)
    assert hasher.begun.acquire(timeout=10)
    third = hasher.begun.acquire(timeout=0.2)
    hasher.go_on.set()
    for thread in threads:
        thread.join()
    assert not third
    assert hasher.done == 6


def test_production_uses_argon2id_with_64_mib() -> None:
    parameters = extract_parameters(Passwords.for_production().digest("quatre mots"))
    assert (parameters.type.name, parameters.memory_cost) == ("ID", 65536)

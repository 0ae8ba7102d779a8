"""The second factor: codes of an app and recovery codes, each good once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from tests.access.conftest import NOW, Access
from wallet_service.access.roles import Author
from wallet_service.access.second_factor import (
    confirm_second_factor,
    offer_second_factor,
    remove_second_factor,
    use_code,
)
from wallet_service.access.sessions import look_at_session
from wallet_service.errors import Conflict, Invalid

LEA = Author("user", 1, "Léa Martin")
STEP = timedelta(seconds=30)


class Phone:
    """An authenticator app of somebody who has set it up, with the recovery codes on paper."""

    def __init__(self, access: Access, user_id: int) -> None:
        self.access, self.user_id = access, user_id
        with access.sessions.begin() as db:
            offered = offer_second_factor(db, access.sealer, user_id, issuer="Maison Lumière")
        self.address = offered.address
        self.app = pyotp.TOTP(offered.secret)
        with access.sessions.begin() as db:
            self.recovery = confirm_second_factor(db, access.sealer, LEA, user_id, self.code(NOW - STEP), now=NOW)

    def code(self, at: datetime) -> str:
        return self.app.at(at)

    def use(self, code: str, at: datetime = NOW) -> bool:
        with self.access.sessions.begin() as db:
            return use_code(db, self.access.sealer, LEA, self.user_id, code, now=at)


@pytest.fixture
def phone(access: Access) -> Phone:
    return Phone(access, access.person())


def test_a_code_is_good_for_one_use(phone: Phone) -> None:
    assert phone.use(phone.code(NOW))
    assert not phone.use(phone.code(NOW))
    assert not phone.use(phone.code(NOW - STEP)), "an older one neither"
    assert phone.use(phone.code(NOW + STEP), NOW + STEP)


def test_a_phones_clock_may_be_half_a_minute_off(phone: Phone) -> None:
    late = NOW + timedelta(hours=1)
    assert not phone.use(phone.code(late - 2 * STEP), late)
    assert not phone.use(phone.code(late + 2 * STEP), late)
    assert phone.use(phone.code(late - STEP), late)
    assert phone.use(" ".join(phone.code(late + STEP)), late), "spaces do not matter"


def test_ten_recovery_codes_each_good_once(phone: Phone) -> None:
    assert len(set(phone.recovery)) == 10
    assert phone.use(phone.recovery[3].lower().replace("-", " "))
    assert not phone.use(phone.recovery[3])
    assert phone.use(phone.recovery[9])
    assert not phone.use("ABCD-EFGH-IJKL-MNOP")
    changes = phone.access.rows("SELECT changes FROM journal WHERE action = 'recovery_code_used' ORDER BY id")
    assert [row["changes"]["left"] for row in changes] == [{"from": 10, "to": 9}, {"from": 9, "to": 8}]


def test_two_requests_at_once_use_a_code_once(phone: Phone) -> None:
    for code in (phone.code(NOW), phone.recovery[0]):
        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(phone.use, [code] * 4)) == [False, False, False, True]


def test_nothing_readable_is_at_rest(phone: Phone) -> None:
    whole = str(phone.access.rows("SELECT users::text, journal::text FROM users, journal"))
    assert phone.app.secret not in whole
    assert phone.app.secret.encode().hex() not in whole
    assert not any(code in whole or code.replace("-", "") in whole for code in phone.recovery)


def test_the_address_for_the_app(phone: Phone) -> None:
    parts = urlsplit(phone.address)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert parse_qs(parts.query)["issuer"] == ["Maison Lumière"]
    assert "lea%40example.com" in parts.path


def test_an_offer_alone_changes_nothing(access: Access) -> None:
    user_id = access.person()
    token = access.signed_in(user_id)
    with access.sessions.begin() as db:
        with pytest.raises(Conflict):
            confirm_second_factor(db, access.sealer, LEA, user_id, "123456", now=NOW)
        offered = offer_second_factor(db, access.sealer, user_id, issuer="x")
        with pytest.raises(Invalid, match="code"):
            confirm_second_factor(
                db, access.sealer, LEA, user_id, pyotp.TOTP(offered.secret).at(NOW + timedelta(hours=1)), now=NOW
            )
        signed_in = look_at_session(db, token, now=NOW)
    assert signed_in is not None
    assert not signed_in.has_second_factor
    with access.sessions.begin() as db:
        assert not use_code(db, access.sealer, LEA, user_id, pyotp.TOTP(offered.secret).at(NOW), now=NOW)


def test_a_session_asks_for_the_code_of_whoever_has_one(phone: Phone) -> None:
    token = phone.access.signed_in(phone.user_id)
    with phone.access.sessions.begin() as db:
        signed_in = look_at_session(db, token, now=NOW)
    assert signed_in is not None
    assert signed_in.second_factor_step("offered") == "enter"
    assert signed_in.second_factor_step("off") == "none"


def test_a_lost_phone(phone: Phone) -> None:
    with phone.access.sessions.begin() as db:
        remove_second_factor(db, LEA, phone.user_id, now=NOW)
        remove_second_factor(db, LEA, phone.user_id, now=NOW)
    assert not phone.use(phone.code(NOW))
    assert not phone.use(phone.recovery[0])
    assert len(phone.access.rows("SELECT FROM journal WHERE action = 'second_factor_removed'")) == 1

"""A worker that runs notices another account and other settings by itself. Nothing is patched."""

from __future__ import annotations

import orjson

from tests.conftest import OpenHouse
from tests.house import ISSUER, House, eventually
from tests.wallets.google.conftest import Unpaced
from tests.wallets.google.test_budget import at_rest, saved_card
from wallet_service.errors import SettingsError
from wallet_service.programs.apply import apply_program
from wallet_service.simulators.google import GoogleSimulator
from wallet_service.wallets.apple.certificates import development_trust
from wallet_service.wallets.google.renewal import RenewingGoogleChannel
from wallet_service.wallets.google.rest import GoogleChannel
from wallet_service.wallets.protocol import ChannelDown, Notice


def apply(house: House, **changes: str) -> tuple[str, ...]:
    """`programs apply` of the programme's file, with texts of it replaced."""
    path = house.folder / "program.toml"
    document = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        document = document.replace(old, new)
    path.write_text(document, encoding="utf-8")
    with house.services.sessions.begin() as db:
        applied = apply_program(
            db,
            path,
            templates_dir=house.services.settings.templates_dir,
            keys=house.services.keys,
            trust=development_trust(house.chain.root_pem),
            now=house.clock(),
        )
    return applied.changes


def replace_account(house: House) -> None:
    """A new key file beside the programme's, applied."""
    account = house.google.make_service_account(ISSUER)
    (house.folder / "account.json").write_bytes(orjson.dumps(account))
    assert apply(house) == ("Google service account imported",)


def google_points(house: House) -> int | None:
    """The points that Google shows."""
    (row,) = house.rows("SELECT object_id FROM google_objects")
    points: dict[str, dict[str, int]] = house.google.object(row["object_id"]).get("loyaltyPoints") or {"balance": {}}
    return points["balance"].get("int")


def account_email(house: House) -> str:
    email: str = orjson.loads((house.folder / "account.json").read_bytes())["client_email"]
    return email


def test_a_replaced_account_is_used_at_once_and_the_old_one_no_more(house: House) -> None:
    with house.working():
        saved_card(house)
        at_rest(house)
        before = account_email(house)
        replace_account(house)
        house.google.withdraw_service_account(before)
        house.set_points("M-1", 33, sequence=33)
        eventually(lambda: google_points(house) == 33)


def test_what_the_old_account_was_refused_for_does_not_wait(open_a_house: OpenHouse) -> None:
    """The channel is down for an hour; the new account ends that."""
    house = open_a_house(WALLET_RETRY_MOST_S="3600")
    with house.working():
        saved_card(house)
        at_rest(house)
        house.google.withdraw_service_account(account_email(house))
        house.set_points("M-1", 44, sequence=44)
        eventually(lambda: house.rows("SELECT FROM deliveries WHERE last_outcome LIKE 'token:%'"))
        replace_account(house)
        eventually(lambda: google_points(house) == 44)


def test_other_settings_are_used_for_what_comes_next(house: House) -> None:
    with house.working():
        saved_card(house)
        at_rest(house)
        changes = apply(house, **{f'issuer_id = "{ISSUER}"': f'issuer_id = "{ISSUER}"\nid_prefix = "neuf-"'})
        assert changes == ("google changed",)
        card = house.enrol("M-2")
        house.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        eventually(lambda: house.rows("SELECT FROM google_classes WHERE class_id LIKE '%.neuf-%'"))
    (row,) = house.rows("SELECT object_id FROM google_objects ORDER BY id DESC LIMIT 1")
    held = house.google.object(row["object_id"])
    assert [held[name].partition(".")[2][:5] for name in ("id", "classId")] == ["neuf-", "neuf-"]


def test_the_channel_stays_while_nothing_changes_and_an_unusable_account_is_said_once() -> None:
    with GoogleSimulator() as google:
        good, bad = google.make_service_account(ISSUER), {"client_email": "nobody"}
        wanted: list[tuple[dict[str, str], str] | None] = [(good, "a")]
        dialled: list[tuple[object, str]] = []

        def dial(account: object, terms: str) -> GoogleChannel:
            dialled.append((account, terms))
            if account is bad:
                raise SettingsError("no key")
            return GoogleChannel(google.url, good, public_url="https://x.example", rate=Unpaced(), timeout_s=5)

        line = RenewingGoogleChannel(lambda: wanted[-1], dial)
        first = line.current()
        assert first is not None
        assert line.current() is first
        wanted.append((good, "b"))
        assert line.current() not in (None, first)
        wanted.append((bad, "b"))
        assert line.current() is line.current() is None
        notice = Notice(delivery_id=1, far_end="x", version=1)
        assert [type(outcome) for _, outcome in line.announce([notice])] == [ChannelDown]
        wanted.append(None)
        assert line.current() is None
        wanted.append((good, "a"))
        assert line.current() is not None
        line.close()
        assert len(dialled) == 4

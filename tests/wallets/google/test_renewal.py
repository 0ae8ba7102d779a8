"""A worker that runs notices another account and other settings by itself. Nothing is patched."""

from __future__ import annotations

import orjson

from tests.conftest import OpenSystem
from tests.system import ISSUER, System, eventually
from tests.wallets.google.conftest import Unpaced
from tests.wallets.google.test_quota import at_rest, saved_card
from wallet_service.errors import SettingsError
from wallet_service.simulators.google import GoogleSimulator
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.renewing_channel import RenewingGoogleChannel
from wallet_service.wallets.protocol import ChannelDown, Notice


def apply(system: System, **changes: str) -> tuple[str, ...]:
    """`programs apply` of the programme's file, with texts of it replaced."""
    path = system.folder / "program.toml"
    document = path.read_text(encoding="utf-8")
    for old, new in changes.items():
        document = document.replace(old, new)
    path.write_text(document, encoding="utf-8")
    return system.apply().changes


def replace_account(system: System) -> None:
    """A new key file beside the programme's, applied."""
    account = system.google.make_service_account(ISSUER)
    (system.folder / "account.json").write_bytes(orjson.dumps(account))
    assert apply(system) == ("Google service account imported",)


def google_points(system: System) -> int | None:
    """The points that Google shows."""
    (row,) = system.rows("SELECT object_id FROM google_objects")
    points: dict[str, dict[str, int]] = system.google.object(row["object_id"]).get("loyaltyPoints") or {"balance": {}}
    return points["balance"].get("int")


def account_email(system: System) -> str:
    email: str = orjson.loads((system.folder / "account.json").read_bytes())["client_email"]
    return email


def test_a_replaced_account_is_used_at_once_and_the_old_one_no_more(system: System) -> None:
    with system.working():
        saved_card(system)
        at_rest(system)
        before = account_email(system)
        replace_account(system)
        system.google.withdraw_service_account(before)
        system.set_points("M-1", 33, sequence=33)
        eventually(lambda: google_points(system) == 33)


def test_what_the_old_account_was_refused_for_does_not_wait(open_system: OpenSystem) -> None:
    """The channel is down for an hour; the new account ends that."""
    system = open_system(WALLET_RETRY_MOST_S="3600")
    with system.working():
        saved_card(system)
        at_rest(system)
        system.google.withdraw_service_account(account_email(system))
        system.set_points("M-1", 44, sequence=44)
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE last_outcome LIKE 'token:%'"))
        replace_account(system)
        eventually(lambda: google_points(system) == 44)


def test_other_settings_are_used_for_what_comes_next(system: System) -> None:
    with system.working():
        saved_card(system)
        at_rest(system)
        changes = apply(system, **{f'issuer_id = "{ISSUER}"': f'issuer_id = "{ISSUER}"\nid_prefix = "neuf-"'})
        assert changes[-1] == "google changed"
        card = system.enrol("M-2")
        system.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        eventually(lambda: system.rows("SELECT FROM google_classes WHERE class_id LIKE '%.neuf-%'"))
    (row,) = system.rows("SELECT object_id FROM google_objects ORDER BY id DESC LIMIT 1")
    held = system.google.object(row["object_id"])
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

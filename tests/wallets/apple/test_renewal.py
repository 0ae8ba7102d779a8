"""Certificates that end, overlap and are replaced, in a system that keeps running (checklist 19, 75, 79)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
import requests
from click.testing import CliRunner
from prometheus_client import REGISTRY

from tests.system import PASS_TYPE, TEAM, System, eventually
from wallet_service.cli.certs import certs
from wallet_service.programs.certificates import CertificateWatch, certificate_states
from wallet_service.simulators.apple_pki import Chain, DevelopmentAuthority
from wallet_service.simulators.phones.wallet_rules import open_bundle
from wallet_service.wallets.apple.certificates import PassIdentity, identity_from_files
from wallet_service.wallets.apple.push.apns import ApnsChannel
from wallet_service.wallets.apple.push.renewing_channel import RenewingChannel, refusal_of
from wallet_service.wallets.protocol import ChannelDown, Notice


@pytest.fixture(scope="session")
def chain(authority: DevelopmentAuthority) -> Chain:
    """The first certificate: it has 20 days left."""
    return authority.issue(PASS_TYPE, TEAM, "Maison Lumière", datetime.now(UTC), days=20)


def renewed(system: System, authority: DevelopmentAuthority, *, days: int = 365) -> PassIdentity:
    """Import a newer certificate of the same pass type."""
    made = authority.issue(PASS_TYPE, TEAM, "Maison Lumière", system.clock() + timedelta(minutes=30), days=days)
    identity = identity_from_files(made.leaf_pem, made.key_pem, intermediate=made.intermediate_pem)
    with system.services.sessions.begin() as db:
        assert system.services.keys.store_identity(db, "lumiere", identity, now=system.clock())
    return identity


def signer(system: System) -> PassIdentity:
    with system.services.sessions() as db:
        identity = system.services.keys.identity(db, "lumiere")
    assert identity is not None
    return identity


def test_the_newest_in_its_time_signs_and_the_old_one_is_kept(system: System, authority: DevelopmentAuthority) -> None:
    old = signer(system)
    assert signer(system) is old, "the same object while it is the same key"
    new = renewed(system, authority)
    assert signer(system) == new
    with system.services.sessions() as db:
        assert system.services.keys.identities(db, "lumiere") == [new, old]


def test_a_certificate_that_has_not_begun_waits(system: System, authority: DevelopmentAuthority) -> None:
    old = signer(system)
    system.clock.advance(timedelta(days=2))
    new = renewed(system, authority)
    system.clock.advance(timedelta(days=-2))
    assert signer(system) == old
    system.clock.advance(timedelta(days=2))
    assert signer(system) == new


def test_item_79_the_worker_dials_again_with_the_new_certificate(
    system: System, authority: DevelopmentAuthority
) -> None:
    """The phone is told under the old and under the new one; nothing is restarted and nothing is lost."""
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["told_version"] > 0)
        renewed(system, authority)
        points = itertools.count(6)

        def told_over_both() -> bool:
            """What a queue has claimed before it looked who signs goes the old way: change after change, then."""
            system.set_points("M-1", next(points), sequence=next(points))
            return len({announced.connection for announced in system.apns.announcements}) == 2

        eventually(told_over_both)
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")


def test_a_pass_is_signed_with_the_new_certificate(system: System, authority: DevelopmentAuthority) -> None:
    """No process is told: the next download simply is."""
    link = system.enrol()["links"]["apple"]

    renewed(system, authority)
    bundle = open_bundle(requests.get(link, timeout=30).content, roots_pem=system.chain.root_pem, allow_http=True)
    assert bundle.signer.pass_type_id == PASS_TYPE
    system.clock.advance(timedelta(days=30))
    assert requests.get(link, timeout=30).status_code == 200, "the old one is over by now"


def test_without_any_certificate_the_channel_is_down() -> None:
    def never(_identity: PassIdentity) -> ApnsChannel:
        raise AssertionError("dialled without a certificate")

    channel = RenewingChannel(lambda: None, never)
    ((_, outcome),) = channel.announce([Notice(delivery_id=1, far_end="ab", version=1)])
    assert outcome == ChannelDown("no certificate")


@pytest.mark.parametrize(
    ("ahead", "warning", "words"),
    [
        (0, 30, "expire dans 19 jours"),
        (6, 14, "expire dans 13 jours"),
        (13, 7, "expire dans 6 jours"),
        (19, 1, "expire dans 0 jour "),
        (21, 0, "a expiré"),
    ],
)
def test_item_19_the_end_is_announced(system: System, ahead: int, warning: int, words: str) -> None:
    now = system.clock() + timedelta(days=ahead)
    with system.services.sessions() as db:
        (state,) = certificate_states(db, system.services.keys, now=now)
        watch = CertificateWatch()
        spans = [timedelta(minutes=minutes) for minutes in (0, 1, 61, 121)]
        told = [watch.look(db, system.services.keys, now=now + span) for span in spans]
    assert state.warning == warning
    assert words in (state.banner("fr") or "")
    assert state.pass_type_id in (state.banner("en") or "")
    assert REGISTRY.get_sample_value("wallet_certificate_days_left", {"program": "lumiere"}) is not None
    assert told == [[state], [], [], []], "each threshold is told once"


def test_a_fresh_certificate_is_not_reported(system: System, authority: DevelopmentAuthority) -> None:
    renewed(system, authority)
    with system.services.sessions() as db:
        (state,) = certificate_states(db, system.services.keys, now=system.clock())
    assert (state.warning, state.banner("fr"), state.days_left) == (None, None, 365)


def test_certs_check_looks_at_what_is_stored(system: System, authority: DevelopmentAuthority) -> None:
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.url}
    renewed(system, authority)
    arguments = ["check", "--program", "lumiere", "--apns"]
    told = CliRunner().invoke(certs, arguments, env=environment)
    assert told.exit_code == 0, told.output
    assert told.output.count("signs now") == 1
    assert "expires in" in told.output
    assert "lumiere: APNs takes it" in told.output
    nobody = CliRunner().invoke(certs, ["check", "--program", "nobody"], env=environment)
    assert nobody.exit_code == 1
    assert "there is no programme 'nobody'" in nobody.output


def test_item_75_apns_is_asked_whether_it_takes_a_certificate(system: System) -> None:
    stranger = DevelopmentAuthority.make(datetime.now(UTC)).issue(PASS_TYPE, TEAM, "Stranger", datetime.now(UTC))
    identity = identity_from_files(stranger.leaf_pem, stranger.key_pem, intermediate=stranger.intermediate_pem)
    with ApnsChannel(system.apns.url, identity, ca_file=system.services.settings.apns_ca_file) as channel:
        assert "APNs" in (refusal_of(channel) or ""), "it refuses, or hangs up in the middle of the handshake"
    with ApnsChannel("https://127.0.0.1:9", identity) as channel:
        assert "could not be asked" in (refusal_of(channel) or "")

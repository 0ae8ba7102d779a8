"""`users …` on a real installation."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner, Result

from tests.system import System
from wallet_service.access.links import look_at_link
from wallet_service.access.signing_in import Welcome
from wallet_service.cli import main

PASSWORD = "quatre mots bien choisis"
STORE = {"name": "Maison Lumière Lyon", "latitude": 45.75, "longitude": 4.85, "address": {"country": "FR"}}


def run(system: System, *arguments: str, given: str | None = None, **env: str) -> Result:
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.libpq_url} | env
    return CliRunner(env=environment).invoke(main, ["users", *arguments], input=given)


def opens(system: System, printed: str, path: str) -> bool:
    """Whether what was printed is one address of this installation, and whether its link opens."""
    found = re.fullmatch(rf"{re.escape(system.url)}{path}([\w-]{{43}})\n", printed)
    assert found, printed
    with system.services.sessions() as db:
        return look_at_link(db, found[1], now=system.clock()) is not None


def test_from_the_first_admin_to_a_locked_one(system: System) -> None:
    invited = run(system, "invite", "Lea@Example.com", "--program", "lumiere", "--role", "admin", "--name", "Léa")
    assert invited.exit_code == 0, invited.output
    assert opens(system, invited.stdout, "/console/invitation/")
    again = run(system, "invite", "lea@example.com", "--program", "lumiere", "--role", "admin")
    assert not opens(system, invited.stdout, "/console/invitation/"), "only the newest opens"
    assert opens(system, again.stdout, "/console/invitation/")

    listed = run(system, "list").stdout
    assert listed == "lea@example.com\tLéa\tinvited\tpassword only\tnever seen\tlumiere:admin\n"
    assert run(system, "list", "--program", "nothing").stdout == ""

    reset = run(system, "reset", "lea@example.com", "--second-factor")
    assert opens(system, reset.stdout, "/console/reset/")
    assert run(system, "lock", "lea@example.com").stdout == "lea@example.com is locked\n"
    assert not opens(system, reset.stdout, "/console/reset/")
    refused = run(system, "reset", "lea@example.com")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "unlock" in refused.stderr
    assert run(system, "unlock", "lea@example.com").exit_code == 0
    assert "\tinvited\t" in run(system, "list").stdout


def test_a_ready_password(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE)
    arguments = ("invite", "lea@example.com", "--program", "lumiere", "--role", "store", "--store", "lyon")
    made = run(system, *arguments, "--locale", "fr", "--password-stdin", given=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert made.stdout == ""
    assert PASSWORD not in made.output
    outcome = system.services.sign_in.sign_in(
        "lea@example.com", PASSWORD, network="n", agent="Firefox", now=system.clock()
    )
    assert isinstance(outcome, Welcome)
    assert run(system, "list").stdout.endswith("lumiere:store(lyon)\n")
    assert "has a password already" in run(system, *arguments).stderr
    assert run(system, *arguments).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("invite", "nobody", "--program", "lumiere", "--role", "admin"), "it should look like lea@example.com"),
        (("invite", "a@b.fr", "--program", "nothing", "--role", "admin"), "there is no programme 'nothing'"),
        (("invite", "a@b.fr", "--program", "lumiere", "--role", "boss"), "'boss' is not one of"),
        (("invite", "a@b.fr", "--program", "lumiere", "--role", "store"), "name at least one"),
        (("invite", "a@b.fr", "--program", "lumiere", "--role", "till", "--store", "x"), "lumiere has no store x"),
        (("invite", "a@b.fr", "--program", "lumiere", "--role", "admin", "--store", "x"), "name no store"),
        (("invite", "a@b.fr", "--program", "lumiere", "--role", "admin", "--locale", "de"), "'de' is not one of"),
        (("lock", "nobody@example.com"), "nobody has the address nobody@example.com"),
        (("unlock", "nobody@example.com"), "nobody has the address nobody@example.com"),
        (("reset", "nobody@example.com"), "nobody has the address nobody@example.com"),
    ],
)
def test_wrong_input_is_refused_in_words_and_changes_nothing(
    system: System, arguments: tuple[str, ...], words: str
) -> None:
    refused = run(system, *arguments)
    assert refused.exit_code != 0
    assert refused.stdout == ""
    assert words in refused.stderr
    assert "Traceback" not in refused.output
    assert system.rows("SELECT FROM users") == system.rows("SELECT FROM journal") == []


@pytest.mark.parametrize(
    ("given", "words"), [("", "no password"), ("court\n", "at least 12"), ("lea.martin.2026\n", "own name")]
)
def test_a_bad_ready_password_invites_nobody(system: System, given: str, words: str) -> None:
    arguments = ("invite", "lea.martin@example.com", "--program", "lumiere", "--role", "admin", "--password-stdin")
    refused = run(system, *arguments, given=given)
    assert refused.exit_code == 1
    assert words in refused.stderr
    assert system.rows("SELECT FROM users") == []


def test_keys_say_what_contradicts_what(system: System) -> None:
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.libpq_url}
    for more, words in (
        (("--role", "till", "--scope", "members"), "scope: the role till has no members"),
        (("--role", "technical", "--store", "lyon"), "store: the role technical is for the whole programme"),
        (("--role", "store", "--store", "nowhere"), "store: there is no store 'nowhere' in lumiere"),
    ):
        command = ["keys", "create", "--program", "lumiere", "--name", "x", *more]
        refused = CliRunner(env=environment).invoke(main, command)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert words in refused.stderr
    assert len(system.rows("SELECT FROM api_keys")) == 1, "the test's own"

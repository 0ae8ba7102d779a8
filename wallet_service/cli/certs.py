"""`wallet-service certs`: asking Apple for a certificate, importing and checking it; a throwaway development chain."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from wallet_service.clock import clock_from
from wallet_service.errors import Invalid, NotFound, SettingsError, WalletServiceError
from wallet_service.settings import Settings
from wallet_service.wallets.apple.certificates import (
    PassIdentity,
    Trust,
    apple_trust,
    chain_findings,
    check,
    development_trust,
    identity_from_files,
    identity_from_p12,
    issuer_for,
    read_certificate,
    subject_of,
)
from wallet_service.wallets.apple.findings import Finding
from wallet_service.wallets.apple.new_keys import make_csr, make_reader_key

StoreIdentity = Callable[[str, PassIdentity, Trust], None]
"""Puts the identity where the programme's processes find it, encrypted, if it hangs on what is trusted; raises
`NotFound` for an unknown programme.
"""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
root_option = click.option(
    "--root",
    type=FILE,
    envvar="WALLET_APPLE_ROOT_FILE",
    help="Trust this root (PEM) instead of Apple's: a development chain.",
)


@contextmanager
def told_in_words() -> Iterator[None]:
    """Turn this program's errors into a line on standard error and exit code 1."""
    try:
        yield
    except WalletServiceError as error:
        raise click.ClickException(str(error)) from error


def now() -> datetime:
    """The present, as `WALLET_CLOCK` has it."""
    return clock_from(os.environ.get("WALLET_CLOCK"))()


def trust_from(root: Path | None) -> Trust:
    """Apple's root with G4, or the development root in a file."""
    return development_trust(root.read_bytes()) if root else apple_trust()


def certs_group(store_identity: StoreIdentity) -> click.Group:
    """The commands; `store_identity` is where `certs import` puts what it read."""

    @click.group("certs")
    def certs() -> None:
        """Apple certificates: request, import, check; a throwaway development chain."""

    certs.add_command(_csr)
    certs.add_command(_check)
    certs.add_command(_dev)
    certs.add_command(_nfc_key)
    certs.add_command(_import_command(store_identity))
    certs.add_command(_reissue)
    return certs


@click.command("csr")
@click.option("--pass-type-id", required=True, help="Like pass.com.example.loyalty.")
@click.option("--team-id", required=True, help="Ten characters, from Apple's membership page.")
@click.option("--organization", default="", help="Shown in the request only; Apple puts its own.")
@click.option("--out", required=True, type=FOLDER, help="Folder for key.pem and request.csr.")
def _csr(pass_type_id: str, team_id: str, organization: str, out: Path) -> None:
    """Make a private key and a certificate request for Apple's portal. No Mac needed."""
    with told_in_words():
        made = make_csr(pass_type_id=pass_type_id, team_id=team_id, organization=organization or pass_type_id)
        _write(out, {"key.pem": made.key_pem, "request.csr": made.csr_pem})
    click.echo(f"Keep {out / 'key.pem'} secret. Upload {out / 'request.csr'} at Apple: Identifiers, Pass Type IDs,")
    click.echo(f"{pass_type_id}, Create Certificate. Then, with your programme's id:")
    click.echo(f"wallet-service certs import pass.cer --key {out / 'key.pem'} --program ID")


def _import_command(store_identity: StoreIdentity) -> click.Command:
    @click.command("import")
    @click.argument("file", type=FILE)
    @click.option("--program", required=True, help="The programme's id.")
    @click.option("--key", type=FILE, help="The private key, when FILE is the certificate that Apple returned (.cer).")
    @click.option("--password-file", type=FILE, help="Holds the password of the .p12 or of the key.")
    @click.option("--intermediate", type=FILE, help="The issuer, if it is not WWDR G4 (development chains).")
    @root_option
    def import_(
        file: Path,
        program: str,
        key: Path | None,
        password_file: Path | None,
        intermediate: Path | None,
        root: Path | None,
    ) -> None:
        """Import a certificate with its key: FILE is a .p12, or the .cer with --key."""
        with told_in_words():
            identity = read_identity(file, key, password_file, intermediate)
            trust = trust_from(root)
            findings = _findings(identity, identity.pass_type_id, identity.team_id, trust)
            if _tell(file, findings):
                raise click.ClickException("nothing was imported")
            store_identity(program, identity, trust)
        click.echo(f"{identity.pass_type_id} of team {identity.team_id}, until {identity.not_after:%Y-%m-%d}: imported")

    return import_


@click.command("check")
@click.argument("files", type=FILE, nargs=-1)
@click.option("--program", help="Check what is stored for this programme, instead of files.")
@click.option("--apns", is_flag=True, help="With --program: ask APNs, too, whether it takes the certificate.")
@click.option("--key", type=FILE, help="The private key, when FILE is a certificate.")
@click.option("--password-file", type=FILE, help="Holds the password of the .p12 or of the key.")
@click.option("--intermediate", type=FILE, help="The issuer, if it is not WWDR G4.")
@click.option("--pass-type-id", help="What the certificate should be for.")
@click.option("--team-id", help="Whose the certificate should be.")
@root_option
def _check(
    files: tuple[Path, ...],
    program: str | None,
    apns: bool,
    key: Path | None,
    password_file: Path | None,
    intermediate: Path | None,
    pass_type_id: str | None,
    team_id: str | None,
    root: Path | None,
) -> None:
    """Say in words how certificates are: FILES are .p12, or .cer and .pem (with --key: the key is compared too).

    Exit code 1 if any of them would keep passes from installing.
    """
    if bool(files) == (program is not None):
        raise click.UsageError("name files, or a programme with --program")
    failed = _check_stored(program, trust_from(root), ask_apns=apns) if program is not None else False
    for file in files:
        try:
            if key is None and file.suffix.lower() not in (".p12", ".pfx"):
                findings, words = _certificate_alone(file, intermediate, pass_type_id, team_id, trust_from(root))
            else:
                identity = read_identity(file, key, password_file, intermediate)
                expected = (pass_type_id or identity.pass_type_id, team_id or identity.team_id)
                findings = _findings(identity, *expected, trust_from(root))
                words = f"{identity.pass_type_id} of team {identity.team_id}, until {identity.not_after:%Y-%m-%d}"
        except WalletServiceError as error:
            click.echo(f"{file}: error: {error}")
            failed = True
            continue
        click.echo(f"{file}: {words}")
        failed = _tell(file, findings) or failed
        if not findings:
            click.echo(f"{file}: good")
    if failed:
        raise SystemExit(1)


def _check_stored(program_id: str, trust: Trust, *, ask_apns: bool) -> bool:
    """Report on every identity that is stored for a programme; whether none signs now, or the one that does is
    unusable.
    """
    from wallet_service.cli.services import opened_services

    with told_in_words(), opened_services() as services, services.sessions() as db:
        document = services.program_cache.program(db, program_id).document
        if document.apple is None:
            raise NotFound(f"the programme {program_id} is not on Apple Wallet")
        current = services.keys.identity(db, program_id)
        if current is None:
            raise NotFound(f"no certificate was ever imported for {program_id}")
        at, failed = services.clock(), False
        for identity in services.keys.identities(db, program_id):
            # Where none is in its time, the newest one is chosen, to be told of.
            signs = identity == current and identity.not_before <= at <= identity.not_after
            span = f"{identity.not_before:%Y-%m-%d} to {identity.not_after:%Y-%m-%d}"
            click.echo(f"{program_id}: {identity.pass_type_id}, {span}{', signs now' if signs else ''}")
            apple = document.apple
            findings = check(identity, pass_type_id=apple.pass_type_id, team_id=apple.team_id, now=at, trust=trust)
            wrong = _tell(Path(program_id), findings)
            failed = failed or (wrong and identity == current)
        if not current.not_before <= at <= current.not_after:
            click.echo(f"{program_id}: no certificate signs now: passes are neither issued nor updated", err=True)
        if ask_apns and not failed:
            to_push = services.keys.push_identity(db, program_id)
            if to_push is None:
                raise NotFound(f"no certificate whose key is here was imported for {program_id}: APNs needs one")
            failed = _refused_by_apns(program_id, to_push, services.settings)
    return failed


def _refused_by_apns(program_id: str, identity: PassIdentity, settings: Settings) -> bool:
    from wallet_service.wallets.apple.push.apns import ApnsChannel
    from wallet_service.wallets.apple.push.renewing_channel import refusal_of

    with ApnsChannel(settings.apns_url, identity, ca_file=settings.apns_ca_file) as channel:
        refusal = refusal_of(channel)
    if refusal is not None:
        remedy = "it may be revoked, or of another environment; see docs/apple.md"
        return _tell(Path(program_id), [Finding("75", "certificate", refusal, remedy)])
    click.echo(f"{program_id}: APNs takes it")
    return False


def _certificate_alone(
    file: Path, intermediate: Path | None, pass_type_id: str | None, team_id: str | None, trust: Trust
) -> tuple[list[Finding], str]:
    data = file.read_bytes()
    leaf = read_certificate(data)
    issuer = read_certificate(intermediate.read_bytes(), "intermediate") if intermediate else issuer_for(data)
    findings = chain_findings(leaf, issuer, now=now(), trust=trust)
    uid, unit = subject_of(leaf)
    for name, expected, found in (("pass type", pass_type_id, uid), ("team", team_id, unit)):
        if expected is not None and expected != found:
            findings.append(Finding("18", "certificate", f"is for another {name}: {found} instead of {expected}"))
    return (
        findings,
        f"{uid or leaf.subject.rfc4514_string()}, until {leaf.not_valid_after_utc:%Y-%m-%d}, without its key",
    )


@click.command("dev")
@click.option(
    "--pass-type-id",
    "pass_type_ids",
    multiple=True,
    default=("pass.example.maison-lumiere",),
    show_default=True,
    help="Give it more than once: each gets a folder, all under one root.",
)
@click.option("--team-id", default="DEVELOPMNT", show_default=True)
@click.option("--organization", default="Maison Lumière", show_default=True)
@click.option("--out", required=True, type=FOLDER, help="Folder for the chain.")
def _dev(pass_type_ids: tuple[str, ...], team_id: str, organization: str, out: Path) -> None:
    """Make a throwaway chain with the shape of Apple's, for the simulators. Real phones do not take its passes."""
    # The simulators are an extra that production does without.
    from wallet_service.simulators.apple_pki import DevelopmentAuthority

    with told_in_words():
        authority = DevelopmentAuthority.make(now())
        for pass_type_id in pass_type_ids:
            chain = authority.issue(pass_type_id, team_id, organization, now())
            folder = out if len(pass_type_ids) == 1 else out / pass_type_id
            files = {"key.pem": chain.key_pem, "certificate.pem": chain.leaf_pem + chain.intermediate_pem}
            _write(folder, files | {"intermediate.pem": chain.intermediate_pem})
            click.echo(f"Made in {folder}: key.pem, certificate.pem, intermediate.pem")
        _write(out, {"root.pem": authority.root_pem})
    click.echo(f"WALLET_APPLE_ROOT_FILE={out / 'root.pem'}")


@click.command("reissue")
@click.option("--program", required=True, help="The programme's id.")
def _reissue(program: str) -> None:
    """Send every pass that is installed on an iPhone anew, signed with the certificate of now; spread as a campaign."""
    from wallet_service.cli.services import opened_services
    from wallet_service.programs.reissuing import reissue

    with told_in_words(), opened_services() as services, services.sessions.begin() as db:
        cards = reissue(db, program, now=services.clock())
    click.echo(f"{program}: {cards:,} installed cards will be sent anew by the workers")


@click.command("nfc-key")
@click.option("--out", required=True, type=FOLDER, help="Folder for nfc-reader.pem.")
def _nfc_key(out: Path) -> None:
    """Make the key pair of the shops' NFC readers; prints the public key for the programme's file."""
    with told_in_words():
        made = make_reader_key()
        _write(out, {"nfc-reader.pem": made.private_pem})
    click.echo(
        f"Put {out / 'nfc-reader.pem'} into the readers, and this into [apple] of the programme's file:", err=True
    )
    click.echo(f'nfc_encryption_public_key = "{made.public_base64}"')


def read_identity(file: Path, key: Path | None, password_file: Path | None, intermediate: Path | None) -> PassIdentity:
    """A certificate with its key: FILE is a `.p12`, or a certificate beside its key. Asks for a password if needed."""
    password = password_file.read_text(encoding="utf-8").rstrip("\r\n") if password_file else None
    issuer = intermediate.read_bytes() if intermediate else None

    def attempt(password: str | None) -> PassIdentity:
        if key is None:
            return identity_from_p12(file.read_bytes(), password, intermediate=issuer)
        return identity_from_files(file.read_bytes(), key.read_bytes(), key_password=password, intermediate=issuer)

    try:
        return attempt(password)
    except Invalid as refused:
        if password is not None or refused.faults[0].path != "password":
            raise
    return attempt(click.prompt("Password", hide_input=True, err=True))


def _findings(identity: PassIdentity, pass_type_id: str, team_id: str, trust: Trust) -> list[Finding]:
    return check(identity, pass_type_id=pass_type_id, team_id=team_id, now=now(), trust=trust)


def _tell(file: Path, findings: list[Finding]) -> bool:
    for finding in findings:
        click.echo(f"{file}: {finding.severity}: {finding}", err=True)
    return any(finding.severity == "error" for finding in findings)


def _write(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if (folder / name).exists():
            raise Invalid.at(str(folder / name), "exists already; name another folder")
    for name, data in files.items():
        mode = 0o600 if name in ("key.pem", "nfc-reader.pem") else 0o644
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)


def _keep_in_database(program_id: str, identity: PassIdentity, trust: Trust) -> None:
    # Requests and checks need no database, and should not wait for one to start.
    from wallet_service.cli.services import opened_services
    from wallet_service.programs.apply import keep_identity

    with opened_services() as services, services.sessions.begin() as db:
        if services.settings.is_production and trust != services.trust:
            raise SettingsError("--root is for development: real phones take passes under Apple's root alone")
        document = services.program_cache.program(db, program_id).document
        keep_identity(db, document, identity, services.keys, trust, now=services.clock())


certs = certs_group(_keep_in_database)

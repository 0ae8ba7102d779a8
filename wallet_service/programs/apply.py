"""`programs apply FILE`: make the database agree with a programme's file. Again: only the differences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.cards.template import Template
from wallet_service.cards.template_folder import archive_of, load_template, template_from_archive
from wallet_service.documents.programs import AppleDocument, ProgramDocument, read_program
from wallet_service.errors import Conflict, Invalid
from wallet_service.offers.campaigns import start_campaign
from wallet_service.programs.contradictions import (
    contradictions,
    contradictions_of_linked,
    rename_objects_not_at_google,
)
from wallet_service.programs.key_ring import KeyRing
from wallet_service.programs.overlays import renew_overlays
from wallet_service.storage.tables import ChangeCounter, Program, TemplateVersion
from wallet_service.wallets.apple.certificates import (
    PassIdentity,
    Trust,
    identity_from_files,
    identity_from_p12,
    identity_in_token,
    require_usable,
)
from wallet_service.wallets.apple.passes.design import template_faults
from wallet_service.wallets.apple.signers import TokenAddress


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What an apply changed, in words; empty: nothing."""

    program_id: str
    changes: tuple[str, ...]


def apply_program(
    db: Session,
    path: Path,
    *,
    templates_dir: Path,
    keys: KeyRing,
    trust: Trust,
    now: datetime,
    although_issued: bool = False,
) -> Applied:
    """Create or update the programme that `path` describes, in the caller's transaction.

    Args:
        although_issued: do what contradicts cards already issued, and say what happens to them.

    Raises:
        Invalid: the document, its template or a key file is wrong; nothing is changed.
        SettingsError: the certificate cannot make passes for this programme.
        Conflict: the pass type belongs to another programme, or the file contradicts cards already issued.
    """
    document = _read(path)
    changes: list[str] = []
    version_id = _apply_template(db, templates_dir / document.template, changes, now=now)
    linked = {
        name: _apply_template(db, templates_dir / name, changes, field=f"linked_templates[{number}]", now=now)
        for number, name in enumerate(document.linked_templates)
    }
    _apply_row(db, document, version_id, linked, changes, although_issued=although_issued, now=now)
    _apply_apple_files(db, document, path.parent, keys, trust, changes, now=now)
    _apply_google_file(db, document, path.parent, keys, changes, now=now)
    return Applied(program_id=document.id, changes=tuple(changes))


def _read(path: Path) -> ProgramDocument:
    """The document; also where a file is built to break whoever reads it."""
    try:
        document = read_program(path)
    except RecursionError as error:
        raise Invalid.at(str(path), "is nested too deeply") from error
    if "\\u0000" in document.model_dump_json():
        raise Invalid.at(str(path), "holds a NUL character")
    return document


def _apply_template(db: Session, folder: Path, changes: list[str], *, field: str = "template", now: datetime) -> int:
    if not folder.is_dir():
        raise Invalid.at(field, f"there is no template folder {folder.name!r} in {folder.parent}")
    template = load_template(folder)
    if faults := template_faults(template):
        raise Invalid(*faults)
    known = db.scalar(select(TemplateVersion.id).where(TemplateVersion.digest == template.digest))
    if known is not None:
        return known
    version = TemplateVersion(
        template_id=template.template_id, digest=template.digest, archive=archive_of(folder), created_at=now
    )
    db.add(version)
    db.flush()
    changes.append(f"template {template.template_id} has a new version")
    return version.id


def _apply_row(
    db: Session,
    document: ProgramDocument,
    version_id: int,
    linked: dict[str, int],
    changes: list[str],
    *,
    although_issued: bool,
    now: datetime,
) -> None:
    plain = document.model_dump(mode="json", exclude_none=True)
    pass_type_id = document.apple.pass_type_id if document.apple else None
    program = db.get(Program, document.id, with_for_update=True)
    if program is None:
        _refuse_foreign_pass_type(db, document.id, pass_type_id)
        db.add(
            Program(
                program_id=document.id,
                name=document.name,
                document=plain,
                pass_type_id=pass_type_id,
                template_version_id=version_id,
                linked_versions=linked,
                updated_at=now,
            )
        )
        db.flush()
        db.add(ChangeCounter(program_id=document.id, last=0))
        db.flush()
        changes.append("programme created")
        return
    if program.pass_type_id is not None and pass_type_id != program.pass_type_id:
        raise Conflict(f"apple.pass_type_id is {program.pass_type_id} on cards already issued, and cannot change")
    _refuse_foreign_pass_type(db, document.id, pass_type_id)
    linked = program.linked_versions | linked  # passes of a design that is linked no more go on to wear it
    if (program.document, program.template_version_id, program.linked_versions) == (plain, version_id, linked):
        return
    faults = _contradictions(db, program, document, version_id, linked)
    if faults and not although_issued:
        raise Conflict("; ".join([*faults, "apply with --although-issued to do it all the same"]))
    changes.extend(f"although issued: {fault}" for fault in faults)
    if renamed := rename_objects_not_at_google(db, document):
        changes.append(f"{renamed} cards that Google never had got ids of the present issuer")
    if program.template_version_id != version_id and plain.get("template") == program.document.get("template"):
        changes.append(f"template {document.template} is another version than before")
    changes.extend(
        f"{name} changed"
        for name in sorted(plain.keys() | program.document.keys())
        if plain.get(name) != program.document.get(name)
    )
    program.name, program.document, program.pass_type_id = document.name, plain, pass_type_id
    program.template_version_id, program.linked_versions, program.updated_at = version_id, linked, now
    renew_overlays(db, program, now=now)
    start_campaign(db, document.id, reason="programme changed", now=now)


def _contradictions(
    db: Session, program: Program, document: ProgramDocument, version_id: int, linked: dict[str, int]
) -> list[str]:
    before = ProgramDocument.model_validate(program.document)
    worn, wanted = _template(db, program.template_version_id), _template(db, version_id)
    renewed = [
        (_template(db, known), _template(db, linked[name]))
        for name, known in program.linked_versions.items()
        if known != linked[name]
    ]
    return [
        *contradictions(db, before, document, worn=worn, wanted=wanted),
        *contradictions_of_linked(db, document, renewed),
    ]


def _template(db: Session, version_id: int) -> Template:
    version = db.get_one(TemplateVersion, version_id)
    return template_from_archive(version.template_id, version.archive)


def _refuse_foreign_pass_type(db: Session, program_id: str, pass_type_id: str | None) -> None:
    owner = db.scalar(select(Program.program_id).where(Program.pass_type_id == pass_type_id))
    if pass_type_id is not None and owner not in (None, program_id):
        raise Conflict(f"apple.pass_type_id {pass_type_id} belongs to the programme {owner}")


def _apply_apple_files(
    db: Session,
    document: ProgramDocument,
    folder: Path,
    keys: KeyRing,
    trust: Trust,
    changes: list[str],
    *,
    now: datetime,
) -> None:
    apple = document.apple
    if apple is not None and apple.pkcs11_module is None and keys.forget_token(db, document.id):
        changes.append("passes are signed by a key of our own again")
    if apple is None or apple.certificate_file is None:
        return
    certificate = _file(folder, apple.certificate_file, "apple.certificate_file")
    intermediate = (
        _file(folder, apple.intermediate_file, "apple.intermediate_file") if apple.intermediate_file else None
    )
    if apple.pkcs11_module is not None:
        address = _token_address(apple, apple.pkcs11_module, folder)
        identity = identity_in_token(certificate, address, intermediate=intermediate)
    elif apple.certificate_file.endswith(".p12"):
        identity = identity_from_p12(certificate, None, intermediate=intermediate)
    elif apple.key_file is None:
        raise Invalid.at("apple.key_file", "is missing: a .pem or .cer certificate needs its key beside it")
    else:
        key = _file(folder, apple.key_file, "apple.key_file")
        identity = identity_from_files(certificate, key, intermediate=intermediate)
    if keep_identity(db, document, identity, keys, trust, now=now):
        changes.append("Apple certificate imported")


def _token_address(apple: AppleDocument, module: str, folder: Path) -> TokenAddress:
    for name in ("pkcs11_token", "pkcs11_key", "pkcs11_pin_file"):
        if getattr(apple, name) is None:
            raise Invalid.at(f"apple.{name}", "is missing: a token's key needs its module, labels and PIN")
    pin = _file(folder, str(apple.pkcs11_pin_file), "apple.pkcs11_pin_file").decode("utf-8").strip()
    return TokenAddress(module=module, token=str(apple.pkcs11_token), key=str(apple.pkcs11_key), pin=pin)


def keep_identity(
    db: Session, document: ProgramDocument, identity: PassIdentity, keys: KeyRing, trust: Trust, *, now: datetime
) -> bool:
    """Check an identity against its programme and keep it sealed; returns whether it is another than before.

    Raises:
        Invalid: the programme has no `[apple]` table.
        SettingsError: passes made with it would not install; every fault is named.
    """
    if document.apple is None:
        raise Invalid.at("apple", f"the programme {document.id} has no [apple] table")
    require_usable(
        identity, pass_type_id=document.apple.pass_type_id, team_id=document.apple.team_id, now=now, trust=trust
    )
    return keys.store_identity(db, document.id, identity, now=now)


def _apply_google_file(
    db: Session, document: ProgramDocument, folder: Path, keys: KeyRing, changes: list[str], *, now: datetime
) -> None:
    if document.google is None or document.google.service_account_file is None:
        return
    raw = _file(folder, document.google.service_account_file, "google.service_account_file")
    try:
        account = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid.at("google.service_account_file", "is not JSON: use the key file that Google made") from error
    if not isinstance(account, dict):
        raise Invalid.at("google.service_account_file", "is not a service account's key file")
    if keys.store_google_account(db, document.id, account, now=now):
        changes.append("Google service account imported")


def _file(folder: Path, name: str, field: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise Invalid.at(field, f"cannot read {name}: {error.strerror}") from error

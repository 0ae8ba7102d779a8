"""People of the console: who they are, and their role in each programme."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from typing import Literal

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, selectinload

from wallet_service.access import journal
from wallet_service.access.links import make_link, void_links
from wallet_service.access.passwords import Passwords, check_password
from wallet_service.access.roles import Author, Role, check_grant
from wallet_service.access.sessions import end_all_sessions
from wallet_service.errors import Conflict, Invalid, NotFound
from wallet_service.storage.tables import ApiKey, Grant, Program, Store, User

_LONGEST_EMAIL, _LONGEST_NAME = 254, 200


@dataclass(frozen=True, slots=True)
class Granted:
    """A role in a programme."""

    program_id: str
    role: Role
    store_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the team's page and the command line show them."""

    id: int
    email: str
    name: str
    locale: str | None
    state: Literal["invited", "active", "locked"]
    has_second_factor: bool
    last_seen_at: datetime | None
    grants: tuple[Granted, ...]


@dataclass(frozen=True, slots=True)
class Invited:
    """What became of an invitation. `link_token` is None for somebody who has a password already, and needs no link."""

    user_id: int
    link_token: str | None


def normal_email(text: str) -> str:
    """A mail address as it is kept: trimmed, in small letters.

    Raises:
        Invalid: at `email`, it is none.
    """
    address = text.strip().lower()
    try:
        good = bool(Address(addr_spec=address).domain) and len(address) <= _LONGEST_EMAIL
    except (ValueError, IndexError, MessageError):
        good = False
    if not good:
        message = f"{text.strip()!r} is no mail address; it should look like lea@example.com"
        raise Invalid.at("email", message, "mail_address")
    return address


def invite(
    db: Session,
    author: Author,
    *,
    email: str,
    name: str = "",
    locale: str | None = None,
    program_id: str,
    role: str,
    store_ids: Collection[str] = (),
    request_id: str | None = None,
    now: datetime,
) -> Invited:
    """Give somebody a role in a programme, and a link to choose a password if they have none. Invited again, the role
    is replaced and only the newest link opens.

    The link opens everything that the person may, in every programme: it belongs in a mail to that address, and is
    shown to an operator alone.

    Args:
        name: for a new person, what stands before the @ where it is empty. Somebody who is known keeps name and
            language, unless an operator says otherwise.

    Raises:
        Invalid: address, role or a store is wrong.
        NotFound: there is no such programme.
        Conflict: the person is locked, or this would leave the programme without an admin.
    """
    address = normal_email(email)
    title = name.strip() or address.partition("@")[0]
    if len(title) > _LONGEST_NAME or not title.isprintable():
        raise Invalid.at("name", f"should be one line of at most {_LONGEST_NAME} characters")
    _check_place(db, program_id, role, store_ids)
    added = (
        insert(User)
        .values(email=address, name=title, locale=locale, created_at=now)
        .on_conflict_do_nothing(index_elements=["email"])
        .returning(User.id)
    )
    new_id = db.scalar(added)
    if new_id is not None:
        journal.record(
            db,
            author,
            "user_invited",
            "user",
            new_id,
            program_id=program_id,
            changes={"email": (None, address), "name": (None, title)},
            request_id=request_id,
            now=now,
        )
    user = db.scalars(select(User).where(User.email == address).with_for_update()).one()
    if user.locked_at is not None:
        raise Conflict(f"{address} is locked; unlock them first")
    if new_id is None and author.kind == "operator":
        _rename(db, author, user, name.strip() or user.name, locale or user.locale, request_id=request_id, now=now)
    set_grant(
        db, author, user.id, program_id=program_id, role=role, store_ids=store_ids, request_id=request_id, now=now
    )
    if user.password_digest is not None:
        return Invited(user.id, None)
    return Invited(user.id, make_link(db, user.id, "invitation", now=now))


def address_id(db: Session, email: str) -> int:
    """The number of the person with that address.

    Raises:
        NotFound: nobody has it.
    """
    found = db.scalar(select(User.id).where(User.email == normal_email(email)))
    if found is None:
        raise NotFound(f"nobody has the address {normal_email(email)}")
    return found


def set_grant(
    db: Session,
    author: Author,
    user_id: int,
    *,
    program_id: str,
    role: str,
    store_ids: Collection[str] = (),
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Give a person a role in a programme, in place of the one they had there; it holds from their next request on.

    Raises:
        Invalid: the role is unknown or does not fit the stores, or there is no such store.
        NotFound: there is no such person or programme.
        Conflict: the programme would be left without an admin.
    """
    granted = _check_place(db, program_id, role, store_ids)
    user = _locked_row(db, user_id)
    stores = sorted(set(store_ids))
    before = _grant(db, user.id, program_id)
    if before is not None and (before.role, before.store_ids) == (granted, stores):
        return
    if before is not None and before.role == Role.ADMIN:
        _keep_an_admin(db, author, program_id, but=user.id)
    old = {} if before is None else {"role": before.role, "store_ids": before.store_ids}
    values = {"role": str(granted), "store_ids": stores}
    db.execute(
        insert(Grant)
        .values(user_id=user.id, program_id=program_id, created_at=now, **values)
        .on_conflict_do_update(index_elements=["user_id", "program_id"], set_=values)
    )
    journal.record(
        db,
        author,
        "grant_set",
        "user",
        user.id,
        program_id=program_id,
        changes=journal.changes_between(old, values),
        request_id=request_id,
        now=now,
    )


def remove_grant(
    db: Session, author: Author, user_id: int, *, program_id: str, request_id: str | None = None, now: datetime
) -> None:
    """Take a person's role in a programme; their next request there finds nothing.

    Raises:
        NotFound: the person has none there.
        Conflict: the programme would be left without an admin.
    """
    user = _locked_row(db, user_id)
    grant = _grant(db, user.id, program_id)
    if grant is None:
        raise NotFound(f"this person has no role in {program_id}")
    if grant.role == Role.ADMIN:
        _keep_an_admin(db, author, program_id, but=user.id)
    old = {"role": grant.role, "store_ids": grant.store_ids}
    db.execute(delete(Grant).where(Grant.id == grant.id))
    journal.record(
        db,
        author,
        "grant_removed",
        "user",
        user.id,
        program_id=program_id,
        changes=journal.changes_between(old, {}),
        request_id=request_id,
        now=now,
    )


def take_store_from_grants(db: Session, author: Author, program_id: str, store_id: str, *, now: datetime) -> None:
    """A store is no more: nobody's role names it any longer; a role that was for it alone is taken away."""
    named = select(Grant).where(Grant.program_id == program_id, Grant.store_ids.contains([store_id]))
    for grant in db.scalars(named.order_by(Grant.user_id)).all():
        left = [one for one in grant.store_ids if one != store_id]
        if left:
            set_grant(db, author, grant.user_id, program_id=program_id, role=grant.role, store_ids=left, now=now)
        else:
            remove_grant(db, author, grant.user_id, program_id=program_id, now=now)


def revoke_keys_of_store(db: Session, author: Author, program_id: str, store_id: str, *, now: datetime) -> None:
    """A store is no more: the keys that were made for it open nothing any longer."""
    of_store = (ApiKey.program_id == program_id, ApiKey.store_id == store_id, ApiKey.revoked_at.is_(None))
    for key in db.scalars(select(ApiKey).where(*of_store).order_by(ApiKey.id).with_for_update()):
        key.revoked_at = now
        journal.record(db, author, "key_revoked", "key", key.id, program_id=program_id, now=now)


def lock_user(
    db: Session,
    author: Author,
    user_id: int,
    *,
    program_id: str | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Lock a person out at once: their sessions end, their links open nothing. Locked already, nothing changes.

    Raises:
        NotFound: there is no such person.
        Conflict: a programme would be left without an admin, or a programme's own admin would lock somebody out of
            another programme too.
    """
    user = _locked_row(db, user_id)
    if user.locked_at is not None:
        return
    if author.kind == "user" and _is_elsewhere(db, user.id, program_id):
        raise Conflict("this person has a role in another programme; take their role in this one instead")
    for admin_of in db.scalars(select(Grant.program_id).where(Grant.user_id == user.id, Grant.role == Role.ADMIN)):
        _keep_an_admin(db, author, admin_of, but=user.id)
    user.locked_at, user.locked_by = now, author.kind
    end_all_sessions(db, user.id, now=now)
    void_links(db, user.id)
    journal.record(db, author, "user_locked", "user", user.id, program_id=program_id, request_id=request_id, now=now)


def unlock_user(
    db: Session,
    author: Author,
    user_id: int,
    *,
    program_id: str | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Let a locked person sign in again; what they had open stays closed.

    Raises:
        NotFound: there is no such person.
        Conflict: a programme's own admin would undo what an operator did, or let somebody into another programme.
    """
    user = _locked_row(db, user_id)
    if user.locked_at is None:
        return
    if author.kind == "user" and (user.locked_by != "user" or _is_elsewhere(db, user.id, program_id)):
        raise Conflict("this person was locked by who operates the service; ask them")
    user.locked_at, user.locked_by = None, None
    journal.record(db, author, "user_unlocked", "user", user.id, program_id=program_id, request_id=request_id, now=now)


def set_password(
    db: Session,
    author: Author,
    passwords: Passwords,
    user_id: int,
    password: str,
    *,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Set a person's password; every session of theirs ends, and every link is void.

    Raises:
        Invalid: at `password`, it is too short, too long or easily guessed.
        NotFound: there is no such person.
    """
    person = person_of(db, user_id)
    check_password(password, own=(person.email, person.name))
    digest = passwords.digest(password)  # before any row is locked: it takes its time
    user = _locked_row(db, user_id)
    user.password_digest = digest
    end_all_sessions(db, user.id, now=now)
    void_links(db, user.id)
    journal.record(db, author, "password_set", "user", user.id, program_id=None, request_id=request_id, now=now)


def person_of(db: Session, user_id: int) -> Person:
    """One person.

    Raises:
        NotFound: there is no such person.
    """
    found = _people(db, select(User.id).where(User.id == user_id).scalar_subquery())
    if not found:
        raise NotFound(f"there is no person {user_id}")
    return found[0]


def people(db: Session, *, program_id: str | None = None) -> Sequence[Person]:
    """The people of a programme, or of all, by address."""
    if program_id is None:
        return _people(db, None)
    return _people(db, select(Grant.user_id).where(Grant.program_id == program_id).scalar_subquery())


def _people(db: Session, ids: object) -> list[Person]:
    query = select(User).options(selectinload(User.grants)).order_by(User.email)
    if ids is not None:
        query = query.where(User.id.in_(ids))  # type: ignore[arg-type]
    return [_person(user) for user in db.scalars(query.execution_options(populate_existing=True))]


def _person(user: User) -> Person:
    return Person(
        id=user.id,
        email=user.email,
        name=user.name,
        locale=user.locale,
        state="locked" if user.locked_at else "active" if user.password_digest else "invited",
        has_second_factor=user.totp_sealed is not None,
        last_seen_at=user.last_seen_at,
        grants=tuple(Granted(grant.program_id, Role(grant.role), tuple(grant.store_ids)) for grant in user.grants),
    )


def _check_place(db: Session, program_id: str, role: str, store_ids: Collection[str]) -> Role:
    if db.get(Program, program_id) is None:
        raise NotFound(f"there is no programme {program_id!r}")
    granted = check_grant(role, store_ids)
    known = set(db.scalars(select(Store.store_id).where(Store.program_id == program_id, Store.store_id.in_(store_ids))))
    missing = sorted(set(store_ids) - known)
    if missing:
        raise Invalid.at("store", f"{program_id} has no store {', '.join(missing)}")
    return granted


def _locked_row(db: Session, user_id: int) -> User:
    query = select(User).where(User.id == user_id).with_for_update().execution_options(populate_existing=True)
    user = db.scalar(query)
    if user is None:
        raise NotFound(f"there is no person {user_id}")
    return user


def _rename(
    db: Session, author: Author, user: User, name: str, locale: str | None, *, request_id: str | None, now: datetime
) -> None:
    changes = journal.changes_between({"name": user.name, "locale": user.locale}, {"name": name, "locale": locale})
    if changes:
        user.name, user.locale = name, locale
        journal.record(
            db,
            author,
            "user_changed",
            "user",
            user.id,
            program_id=None,
            changes=changes,
            request_id=request_id,
            now=now,
        )


def _is_elsewhere(db: Session, user_id: int, program_id: str | None) -> bool:
    elsewhere = select(Grant.id).where(Grant.user_id == user_id, Grant.program_id.is_distinct_from(program_id))
    return db.scalar(elsewhere.limit(1)) is not None


def _grant(db: Session, user_id: int, program_id: str) -> Grant | None:
    query = select(Grant).where(Grant.user_id == user_id, Grant.program_id == program_id)
    return db.scalar(query.execution_options(populate_existing=True))


def _keep_an_admin(db: Session, author: Author, program_id: str, *, but: int) -> None:
    """Refuse to take a programme's last admin who can sign in; an operator can make another at any time."""
    if author.kind == "operator":
        return
    db.execute(  # two admins who take each other's role at once: the second sees what the first has done
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"admins {program_id}", 0)))
    )
    others = (
        select(func.count())
        .select_from(Grant)
        .join(User, User.id == Grant.user_id)
        .where(Grant.program_id == program_id, Grant.role == Role.ADMIN, Grant.user_id != but)
        .where(User.locked_at.is_(None), User.password_digest.is_not(None))
    )
    if not db.scalar(others):
        raise Conflict(f"{program_id} would be left without an admin; make somebody else admin first")

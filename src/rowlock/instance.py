"""The secrets that an installation keeps in its data folder, and how a process finds its database.

`<data_dir>/instance.json`, readable by its owner only, holds the key that signs cookies and the SHA-256 of the admin
API key. The database is DATABASE_URL, or else the embedded one that runs on the data folder.
"""

import asyncio
import hashlib
import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from rowlock.base.dsns import Dsns
from rowlock.base.secret_files import write_secret_file
from rowlock.database.connections import ROLES, connect, with_role
from rowlock.database.pooler import ALONE, require_session
from rowlock.database.schema.roles import inspect_roles
from rowlock.embedded import EmbeddedError, running
from rowlock.settings import Settings

FILE_NAME = "instance.json"
_SECRET_KEY = "secret_key"  # noqa: S105 - the name of a field, not a secret.
_ADMIN_HASH = "admin_api_key_sha256"
SECRET_KEY_LENGTH = 32
ADMIN_KEY_LENGTH = 16
"""Characters at least. A program can try shorter texts: the admin key by asking us, the others at home."""


class InstanceError(Exception):
    """The data folder cannot be used; the message says why and what to do."""


class NoDatabaseError(Exception):
    """There is no database to use; the message says how to get one."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The secrets of one installation.

    secret_key          signs session cookies and derives the answers to repeated requests.
    admin_api_key_hash  SHA-256 of the key that /api/admin requires; None when there is none yet.
    """

    secret_key: str = field(repr=False)
    admin_api_key_hash: bytes | None = field(repr=False)


def load_instance(settings: Settings) -> Instance:
    """The secrets of the installation in `settings.data_dir`; its secret key is made on first use.

    The environment takes precedence over the folder. Raises InstanceError.
    """
    content: Mapping[str, str] = {}
    if settings.secret_key is None or settings.admin_api_key is None:
        content = _ensure_file(settings.data_dir)
    if settings.secret_key is None:
        secret_key, origin = content.get(_SECRET_KEY, ""), f"{_SECRET_KEY} in {settings.data_dir / FILE_NAME}"
    else:
        secret_key, origin = settings.secret_key.get_secret_value(), "ROWLOCK_SECRET_KEY"
    _check_length(origin, secret_key, SECRET_KEY_LENGTH)
    if settings.admission_key is not None:
        admission_key = settings.admission_key.get_secret_value()
        _check_length("ROWLOCK_ADMISSION_KEY", admission_key, SECRET_KEY_LENGTH, without="to admit everybody")
    if settings.admin_api_key is not None:
        admin_key = settings.admin_api_key.get_secret_value()
        _check_length("ROWLOCK_ADMIN_API_KEY", admin_key, ADMIN_KEY_LENGTH)
        return Instance(secret_key, _hash(admin_key))
    stored_hash = content.get(_ADMIN_HASH)
    return Instance(secret_key, bytes.fromhex(stored_hash) if stored_hash else None)


def _check_length(origin: str, key: str, least: int, *, without: str = "to have one made") -> None:
    """Refuse a key that can be guessed. A key of blanks is empty: HTTP takes blanks away from around a header."""
    length = len(key.strip())
    if length < least:
        found = "is empty" if not length else f"has {length} character{'s' if length > 1 else ''}"
        raise InstanceError(
            f"{origin} {found}; it needs at least {least}, so that nobody guesses it. Take the output of "
            f"`openssl rand -base64 32`, or leave it out {without}."
        )


def new_admin_api_key() -> tuple[str, bytes]:
    """A new admin API key, and its SHA-256; only the latter is stored."""
    key = f"rowlock_{secrets.token_urlsafe(32)}"
    return key, _hash(key)


def keep_admin_api_key(data_dir: Path, key_hash: bytes) -> None:
    """Store the SHA-256 of the admin key, in place of an older one. Raises InstanceError."""
    content = _ensure_file(data_dir)
    try:
        _write(data_dir / FILE_NAME, {**content, _ADMIN_HASH: key_hash.hex()}, replace=True)
    except OSError as error:
        raise _not_ours(data_dir / FILE_NAME, error) from error


def _hash(key: str) -> bytes:
    # A plain hash, not a slow one: a key of 256 random bits cannot be guessed.
    return hashlib.sha256(key.encode()).digest()


def _ensure_file(data_dir: Path) -> dict[str, str]:
    path = data_dir / FILE_NAME
    try:
        if not path.exists():
            _make_folder(data_dir)
            # Of two processes that start at once one writes the file, and both read it.
            with suppress(FileExistsError):
                _write(path, {_SECRET_KEY: secrets.token_urlsafe(48)}, replace=False)
        content = json.loads(path.read_text(encoding="utf-8"))
        bytes.fromhex(content.get(_ADMIN_HASH, ""))
        return {str(name): str(value) for name, value in content.items()}
    except OSError as error:
        raise _not_ours(path, error) from error
    except (ValueError, AttributeError, TypeError) as error:
        raise InstanceError(
            f"{path} is damaged: {error}. Restore it from a backup, or delete it: then all sessions end, "
            "and the next `rowlock up` makes a new admin key."
        ) from error


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder if it is not there. Raises InstanceError."""
    try:
        _make_folder(data_dir)
    except OSError as error:
        raise _not_ours(data_dir, error) from error


def _make_folder(data_dir: Path) -> None:
    if not data_dir.is_dir():
        data_dir.mkdir(parents=True, exist_ok=True)
        # Other users may reach the embedded database's socket in it, but cannot list it.
        data_dir.chmod(0o711)


def _not_ours(path: Path, error: OSError) -> InstanceError:
    return InstanceError(
        f"{path} cannot be read or written: {error.strerror or error}. Run Rowlock as the user that the folder "
        "belongs to, or choose another one with --data-dir."
    )


def _write(path: Path, content: Mapping[str, str], *, replace: bool) -> None:
    write_secret_file(path, json.dumps(content, indent=2) + "\n", replace=replace)


def owner_dsn(settings: Settings, data_dir: Path) -> str:
    """The owner's connection string. Raises NoDatabaseError."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return _embedded(data_dir).owner


def resolve_dsns(settings: Settings, data_dir: Path) -> Dsns:
    """The connection strings of every role; blocks, and may be called whether or not an event loop runs.

    A role without a login of its own uses the owner's, with `set role` where the role exists and the owner may set it,
    else as the owner: `rowlock doctor` reports what is weaker then. A process that only serves does not need the
    owner: without it, a role without a login of its own uses one of the others, and the database refuses what that may
    not do. Raises NoDatabaseError, TransactionPoolerError when the owner's login would serve through a pooler in
    transaction mode, or the driver's error when the server of DATABASE_URL cannot be reached.
    """
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(lambda: asyncio.run(find_dsns(settings, data_dir))).result()


async def find_dsns(settings: Settings, data_dir: Path) -> Dsns:
    """What `resolve_dsns` returns, for callers in an event loop."""
    own = [
        None if url is None else url.get_secret_value()
        for url in (
            settings.app_database_url,
            settings.office_database_url,
            settings.worker_database_url,
            settings.v1_database_url,
        )
    ]
    if settings.database_url is not None:
        owner = settings.database_url.get_secret_value()
        found = Dsns.same(owner) if all(own) else await _in_roles(owner)
    elif some := next(filter(None, own), None):
        found = Dsns.same(some)
    else:
        found = _embedded(data_dir)
    app, office, worker, v1 = own
    return Dsns(found.owner, app or found.app, office or found.office, worker or found.worker, v1 or found.v1)


async def _in_roles(owner: str) -> Dsns:
    async with await connect(owner) as connection:
        await require_session(connection, ALONE)
        roles = await inspect_roles(connection)
    return Dsns(owner, *(with_role(owner, name) if roles.usable(name) else owner for name in ROLES))


def _embedded(data_dir: Path) -> Dsns:
    try:
        dsns = running(data_dir)
    except EmbeddedError as error:
        raise NoDatabaseError(str(error)) from error
    if dsns is None:
        raise NoDatabaseError(
            f"There is no database: DATABASE_URL is not set, and no embedded PostgreSQL runs on {data_dir}. Start one "
            "with `rowlock up` (in another terminal, with the same --data-dir), or set DATABASE_URL to a database of "
            "yours, such as postgresql://user:password@host/name."
        )
    return dsns

"""The files and folders of the embedded server, their owners, and the lock that one process holds.

All are in one folder, the *home*. It is the data folder itself or, when root starts a server in a folder that the
service user cannot enter, a folder below /var/lib/rowlock, whose path is stored in the data folder.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import socket
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from rowlock.embedded.account import Account, can_enter
from rowlock.embedded.errors import AlreadyRunningError, EmbeddedError

SYSTEM_DIR = Path("/var/lib/rowlock")
ROLES = ("postgres", "rowlock_owner", "rowlock_app", "rowlock_office", "rowlock_worker", "rowlock_v1")

# The size of sun_path less its closing NUL, from <sys/un.h>.
_SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Home:
    """The folder with all files of the server, and their paths."""

    path: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory; its owner is the service user."""
        return self.path / "cluster"

    @property
    def lock(self) -> Path:
        """Locked while a process runs a server here; contains that process's id."""
        return self.path / "lock"

    @property
    def log(self) -> Path:
        """The server's log: starts, stops, errors, slow statements, never parameter values."""
        return self.path / "postgres.log"

    @property
    def passwords(self) -> Path:
        """Passwords of all roles as a JSON object, readable by the owner of the home only."""
        return self.path / "passwords.json"

    @property
    def state(self) -> Path:
        """The address of the running server; exists from the end of the start until the stop."""
        return self.path / "server.json"

    @property
    def config(self) -> Path:
        """postgresql.conf, written at each start."""
        return self.path / "postgresql.conf"

    @property
    def access_rules(self) -> Path:
        """pg_hba.conf, written at each start."""
        return self.path / "pg_hba.conf"


class FolderLock:
    """An exclusive lock on one folder. The kernel releases it when the process ends, also after a crash."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises AlreadyRunningError, or EmbeddedError without access to the folder."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except PermissionError as error:
            raise not_ours(self._path.parent) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _give_to_owner_of(self._path.parent, descriptor)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).strip()
            os.close(descriptor)
            raise AlreadyRunningError(self._path.parent, _living(holder)) from error
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock. The file stays: otherwise two processes could lock two files of the same name."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _living(recorded: bytes) -> int | None:
    # A child of a dead process can still hold its lock.
    if not recorded.isdigit():
        return None
    try:
        os.kill(int(recorded), 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # It exists and belongs to another user.
    return int(recorded)


def make_data_dir(data_dir: Path) -> None:
    """Create the data folder if needed. Other users may reach the socket in it, but cannot list it."""
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        try:
            data_dir.mkdir()
            data_dir.chmod(0o711)
        except FileExistsError:
            if not data_dir.is_dir():
                raise EmbeddedError(f"The data folder {data_dir} is a file. Name a folder.") from None
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {data_dir} cannot be made: {error}. Choose one below a folder you may write to."
        ) from error


def make_system_dir(system_dir: Path) -> Path:
    """Create root's folder for relocated homes and copied programs; refuse one that other users can write to."""
    system_dir.mkdir(parents=True, exist_ok=True)
    status = system_dir.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise EmbeddedError(
            f"{system_dir} must be a folder that belongs to root and that no other user can write to: "
            "PostgreSQL's programs are run from there. Check what is in it, then correct owner and mode or "
            "remove it."
        )
    if status.st_mode & 0o755 != 0o755:
        system_dir.chmod(0o755)
    return system_dir


def find_home(data_dir: Path, system_dir: Path = SYSTEM_DIR) -> Home:
    """The home that a data folder uses. Raises EmbeddedError when it names a home that does not exist."""
    pointer = data_dir / "location"
    try:
        target = Path(pointer.read_text(encoding="utf-8").strip())
    except (FileNotFoundError, NotADirectoryError):
        return Home(data_dir)
    except PermissionError as error:
        raise not_ours(data_dir) from error
    # Another user's data folder must not be able to make root write to any other place.
    if target.parent != system_dir or not target.is_dir():
        raise EmbeddedError(
            f"{pointer} says that the database is in {target}, but there is no such folder in {system_dir}. "
            f"Restore that folder, or remove {pointer} to begin with an empty database."
        )
    return Home(target)


def settle_home(data_dir: Path, account: Account, system_dir: Path) -> Home:
    """The home for a server that is to start as `account`, created and recorded in the data folder if needed.

    The caller holds the lock of `data_dir`. Raises EmbeddedError when a database is already in the data
    folder and `account` can no longer enter it.
    """
    home = find_home(data_dir, system_dir)
    if home.path != data_dir or not account.switch or can_enter(account, data_dir):
        return home
    if home.cluster.exists():
        raise EmbeddedError(
            f"The database in {data_dir} cannot be reached by the user {account.name}, which runs PostgreSQL "
            "when Rowlock is started by root: a folder above it is closed to that user. Move the data folder "
            f"to where {account.name} can enter, for instance below /srv, or run Rowlock as the owner of the "
            "folder."
        )
    digest = short_hash(data_dir)
    target = _new_folder(make_system_dir(system_dir), digest)
    if target.name != digest:
        _log.warning(
            "%s belongs to an earlier data folder of this path; delete it if that folder no longer exists",
            system_dir / digest,
        )
    target.chmod(0o711)
    write_file(data_dir / "location", f"{target}\n")
    return Home(target)


def _new_folder(parent: Path, name: str) -> Path:
    attempt = 1
    while True:
        folder = parent / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            # A new data folder must not get the contents of a deleted one of the same path.
            attempt += 1
        else:
            return folder


def short_hash(data_dir: Path) -> str:
    """Twelve hexadecimal digits that stand for a data folder in paths of limited length."""
    return hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]


def socket_dir(home: Home, account: Account, port: int, system_dir: Path) -> Path:
    """A folder for the Unix socket, made for `account`: below the home if the path is short enough, else elsewhere.

    A socket address holds about a hundred characters, libpq reads a comma as a list of hosts, and not every file
    system supports sockets.
    """
    preferred_folder = home.path / "run"
    if _socket_name_fits(preferred_folder, port):
        make_folder_for(account, preferred_folder, 0o711)
        if _sockets_work(preferred_folder):
            return preferred_folder
    if account.switch:
        short_folder = make_system_dir(system_dir) / f"run-{short_hash(home.path)}"
    else:
        name = f"rowlock-{account.uid}-{short_hash(home.path)}"
        short_folder = Path("/tmp") / name  # noqa: S108 - make_folder_for refuses a folder of others.
    if not _socket_name_fits(short_folder, port):
        raise EmbeddedError(f"{short_folder} is too long a name for a Unix socket. Choose a shorter data folder.")
    return make_folder_for(account, short_folder, 0o711)


def _socket_name_fits(folder: Path, port: int) -> bool:
    name = os.fsencode(folder / f".s.PGSQL.{port}")
    return len(name) <= _SOCKET_PATH_LIMIT and not set(name) & set(b',"')


def _sockets_work(folder: Path) -> bool:
    # Network file systems and shared folders of virtual machines often do not support sockets.
    probe = folder / ".probe"
    with socket.socket(socket.AF_UNIX) as probe_socket:
        try:
            probe.unlink(missing_ok=True)
            probe_socket.bind(str(probe))
            probe.unlink()
        except OSError:
            return False
    return True


def make_folder_for(account: Account, folder: Path, mode: int) -> Path:
    """Make `folder` so that only `account` can write to it, or check that it is such a folder."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o022:
            raise EmbeddedError(
                f"{folder} must be a folder of the user {account.name} that no other user can write to. "
                "Check who made it, then remove it and start again."
            ) from None
        return folder
    if account.switch:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    folder.chmod(mode)
    return folder


def write_file(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace `path` atomically and durably by a file that belongs to the owner of its folder."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            _give_to_owner_of(path.parent, file.fileno())
            os.fsync(file.fileno())
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def open_log(home: Home, *, keep_bytes: int = 16 * 1024 * 1024) -> int:
    """A descriptor to append to the server's log. A log over `keep_bytes` first replaces postgres.log.1."""
    if home.log.exists() and home.log.stat().st_size > keep_bytes:
        home.log.replace(home.log.with_name("postgres.log.1"))
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(home.log, flags, 0o600)
    _give_to_owner_of(home.path, descriptor)
    return descriptor


def sync_folder(folder: Path) -> None:
    """Make new directory entries of `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_to_owner_of(folder: Path, descriptor: int) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def ensure_passwords(home: Home) -> dict[str, str]:
    """The passwords of all roles, by role: the stored ones, and new ones for roles that have none yet."""
    known = _stored_passwords(home) if home.passwords.exists() else {}
    if not known and home.cluster.exists():
        raise EmbeddedError(
            f"{home.passwords} is missing, and without it the database in {home.cluster} cannot be "
            f"opened. Restore the file from a backup, or move {home.cluster} away to begin with an empty "
            "database."
        )
    # An older release had fewer roles. The server's start gives the new ones their passwords.
    if new := {role: secrets.token_hex(24) for role in ROLES if role not in known}:
        write_file(home.passwords, json.dumps(known | new, indent=2) + "\n")
    return read_passwords(home)


def read_passwords(home: Home) -> dict[str, str]:
    """The stored passwords by role. Raises EmbeddedError when they cannot be read, are damaged, or one is missing."""
    known = _stored_passwords(home)
    try:
        return {role: known[role] for role in ROLES}
    except KeyError as error:
        raise _damaged(home, error) from error


def _stored_passwords(home: Home) -> dict[str, str]:
    try:
        content = json.loads(home.passwords.read_text(encoding="utf-8"))
        known = {role: str(password) for role, password in content.items() if role in ROLES}
        # Without them the server can be neither opened nor given new roles.
        return {"postgres": known["postgres"], "rowlock_owner": known["rowlock_owner"]} | known
    except PermissionError as error:
        raise not_ours(home.path) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(home, error) from error


def _damaged(home: Home, error: Exception) -> EmbeddedError:
    return EmbeddedError(
        f"{home.passwords} is damaged ({error}). Restore it from a backup: it must be a JSON object with "
        f"a password for each of {', '.join(ROLES)}."
    )


def not_ours(folder: Path) -> EmbeddedError:
    """The error for a folder that belongs to another user."""
    try:
        owner = f"belongs to the user with id {folder.stat().st_uid}"
    except OSError:
        owner = "is closed to us"
    return EmbeddedError(
        f"The embedded database in {folder} cannot be used by the user with id {os.geteuid()}: the folder "
        f"{owner}. Run this command as that user or as root, or choose another data folder."
    )

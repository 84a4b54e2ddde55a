"""The keys that sign ticket codes: a file outside the database, readable by its owner only.

`<data_dir>/ticket_keys.json`, or the file of ROWLOCK_TICKET_KEYS_FILE, has one private key, which signs, and the public
keys of all older ones, whose codes stay valid. Servers share one file. What is signed is left to `ticket_codes`.
"""

import base64
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rowlock.base.secret_files import write_secret_file
from rowlock.checkout.ticket_codes import PublicKeys, key_id_of, sign

FILE_NAME = "ticket_keys.json"
MAX_KEYS = 100
"""Keys in a file. With a new one each month they last for eight years; then `--drop-old` is due."""
_FORMAT = 1
_MAX_FILE_BYTES = 64 * 1024
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class TicketKeysError(Exception):
    """The keys cannot be used; the message says why and what to do."""


class TicketKeysMissingError(TicketKeysError):
    """There is no file of keys yet."""


@dataclass(frozen=True, slots=True)
class PublicTicketKey:
    """What verifies the codes of one key."""

    key_id: str
    created_at: datetime
    public_key: Ed25519PublicKey

    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key (RFC 8037), which browsers and most libraries import as it is."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "EdDSA",
            "kid": self.key_id,
            "x": _encode(self.public_key.public_bytes_raw()),
        }


@dataclass(frozen=True, slots=True)
class KeyRing:
    """One private key that signs, and every public key whose codes are valid: the signing one first, then by age."""

    keys: tuple[PublicTicketKey, ...]
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def public_keys(self) -> PublicKeys:
        """The public keys by their ids, as `ticket_codes.verify` takes them."""
        return {key.key_id: key.public_key for key in self.keys}

    def sign(self, show_id: UUID, ticket_id: UUID, revision: int) -> str:
        """The code of a ticket, signed with the present key."""
        return sign(show_id, ticket_id, revision, self.private_key)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """All public keys as a JSON Web Key Set (RFC 7517)."""
        return {"keys": [key.jwk() for key in self.keys]}


class TicketKeys:
    """The ring in a file, read again when the file was replaced, so that a server follows a rotation by itself."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ring: KeyRing | None = None
        self._seen: tuple[int, ...] | None = None

    def ring(self, now: datetime) -> KeyRing:
        """The ring of today; made, with `now` as its date, when there is none. Raises TicketKeysError."""
        # Looked up before the file is read: if it is replaced in between, it is read once more and not once less.
        seen = self._version()
        if self._ring is None or seen is None or seen != self._seen:
            self._ring = ensure_keys(self._path, now)
            self._seen = seen
        return self._ring

    def _version(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def public_keys_of(jwks: bytes) -> PublicKeys:
    """The public keys of a JSON Web Key Set, as `KeyRing.jwks` makes it. Raises TicketKeysError."""
    try:
        listed = [Ed25519PublicKey.from_public_bytes(_decode(one["x"])) for one in json.loads(jwks)["keys"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TicketKeysError(
            f"These are no public ticket keys ({error}). `rowlock ticket keys --json` prints them."
        ) from error
    # The ids are computed anew: a file that gives a key another one's id changes nothing.
    return {key_id_of(key): key for key in listed}


def read_keys(path: Path) -> KeyRing:
    """The ring in a file. Raises TicketKeysMissingError, or TicketKeysError when it cannot be used as it is."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & _OTHERS:
                raise TicketKeysError(
                    f"{path} can be read or changed by others (mode {mode:04o}), and with it anyone makes tickets. "
                    f"Close it with `chmod 600 {path}`. If others may have read it, replace the key: "
                    "docs/runbooks/ticket-key-lost.md."
                )
            content = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise TicketKeysMissingError(
            f"There are no ticket keys: {path} does not exist. It is made with the first ticket, or by "
            "`rowlock ticket rotate-key`. If there was one: docs/runbooks/ticket-key-lost.md."
        ) from error
    except OSError as error:
        raise _not_ours(path, error) from error
    try:
        return _parse(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TicketKeysError(
            f"{path} is damaged: {error}. Restore it from a backup, or move it away: "
            "docs/runbooks/ticket-key-lost.md says what follows."
        ) from error


def ensure_keys(path: Path, now: datetime) -> KeyRing:
    """The ring in a file, which is made on first use. Raises TicketKeysError."""
    try:
        return read_keys(path)
    except TicketKeysMissingError:
        # Of two processes that start at once one writes the file, and both read it.
        with suppress(FileExistsError):
            _write(path, _new_ring(now, ()), replace=False)
        return read_keys(path)


def rotate_keys(path: Path, now: datetime, *, drop_old: bool = False) -> KeyRing:
    """Sign with a new key from now on, and return the new ring.

    The codes of older keys stay valid, unless `drop_old`. Their private parts are gone. Raises TicketKeysError.
    """
    with _locked(path):
        try:
            older = read_keys(path).keys
        except TicketKeysMissingError:
            older = ()
        if drop_old:
            older = ()
        if len(older) >= MAX_KEYS:
            raise TicketKeysError(
                f"{path} has {len(older)} keys, and {MAX_KEYS} are the most. `rowlock ticket rotate-key --drop-old` "
                "drops them; codes signed with them are refused then."
            )
        ring = _new_ring(now, older)
        _write(path, ring, replace=True)
    return ring


def _new_ring(now: datetime, older: tuple[PublicTicketKey, ...]) -> KeyRing:
    private_key = Ed25519PrivateKey.generate()
    public_key = private_key.public_key()
    return KeyRing((PublicTicketKey(key_id_of(public_key), now, public_key), *older), private_key)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time changes the file. The folder is locked, because the file itself is replaced."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _not_ours(path.parent, error) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _write(path: Path, ring: KeyRing, *, replace: bool) -> None:
    document = {
        "format": _FORMAT,
        "private_key": _encode(ring.private_key.private_bytes_raw()),
        "keys": [
            {
                "key_id": key.key_id,
                "created_at": key.created_at.isoformat(),
                "public_key": _encode(key.public_key.public_bytes_raw()),
            }
            for key in ring.keys
        ],
    }
    try:
        write_secret_file(path, json.dumps(document, indent=2) + "\n", replace=replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise _not_ours(path, error) from error


def _parse(content: bytes) -> KeyRing:
    if len(content) > _MAX_FILE_BYTES:
        raise ValueError(f"it has more than {_MAX_FILE_BYTES:,} bytes")
    document: Mapping[str, object] = json.loads(content)
    if document["format"] != _FORMAT:
        raise ValueError(f"its format is {document['format']}, and this release knows {_FORMAT}")
    private_key = Ed25519PrivateKey.from_private_bytes(_decode(document["private_key"]))
    listed = document["keys"]
    if not isinstance(listed, list) or not listed:
        raise ValueError("it lists no keys")
    keys = tuple(_parse_key(one) for one in listed)
    if keys[0].key_id != key_id_of(private_key.public_key()):
        raise ValueError("the private key does not belong to the first public one")
    return KeyRing(keys, private_key)


def _parse_key(one: Mapping[str, object]) -> PublicTicketKey:
    public_key = Ed25519PublicKey.from_public_bytes(_decode(one["public_key"]))
    if one["key_id"] != key_id_of(public_key):
        raise ValueError(f"{one['key_id']} is not the id of its key")
    return PublicTicketKey(key_id_of(public_key), datetime.fromisoformat(str(one["created_at"])), public_key)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _decode(text: object) -> bytes:
    padded = str(text) + "=" * (-len(str(text)) % 4)
    return base64.urlsafe_b64decode(padded)


def _not_ours(path: Path, error: OSError) -> TicketKeysError:
    return TicketKeysError(
        f"{path} cannot be read or written: {error.strerror or error}. Run Rowlock as the user that it belongs to, or "
        "name another file with ROWLOCK_TICKET_KEYS_FILE."
    )

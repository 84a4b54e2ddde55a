"""Ids that contain the key of their show, and the random bytes for ids and secrets."""

import os
from threading import Lock
from time import time_ns
from uuid import UUID

ID_RANDOM_BYTES = 10
_BLOCK_BYTES = 4096


class RandomBytes:
    """The kernel's random bytes, read in blocks: a system call for each id took an eighth of a server's time.

    Each byte is returned once. After a fork the child reads a new block, so that two processes never share a secret.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._block = b""
        self._used = 0
        os.register_at_fork(after_in_child=self._forget)

    def take(self, count: int) -> bytes:
        """`count` bytes, at most 4096, that were not returned before."""
        assert count <= _BLOCK_BYTES, "no id and no secret is so long"
        with self._lock:
            start, end = self._used, self._used + count
            if end > len(self._block):
                self._block = os.urandom(_BLOCK_BYTES)
                start, end = 0, count
            self._used = end
            return self._block[start:end]

    def _forget(self) -> None:
        # Another thread of the parent may have held the lock while it forked.
        self._lock = Lock()
        self._block = b""
        self._used = 0


random_bytes = RandomBytes().take
"""Random bytes for ids and secrets."""


def timed_id(show_id: UUID, random: bytes) -> UUID:
    """A new id of something in a show, from ID_RANDOM_BYTES random bytes.

    RFC 9562 version 8: milliseconds first, so that an index grows at its end; then the random bytes; the show's key
    (see `show_key`) last, so that the show can be found by the id alone.
    """
    return id_in_show(show_id, (time_ns() // 1_000_000 << 80) | int.from_bytes(random))


def mint_id(show_id: UUID) -> UUID:
    """A new id of something in a show."""
    return timed_id(show_id, random_bytes(ID_RANDOM_BYTES))


def id_in_show(show_id: UUID, value: int) -> UUID:
    """The id made of 128 bits, with those of version, variant and show put in."""
    value = (value & ~0xFFFFFFFF) | (show_id.int & 0xFFFFFFFF)
    value = (value & ~(0xF << 76)) | (0x8 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)


def show_key(id_: UUID) -> int:
    """The last 32 bits of a show id or of an id made here, as PostgreSQL's signed integer."""
    return int.from_bytes(id_.bytes[12:], signed=True)

"""Ticket codes: the signed text in a ticket's QR code, made and verified without a database.

Whether a ticket is still valid, was used or is void, and which revision is the present one, only the database knows.

A code is `RT-` and 168 characters, which stand for 105 bytes:

| bytes | what                                                          |
| ----- | ------------------------------------------------------------- |
| 1     | version of the format, 1                                      |
| 4     | key id: the first bytes of the SHA-256 of the public key      |
| 4     | revision of the ticket, big-endian                            |
| 16    | show id                                                       |
| 16    | ticket id                                                     |
| 64    | Ed25519 signature (RFC 8032) of `_DOMAIN` and the bytes above |

The alphabet is Crockford's base32: digits and capitals without I, L, O and U. A QR code has it in its alphanumeric
mode, 5.5 bits a character, and a person can read it aloud. 105 bytes are 168 characters exactly: no padding and no
spare bit, so that no second text stands for the same bytes.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PREFIX = "RT-"
FORMAT_VERSION = 1
MAX_REVISION = 2**31 - 1
"""The largest `integer` of PostgreSQL."""

_KEY_ID_BYTES = 4
_PAYLOAD_BYTES = 1 + _KEY_ID_BYTES + 4 + 16 + 16
_SIGNATURE_BYTES = 64
CODE_LENGTH = len(PREFIX) + (_PAYLOAD_BYTES + _SIGNATURE_BYTES) * 8 // 5
"""Characters of each code: 171."""

# What a signature is for is part of what is signed, so that one of our keys that signs something else as well never
# makes a ticket by accident.
_DOMAIN = b"rowlock ticket code\0"

_RFC_4648 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = str.maketrans(_RFC_4648, _CROCKFORD)
_FROM_CROCKFORD = str.maketrans(_CROCKFORD, _RFC_4648)
_ONLY_CROCKFORD = re.compile(f"[{_CROCKFORD}]*")

# Longer texts are not even tidied: a code with a blank or a hyphen after each character is shorter.
_MOST_TYPED = 4 * CODE_LENGTH
# What people read as one of the alphabet's characters.
_LOOK_ALIKES = str.maketrans("OIL", "011")
_NOT_TYPED = re.compile(r"[\s\-\u2010-\u2015]+")


class Refusal(StrEnum):
    """Why a text is no ticket code of ours."""

    # It does not start as a code does.
    NOT_A_TICKET_CODE = "NOT_A_TICKET_CODE"
    # It starts as a code does, and is cut off or has more.
    WRONG_LENGTH = "WRONG_LENGTH"
    # It has a character that no code has.
    WRONG_CHARACTER = "WRONG_CHARACTER"
    # A later release made it.
    UNKNOWN_VERSION = "UNKNOWN_VERSION"
    # It was signed with a key that is not among the given ones.
    UNKNOWN_KEY = "UNKNOWN_KEY"
    # It was changed, misread or forged.
    WRONG_SIGNATURE = "WRONG_SIGNATURE"


@dataclass(frozen=True, slots=True)
class TicketCode:
    """What a code says. The revision starts at 1 and grows with each reissue, which voids the codes before it."""

    show_id: UUID
    ticket_id: UUID
    revision: int
    key_id: str


@dataclass(frozen=True, slots=True)
class CodeRefused:
    """A text that is no valid code. `key_id` is the key that it names, as far as it could be read."""

    reason: Refusal
    key_id: str | None = None


PublicKeys = Mapping[str, Ed25519PublicKey]
"""Public keys by their key id."""


def key_id_of(key: Ed25519PublicKey) -> str:
    """The id of a key, 8 hexadecimal digits: derived, so that keys of two installations do not share one."""
    return hashlib.sha256(key.public_bytes_raw()).digest()[:_KEY_ID_BYTES].hex()


def sign(show_id: UUID, ticket_id: UUID, revision: int, key: Ed25519PrivateKey) -> str:
    """The code of a ticket. The same arguments make the same code."""
    assert 1 <= revision <= MAX_REVISION, "the database counts revisions from 1 in an integer"
    payload = b"".join(
        (
            bytes([FORMAT_VERSION]),
            bytes.fromhex(key_id_of(key.public_key())),
            revision.to_bytes(4),
            show_id.bytes,
            ticket_id.bytes,
        )
    )
    content = payload + key.sign(_DOMAIN + payload)
    return PREFIX + base64.b32encode(content).decode("ascii").translate(_TO_CROCKFORD)


def verify(code: str, public_keys: PublicKeys) -> TicketCode | CodeRefused:
    """What a code says, or why it is refused. Exactly the text that was made is accepted; see `tidy` for typed ones.

    The work is bounded, however long the text.
    """
    if not code.startswith(PREFIX):
        return CodeRefused(Refusal.NOT_A_TICKET_CODE)
    if len(code) != CODE_LENGTH:
        return CodeRefused(Refusal.WRONG_LENGTH)
    text = code[len(PREFIX) :]
    if not _ONLY_CROCKFORD.fullmatch(text):
        return CodeRefused(Refusal.WRONG_CHARACTER)
    try:
        content = base64.b32decode(text.translate(_FROM_CROCKFORD))
    except binascii.Error as error:
        raise AssertionError("168 characters of the alphabet are 105 bytes") from error
    if content[0] != FORMAT_VERSION:
        return CodeRefused(Refusal.UNKNOWN_VERSION)
    payload, signature = content[:_PAYLOAD_BYTES], content[_PAYLOAD_BYTES:]
    key_id = payload[1:5].hex()
    key = public_keys.get(key_id)
    if key is None:
        return CodeRefused(Refusal.UNKNOWN_KEY, key_id)
    try:
        key.verify(signature, _DOMAIN + payload)
    except InvalidSignature:
        return CodeRefused(Refusal.WRONG_SIGNATURE, key_id)
    return TicketCode(
        show_id=UUID(bytes=payload[9:25]),
        ticket_id=UUID(bytes=payload[25:41]),
        revision=int.from_bytes(payload[5:9]),
        key_id=key_id,
    )


def tidy(typed: str) -> str:
    """A code that a person typed or pasted, in the form that `verify` accepts; a text that is no code stays none.

    Takes away blanks, line breaks and hyphens, makes capitals, and reads O as 0, I and L as 1. For people only: what a
    scanner read is verified as it is. Admission is by ticket, not by text, so this admits nobody twice.
    """
    if len(typed) > _MOST_TYPED:
        return typed
    compact = _NOT_TYPED.sub("", typed).upper()
    start = PREFIX.rstrip("-")
    if not compact.startswith(start):
        return typed
    return PREFIX + compact[len(start) :].translate(_LOOK_ALIKES)

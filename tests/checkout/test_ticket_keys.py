"""The ring of keys in its file: made once, closed to others, rotated, and followed by servers that share it."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rowlock.checkout.ticket_codes import CodeRefused, Refusal, TicketCode, verify
from rowlock.checkout.ticket_keys import (
    MAX_KEYS,
    TicketKeys,
    TicketKeysError,
    TicketKeysMissingError,
    ensure_keys,
    public_keys_of,
    read_keys,
    rotate_keys,
)

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticket_keys.json"


def test_the_first_use_makes_the_file_for_its_owner_only(path: Path) -> None:
    ring = ensure_keys(path, NOW)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [key.created_at for key in ring.keys] == [NOW]
    assert read_keys(path).jwks() == ring.jwks()
    assert [one.name for one in path.parent.iterdir()] == [path.name], "no scratch file is left"


def test_a_code_of_the_ring_verifies_with_its_public_keys(path: Path) -> None:
    ring = ensure_keys(path, NOW)
    show, ticket = uuid4(), uuid4()

    found = verify(ring.sign(show, ticket, 2), ring.public_keys)

    assert found == TicketCode(show, ticket, 2, ring.keys[0].key_id)


def test_of_many_that_start_at_once_all_have_the_same_key(path: Path) -> None:
    with ThreadPoolExecutor(16) as threads:
        rings = list(threads.map(lambda _: ensure_keys(path, NOW), range(64)))

    assert len({ring.keys[0].key_id for ring in rings}) == 1


def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies(path: Path) -> None:
    before = ensure_keys(path, NOW)
    old = before.sign(uuid4(), uuid4(), 1)

    after = rotate_keys(path, NOW + timedelta(days=1))

    new = after.sign(uuid4(), uuid4(), 1)
    assert [key.key_id for key in after.keys[1:]] == [key.key_id for key in before.keys]
    assert isinstance(verify(old, after.public_keys), TicketCode)
    assert isinstance(verify(new, after.public_keys), TicketCode)
    assert verify(new, before.public_keys) == CodeRefused(Refusal.UNKNOWN_KEY, after.keys[0].key_id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rotation_keeps_no_old_private_key(path: Path) -> None:
    ensure_keys(path, NOW)
    private = json.loads(path.read_text())["private_key"]

    rotate_keys(path, NOW)

    assert private not in path.read_text()


def test_dropping_old_keys_refuses_their_codes(path: Path) -> None:
    old = ensure_keys(path, NOW).sign(uuid4(), uuid4(), 1)

    after = rotate_keys(path, NOW, drop_old=True)

    found = verify(old, after.public_keys)
    assert isinstance(found, CodeRefused)
    assert found.reason is Refusal.UNKNOWN_KEY


def test_rotations_at_once_lose_no_key(path: Path) -> None:
    ensure_keys(path, NOW)
    with ThreadPoolExecutor(8) as threads:
        signing = list(threads.map(lambda _: rotate_keys(path, NOW).keys[0].key_id, range(16)))

    assert {key.key_id for key in read_keys(path).keys} >= set(signing)
    assert len(read_keys(path).keys) == 17


def test_a_server_follows_a_rotation_by_another_one(path: Path) -> None:
    ensure_keys(path, NOW)
    keys = TicketKeys(path)
    first = keys.ring(NOW)
    assert keys.ring(NOW) is first, "the file is read only when it was replaced"

    rotated = rotate_keys(path, NOW)

    assert keys.ring(NOW).keys[0].key_id == rotated.keys[0].key_id


def test_a_server_whose_file_is_gone_makes_a_new_key(path: Path) -> None:
    keys = TicketKeys(path)
    lost = keys.ring(NOW)
    path.unlink()

    assert keys.ring(NOW).keys[0].key_id != lost.keys[0].key_id


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o644, 0o602])
def test_a_file_that_others_can_read_or_write_is_refused(path: Path, mode: int) -> None:
    ensure_keys(path, NOW)
    path.chmod(mode)

    with pytest.raises(TicketKeysError, match=f"chmod 600 {path}"):
        read_keys(path)
    with pytest.raises(TicketKeysError, match="by others"):
        rotate_keys(path, NOW)
    with pytest.raises(TicketKeysError, match="by others"):
        TicketKeys(path).ring(NOW)


def test_reading_makes_no_file(path: Path) -> None:
    with pytest.raises(TicketKeysMissingError, match=r"ticket-key-lost\.md"):
        read_keys(path)
    assert not path.exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    for use in (ensure_keys, rotate_keys):
        with pytest.raises(TicketKeysError, match="ROWLOCK_TICKET_KEYS_FILE"):
            use(tmp_path / "gone" / "keys.json", NOW)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: "{}",
        lambda text: text.replace('"format": 1', '"format": 2'),
        lambda text: text.replace('"public_key": "', '"public_key": "AA'),
        lambda text: json.dumps({**json.loads(text), "keys": []}),
        lambda text: json.dumps({**json.loads(text), "private_key": "A" * 43}),
        lambda text: text.replace(json.loads(text)["keys"][0]["key_id"], "00000000"),
        lambda text: text + " " * 70_000,
        lambda text: "\udcff",
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    ensure_keys(path, NOW)
    path.write_text(damage(path.read_text()), errors="surrogateescape")
    before = path.read_bytes()

    with pytest.raises(TicketKeysError, match="is damaged"):
        ensure_keys(path, NOW)
    assert path.read_bytes() == before


def test_keys_have_a_bound(path: Path) -> None:
    ring = ensure_keys(path, NOW)
    document = json.loads(path.read_text())
    document["keys"] *= MAX_KEYS
    path.write_text(json.dumps(document))

    with pytest.raises(TicketKeysError, match="--drop-old"):
        rotate_keys(path, NOW)
    assert len(rotate_keys(path, NOW, drop_old=True).keys) == 1
    assert ring.keys[0].key_id not in read_keys(path).public_keys


def test_public_keys_are_a_key_set_that_verifies_without_the_file(path: Path) -> None:
    ring = rotate_keys(path, NOW)
    code = ring.sign(uuid4(), uuid4(), 1)
    told = json.dumps(ring.jwks()).encode()

    assert {(key["kty"], key["crv"], len(key["x"])) for key in ring.jwks()["keys"]} == {("OKP", "Ed25519", 43)}
    assert isinstance(verify(code, public_keys_of(told)), TicketCode)
    assert json.loads(path.read_text())["private_key"] not in told.decode()


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": [{}]}', b'{"keys": [{"x": "AA"}]}', b"\xff"])
def test_what_is_no_key_set_is_refused(text: bytes) -> None:
    with pytest.raises(TicketKeysError, match="ticket keys --json"):
        public_keys_of(text)


def test_nothing_printed_of_a_ring_has_the_private_key(path: Path) -> None:
    ring = ensure_keys(path, NOW)
    private = json.loads(path.read_text())["private_key"]

    assert private not in repr(ring)
    assert "private" not in repr(ring)
    assert isinstance(ring.keys[0].public_key, Ed25519PublicKey)

"""rowlock ticket: verify codes with and without a database, list keys, rotate them."""

import json
from asyncio import to_thread
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from rowlock.checkout.ticket_keys import KeyRing, ensure_keys
from tests.cli.conftest import Invoke
from tests.support.answers import Show
from tests.support.seatdb import SeatDb

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def ring(data_dir: Path) -> KeyRing:
    data_dir.mkdir()
    return ensure_keys(data_dir / "ticket_keys.json", NOW)


def test_a_genuine_code_is_told_with_its_ticket_and_without_a_database(invoke: Invoke, ring: KeyRing) -> None:
    show, ticket = uuid4(), uuid4()

    done = invoke("ticket", "verify", ring.sign(show, ticket, 3))

    assert done.code == 0
    for expected in ("genuine", str(show), str(ticket), ring.keys[0].key_id, "There is no database"):
        assert expected in done.out


def test_json_says_the_same(invoke: Invoke, ring: KeyRing) -> None:
    show, ticket = uuid4(), uuid4()

    done = invoke("ticket", "verify", "--json", "--offline", ring.sign(show, ticket, 3))

    assert done.document == {
        "valid": True,
        "reason": None,
        "show_id": str(show),
        "ticket_id": str(ticket),
        "revision": 3,
        "key_id": ring.keys[0].key_id,
        "status": None,
        "present_revision": None,
        "used_at": None,
        "database_not_asked": "--offline was given",
    }


def test_a_typed_code_is_accepted(invoke: Invoke, ring: KeyRing) -> None:
    code = ring.sign(uuid4(), uuid4(), 1)
    typed = " ".join(code[at : at + 6] for at in range(0, len(code), 6)).lower()

    assert invoke("ticket", "verify", "--offline", typed).code == 0


@pytest.mark.parametrize(
    ("change", "reason", "sentence"),
    [
        (lambda code: "hello", "NOT_A_TICKET_CODE", "does not start with RT-"),
        (lambda code: code[:-4], "WRONG_LENGTH", "a part of a ticket code"),
        (lambda code: code[:-1] + "U", "WRONG_CHARACTER", "no ticket code has"),
        (lambda code: code[:-1] + ("0" if code[-1] != "0" else "1"), "WRONG_SIGNATURE", "changed, misread or forged"),
    ],
)
def test_a_wrong_code_exits_1_and_says_what_is_wrong(  # type: ignore[no-untyped-def]
    invoke: Invoke, ring: KeyRing, change, reason: str, sentence: str
) -> None:
    code = change(ring.sign(UUID(int=2**127 + 5), UUID(int=2**126 + 9), 1))

    told = invoke("ticket", "verify", code)
    document = invoke("ticket", "verify", "--json", code)

    assert told.code == document.code == 1
    assert sentence in told.err
    assert document.document["reason"] == reason
    assert document.document["valid"] is False


def test_without_keys_it_says_where_they_should_be(invoke: Invoke, data_dir: Path) -> None:
    done = invoke("ticket", "verify", "RT-0")

    assert done.code == 1
    assert f"{data_dir / 'ticket_keys.json'} does not exist" in done.err
    assert not data_dir.exists(), "verifying makes no keys"


def test_keys_that_others_can_read_are_refused(invoke: Invoke, ring: KeyRing, data_dir: Path) -> None:
    (data_dir / "ticket_keys.json").chmod(0o644)

    for command in (("verify", "RT-0"), ("keys",), ("rotate-key",)):
        done = invoke("ticket", *command)
        assert done.code == 1
        assert "chmod 600" in done.err


def test_a_door_verifies_with_the_public_keys_alone(
    invoke: Invoke, ring: KeyRing, data_dir: Path, tmp_path: Path
) -> None:
    code = ring.sign(uuid4(), uuid4(), 1)
    file = tmp_path / "door-keys.json"
    file.write_text(invoke("ticket", "keys", "--json").out)
    (data_dir / "ticket_keys.json").unlink()

    assert invoke("ticket", "verify", "--keys", file, "--offline", code).code == 0
    file.write_text("{}")
    assert invoke("ticket", "verify", "--keys", file, "--offline", code).code == 1


def test_after_a_rotation_old_and_new_codes_are_genuine_until_old_keys_are_dropped(
    invoke: Invoke, ring: KeyRing
) -> None:
    old = ring.sign(uuid4(), uuid4(), 1)

    rotated = invoke("ticket", "rotate-key", "--json").document

    assert rotated["older_key_ids"] == [ring.keys[0].key_id]
    assert invoke("ticket", "verify", "--offline", old).code == 0
    listed = invoke("ticket", "keys").out
    assert rotated["key_id"] in listed
    assert ring.keys[0].key_id in listed
    assert invoke("ticket", "rotate-key", "--drop-old").code == 0
    refused = invoke("ticket", "verify", "--offline", old)
    assert refused.code == 1
    assert f"not among yours. The key is {ring.keys[0].key_id}" in refused.err


def test_a_first_rotation_makes_the_data_folder_and_the_file(invoke: Invoke, data_dir: Path) -> None:
    done = invoke("ticket", "rotate-key")

    assert done.code == 0
    assert "There was none before" in done.out
    assert (data_dir / "ticket_keys.json").stat().st_mode & 0o777 == 0o600


def test_the_setting_names_another_file(
    invoke: Invoke, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROWLOCK_TICKET_KEYS_FILE", str(tmp_path / "shared.json"))

    made = invoke("ticket", "rotate-key", "--json").document

    assert json.loads((tmp_path / "shared.json").read_text())["keys"][0]["key_id"] == made["key_id"]
    assert not (data_dir / "ticket_keys.json").exists()
    monkeypatch.setenv("ROWLOCK_TICKET_KEYS_FILE", str(tmp_path / "gone" / "shared.json"))
    assert invoke("ticket", "rotate-key").code == 1


@pytest.mark.parametrize(
    ("status", "revision", "reason"),
    [
        ("valid", 2, None),
        ("valid", 1, "TICKET_REPLACED"),
        ("valid", 3, "TICKET_MISSING"),
        ("used", 2, "TICKET_USED"),
        ("used", 1, "TICKET_REPLACED"),
        ("void", 2, "TICKET_VOID"),
        ("void", 1, "TICKET_VOID"),
        ("missing", 2, "TICKET_MISSING"),
    ],
)
async def test_the_database_says_whether_the_ticket_is_still_valid(
    rowlock: Invoke, ring: KeyRing, db: SeatDb, show: Show, status: str, revision: int, reason: str | None
) -> None:
    order_id = await db.order(await db.reserve(show, seats=[1], holder="anna"))
    await db.complete(show, order_id)
    cursor = await db.owner.execute(
        """
        update rowlock.tickets
        set revision = 2, status = coalesce(nullif(%s, 'missing'), 'valid'),
            used_at = case when %s = 'used' then now() end
        where show_id = %s
        returning ticket_id
        """,
        (status, status, show.show_id),
    )
    row = await cursor.fetchone()
    assert row is not None
    ticket_id = uuid4() if status == "missing" else row[0]

    done = await to_thread(rowlock, "ticket", "verify", "--json", ring.sign(show.show_id, ticket_id, revision))

    assert done.document["reason"] == reason
    assert done.document["status"] == (None if status == "missing" else status)
    assert done.document["present_revision"] == (None if status == "missing" else 2)
    assert (done.document["used_at"] is not None) == (status == "used")
    assert done.document["database_not_asked"] is None
    assert done.code == (0 if reason is None else 1)


def test_a_database_that_does_not_answer_leaves_the_signature(
    invoke: Invoke, ring: KeyRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://rowlock@127.0.0.1:1/rowlock")

    done = invoke("ticket", "verify", ring.sign(uuid4(), uuid4(), 1))

    assert done.code == 0
    assert "genuine" in done.out
    assert "is not known" in done.out

"""The fingerprint of the functions that a process calls, and the names of connections that carry it."""

from pathlib import Path

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.database.access import DirectDatabase
from rowlock.database.contract import Stamp, contract_of, own_contract, read_stamp, stamped
from rowlock.database.pool import PooledDatabase
from rowlock.database.schema.definitions import SQL_DIR

SOURCE = (SQL_DIR / "functions/free_seats_of_orders.sql").read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("return", "perform 1; return"),
        ("null: every seat of these orders", "another comment within the parameters"),
        ("p_show_id uuid,\n", "p_show_id   uuid,\n\n"),
        ("security definer", "security invoker"),
        (
            "comment on function rowlock.free_seats_of_orders is",
            "comment on function rowlock.free_seats_of_orders is 'A' ",
        ),
    ],
)
def test_a_change_of_the_body_or_of_comments_keeps_the_fingerprint(old: str, new: str) -> None:
    head, _, body = SOURCE.partition("$$")
    changed = head + "$$" + body.replace(old, new, 1) if old == "return" else SOURCE.replace(old, new, 1)
    assert changed != SOURCE

    assert contract_of([changed]) == contract_of([SOURCE])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("p_show_id uuid,", "p_show_id text,"),
        ("p_show_id uuid,", "p_show uuid,"),
        ("p_show_id uuid,", "p_show_id uuid, p_channel text,"),
        ("p_house_reason text ", "p_house_reason text default null "),
        ("returns integer[]", "returns bigint[]"),
        ("create or replace function rowlock.free_seats_of_orders", "create or replace function rowlock.free_seats"),
    ],
)
def test_a_change_of_name_parameters_or_result_changes_the_fingerprint(old: str, new: str) -> None:
    changed = SOURCE.replace(old, new, 1)
    assert changed != SOURCE

    assert contract_of([changed]) != contract_of([SOURCE])


def test_the_fingerprint_covers_every_function_and_no_order(tmp_path: Path) -> None:
    sources = [path.read_text() for path in sorted((SQL_DIR / "functions").glob("*.sql"))]

    assert own_contract() == contract_of(sources) == contract_of(reversed(sources))
    every_one_less = {contract_of(s for s in sources if s is not left_out) for left_out in sources}
    assert len(every_one_less - {own_contract()}) == len(sources), "each file counts"


def test_a_name_that_is_too_long_loses_its_middle_and_not_the_fingerprint() -> None:
    name = stamped("rowlock worker " + "x" * 80)

    assert len(name) == 63
    assert name.endswith(f"/{own_contract()}")


def test_names_that_rowlock_did_not_make_say_nothing() -> None:
    assert read_stamp("rowlock worker cleanup 0.2.0/4fa1c02d") == Stamp("rowlock worker cleanup", "0.2.0", "4fa1c02d")
    for name in ("", "psql", "rowlock", "rowlock 0.2.0", "rowlock 0.2.0/4fa1", "other 0.2.0/4fa1c02d"):
        assert read_stamp(name) is None


async def name_of(connection: psycopg.AsyncConnection) -> str:
    [(name,)] = await (await connection.execute("show application_name")).fetchall()
    return str(name)


async def test_every_connection_says_its_contract(dsns: Dsns) -> None:
    direct = DirectDatabase(dsns, application_name="rowlock check")
    async with direct.app() as app, direct.owner() as owner:
        assert {await name_of(app), await name_of(owner)} == {stamped("rowlock check")}
    pooled = PooledDatabase(dsns)
    await pooled.open()
    try:
        async with pooled.app() as app, pooled.v1() as v1:
            assert (await name_of(app), await name_of(v1)) == (stamped("rowlock"), stamped("rowlock v1"))
    finally:
        await pooled.close()

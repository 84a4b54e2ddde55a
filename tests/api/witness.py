"""Who wrote each reservation: the login of the connection, noted by a trigger in a test's own database.

`session_user` stays the login inside a security definer function, so it tells version 2 (rowlock_app, through the
functions) from version 1 (rowlock_v1, with plain SQL) whatever either of them writes.
"""

from typing import LiteralString

import psycopg

from tests.support.seatdb import Show

_WITNESS: LiteralString = """
create schema rowlock_witness;
create table rowlock_witness.written (show_id uuid, reserved_by text, login text);
create function rowlock_witness.note() returns trigger language plpgsql security definer as $$
begin
    insert into rowlock_witness.written values (new.show_id, new.reserved_by, session_user);
    return null;
end
$$;
create trigger witness after insert on rowlock.seat_reservations for each row execute function rowlock_witness.note();
"""


async def install_witness(owner: psycopg.AsyncConnection) -> None:
    """Note from now on who writes."""
    await owner.execute(_WITNESS)


async def logins(owner: psycopg.AsyncConnection, show: Show) -> dict[str, str]:
    """The login that wrote the reservation of each holder of a show."""
    cursor = await owner.execute(
        "select reserved_by, login from rowlock_witness.written where show_id = %s", [show.show_id]
    )
    return dict(await cursor.fetchall())

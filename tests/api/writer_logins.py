"""Which login wrote each reservation: a trigger in a test's own database records it.

`session_user` stays the login inside a security definer function, so it tells version 2 (rowlock_app, through the
functions) from version 1 (rowlock_v1, with plain SQL) whatever either of them writes.
"""

from typing import LiteralString

import psycopg

from tests.support.answers import Show

_TRIGGER: LiteralString = """
create schema rowlock_test_logins;
create table rowlock_test_logins.written (show_id uuid, reserved_by text, login text);
create function rowlock_test_logins.record() returns trigger language plpgsql security definer as $$
begin
    insert into rowlock_test_logins.written values (new.show_id, new.reserved_by, session_user);
    return null;
end
$$;
create trigger record_login
after insert on rowlock.seat_reservations for each row execute function rowlock_test_logins.record();
"""


async def record_writer_logins(owner: psycopg.AsyncConnection) -> None:
    """Record from now on which login writes each reservation."""
    await owner.execute(_TRIGGER)


async def writer_logins(owner: psycopg.AsyncConnection, show: Show) -> dict[str, str]:
    """The login that wrote the reservation of each holder of a show."""
    cursor = await owner.execute(
        "select reserved_by, login from rowlock_test_logins.written where show_id = %s", [show.show_id]
    )
    return dict(await cursor.fetchall())

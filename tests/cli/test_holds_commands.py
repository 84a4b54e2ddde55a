"""`rowlock holds`: live holds by address, and giving them back."""

from asyncio import to_thread
from collections.abc import Sequence

import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.hold_limits import HoldLimits
from rowlock.cli.exits import ExitCode
from tests.cli.conftest import Invoke
from tests.support.answers import Request, Reserved, Show
from tests.support.seatdb import SeatDb

GREEDY, OTHER, NETWORK = "203.0.113.9", "198.51.100.7", "2001:db8:0:1::/64"
Held = Sequence[Reserved]


@pytest.fixture
async def held(db: SeatDb, show: Show) -> Held:
    """Two holds of one address, one each of two others, one without an address, and one that ran out."""
    clients = [GREEDY, GREEDY, OTHER, NETWORK, None, OTHER]
    requests = [Request([2 * n + 1, 2 * n + 2], f"holder {n}", client=client) for n, client in enumerate(clients)]
    holds = await db.reserve_batch(show, requests, HoldLimits().for_database)
    await db.age(holds[-1], minutes=20)
    return holds


async def test_holds_are_listed_by_address_with_most_seats_first(rowlock: Invoke, held: Held, show: Show) -> None:
    found = await to_thread(rowlock, "holds", "--json")

    assert found.code == 0, found.err
    listed = [(one["client"], one["holds"], one["seats"], one["show_id"]) for one in found.document]
    assert listed[0] == (GREEDY, 2, 4, str(show.show_id))
    assert sorted(listed[1:], key=str) == sorted(
        [(client, 1, 2, str(show.show_id)) for client in (OTHER, NETWORK, None)], key=str
    )
    text = (await to_thread(rowlock, "holds")).out
    assert "this machine" in text
    assert text.splitlines()[1].startswith(GREEDY)


async def test_a_show_without_holds_is_said_to_have_none(rowlock: Invoke, held: Held, db: SeatDb) -> None:
    other = await db.make_show()

    found = await to_thread(rowlock, "holds", "--show", other.show_id)
    assert found.out == "No seats are held now.\n"


@pytest.mark.parametrize(
    ("address", "freed"), [(GREEDY, [1, 2, 3, 4]), (NETWORK, [7, 8]), ("2001:db8:0:1::77", [7, 8])]
)
async def test_the_holds_of_an_address_are_released(
    rowlock: Invoke, held: Held, db: SeatDb, show: Show, address: str, freed: list[int]
) -> None:
    done = await to_thread(rowlock, "holds", "release", "--address", address, "--json")

    assert done.code == 0, done.err
    assert done.document == {"holds": len(freed) // 2, "seats": len(freed), "being_paid": 0}
    assert set(range(1, 11)) - set(await db.claims(show)) == set(freed)
    released = [row for row in await db.audit(show) if row.event == "released"]
    assert {row.actor for row in released} == {"operator"}
    assert await db.check() == []


async def test_one_hold_is_released_by_its_id(rowlock: Invoke, held: Held, db: SeatDb, show: Show) -> None:
    done = await to_thread(rowlock, "holds", "release", "--reservation", held[4].reservation_id)

    assert (done.code, done.out) == (0, "1 holds were released, 2 seats are free again.\n")
    again = await to_thread(rowlock, "holds", "release", "--reservation", held[4].reservation_id)
    assert again.code == ExitCode.REFUSED
    assert "No live hold was found" in again.err


async def test_a_hold_that_is_being_paid_stays(rowlock: Invoke, held: Held, db: SeatDb, show: Show) -> None:
    await db.intent(show, await db.order(held[2], price_minor=2500))

    done = await to_thread(rowlock, "holds", "release", "--address", OTHER)

    assert done.code == 0, done.err
    assert "1 holds stay: their orders are being paid." in done.out
    assert 5 in await db.claims(show)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "Name the holds"),
        (("--address", GREEDY, "--reservation", "00000000-0000-4000-8000-000000000000"), "Name the holds"),
        (("--address", "127.0.0.1"), "holds of this machine are named by"),
        (("--address", "somewhere"), "is not an address of clients"),
    ],
)
def test_misuse_is_explained(rowlock: Invoke, dsns: Dsns, options: Sequence[str], told: str) -> None:
    done = rowlock("holds", "release", *options)

    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert told in done.err

"""What a process keeps in memory stays within its bounds, and what was dropped is read again."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.base.holder import Holder
from rowlock.catalogue import api as catalogue_api
from rowlock.catalogue import service as catalogue_service
from rowlock.database.calls import BusyError, LoginMissingError
from rowlock.database.cells import Cells
from rowlock.database.connections import Connection
from rowlock.database.pool import PooledDatabase
from rowlock.reservations import service as reservations_service
from rowlock.reservations import store
from rowlock.reservations.availability import service as availability_service
from rowlock.reservations.availability.service import Availability
from rowlock.reservations.model import BestSeats, Intent, ReservationToken, SeatChanges
from rowlock.services import Services, make_services
from rowlock.web.fast_path import _address, client_address
from rowlock.web.sessions import COOKIE, Sessions
from tests.support.answers import Show
from tests.support.halls import hall, put_on_sale
from tests.support.http import running


@pytest.fixture
async def services(dsns: Dsns, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Services]:
    """The services of a process that keeps one plan and two shows."""
    for module in (catalogue_service, catalogue_api, reservations_service):
        monkeypatch.setattr(module, "PLANS_LIMIT", 1)
    monkeypatch.setattr(catalogue_service, "SHOWS_LIMIT", 2)
    database = PooledDatabase(dsns)
    await database.open()
    made = make_services(Cells(database))
    yield made
    await made.reservations.close()
    await database.close()


@pytest.fixture
async def shows(owner: psycopg.AsyncConnection) -> list[Show]:
    """Three shows in two halls."""
    small, large = hall(10), hall(20, name="Large hall")
    return [await put_on_sale(owner, plan, f"Show {number}") for number, plan in enumerate((small, large, small))]


async def test_plans_and_what_is_derived_from_them_are_kept_up_to_a_limit(
    services: Services, shows: list[Show]
) -> None:
    for holder in ("anna", "ben"):
        for show in shows:
            plan = await services.catalogue.plan_of(show.show_id)
            assert plan is not None
            assert len(plan.plan.seats) == show.seats_total
            intent = Intent(ReservationToken.mint(show.show_id), Holder(holder), BestSeats(2, None, False))
            result = await services.reservations.reserve_best(intent)
            assert result is not None
            assert result.outcome == "OK"

    assert len(services.catalogue._plans) == 1
    assert len(services.catalogue._plan_of_show) == 2
    assert len(services.reservations._halls) == 1


@pytest.mark.usefixtures("services")
async def test_seat_maps_are_those_of_their_shows_also_when_few_are_kept(dsns: Dsns, shows: list[Show]) -> None:
    async with running(dsns) as application, application.client() as client:
        for show in (*shows, *shows):
            seat_map = (await client.get(f"/api/shows/{show.show_id}/seat-map")).json()
            assert seat_map["seats_total"] == show.seats_total


def test_of_a_cookie_header_only_a_value_that_can_be_ours_is_kept() -> None:
    sessions = Sessions("secret", secure=False)
    holder, header = sessions.start()
    ours = header.decode().partition(";")[0]

    for number in range(10):
        assert sessions.find(f"theme={number:01000}; {ours}; other={number}") == holder
    assert sessions._of_value.cache_info().currsize == 1
    assert len(ours.partition("=")[2]) <= 83
    for forged in (f"{COOKIE}={'x' * 5_000}", f"theme={'x' * 5_000}", ""):
        assert sessions.find(forged) is None
    assert sessions._of_value.cache_info().currsize == 1


def test_a_text_that_is_too_long_for_an_address_is_not_kept() -> None:
    _address.cache_clear()
    longest = "0000:0000:0000:0000:0000:ffff:192.168.100.228"

    assert client_address({"client": (longest, 1)}) == longest
    assert client_address({"client": ("1" * 5_000, 1)}) is None
    assert client_address({"client": ("unknown", 1)}) is None
    assert _address.cache_info().currsize == 2


@pytest.fixture
async def availability(dsns: Dsns) -> AsyncIterator[Availability]:
    database = PooledDatabase(dsns)
    await database.open()
    yield Availability(Cells(database))
    await database.close()


async def test_a_show_that_could_not_be_read_leaves_nothing_behind(
    availability: Availability, owner: psycopg.AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.execute("revoke all on function rowlock.seat_changes_since from rowlock_app")
    read = store.seat_changes

    async def cleaned_up_meanwhile(connection: Connection, show_id: UUID, after: int | None) -> SeatChanges | None:
        availability.changed(None)
        return await read(connection, show_id, after)

    monkeypatch.setattr(store, "seat_changes", cleaned_up_meanwhile)
    for _ in range(3):
        with pytest.raises(LoginMissingError):
            await availability.get(uuid4())
    await asyncio.sleep(0)

    assert availability._required_readings == {}
    assert availability._refreshing == {}


async def test_readings_in_progress_have_a_limit(
    availability: Availability, shows: list[Show], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability_service, "READINGS_LIMIT", 2)
    first = [asyncio.create_task(availability.get(show.show_id)) for show in shows[:2]]
    await asyncio.sleep(0)

    with pytest.raises(BusyError):
        await availability.get(shows[2].show_id)
    again = asyncio.create_task(availability.get(shows[0].show_id))

    assert all(await asyncio.gather(*first, again))
    assert await availability.get(shows[2].show_id) is not None

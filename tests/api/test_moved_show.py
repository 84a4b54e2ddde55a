"""A show that was moved to another plan: every process notices, and asks for seats by the numbers of the new one."""

import asyncio
from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue.service import PLAN_SECONDS
from rowlock.reservations.availability.service import KNOWN_SECONDS
from tests.api.conftest import hall
from tests.support.answers import Show
from tests.support.halls import services_on
from tests.support.http import Api, problem, running, session
from tests.support.seatdb import SeatDb


async def turned_round(owner: psycopg.AsyncConnection) -> UUID:
    """A plan whose best row is the last one, and with a wheelchair place less."""
    plan = hall()
    seats = tuple(replace(seat, kind="standard", y=70.0 - seat.y) for seat in plan.seats[:-1])
    imported = await services_on(owner).catalogue.import_plan(
        replace(plan, seats=seats), source_format="test", venue="Playhouse", organization="Moonlight"
    )
    return imported.plan.plan_id


async def test_every_process_notices_that_a_show_was_moved(
    client: Api, dsns: Dsns, show: Show, db: SeatDb, owner: psycopg.AsyncConnection
) -> None:
    async with running(dsns) as other:
        clients = (client, other.client())
        for each in clients:
            assert (await each.get(f"/api/shows/{show.show_id}/seats")).json()["seats_total"] == 40
            assert (await each.get(f"/api/shows/{show.show_id}/seat-map")).json()["plan_version"] == 1
            made = (await each.best(show, 1, session_id=session(f"before-{id(each)}"))).json()
            assert made["seat_ids"][0] <= 10
            await each.release(reservation_token=made["reservation_token"])
        plan_id = await turned_round(owner)

        assert (await db.move(show, plan_id)).outcome == "OK"
        await asyncio.sleep(max(PLAN_SECONDS, KNOWN_SECONDS))

        for each in clients:
            told = (await each.get(f"/api/shows/{show.show_id}/seats")).json()
            assert (told["plan_id"], told["seats_total"], len(told["seats"])) == (str(plan_id), 39, 39)
            assert (await each.get(f"/api/shows/{show.show_id}")).json()["plan_id"] == str(plan_id)
            seat_map = (await each.get(f"/api/shows/{show.show_id}/seat-map")).json()
            assert (seat_map["plan_id"], seat_map["seats_total"]) == (str(plan_id), 39)
            assert (await each.best(show, 1, session_id=session(f"after-{id(each)}"))).json()["seat_ids"][0] > 30
            wish = await each.best(show, 2, accessible=True, session_id=session(f"wish-{id(each)}"))
            assert "no wheelchair place" in problem(wish, 409, "SEATS_UNAVAILABLE")["detail"]


async def test_a_reserve_by_number_is_judged_by_the_new_plan(
    client: Api, show: Show, db: SeatDb, owner: psycopg.AsyncConnection
) -> None:
    await client.get(f"/api/shows/{show.show_id}/seats")
    await db.move(show, await turned_round(owner))

    problem(await client.reserve(show, [40], by="anna"), 404, "SEATS_NOT_FOUND")
    assert (await client.reserve(show, [39], by="anna")).status_code == 201


async def test_a_larger_plan_does_not_surprise_a_process_that_knows_the_smaller_one(
    client: Api, show: Show, db: SeatDb, owner: psycopg.AsyncConnection
) -> None:
    await db.move(show, await turned_round(owner))
    assert (await client.get(f"/api/shows/{show.show_id}/seats")).json()["seats_total"] == 39
    imported = await services_on(owner).catalogue.import_plan(
        hall(), source_format="test", venue="Playhouse", organization="Moonlight"
    )
    await db.move(show, imported.plan.plan_id)

    assert (await client.reserve(show, [40], by="anna", accessible=True)).status_code == 201
    assert (await client.get(f"/api/shows/{show.show_id}/seats")).json()["seats"][39]["status"] == "reserved"


@pytest.mark.parametrize("given", ["the plan of the show", "another", "nonsense", None])
async def test_a_seat_map_is_immutable_only_under_the_id_of_its_plan(
    client: Api, show: Show, given: str | None
) -> None:
    path = f"/api/shows/{show.show_id}/seat-map"
    plan_id = (await client.get(path)).json()["plan_id"]
    params = {} if given is None else {"plan_id": plan_id if given == "the plan of the show" else given}

    answer = await client.get(path, params=params)

    assert answer.json()["plan_id"] == plan_id
    assert ("immutable" in answer.headers["cache-control"]) == (given == "the plan of the show")

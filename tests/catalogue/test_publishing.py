"""Publishing plans: what is stored is what was read, versions count up, and large plans are quick."""

import asyncio
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from rowlock.base.dsns import Dsns
from rowlock.catalogue import store
from rowlock.catalogue.model import Shape, Zone
from rowlock.catalogue.showcase import stadium, theatre
from rowlock.catalogue.store import load_plan
from rowlock.database.connections import Connection, connect
from rowlock.operations.store import find_violations
from tests.support.halls import hall, services_on


async def test_a_published_plan_is_read_back_as_it_was(owner: Connection) -> None:
    plan = theatre()

    imported = await services_on(owner).catalogue.import_plan(plan, source_format="test", venue="Playhouse")

    assert await load_plan(owner, imported.plan.plan_id) == plan
    assert (imported.plan.version, len(imported.plan.plan.seats)) == (1, 600)


async def test_where_the_audience_looks_is_read_back_as_it_was(owner: Connection) -> None:
    plan = replace(hall(3), in_the_round=True, zones=(Zone("West", (1.5, 2.0), (0,)), Zone("East", None, (0,))))

    imported = await services_on(owner).catalogue.import_plan(plan, source_format="test", venue="Playhouse")

    assert await load_plan(owner, imported.plan.plan_id) == plan
    assert await find_violations(owner) == []


async def test_texts_with_every_kind_of_character_are_stored_unchanged(owner: Connection) -> None:
    plan = hall(3)
    odd = 'Zoë\'s "seat"\t\\N 椅子 🎭'
    plan = replace(
        plan,
        name="Größe, Ω",
        seats=tuple(replace(seat, label=f"{odd} {seat.number}", source_id=f"\\. {seat.number}") for seat in plan.seats),
        shapes=(Shape("text", ((0.5, 1e-7),), odd),),
    )

    imported = await services_on(owner).catalogue.import_plan(plan, source_format="test", venue=odd)

    assert await load_plan(owner, imported.plan.plan_id) == plan
    assert await find_violations(owner) == []


async def test_the_same_name_in_the_same_venue_is_the_next_version(owner: Connection) -> None:
    first = await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")
    second = await services_on(owner).catalogue.import_plan(hall(4), source_format="test", venue="Playhouse")
    elsewhere = await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Barn")
    other_name = await services_on(owner).catalogue.import_plan(
        hall(3, name="Other"), source_format="test", venue="Playhouse"
    )

    assert [i.plan.version for i in (first, second, elsewhere, other_name)] == [1, 2, 1, 1]
    assert first.plan.checksum != second.plan.checksum
    assert first.plan.checksum == elsewhere.plan.checksum
    assert (await load_plan(owner, first.plan.plan_id)).seats == hall(3).seats


async def test_plans_published_at_the_same_time_get_versions_of_their_own(dsns: Dsns, owner: Connection) -> None:
    imported = await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")

    async def publish() -> int:
        async with await connect(dsns.owner) as connection:
            published = await store.publish_plan(connection, imported.venue.venue_id, hall(3), source_format="x")
            return published.version

    assert sorted(await asyncio.gather(*(publish() for _ in range(5)))) == [2, 3, 4, 5, 6]


async def test_a_plan_needs_a_venue(owner: Connection) -> None:
    with pytest.raises(LookupError, match="there is no venue"):
        await store.publish_plan(owner, uuid4(), hall(3), source_format="test")


async def test_a_plan_that_cannot_be_stored_leaves_nothing_behind(owner: Connection) -> None:
    imported = await services_on(owner).catalogue.import_plan(hall(3), source_format="test", venue="Playhouse")
    twice = hall(3)
    twice = replace(twice, seats=(*twice.seats, twice.seats[0]))

    with pytest.raises(Exception, match="seats_pkey"):
        await store.publish_plan(owner, imported.venue.venue_id, twice, source_format="test")

    assert [plan.version for plan in await store.list_plans(owner)] == [1]


async def test_a_stadium_is_published_in_seconds(owner: Connection) -> None:
    plan = stadium(100_000)
    before = time.monotonic()

    imported = await services_on(owner).catalogue.import_plan(plan, source_format="test", venue="Arena")

    # Two seconds on two cores; the limit allows for a busy machine, but not for one statement for each seat.
    assert time.monotonic() - before < 20
    assert len(imported.plan.plan.seats) == 100_000
    assert await find_violations(owner) == []

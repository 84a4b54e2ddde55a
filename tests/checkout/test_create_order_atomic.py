"""create_order_atomic: an order for the seats of a hold, at the prices that its holder was shown."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from rowlock.base.ids import mint_id
from tests.support.answers import Reserved, Show, token
from tests.support.seatdb import SeatDb

SECRET = token("hold")


@pytest.fixture
async def show(db: SeatDb) -> Show:
    """40 seats; adults pay 25.00, children 12.00."""
    show = await db.make_show()
    await set_prices(db, show, 1, adult=2500, child=1200)
    return show


async def set_prices(db: SeatDb, show: Show, version: int, *, fee_per_order: int = 0, **amounts: int) -> None:
    for price_type, amount in amounts.items():
        await db.owner.execute(
            "insert into rowlock.show_prices (show_id, price_version, category, price_type, amount_minor, fee_minor, "
            "tax_basis_points) values (%s, %s, 0, %s, %s, 100, 700) "
            "on conflict (show_id, price_version, category, price_type) do update "
            "set amount_minor = excluded.amount_minor, fee_minor = 100, tax_basis_points = 700",
            [show.show_id, version, price_type, amount],
        )
    await db.owner.execute(
        "insert into rowlock.show_price_lists (show_id, price_version, fee_per_order_minor) values (%s, %s, %s) "
        "on conflict (show_id, price_version) do update set fee_per_order_minor = excluded.fee_per_order_minor",
        [show.show_id, version, fee_per_order],
    )
    await db.set_show(show, price_version=version)


async def hold(db: SeatDb, show: Show, *seats: int, holder: str = "anna") -> Reserved:
    made = await db.reserve(show, seats=seats, holder=holder, reservation_id=mint_id(show.show_id), secret=SECRET)
    assert made.outcome == "OK"
    return made


async def order(db: SeatDb, made: Reserved, *, code: str | None = None, **given: Any) -> dict[str, Any]:
    """Order as the server does; `given` are secret, types (by seat), key, wish, name."""
    types: dict[int | None, str] = given.get("types", {})
    cursor = await db.app.execute(
        "select * from rowlock.create_order_atomic(%s, %s, %s, %s, %s, %s, %s, %s, %s::int[], %s::text[], %s, %s, "
        "null, null, null)",
        [
            made.show.show_id,
            made.reservation_id,
            given.get("secret", SECRET),
            mint_id(made.show.show_id),
            code or uuid4().hex[:8].upper(),
            token("order"),
            given.get("name", "Anna"),
            "anna@example.org",
            list(types),
            list(types.values()),
            given.get("key"),
            given.get("wish", b"wish"),
        ],
    )
    assert cursor.description is not None
    row = await cursor.fetchone()
    assert row is not None
    return dict(zip([column.name for column in cursor.description], row, strict=True))


async def lines(db: SeatDb, show: Show, order_id: UUID) -> list[tuple[Any, ...]]:
    cursor = await db.app.execute(
        "select seat_id, price_type, amount_minor, item_fee_minor, tax_basis_points, total_minor, fee_minor "
        "from rowlock.find_order(%s, %s, %s)",
        [show.show_id, order_id, token("order")],
    )
    return await cursor.fetchall()


async def test_an_order_has_the_seats_of_its_hold_at_their_prices(db: SeatDb, show: Show) -> None:
    await set_prices(db, show, 1, adult=2500, child=1200, fee_per_order=300)
    made = await hold(db, show, 1, 2, 3)

    answer = await order(db, made, types={2: "child"})

    assert (answer["outcome"], answer["is_new"], answer["status"]) == ("OK", True, "pending")
    assert await lines(db, show, answer["order_id"]) == [
        (1, "adult", 2500, 100, 700, 6500, 300),
        (2, "child", 1200, 100, 700, 6500, 300),
        (3, "adult", 2500, 100, 700, 6500, 300),
    ]
    assert [event for event, _, _ in await db.events(show)] == ["created", "order_created"]


async def test_prices_that_change_afterwards_do_not_touch_a_hold(db: SeatDb, show: Show) -> None:
    made = await hold(db, show, 1)
    await set_prices(db, show, 2, adult=9900, child=9900)

    answer = await order(db, made)

    assert (await lines(db, show, answer["order_id"]))[0][2] == 2500


async def test_the_same_wish_again_is_told_the_same_order(db: SeatDb, show: Show) -> None:
    made = await hold(db, show, 1)
    first = await order(db, made)

    again = await order(db, made)

    assert (again["outcome"], again["is_new"], again["order_id"]) == ("OK", False, first["order_id"])


async def test_another_wish_replaces_an_order_that_is_not_being_paid(db: SeatDb, show: Show) -> None:
    made = await hold(db, show, 1)
    first = await order(db, made)

    second = await order(db, made, types={1: "child"}, wish=b"other")

    assert second["is_new"]
    assert second["order_id"] != first["order_id"]
    assert (await lines(db, show, second["order_id"]))[0][1:3] == ("child", 1200)
    assert await statuses(db, show) == ["cancelled", "pending"]


async def test_another_wish_for_an_order_that_is_being_paid_is_refused(db: SeatDb, show: Show) -> None:
    made = await hold(db, show, 1)
    first = await order(db, made)
    await db.begin_payment(show, first["order_id"], mint_id(show.show_id))

    second = await order(db, made, wish=b"other")

    assert (second["outcome"], second["order_id"]) == ("ORDER_BEING_PAID", first["order_id"])
    assert await statuses(db, show) == ["pending"]


@pytest.mark.parametrize(
    ("types", "outcome", "refused"),
    [
        ({5: "adult"}, "SEATS_NOT_FOUND", [5]),
        ({None: "adult"}, "SEATS_NOT_FOUND", [None]),
        ({1: "duke", 2: "child"}, "PRICE_TYPE_NOT_FOUND", [1]),
    ],
)
async def test_a_wish_that_cannot_be_is_refused_and_loses_nothing(
    db: SeatDb, show: Show, types: dict[int | None, str], outcome: str, refused: list[int | None]
) -> None:
    made = await hold(db, show, 1, 2)
    first = await order(db, made)

    answer = await order(db, made, types=types, wish=b"other")

    assert (answer["outcome"], answer["refused_seat_ids"]) == (outcome, refused)
    assert await statuses(db, show) == ["pending"]
    assert answer["order_id"] in (None, first["order_id"])


async def test_only_the_owner_of_a_live_hold_orders(db: SeatDb, show: Show) -> None:
    made = await hold(db, show, 1)

    assert (await order(db, made, secret=token("other")))["outcome"] == "RESERVATION_NOT_FOUND"
    await db.age(made, minutes=20)
    assert (await order(db, made))["outcome"] == "RESERVATION_EXPIRED"
    other = await hold(db, show, 2, holder="ben")
    await db.release(other)
    assert (await order(db, other))["outcome"] == "RESERVATION_NOT_ACTIVE"


async def test_a_key_belongs_to_its_first_wish(db: SeatDb, show: Show) -> None:
    anna, ben = await hold(db, show, 1), await hold(db, show, 2, holder="ben")
    first = await order(db, anna, key="once")

    assert (await order(db, anna, key="once"))["order_id"] == first["order_id"]
    assert (await order(db, anna, key="once", wish=b"other"))["outcome"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await order(db, ben, key="once"))["outcome"] == "IDEMPOTENCY_KEY_REUSED"
    assert (await order(db, anna, key="another"))["order_id"] == first["order_id"]


async def test_a_code_that_is_taken_is_said_to_be(db: SeatDb, show: Show) -> None:
    anna, ben = await hold(db, show, 1), await hold(db, show, 2, holder="ben")
    await order(db, anna, code="K7M2XQ4T")

    assert (await order(db, ben, code="K7M2XQ4T"))["outcome"] == "ORDER_CODE_TAKEN"


async def test_an_order_is_read_with_its_own_secret_alone(db: SeatDb, show: Show) -> None:
    made = await hold(db, show, 1)
    order_id = (await order(db, made))["order_id"]
    cursor = await db.app.execute("select * from rowlock.find_order(%s, %s, %s)", [show.show_id, order_id, SECRET])
    assert await cursor.fetchall() == []


async def statuses(db: SeatDb, show: Show) -> list[str]:
    cursor = await db.owner.execute(
        "select status from rowlock.ticket_orders where show_id = %s order by created_at", [show.show_id]
    )
    return [status for (status,) in await cursor.fetchall()]

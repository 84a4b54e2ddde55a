"""Which functions may stand side by side: the rule is compared with what PostgreSQL does, call by call."""

import itertools
import random
from collections.abc import Iterator

import psycopg
import pytest

from rowlock.database.schema.old_functions import Parameters, confusable

Connection = psycopg.AsyncConnection

VALUES = {"integer": "1", "text": "'x'", "bigint": "2"}
# Of millions of pairs. In the first dozen is one of each branch of the rule.
PAIRS = 40


def parameter_lists() -> list[Parameters]:
    """Every list of up to three parameters with these names and types, and every number of defaults."""
    return [
        Parameters(types, names, required)
        for count in range(4)
        for names in itertools.permutations("abcd", count)
        for types in itertools.product(VALUES, repeat=count)
        for required in range(count + 1)
    ]


def pairs(*, of_confusable: bool) -> list[tuple[Parameters, Parameters]]:
    everything = parameter_lists()
    generator = random.Random(18)
    found: list[tuple[Parameters, Parameters]] = []
    while len(found) < PAIRS:
        one, other = generator.choice(everything), generator.choice(everything)
        if one.types != other.types and confusable(one, other) is of_confusable:
            found.append((one, other))
    return found


def declaration(parameters: Parameters) -> str:
    return ", ".join(
        f"{name} {kind}" + (" default null" if place >= parameters.required else "")
        for place, (name, kind) in enumerate(zip(parameters.names, parameters.types, strict=True))
    )


def calls(parameters: Parameters) -> Iterator[str]:
    """Every call of a function: the first arguments by position, others by name, and what has a default or not."""
    given = [f"{VALUES[kind]}::{kind}" for kind in parameters.types]
    for positions in range(len(given) + 1):
        named = [f"{name} => {value}" for name, value in zip(parameters.names, given, strict=True)][positions:]
        needed = max(parameters.required - positions, 0)
        for count in range(len(named) - needed + 1):
            for optional in itertools.combinations(named[needed:], count):
                yield ", ".join([*given[:positions], *named[:needed], *optional])


async def misdirected(connection: Connection, one: Parameters, other: Parameters) -> list[str]:
    """The calls of one of two functions that PostgreSQL refuses or answers with the other."""
    wrong = []
    async with connection.transaction(force_rollback=True):
        await connection.execute("create schema pair")
        for answer, parameters in enumerate((one, other)):
            body = f"returns integer language sql as 'select {answer}'"
            await connection.execute(f"create function pair.f({declaration(parameters)}) {body}".encode())
        for answer, parameters in enumerate((one, other)):
            for call in calls(parameters):
                try:
                    async with connection.transaction():
                        cursor = await connection.execute(f"select pair.f({call})".encode())
                        if await cursor.fetchone() != (answer,):
                            wrong.append(call)
                except psycopg.errors.AmbiguousFunction:
                    wrong.append(call)
    return wrong


async def test_of_two_functions_that_are_not_confusable_every_call_reaches_its_own(empty: Connection) -> None:
    for one, other in pairs(of_confusable=False):
        assert await misdirected(empty, one, other) == [], (one, other)


async def test_the_rule_refuses_pairs_of_which_postgresql_refuses_a_call(empty: Connection) -> None:
    refused = [await misdirected(empty, one, other) for one, other in pairs(of_confusable=True)]

    # Not of all: the rule also refuses functions whose calls only their types tell apart.
    assert sum(map(bool, refused)) > PAIRS / 10


EXTEND = Parameters(("uuid", "uuid", "bytea", "integer"), ("show", "hold", "token", "seen"), 2)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (Parameters((*EXTEND.types, "text"), (*EXTEND.names, "channel"), 2), True),
        (
            Parameters(("uuid", "uuid", "text", "bytea", "integer"), ("show", "hold", "channel", "token", "seen"), 3),
            False,
        ),
        (Parameters(("uuid", "uuid", "bytea", "bytea"), ("show", "hold", "channel", "token"), 3), True),
        (Parameters((*EXTEND.types, "text"), (*EXTEND.names, "channel"), 5), False),
        (Parameters(EXTEND.types[:3], EXTEND.names[:3], 2), True),
        (Parameters(EXTEND.types[:1], EXTEND.names[:1], 1), False),
        (Parameters(("uuid", "uuid", "text", "integer"), EXTEND.names, 2), True),
    ],
    ids=[
        "one more with a default",
        "one more without a default, before those that have one",
        "the same, but of the type of the next",
        "one more at the end, none with a default",
        "one less that had a default",
        "one less that had none",
        "another type",
    ],
)
def test_what_may_stand_beside_the_old_function(new: Parameters, expected: bool) -> None:
    assert confusable(EXTEND, new) is confusable(new, EXTEND) is expected

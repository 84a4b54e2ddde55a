"""The keys of integrators: making, finding and revoking them, how long an answer is good, and what guesses may cost."""

from uuid import UUID

import psycopg
import pytest

from rowlock.base import brief
from rowlock.base.integrator import Scope
from rowlock.database.access import OneConnection
from rowlock.database.calls import BusyError
from rowlock.database.cells import Cells
from rowlock.integrators import service
from rowlock.integrators.model import KeyRefusedError, hash_of, make_key
from rowlock.integrators.service import KEY_SECONDS, UNPROVEN_A_SECOND, UNPROVEN_LIMIT, Integrators


class Clock:
    """What the service and its caches take for the time, in seconds."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(brief, "monotonic", clock)
    monkeypatch.setattr(service, "monotonic", clock)
    return clock


@pytest.fixture
async def integrators(owner: psycopg.AsyncConnection) -> Integrators:
    """The service on a database with one organization."""
    await owner.execute("insert into rowlock.organizations (name, slug) values ('Moonlight', 'moonlight')")
    return Integrators(Cells(OneConnection(owner)))


async def test_a_key_is_found_by_its_text_and_says_what_it_may_do(integrators: Integrators) -> None:
    made = await integrators.create("Moonlight", [Scope.STAFF, Scope.SELL, Scope.SELL], " Shop ")

    found = await integrators.find(made.key.encode())

    assert found is not None
    assert (found.key_id, found.name, sorted(found.scopes)) == (made.listing.key_id, "Shop", ["sell", "staff"])
    assert await integrators.list_keys() == [made.listing]
    assert made.key not in repr(made)


async def test_only_the_hash_is_stored(integrators: Integrators, owner: psycopg.AsyncConnection) -> None:
    made = await integrators.create("moonlight", [Scope.SELL], "Shop")

    row = await (await owner.execute("select * from rowlock.integrator_keys")).fetchone()

    assert hash_of(made.key.encode()) in (row or ())
    assert made.key not in repr(row)
    assert len(made.key) == len("rk_") + 43  # 256 bits in base64url.
    assert make_key() != make_key()


async def test_a_revoked_key_works_for_as_long_as_an_answer_is_good_and_no_longer(
    integrators: Integrators, clock: Clock
) -> None:
    made = await integrators.create("Moonlight", [Scope.SELL], "Shop")
    for _ in range(2):  # The first answer is that of a key which was not good before.
        assert await integrators.find(made.key.encode()) is not None

    first = await integrators.revoke(made.listing.key_id)
    clock.now += KEY_SECONDS - 0.1
    assert await integrators.find(made.key.encode()) is not None
    clock.now += 0.2

    assert await integrators.find(made.key.encode()) is None
    assert first.revoked_at is not None
    assert await integrators.revoke(made.listing.key_id) == first


async def test_guesses_are_asked_about_at_a_bounded_rate_and_good_keys_do_not_notice(
    integrators: Integrators, clock: Clock
) -> None:
    made = await integrators.create("Moonlight", [Scope.SELL], "Shop")
    assert await integrators.find(made.key.encode()) is not None
    clock.now += 1

    for _ in range(UNPROVEN_A_SECOND):
        assert await integrators.find(make_key().encode()) is None
    with pytest.raises(BusyError):
        await integrators.find(make_key().encode())

    clock.now += KEY_SECONDS
    for _ in range(2 * UNPROVEN_LIMIT // UNPROVEN_A_SECOND):
        for _ in range(UNPROVEN_A_SECOND):
            await integrators.find(make_key().encode())
        with pytest.raises(BusyError):
            await integrators.find(make_key().encode())
        assert await integrators.find(made.key.encode()) is not None
        clock.now += 1
    assert len(integrators._unproven._readings) <= UNPROVEN_LIMIT
    assert len(integrators._proven) == 1


async def test_the_same_guess_is_asked_about_once(integrators: Integrators, clock: Clock) -> None:
    guess = make_key().encode()

    for _ in range(2 * UNPROVEN_A_SECOND):
        assert await integrators.find(guess) is None


async def test_no_database_is_asked_about_what_cannot_be_a_key(integrators: Integrators) -> None:
    good = make_key()
    for text in ("", "rk_", good[:-1], good + "x", good.replace("rk_", "sk_"), good[:-1] + " ", good[:-1] + "\xe9"):
        for _ in range(UNPROVEN_A_SECOND + 1):
            assert await integrators.find(text.encode("latin-1")) is None


async def test_a_key_that_cannot_be_made_or_revoked_says_why(
    integrators: Integrators, owner: psycopg.AsyncConnection
) -> None:
    await owner.execute("insert into rowlock.organizations (name, slug) values ('Moonlight', 'moonlight-2')")

    for organization, name, told in (
        ("Sunrise", "Shop", "There is no organization 'Sunrise'"),
        ("Moonlight", "Shop", "2 organizations"),
        ("moonlight-2", " ", "1 to 100"),
        ("moonlight-2", "x" * 101, "1 to 100"),
        ("moonlight-2", "a\nb", "1 to 100"),
    ):
        with pytest.raises(KeyRefusedError, match=told):
            await integrators.create(organization, [Scope.SELL], name)
    with pytest.raises(KeyRefusedError, match="rowlock key list"):
        await integrators.revoke(UUID(int=1))
    with pytest.raises(KeyRefusedError, match="no organization"):
        await integrators.list_keys("Sunrise")
    assert (await integrators.create("moonlight-2", [Scope.SELL], "Shop")).listing.organization == "Moonlight"

"""Ids carry their time and their show; random bytes are given out once, also to threads and after a fork."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from time import sleep
from types import FrameType
from typing import Any
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowlock.base import ids
from rowlock.base.ids import ID_RANDOM_BYTES, RandomBytes, id_in_show, mint_id, show_key, timed_id

SHOW = UUID("0195f0aa-0000-4000-8000-0000deadbeef")
DRAW_BYTES = 26  # The random bytes of one reservation: 10 of its id, and 16 of its token's secret.
BLOCK_BYTES = 4096

SHOWS = st.uuids()
BITS_OF_VERSION_VARIANT_AND_SHOW = 0xF << 76 | 0x3 << 62 | 0xFFFFFFFF


# Ids.


@given(show_id=SHOWS, random=st.binary(min_size=ID_RANDOM_BYTES, max_size=ID_RANDOM_BYTES))
def test_an_id_is_a_uuid_of_version_8(show_id: UUID, random: bytes) -> None:
    for made in (timed_id(show_id, random), mint_id(show_id)):
        assert (made.version, made.variant) == (8, RFC_4122)


@given(show_id=SHOWS, value=st.integers(0, 2**128 - 1))
def test_an_id_keeps_all_bits_but_those_of_version_variant_and_show(show_id: UUID, value: int) -> None:
    made = id_in_show(show_id, value)

    assert (made.version, made.variant) == (8, RFC_4122)
    assert made.int & ~BITS_OF_VERSION_VARIANT_AND_SHOW == value & ~BITS_OF_VERSION_VARIANT_AND_SHOW


@given(show_id=SHOWS)
def test_an_id_has_the_key_of_its_show(show_id: UUID) -> None:
    assert show_key(mint_id(show_id)) == show_key(show_id)
    assert mint_id(show_id).bytes[12:] == show_id.bytes[12:]


@pytest.mark.parametrize(
    ("last_bits", "key"), [("00000000", 0), ("7fffffff", 2**31 - 1), ("80000000", -(2**31)), ("ffffffff", -1)]
)
def test_the_key_of_a_show_is_a_signed_integer_of_postgresql(last_bits: str, key: int) -> None:
    assert show_key(UUID(f"0195f0aa-0000-4000-8000-0000{last_bits}")) == key


def test_ids_are_ordered_by_the_millisecond_whatever_their_random_bytes_are(monkeypatch: pytest.MonkeyPatch) -> None:
    start = 1_800_000_000_000
    made = []
    for millisecond in range(start, start + 4):
        monkeypatch.setattr(ids, "time_ns", lambda at=millisecond: at * 1_000_000 + 999_999)
        # The largest random bytes come first, so only the time puts the next id behind this one.
        random = (b"\xff" if millisecond % 2 == 0 else b"\x00") * ID_RANDOM_BYTES
        made.append(timed_id(SHOW, random))

    assert [each.int >> 80 for each in made] == list(range(start, start + 4))
    # PostgreSQL compares the bytes of a uuid.
    assert all(one.bytes < next_one.bytes for one, next_one in pairwise(made))


def test_ids_of_one_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "time_ns", lambda: 1_800_000_000_000_000_000)

    assert len({mint_id(SHOW) for _ in range(1_000)}) == 1_000


# Random bytes.


def test_a_hundred_thousand_draws_never_repeat() -> None:
    source = RandomBytes()

    draws = [source.take(DRAW_BYTES) for _ in range(100_000)]

    assert {len(draw) for draw in draws} == {DRAW_BYTES}
    assert len(set(draws)) == len(draws)


def test_a_draw_across_the_end_of_a_block_is_whole_and_comes_from_the_next_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blocks = iter(bytes([number]) * BLOCK_BYTES for number in (1, 2, 3))
    monkeypatch.setattr(os, "urandom", lambda count: next(blocks)[:count])
    source = RandomBytes()

    sizes = (BLOCK_BYTES - DRAW_BYTES, DRAW_BYTES, DRAW_BYTES, BLOCK_BYTES - DRAW_BYTES - 1, DRAW_BYTES)
    draws = [source.take(size) for size in sizes]

    # The second draw ends exactly at the end of a block; the last one would pass it by 25 bytes.
    assert draws == [bytes([block]) * size for block, size in zip((1, 1, 2, 2, 3), sizes, strict=True)]


def drawn_by_threads(source: RandomBytes) -> list[bytes]:
    """The draws of four threads, 500 each, with a change of threads possible at each line of `take`."""

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if event == "line":
            sleep(0)
        return trace if frame.f_code is RandomBytes.take.__code__ else None

    def draw(_: int) -> list[bytes]:
        sys.settrace(trace)
        try:
            return [source.take(DRAW_BYTES) for _ in range(500)]
        finally:
            sys.settrace(None)

    with ThreadPoolExecutor(4) as threads:
        return [each for of_thread in threads.map(draw, range(4)) for each in of_thread]


def test_draws_of_several_threads_never_repeat() -> None:
    draws = drawn_by_threads(RandomBytes())

    assert {len(draw) for draw in draws} == {DRAW_BYTES}
    assert len(set(draws)) == len(draws) == 2_000


def test_negative_control_without_the_lock_draws_of_several_threads_repeat() -> None:
    source = RandomBytes()
    source._lock = nullcontext()  # type: ignore[assignment] # It has what `with` needs.

    draws = drawn_by_threads(source)

    assert len(set(draws)) < len(draws)


# Prints what the parent drew before the fork, and what parent and child drew after it.
FORKING = """
import os
import sys

if "without-hook" in sys.argv:
    os.register_at_fork = lambda **_: None
from rowlock.base.ids import RandomBytes

source = RandomBytes()
before = source.take(26)
if "locked" in sys.argv:
    source._lock.acquire()
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, b"".join(source.take(26) for _ in range(200)))
    os._exit(0)
os.close(writer)
if "locked" in sys.argv:
    source._lock.release()
of_parent = b"".join(source.take(26) for _ in range(200))
with open(reader, "rb") as pipe:
    of_child = pipe.read()
assert os.waitpid(child, 0)[1] == 0
print(before.hex(), of_parent.hex(), of_child.hex())
"""


def drawn_around_a_fork(*options: str) -> tuple[set[bytes], set[bytes]]:
    """What a parent drew before and after a fork, and what its child drew: draws of 26 bytes."""
    finished = subprocess.run(
        [sys.executable, "-c", FORKING, *options], capture_output=True, text=True, timeout=30, check=True
    )
    before, of_parent, of_child = (bytes.fromhex(word) for word in finished.stdout.split())
    return _draws(before + of_parent), _draws(of_child)


def _draws(data: bytes) -> set[bytes]:
    return {data[start : start + DRAW_BYTES] for start in range(0, len(data), DRAW_BYTES)}


def test_a_forked_child_never_draws_the_bytes_of_its_parent() -> None:
    of_parent, of_child = drawn_around_a_fork()

    assert (len(of_parent), len(of_child)) == (201, 200)
    assert not of_parent & of_child


def test_negative_control_without_the_hook_a_forked_child_draws_the_bytes_of_its_parent() -> None:
    of_parent, of_child = drawn_around_a_fork("without-hook")

    # The rest of the block that both have: 4096 bytes are 157 whole draws, and one was made before the fork.
    assert len(of_parent & of_child) == 156


def test_a_child_that_was_forked_while_the_lock_was_held_can_draw() -> None:
    of_parent, of_child = drawn_around_a_fork("locked")

    assert len(of_child) == 200
    assert not of_parent & of_child

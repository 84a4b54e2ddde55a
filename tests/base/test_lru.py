"""The bounded cache."""

from rowlock.base.lru import Lru


def test_values_are_kept_up_to_the_limit_and_the_one_that_was_not_used_goes_first() -> None:
    cache: Lru[str, int] = Lru(2)
    assert cache.put("a", 1) == 1
    cache.put("b", 2)
    assert cache.get("a") == 1

    cache.put("c", 3)

    assert (len(cache), cache.get("a"), cache.get("b"), cache.get("c")) == (2, 1, None, 3)


def test_a_value_that_is_put_again_is_replaced_and_counts_as_used() -> None:
    cache: Lru[str, int] = Lru(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 3)

    cache.put("c", 4)

    assert (len(cache), cache.get("a"), cache.get("b"), cache.get("c")) == (2, 3, None, 4)

"""Everything that a process keeps and that may grow has a bound, which is named here. A new one fails until it has one.

What is looked for: empty containers and caches that an object gets when it is made, or a module has, and cached
functions. The readers of plan files are left out: what they make ends with the file, whose size has a limit.
"""

import ast
from collections.abc import Iterator

import pytest

from tests.project.test_rules import SOURCE, tree

GROWS = {"dict", "list", "set", "deque", "defaultdict", "OrderedDict", "Counter", "Lru", "Brief", "lru_cache", "cache"}
LEFT_OUT = SOURCE / "catalogue" / "plan_files"

BOUNDS = {
    "base/lru.py Lru._values": "limit",
    "base/networks.py _network": "maxsize; ADDRESS_LENGTH",
    "base/brief.py Brief._readings": "limit",
    "catalogue/api.py _SeatMaps._maps": "PLANS_LIMIT",
    "catalogue/instants.py time_zones": "maxsize",
    "catalogue/service.py Catalogue._lists": "BRIEF_LISTS",
    "catalogue/service.py Catalogue._shows": "BRIEF_SHOWS",
    "catalogue/service.py Catalogue._plans_read": "PLANS_LIMIT",
    "catalogue/service.py Catalogue._plans_by_id": "PLANS_LIMIT",
    "catalogue/service.py Catalogue._plans": "PLANS_LIMIT",
    "catalogue/service.py Catalogue._plan_of_show": "SHOWS_LIMIT",
    "checkout/jobs.py ReconcileLoop._again_at": "BATCH a round, for AGAIN_SECONDS",
    "checkout/reconciliation/service.py _Account._seen": "the payments of one run of a command",
    "checkout/typesetting.py _characters": "the bundled fonts",
    "checkout/typesetting.py _fonts": "the bundled fonts",
    "database/pool.py PooledDatabase._checks": "one at a time",
    "database/pooler.py _recognised": "the addresses of the connection strings",
    "database/queries.py queries": "the files of sql/queries",
    "database/queries.py query": "the statements of sql/queries",
    "embedded/server.py EmbeddedServer._settings": "what its maker gives",
    "integrators/service.py Integrators._proven": "KEYS_LIMIT; the key is a hash of ours",
    "integrators/service.py Integrators._good": "KEYS_LIMIT; the key is a hash of ours",
    "integrators/service.py Integrators._unproven": "UNPROVEN_LIMIT; the key is a hash of ours",
    "integrators/service.py Integrators._shows": "SHOWS_LIMIT",
    "reservations/availability/api.py _etag_and_caching": "maxsize; the key is a hash of ours",
    "reservations/availability/api.py SeatStatusEndpoints._encoded": "ENCODED_LIMIT",
    "reservations/availability/service.py Availability._unknown": "UNKNOWN_LIMIT",
    "reservations/availability/service.py Availability._shows": "SHOWS_LIMIT",
    "reservations/availability/service.py Availability._required_readings": "the shows in memory or being read",
    "reservations/availability/service.py Availability._refreshing": "READINGS_LIMIT, and the shows in memory",
    "database/contract.py own_contract": "one contract",
    "database/contract.py stamped": "the names that our own code gives to connections",
    "database/schema/old_functions.py OldFunctions._aside": "the functions of the schema, during a migration",
    "reservations/availability/show.py ShowAvailability._tentative": "the seats of the show",
    "reservations/availability/show.py ShowAvailability._written": "the seats of the show",
    "reservations/availability/status_array.py StatusArray._until": "the seats of the show",
    "reservations/availability/status_array.py StatusArray._deadlines": "twice the seats of the show, DEADLINES_LEFT",
    "reservations/best_available.py _Search._again": "the benches of the hall",
    "reservations/best_available.py _Search._queued": "the benches of the hall",
    "reservations/best_available.py Chooser._standard_left": "the areas of the plan",
    "reservations/best_available.py Chooser._special_left": "the areas of the plan",
    "reservations/best_available.py Chooser._searches": "the areas of the plan, and the seats of the longest bench",
    "reservations/coalescer.py Coalescer._queues": "waiting_limit",
    "reservations/coalescer.py Coalescer._senders": "in_flight",
    "reservations/coalescer.py Coalescer._in_flight": "in_flight",
    "reservations/hall.py Hall._orders": "the areas of the plan",
    "checkout/providers/registry.py PaymentProviders._own": "MOST_ACCOUNT_BYTES",
    "reservations/hall.py Hall._sections": "the sections of the plan",
    "reservations/hall.py Hall._near": "the benches of the hall",
    "reservations/service.py Reservations._halls": "PLANS_LIMIT",
    "settings.py settings": "maxsize",
    "web/access_log.py AccessLog._lines": "the requests of FLUSH_SECONDS",
    "web/fast_path.py _address": "maxsize, and ADDRESS_LENGTH",
    "web/turns.py RecentlyRefused._until": "limit",
    "web/turns.py Turns._waiting": "waiting_limit",
    "web/fast_path.py FastPath._exact": "the endpoints",
    "web/fast_path.py FastPath._decoders": "the endpoints",
    "web/protocol.py JoiningTransport._pending": "one answer",
    "web/sessions.py Sessions._of_value": "HOLDERS_LIMIT, and VALUE_LENGTH",
}


def kept(text: str) -> Iterator[str]:
    """What a module keeps that may grow: `function`, `name` or `Class.attribute`."""
    module = ast.parse(text)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from (node.name for decorator in node.decorator_list if _name(decorator) in GROWS)
        if isinstance(node, ast.ClassDef):
            makers = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
            for statement in (statement for maker in makers for statement in ast.walk(maker)):
                yield from (f"{node.name}.{name}" for name in _grown(statement, ast.Attribute))
    for statement in module.body:
        yield from _grown(statement, ast.Name)


def _grown(statement: ast.AST, kind: type[ast.Attribute] | type[ast.Name]) -> list[str]:
    """The names that a statement gives to something that may grow."""
    if isinstance(statement, ast.AnnAssign):
        targets: list[ast.expr] = [statement.target]
    elif isinstance(statement, ast.Assign):
        targets = statement.targets
    else:
        return []
    value = statement.value
    is_empty = (isinstance(value, ast.Dict) and not value.keys) or (isinstance(value, ast.List) and not value.elts)
    if not is_empty and not (isinstance(value, ast.Call) and _name(value) in GROWS):
        return []
    return [_name(target) for target in targets if isinstance(target, kind)]


def _name(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Call):
        node = node.value if isinstance(node, ast.Subscript) else node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def test_everything_that_may_grow_has_a_bound_that_is_named() -> None:
    found = {
        f"{path.relative_to(SOURCE).as_posix()} {name}"
        for path in tree(SOURCE, ".py")
        if not path.is_relative_to(LEFT_OUT)
        for name in kept(path.read_text(encoding="utf-8"))
    }

    assert found - BOUNDS.keys() == set(), "Bound it, in number and in the length of keys that a client chooses."
    assert BOUNDS.keys() - found == set(), "It is gone: so should be its row."


@pytest.mark.parametrize(
    "planted",
    [
        "class C:\n    def __init__(self):\n        self.x = {}",
        "class C:\n    def __init__(self):\n        self.x: dict[UUID, Plan] = dict()",
        "class C:\n    def __init__(self):\n        self.x = Lru[UUID, Plan](9)",
        "class C:\n    def __init__(self):\n        self.x = lru_cache(maxsize=9)(self.y)",
        "class C:\n    def __init__(self):\n        self.x = collections.deque()",
    ],
)
def test_something_new_that_may_grow_is_found(planted: str) -> None:
    assert list(kept(planted)) == ["C.x"]


def test_a_new_cached_function_and_a_global_are_found() -> None:
    assert list(kept("@lru_cache(maxsize=9)\ndef x(): ...")) == ["x"]
    assert list(kept("@cache\nasync def x(): ...")) == ["x"]
    assert list(kept("SEEN: set[UUID] = set()")) == ["SEEN"]
    assert list(kept("PAIRS = {1: 2}\ndef f():\n    y = {}")) == []

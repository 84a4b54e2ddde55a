"""The status of a big hall: how many bytes, and how many a second against the cheapest route of the same server."""

from collections.abc import Callable

from bench.context import Bench
from bench.generators.http import Address, Connection, get
from bench.generators.wrk import Wrk
from bench.halls import SEATS_OF_THE_STADIUM, Past, add_past, stadium_template
from bench.invariants import count
from bench.measuring import figures, interleave, ratio
from bench.report import Row
from bench.server import bare_server, rowlock_server
from bench.single import ask
from bench.wishes import show_id

_OCTETS = "application/octet-stream"
_PLAINTEXT = "/health/live"
_CONNECTIONS = 64
_HOLDS = 10_000


def measure(bench: Bench) -> list[Row]:
    """status_bytes, status_vs_plaintext_200 and …_304, in a stadium with a fifth of its seats held."""
    scale = bench.scale
    path = f"/api/shows/{show_id(0)}/seats"
    with bench.cluster.database(stadium_template(bench.cluster)) as database:
        add_past(database, Past("held", "live", _HOLDS, 1))
        database.ledger.before = count(database.dsns.owner)
        with rowlock_server(database, bench.folder) as server, bare_server(bench.folder) as bare:
            body_bytes, head_bytes, etag = _probe(("127.0.0.1", server.port), path)
            wrk, bare_wrk = Wrk(bench.tools.wrk, server), Wrk(bench.tools.wrk, bare)

            def rate(name: str, of: Wrk, address: str, headers: dict[str, str]) -> float:
                result = of.get(address, connections=_CONNECTIONS, seconds=1, headers=headers)
                assert result.refused == 0, f"{name}: {result.refused} refusals"
                per_second = result.requests / result.seconds
                bench.say(f"status: {name} {per_second:,.0f}/s")
                return per_second

            octets = {"Accept": _OCTETS}
            sides: dict[str, Callable[[], float]] = {
                "200": lambda: rate("200", wrk, path, octets),
                "304": lambda: rate("304", wrk, path, {**octets, "If-None-Match": etag}),
                "plaintext": lambda: rate("plaintext", wrk, _PLAINTEXT, {}),
                "bare": lambda: rate("bare", bare_wrk, "/", {}),
            }
            for side in sides.values():
                side()
            rounds = interleave(sides, scale.status_rounds)
    per_second = {f"{name}_per_s": figures(values) for name, values in rounds.items()}
    rows = [Row("status_bytes", body_bytes, {"seats": SEATS_OF_THE_STADIUM, "head_bytes": head_bytes})]
    for status in ("200", "304"):
        value, spread = ratio(rounds[status], rounds["plaintext"])
        to_bare = round(ratio(rounds[status], rounds["bare"])[0], 3)
        detail = {**spread, "plaintext": _PLAINTEXT, "ratio_to_an_application_that_does_nothing": to_bare}
        rows.append(Row(f"status_vs_plaintext_{status}", value, {**detail, **per_second}))
    return rows


def _probe(address: Address, path: str) -> tuple[int, int, str]:
    """Sizes of body and head of the status, and its ETag; sees to it that it is what it should be."""
    connection = Connection(address)
    try:
        answer = ask(connection, get(address, path, f"Accept: {_OCTETS}\r\n"), expect=200)
        head = answer.head.decode("latin-1").lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        assert fields["content-type"] == _OCTETS, fields["content-type"]
        etag = fields["etag"]
        ask(connection, get(address, path, f"Accept: {_OCTETS}\r\nIf-None-Match: {etag}\r\n"), expect=304)
        ask(connection, get(address, _PLAINTEXT), expect=200)
    finally:
        connection.close()
    return len(answer.body), len(answer.head) + 4, etag

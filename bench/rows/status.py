"""The status of a big hall: how many bytes, and how many a second against the cheapest route of the same server."""

from bench.context import Bench
from bench.generators.http import Address, Connection, get
from bench.generators.wrk import Wrk
from bench.halls import SEATS_OF_THE_STADIUM, Past, add_past, stadium_template
from bench.invariants import count
from bench.measuring import figures, ratio
from bench.report import Row
from bench.server import bare_server, rowlock_server
from bench.single import ask
from bench.turns import Turns, interleave
from bench.wishes import show_id

_OCTETS = "application/octet-stream"
_PLAINTEXT = "/health/live"
_CONNECTIONS = 64
_HOLDS = 10_000


def measure(bench: Bench) -> Turns[list[Row]]:
    """status_bytes, status_vs_plaintext_200 and …_304, in a stadium with a fifth of its seats held."""
    scale = bench.scale
    path = f"/api/shows/{show_id(0)}/seats"
    with bench.cluster.database(stadium_template(bench.cluster)) as database:
        add_past(database, Past("held", "live", _HOLDS, 1))
        database.ledger.before = count(database.dsns.owner)
        with rowlock_server(database, bench.folder) as server, bare_server(bench.folder) as bare:
            body_bytes, head_bytes, etag = _probe(("127.0.0.1", server.port), path)
            wrk, bare_wrk = Wrk(bench.tools.wrk, server), Wrk(bench.tools.wrk, bare)
            octets = {"Accept": _OCTETS}
            requests = {
                "200": (path, octets),
                "304": (path, {**octets, "If-None-Match": etag}),
                "plaintext": (_PLAINTEXT, {}),
            }

            def rates() -> dict[str, float]:
                per_second = wrk.get_in_turns(requests, connections=_CONNECTIONS, seconds=scale.status_seconds)
                bench.say("status: " + ", ".join(f"{name} {rate:,.0f}/s" for name, rate in per_second.items()))
                return per_second

            def bare_rate() -> dict[str, float]:
                return bare_wrk.get_in_turns({"bare": ("/", {})}, connections=_CONNECTIONS, seconds=1)

            rates()
            rounds = yield from interleave({"server": rates, "bare": bare_rate}, scale.status_rounds)
    rates_of = {name: [each[name] for each in rounds["server"]] for name in requests}
    rates_of["bare"] = [each["bare"] for each in rounds["bare"]]
    per_second = {f"{name}_per_s": figures(values) for name, values in rates_of.items()}
    rows = [Row("status_bytes", body_bytes, {"seats": SEATS_OF_THE_STADIUM, "head_bytes": head_bytes})]
    for status in ("200", "304"):
        value, spread = ratio(rates_of[status], rates_of["plaintext"])
        to_bare = round(ratio(rates_of[status], rates_of["bare"])[0], 3)
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

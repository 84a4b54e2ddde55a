"""Runs wrk, the closed loop: so many connections, each of which asks again as soon as it is answered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import run
from bench.server import Server
from bench.wishes import SHOW_NUMBERS_FROM, Wishes

RESERVE_V2 = "/api/seat-reservations/reserve-v2"
RESERVE_V1 = "/api/seat-reservations/reserve"
USER_AGENT = "rowlock-bench"

SLICE_SECONDS = 0.1
"""How long one of several GETs has its turn."""
_UNSETTLED_SECONDS = 0.02
"""Beginning of a slice in which the answers are still those of the slice before; several times a usual answer."""

_SCRIPTS = Path(__file__).parent
_RESULT = "RESULT "


@dataclass(frozen=True, slots=True)
class WrkResult:
    """What one run came to.

    requests      answers that came.
    refused       of those, with a status of 400 or more.
    broken        connections that failed or timed out.
    statuses      answers by status, where they were counted: 201, 409, 503 and other.
    late          those that came after the ramp, in `late_seconds`.
    counts        answers of each of several requests that took turns, where they did.
    cpu_seconds   of wrk itself.
    """

    requests: int
    refused: int
    broken: int
    seconds: float
    p50_seconds: float
    p99_seconds: float
    statuses: Mapping[str, int]
    late: Mapping[str, int]
    late_seconds: float
    counts: Sequence[int]
    cpu_seconds: float

    @property
    def successes(self) -> int:
        """Answers that were no refusals."""
        return self.requests - self.refused

    @property
    def per_second(self) -> float:
        """Successes a second."""
        return self.successes / self.seconds


class Wrk:
    """wrk against one server, with one thread: it needs a fraction of a core, and a second one would only compete."""

    def __init__(self, program: Path, server: Server) -> None:
        self._program = program
        self._server = server

    def reserve(
        self,
        wishes: Wishes,
        *,
        connections: int,
        seconds: int,
        path: str = RESERVE_V2,
        hot_seats: int = 0,
        pause_seconds: float = 0,
        count_statuses: bool = False,
        ramp_seconds: float = 0,
        yielding: bool = False,
    ) -> WrkResult:
        """Reserve seats.

        hot_seats       with a number, everybody wants two of so many seats of the first show.
        pause_seconds   mean of the pause, exponentially distributed, before each connection's next request.
        count_statuses  tell 201, 409 and 503 apart, at the cost of some of wrk's time.
        ramp_seconds    how long it may take until everybody is connected; what came later is counted by itself.
        yielding        let the server go first where both want the processor: buyers do not live on its machine.
        """
        arguments = [
            1,
            path,
            f"127.0.0.1:{self._server.port}",
            SHOW_NUMBERS_FROM + wishes.first_show,
            wishes.pairs,
            wishes.at_once,
            wishes.first_pair,
            wishes.skip,
            hot_seats,
            pause_seconds * 1000,
            int(count_statuses),
            ramp_seconds,
            USER_AGENT,
        ]
        command = [*self._command("reserve.lua", connections, seconds), self._server.url, "--", *map(str, arguments)]
        return self._run(["nice", "-n", "19", *command] if yielding else command)

    def get_in_turns(
        self, requests: Mapping[str, tuple[str, Mapping[str, str]]], *, connections: int, seconds: int
    ) -> dict[str, float]:
        """Answers a second to each of several GETs, a path and its headers, that take turns every SLICE_SECONDS.

        So often, that a machine which changes its speed within a second changes it for all of them alike.

        Raises ValueError when a request was refused.
        """
        laps = int((seconds - SLICE_SECONDS) / SLICE_SECONDS / len(requests))
        arguments = [str(SLICE_SECONDS), str(_UNSETTLED_SECONDS), str(laps * len(requests))]
        for path, headers in requests.values():
            arguments.append("\n".join([path, *(f"{name}: {value}" for name, value in headers.items())]))
        result = self._run([*self._command("get.lua", connections, seconds), self._server.url, "--", *arguments])
        if result.refused or result.broken:
            raise ValueError(f"of {result.requests} answers {result.refused} were refusals, {result.broken} broke off")
        counted = laps * (SLICE_SECONDS - _UNSETTLED_SECONDS)
        return {name: count / counted for name, count in zip(requests, result.counts, strict=True)}

    def _command(self, script: str, connections: int, seconds: int) -> list[str]:
        command = [str(self._program), "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "10s"]
        return [*command, "-s", str(_SCRIPTS / script)]

    def _run(self, command: list[str]) -> WrkResult:
        finished = run(command)
        return parse(finished.output, finished.cpu_seconds)


def parse(output: str, cpu_seconds: float) -> WrkResult:
    """The result from the line that our scripts print. Raises ValueError when it is missing."""
    lines = [line for line in output.splitlines() if line.startswith(_RESULT)]
    if len(lines) != 1:
        raise ValueError(f"wrk printed something else than expected:\n{output}")
    read = json.loads(lines[0].removeprefix(_RESULT))
    return WrkResult(
        read["requests"],
        read["refused"],
        read["broken"],
        read["seconds"],
        read["p50"],
        read["p99"],
        read["all"],
        read["late"],
        read["seconds"] - read["ramp_seconds"],
        read.get("counts", ()),
        cpu_seconds,
    )

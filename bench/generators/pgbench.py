"""Runs pgbench: one call of the stored function a transaction, prepared, as the application's role."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench.histogram import Histogram
from bench.processes import run
from bench.wishes import SHOW_NUMBERS_FROM, Wishes
from rowlock.db.pool import connection_string

SCRIPTS = Path(__file__).parent
BATCH = 32
"""Reservations of one transaction of reserve_batch.sql."""

_PROCESSED = re.compile(r"number of transactions actually processed: (\d+)")
_RATE = re.compile(r"tps = ([\d.]+) \(without initial connection time\)")
_FAILED = re.compile(r"number of failed transactions: (\d+)")
_ENVIRONMENT = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}


@dataclass(frozen=True, slots=True)
class PgbenchResult:
    """What one run came to. `latencies` are there when they were asked for; cpu_seconds are pgbench's own."""

    transactions: int
    per_second: float
    cpu_seconds: float
    latencies: Histogram | None


class Pgbench:
    """pgbench against one database, logged in as the application with the application's session settings."""

    def __init__(self, program: Path, app_dsn: str) -> None:
        self._program = program
        given = conninfo_to_dict(connection_string(app_dsn, application_name="pgbench"))
        self._environment = {_ENVIRONMENT[name]: str(given[name]) for name in _ENVIRONMENT if given.get(name)}
        self._environment["PGOPTIONS"] = str(given.get("options") or "")

    def run(
        self,
        wishes: Wishes,
        *,
        clients: int,
        seconds: int,
        rate: float | None = None,
        latencies: bool = False,
        ramp_seconds: float = 0,
        script: str = "reserve.sql",
    ) -> PgbenchResult:
        """One run, closed loop; with `rate` transactions a second as an open loop (Poisson), and then latencies count
        from when each transaction was due. Those of transactions that began in the first `ramp_seconds` do not count.

        Raises ProgramFailedError.
        """
        variables = {
            "k": -1,
            "clients": clients,
            "first_show": SHOW_NUMBERS_FROM + wishes.first_show,
            "pairs": wishes.pairs,
            "at_once": wishes.at_once,
            "first_pair": wishes.first_pair,
            "skip": wishes.skip,
        }
        command = [str(self._program), "-n", "-M", "prepared", "-j", "1", "-c", str(clients), "-T", str(seconds)]
        command += [word for name, value in variables.items() for word in ("-D", f"{name}={value}")]
        command += ["-f", str(SCRIPTS / script)]
        if rate is not None:
            command += ["--rate", f"{rate:.1f}"]
        folder = Path(tempfile.mkdtemp(prefix="rowlock-pgbench-"))
        try:
            if latencies:
                command += ["-l", "--log-prefix", str(folder / "log")]
            finished = run(command, environment=self._environment)
            histogram = read_logs(folder, ramp_seconds) if latencies else None
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return parse(finished.output, finished.cpu_seconds, histogram)


def parse(output: str, cpu_seconds: float, latencies: Histogram | None) -> PgbenchResult:
    """The result from what pgbench printed. Raises ValueError when transactions failed or the text is another."""
    processed, rate, failed = _PROCESSED.search(output), _RATE.search(output), _FAILED.search(output)
    if processed is None or rate is None:
        raise ValueError(f"pgbench printed something else than expected:\n{output}")
    if failed is not None and int(failed[1]):
        raise ValueError(f"{failed[1]} transactions of pgbench failed:\n{output}")
    return PgbenchResult(int(processed[1]), float(rate[1]), cpu_seconds, latencies)


def read_logs(folder: Path, ramp_seconds: float = 0) -> Histogram:
    """Latencies from pgbench's logs, from the scheduled start if there is one, without those that began in the ramp.

    A line has client, transaction, microseconds that it took, script, and when it ended: seconds and microseconds.
    """
    began_and_took: list[tuple[float, float]] = []
    for path in sorted(folder.iterdir()):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                _, _, took, _, seconds, microseconds, *_ = map(int, line.split())
                began_and_took.append((seconds + (microseconds - took) / 1e6, took / 1e6))
    histogram = Histogram()
    counts_from = min((began for began, _ in began_and_took), default=0.0) + ramp_seconds
    for began, took_seconds in began_and_took:
        if began >= counts_from:
            histogram.add(took_seconds)
    return histogram

"""The command: `python -m bench [--quick] [--only ROW,ROW] [--group NAME] [--against FILE]`.

Exit code 0 when everything could be measured and every invariant held, whether or not the goals were reached; 1 when
an invariant is broken or a row could not be measured; 2 when there was nothing to run.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.cluster import Cluster
from bench.context import FULL, MEASUREMENTS, QUICK, Bench, Measurement, Scale
from bench.machine import UnfitMachineError, describe, find_tools
from bench.processes import prepare_process
from bench.report import FOLDER, Row, comparison, read_earlier, table, write
from bench.rows import GROUPS

# By convention on disk and kept over a restart, while /tmp may be memory, in which a flush costs nothing.
_PLACE = "/var/tmp"  # noqa: S108 - the folder made there has a random name and is ours alone.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Rowlock against pgbench.")
    parser.add_argument("--quick", action="store_true", help="a minute: shows that it works, figures are rough")
    parser.add_argument("--only", metavar="ROW,ROW", help="measure these rows only; docs/reference/benchmarks.md")
    parser.add_argument("--group", choices=GROUPS, help="measure one group of rows")
    parser.add_argument("--against", metavar="FILE", type=Path, help="name rows that got worse since a results.json")
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else FULL
    prepare_process()
    try:
        earlier = None if options.against is None else read_earlier(options.against)
        measurements, wanted = choose(options.only, options.group)
        with tempfile.TemporaryDirectory(prefix="rowlock-bench-", dir=_PLACE, ignore_cleanup_errors=True) as folder:
            Path(folder).chmod(0o711)  # When root runs it, the server's own user has to get to its data.
            rows, facts = _measure(measurements, wanted, scale, Path(folder))
    except (ValueError, UnfitMachineError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; nothing was written.\n")
        return 130
    compared = "" if earlier is None else comparison(rows, earlier, scale.name)
    write(rows, facts, compared)
    written = f"{facts['seconds']:.0f} s. Written to {FOLDER / 'results.json'} and results.md."
    sys.stdout.write("\n\n".join(filter(None, (table(rows), compared, written))) + "\n")
    return exit_code(rows)


def choose(only: str | None, group: str | None) -> tuple[list[Measurement], set[str]]:
    """The measurements to take, and the rows of them that are wanted. Raises ValueError."""
    measurements = [each for each in MEASUREMENTS if group in (None, each.group)]
    rows = [kind.id for each in measurements for kind in each.rows]
    wanted = set(rows) if only is None else {name.strip() for name in only.split(",") if name.strip()}
    if not wanted or not wanted.issubset(rows):
        where = "" if group is None else f" in the group {group}"
        raise ValueError(
            f"There is no row {', '.join(sorted(wanted - set(rows))) or only!r}{where}. There are: {', '.join(rows)}."
        )
    return [each for each in measurements if wanted.intersection(kind.id for kind in each.rows)], wanted


def exit_code(rows: Sequence[Row]) -> int:
    """1 when a row could not be measured or an invariant was broken, else 0."""
    return int(any(row.figure is None for row in rows))


def _measure(
    measurements: Sequence[Measurement], wanted: set[str], scale: Scale, folder: Path
) -> tuple[list[Row], dict[str, Any]]:
    began, started_at = time.monotonic(), datetime.now(UTC).isoformat(timespec="seconds")
    cluster = Cluster(folder)
    with cluster.server as server:
        tools = find_tools(server.binaries.bin_dir)
        facts: dict[str, Any] = {"mode": scale.name, "started_at": started_at}
        facts |= describe(server.home, server.superuser_dsn, tools)
        bench = Bench(scale, cluster, tools, folder)
        bench.say(f"{scale.name} run, with a load of {facts['machine']['load_before']} before")
        with bench.shared:
            rows = [row for measurement in measurements for row in measurement.take(bench)]
    facts["seconds"] = round(time.monotonic() - began, 1)
    return [row for row in rows if row.kind.id in wanted], facts


if __name__ == "__main__":
    sys.exit(main())

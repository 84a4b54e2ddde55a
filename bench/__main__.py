"""The command: `python -m bench [--quick] [--only ROW,ROW]`. Measures, writes the results and prints the table.

Exit code 0 when everything could be measured and every invariant held, whether or not the goals were reached; 1 when
an invariant is broken or a row could not be measured; 2 when there was nothing to run.
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.cluster import Cluster
from bench.context import Bench
from bench.machine import NotDurableError, describe_durability, describe_machine, describe_versions
from bench.measurement import Measurement, take_turns
from bench.processes import allow_many_connections, stop_on_sigterm
from bench.report import FOLDER, ROWS, Row, table, write
from bench.rows import FAMILIES, Family
from bench.scale import FULL, QUICK, Scale
from bench.tools import ToolMissingError, find_tools

# By convention on disk and kept over a restart, while /tmp may be memory, in which a flush costs nothing.
_PLACE = Path("/var/tmp")  # noqa: S108 - the folder made there has a random name and is ours alone.


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        families = choose(options.only)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    stop_on_sigterm()
    allow_many_connections()
    folder = Path(tempfile.mkdtemp(prefix="rowlock-bench-", dir=_PLACE if _PLACE.is_dir() else None))
    folder.chmod(0o711)  # When root runs it, the server's own user has to get to its data.
    try:
        rows, facts = _measure(families, QUICK if options.quick else FULL, folder)
    except (NotDurableError, ToolMissingError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; nothing was written.\n")
        return 130
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write(rows, facts)
    sys.stdout.write(f"{table(rows)}\n\nWritten to {FOLDER / 'results.json'} and results.md.\n")
    return exit_code(rows)


def choose(only: str | None) -> list[tuple[Family, tuple[str, ...]]]:
    """The families to measure, each with the rows of it that are wanted. Raises ValueError for an unknown row."""
    if only is None:
        return [(family, family.ids) for family in FAMILIES]
    wanted = {name.strip() for name in only.split(",") if name.strip()}
    unknown = sorted(wanted - ROWS.keys())
    if unknown or not wanted:
        raise ValueError(f"There is no row {', '.join(unknown) or only!r}. There are: {', '.join(ROWS)}.")
    chosen = [(family, tuple(name for name in family.ids if name in wanted)) for family in FAMILIES]
    return [(family, names) for family, names in chosen if names]


def exit_code(rows: Sequence[Row]) -> int:
    """1 when a row could not be measured or an invariant was broken, else 0."""
    return int(any(row.failed for row in rows))


def _measure(
    families: Sequence[tuple[Family, tuple[str, ...]]], scale: Scale, folder: Path
) -> tuple[list[Row], dict[str, Any]]:
    started_at = datetime.now(UTC)
    machine = describe_machine(folder)
    with Cluster(folder) as cluster:
        tools = find_tools(cluster.bin_dir)
        facts: dict[str, Any] = {
            "mode": scale.name,
            "started_at": started_at.isoformat(timespec="seconds"),
            "machine": machine,
            "versions": describe_versions(cluster.superuser, tools),
            "durability": describe_durability(cluster.superuser, cluster.home),
        }
        bench = Bench(scale, cluster, tools, folder)
        bench.say(f"{scale.name} run on {machine['cpu']}, {machine['cores']} cores, load {machine['load_before']}")
        if not machine["idle_before"]:
            bench.say("the machine was not idle before: figures will be worse and less steady than they should be")
        measurements = [Measurement(bench, family) for family, _ in families]
        try:
            take_turns(measurements)
        finally:
            for measurement in measurements:
                measurement.close()
        wanted = {name for _, names in families for name in names}
        rows = [row for measurement in measurements for row in measurement.rows if row.id in wanted]
    facts["seconds"] = round(time.monotonic() - bench.began, 1)
    return rows, facts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Rowlock against pgbench.")
    parser.add_argument("--quick", action="store_true", help="two minutes: shows that it works, figures are rough")
    parser.add_argument("--only", metavar="ROW,ROW", help="measure these rows only; docs/reference/benchmarks.md")
    return parser


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())

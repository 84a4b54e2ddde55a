"""The server's settings and access rules, as the text of postgresql.conf and pg_hba.conf.

Sized for machines from 1 GiB of memory upwards, two cores, and a database that fits in memory. Operators may
change settings with `alter system`; tests and benchmarks pass overrides to the server.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024

# The supervisor depends on these: with other values it could not find or control its server.
RESERVED = frozenset(
    {
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "logging_collector",
        "unix_socket_directories",
    }
)

ACCESS_RULES = """\
# Written by Rowlock at each start. Every login needs its password, also on the Unix socket.
# TYPE  DATABASE     USER      ADDRESS       METHOD
local   all          all                     scram-sha-256
local   replication  postgres                scram-sha-256
host    all          all       127.0.0.1/32  scram-sha-256
host    all          all       ::1/128       scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of postgresql.conf and the reason for it."""

    name: str
    value: str
    why: str


def settings(*, memory_bytes: int, has_lz4: bool) -> tuple[Setting, ...]:
    """All settings that differ from PostgreSQL's defaults or that must not depend on them."""
    shared = min(max(memory_bytes // 8, 64 * MIB), 1024 * MIB)
    lines = (
        ("listen_addresses", "", "Unix socket only: no port conflicts, no access from the network."),
        ("password_encryption", "scram-sha-256", "The only method the access rules accept."),
        ("max_connections", "60", "Web processes, workers and a few people; the pools stay below."),
        ("fsync", "on", "A paid seat survives a power failure."),
        ("synchronous_commit", "on", "A reservation is confirmed only after it is on disk."),
        ("full_page_writes", "on", "A page torn by a crash can be repaired."),
        ("shared_buffers", _mib(shared), "An eighth of memory, 1 GiB at most: a seat database is small."),
        ("effective_cache_size", _mib(memory_bytes // 2), "The application uses the rest of the memory."),
        ("work_mem", "8MB", "Hot statements sort a few rows; reports may use a temporary file."),
        (
            "autovacuum_naptime",
            "10s",
            "The first rush fills empty tables within seconds; plans for empty tables must be replaced.",
        ),
        (
            "default_statistics_target",
            "10",
            "A sample of 3,000 rows is enough for these plans. One of 30,000 keeps a core busy at every analyze.",
        ),
        ("maintenance_work_mem", "64MB", "Fits a machine of 1 GiB while autovacuum runs."),
        (
            "wal_compression",
            "lz4" if has_lz4 else "off",
            "Less to flush for the page images after a checkpoint. pglz takes more time than it saves.",
        ),
        ("max_wal_size", "1GB", "The disk space an on-sale rush may take between two checkpoints."),
        ("checkpoint_timeout", "10min", "Half the page images, and still a restart within seconds."),
        ("random_page_cost", "1.1", "Solid-state disks, and mostly memory."),
        ("jit", "off", "For statements of under a millisecond compiling takes longer than it saves."),
        ("max_parallel_workers_per_gather", "0", "A report must not use all cores while buyers wait."),
        ("idle_in_transaction_session_timeout", "60s", "A client that hangs would keep its locks."),
        ("timezone", "UTC", "The application converts instants to the time zone of the venue."),
        ("log_timezone", "UTC", "Logs of several machines can be compared."),
        ("log_line_prefix", "%m [%p] %q%u@%d ", "Time, process, role and database; no client address."),
        ("log_error_verbosity", "terse", "Details quote the contents of rows: names and addresses."),
        ("log_parameter_max_length", "0", "Parameter values are personal data."),
        ("log_parameter_max_length_on_error", "0", "Also when the statement fails."),
        ("log_statement", "none", "Statement texts may carry secrets, such as a new password."),
        ("log_min_duration_statement", "1s", "Far more than the slowest reservation should take."),
        ("log_lock_waits", "on", "A wait of a second for a seat lock means that a transaction hangs."),
        ("log_temp_files", "64MB", "Tells which report needs an index."),
        ("cluster_name", "rowlock", "Shown in the list of processes."),
    )
    return tuple(Setting(name, value, why) for name, value, why in lines)


def render(lines: tuple[Setting, ...]) -> str:
    """The text of postgresql.conf."""
    head = "# Written by Rowlock at each start: edits are lost. `alter system` overrides this file.\n"
    return head + "".join(f"\n# {line.why}\n{line.name} = '{_quoted(line.value)}'\n" for line in lines)


def check_overrides(overrides: Mapping[str, str]) -> None:
    """Raise ValueError for a setting that the supervisor depends on."""
    reserved_names = sorted(RESERVED & overrides.keys())
    if reserved_names:
        raise ValueError(f"The settings {', '.join(reserved_names)} belong to the supervisor. Leave them out.")


def memory_bytes() -> int:
    """The memory of this machine in bytes, or the limit of the container if that is less."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(limit).read_text(encoding="utf-8").strip()
        except OSError:
            continue
        if text.isdigit():  # No limit is "max" in cgroup version 2, a huge number in version 1.
            memory = min(memory, int(text))
    return memory


def _mib(size_bytes: int) -> str:
    return f"{size_bytes // MIB}MB"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")

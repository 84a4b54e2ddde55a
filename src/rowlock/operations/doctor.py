"""Examines whether this machine and this database are fit to sell seats, with advice for each problem."""

import shutil
import sys
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from rowlock.base.file_limit import ENOUGH_FILES, WANTED_FILES, file_limits
from rowlock.database.pooler import Pooling
from rowlock.embedded import EmbeddedError, find_binaries
from rowlock.operations.facts import Address, Inspection, PaymentFacts, SchemaFacts, ServerFacts
from rowlock.operations.model import Diagnosis

OWNER_SETTING = "DATABASE_URL"
LOGIN_SETTINGS = (
    "ROWLOCK_APP_DATABASE_URL",
    "ROWLOCK_OFFICE_DATABASE_URL",
    "ROWLOCK_WORKER_DATABASE_URL",
    "ROWLOCK_V1_DATABASE_URL",
)

OLDEST_PYTHON = (3, 11)
OLDEST_POSTGRES = 15
NEWEST_POSTGRES = 18

# Only the database's clock decides about holds. A skew of this machine's clock makes countdowns on pages wrong.
_CLOCK_SKEW_SECONDS = 2.0
_DISK_PROBLEM_BYTES = 200 * 1024**2
_DISK_WARNING_BYTES = 2 * 1024**3
# The worker writes a run each minute and pg_cron, where it is used instead, each five minutes.
# So many buyers an hour from one private address are not a family.
_SESSIONS_OF_A_PROXY = 20
_CLEANUP_OVERDUE = timedelta(minutes=10)


def examine_machine(data_dir: Path) -> list[Diagnosis]:
    """Examine Python, PostgreSQL's programs, time zone data, open files and the disk of the data folder."""
    return [_python(), _programs(), _time_zone_data(), _open_files(*file_limits()), _disk(data_dir)]


def examine(where: str, facts: Inspection, *, pool_size: int) -> list[Diagnosis]:
    """Derive diagnoses from the facts of a database. `where` names the database, without secrets."""
    return [
        Diagnosis("connection", "ok", f"{where}, {facts.round_trip_seconds * 1000:.1f} ms away"),
        *_server(facts.server, pool_size),
        _clock(facts),
        *_roles(facts),
        *_role_settings(facts),
        _definitions(facts),
        *([] if facts.schema is None else _schema(facts.schema)),
    ]


def examine_addresses(addresses: Sequence[Address]) -> list[Diagnosis]:
    """Derive diagnoses from where each connection string leads: DATABASE_URL, and those of logins of their own."""
    logins = {address.setting for address in addresses} - {OWNER_SETTING}
    return [_address(address, has_logins=logins == set(LOGIN_SETTINGS)) for address in addresses]


def _address(address: Address, *, has_logins: bool) -> Diagnosis:
    if address.pooling is None:
        return Diagnosis(
            "pooler", "problem", f"{address.setting} cannot be examined: {address.error}", "Check that setting."
        )
    if address.pooling is Pooling.NONE:
        return Diagnosis("pooler", "ok", f"{address.setting} leads to PostgreSQL itself")
    if address.pooling is Pooling.SESSION:
        return Diagnosis("pooler", "ok", f"{address.setting} leads through a pooler in session mode, as good as none")
    what = f"{address.setting} leads through a pooler in transaction mode"
    if address.setting == OWNER_SETTING:
        return _owner_through_transactions(what, has_logins=has_logins)
    return _login_through_transactions(what, address)


def _owner_through_transactions(what: str, *, has_logins: bool) -> Diagnosis:
    direct = "the direct address, or the pooler's session address"
    if has_logins:
        return Diagnosis(
            "pooler",
            "warning",
            f"{what}: migrate, rollback and check do not work through it",
            f"For these commands let it be {direct}.",
        )
    return Diagnosis(
        "pooler",
        "problem",
        f"{what}, where the role that a session takes on does not last, so nothing is served",
        f"Let it be {direct}, or give each role a login of its own: {', '.join(LOGIN_SETTINGS)}.",
    )


def _login_through_transactions(what: str, address: Address) -> Diagnosis:
    if not address.differs:
        return Diagnosis("pooler", "ok", f"{what}, and its sessions start with Rowlock's settings")
    found = ", ".join(f"{name} is {there}, not {ours}" for name, there, ours in address.differs)
    remedy = " ".join(f"alter role {address.user} set {name} = '{ours}';" for name, _, ours in address.differs)
    return Diagnosis(
        "pooler",
        "warning",
        f"{what}, and its sessions do not start with Rowlock's settings: {found}",
        f"Let an administrator run: {remedy} The pooler's next connections to the server have them.",
    )


def examine_payments(facts: PaymentFacts) -> Diagnosis:
    """Whether buyers pay real money where they think that they do."""
    if facts.error:
        what, _, advice = facts.error.partition(". ")
        return Diagnosis("payments", "problem", what.rstrip(".") + ".", advice)
    names = ", ".join(sorted(facts.providers))
    if "sandbox" in facts.providers and _is_public(facts.public_url):
        return Diagnosis(
            "payments",
            "problem",
            f"the sandbox takes payments on {facts.public_url}: anybody gets tickets there without paying",
            "Set ROWLOCK_PAYMENT_PROVIDER to stripe, manual or an installed provider: docs/reference/settings.md.",
        )
    if "sandbox" in facts.providers:
        return Diagnosis("payments", "ok", f"{names}; the sandbox takes no real money")
    return Diagnosis("payments", "ok", names)


def _is_public(url: str | None) -> bool:
    """Whether an address is one that others can reach: by HTTPS, and not a name or number of a private network."""
    parts = urlsplit(url or "")
    host = (parts.hostname or "").lower()
    if parts.scheme != "https" or not host:
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal", ".test", ".home.arpa"))


def unreachable(where: str, error: Exception) -> Diagnosis:
    """The diagnosis of a database that cannot be examined."""
    reason = str(error).strip() or type(error).__name__
    return Diagnosis(
        "connection",
        "problem",
        f"{where} cannot be examined: {reason}",
        "Check DATABASE_URL, the server and the network between.",
    )


def _python() -> Diagnosis:
    version = ".".join(str(number) for number in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Diagnosis("Python", "problem", version, "Rowlock needs Python 3.11 or newer.")
    return Diagnosis("Python", "ok", version)


def _programs() -> Diagnosis:
    try:
        binaries = find_binaries()
    except EmbeddedError as error:
        return Diagnosis(
            "PostgreSQL programs",
            "warning",
            "none found, so there is no embedded database here",
            str(error).splitlines()[-1],
        )
    what = f"{binaries.version} in {binaries.bin_dir} ({binaries.source})"
    if binaries.version.major > NEWEST_POSTGRES:
        return Diagnosis(
            "PostgreSQL programs",
            "warning",
            what,
            f"Rowlock is tested up to {NEWEST_POSTGRES}. Test before you sell with it.",
        )
    return Diagnosis("PostgreSQL programs", "ok", what)


def _time_zone_data() -> Diagnosis:
    try:
        ZoneInfo("Europe/Berlin")
    except (KeyError, OSError):
        return Diagnosis(
            "time zone data",
            "problem",
            "Python finds none, so shows cannot be given in local time",
            "Install your system's tzdata package, or the Python package tzdata.",
        )
    return Diagnosis("time zone data", "ok", "found")


def _open_files(now: int, possible: int) -> Diagnosis:
    can_have = min(max(now, possible), max(now, WANTED_FILES))
    what = (
        f"{now:,} may be open, and a server raises that to {can_have:,}" if can_have > now else f"{now:,} may be open"
    )
    if can_have < ENOUGH_FILES:
        return Diagnosis(
            "open files",
            "warning",
            f"{what}: each connection of a client is one",
            f"Raise the hard limit to {WANTED_FILES}: LimitNOFILE= in a systemd unit, `ulimit -Hn` in a shell, or "
            "`--ulimit nofile=` of a container.",
        )
    return Diagnosis("open files", "ok", what)


def _disk(data_dir: Path) -> Diagnosis:
    folder = data_dir.expanduser().absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    what = f"{free / 1024**3:.1f} GiB free for {data_dir}"
    if free < _DISK_PROBLEM_BYTES:
        return Diagnosis("disk", "problem", what, "PostgreSQL stops when the disk is full. Free disk space now.")
    if free < _DISK_WARNING_BYTES:
        return Diagnosis("disk", "warning", what, "Free disk space, or move the data folder with --data-dir.")
    return Diagnosis("disk", "ok", what)


def _server(server: ServerFacts, pool_size: int) -> list[Diagnosis]:
    return [
        _version(server),
        _durability(server),
        _session_defaults(server),
        _connections(server, pool_size),
        Diagnosis("time zones of the server", "ok", "found")
        if server.knows_time_zones
        else Diagnosis(
            "time zones of the server",
            "warning",
            "PostgreSQL has no IANA time zones",
            "Install the server's tzdata package, and restart it.",
        ),
    ]


def _version(server: ServerFacts) -> Diagnosis:
    major, minor = divmod(server.server_version, 10000)
    what = f"{major}.{minor}"
    if server.in_recovery:
        return Diagnosis("PostgreSQL", "problem", f"{what}, a read-only standby", "Name the primary in DATABASE_URL.")
    if major < OLDEST_POSTGRES:
        return Diagnosis("PostgreSQL", "problem", what, f"Rowlock needs {OLDEST_POSTGRES} or newer.")
    if major > NEWEST_POSTGRES:
        return Diagnosis(
            "PostgreSQL", "warning", what, f"Rowlock is tested up to {NEWEST_POSTGRES}. Test before you sell with it."
        )
    return Diagnosis("PostgreSQL", "ok", what)


def _durability(server: ServerFacts) -> Diagnosis:
    names = ("fsync", "full_page_writes", "synchronous_commit")
    off = [name for name in names if getattr(server, name) == "off"]
    if "fsync" in off or "full_page_writes" in off:
        return Diagnosis(
            "durability",
            "problem",
            f"off: {', '.join(off)}; a power failure can destroy the database",
            "Switch them on in postgresql.conf, and reload.",
        )
    if off:
        return Diagnosis(
            "durability",
            "problem",
            "synchronous_commit is off: a crash can lose sales that buyers have had confirmed",
            "Switch it on, at least for this database: alter database … set synchronous_commit = on.",
        )
    return Diagnosis("durability", "ok", "fsync, full_page_writes and synchronous_commit are on")


def _session_defaults(server: ServerFacts) -> Diagnosis:
    if server.server_encoding != "UTF8":
        return Diagnosis(
            "session defaults",
            "problem",
            f"the encoding is {server.server_encoding}",
            "Rowlock needs a database in UTF8. Make one, and restore a backup into it.",
        )
    if server.autovacuum == "off":
        return Diagnosis(
            "session defaults",
            "warning",
            "autovacuum is off: tables of claims grow with every hold",
            "Switch autovacuum on.",
        )
    timeouts = f"lock_timeout {server.lock_timeout}, statement_timeout {server.statement_timeout}"
    return Diagnosis("session defaults", "ok", f"{timeouts} (servers set their own)")


def _connections(server: ServerFacts, pool_size: int) -> Diagnosis:
    # A process has pools for the application and version 1, two connections each for reads, office and worker, and two
    # loops.
    connections_needed = 2 * pool_size + 8
    what = f"{server.connections_free} of {server.max_connections} free, a process may use up to {connections_needed}"
    if server.connections_free < connections_needed:
        return Diagnosis(
            "connections",
            "warning",
            what,
            "Raise max_connections, lower ROWLOCK_POOL_SIZE, or close other connections.",
        )
    return Diagnosis("connections", "ok", what)


def _clock(facts: Inspection) -> Diagnosis:
    skew = abs(facts.clock_skew_seconds)
    uncertain = facts.round_trip_seconds / 2
    if skew - uncertain > _CLOCK_SKEW_SECONDS:
        return Diagnosis(
            "clocks",
            "warning",
            f"the database's clock differs from this machine's by {skew:.1f} seconds",
            "Holds follow the database's clock and are not affected. Synchronize both machines by NTP.",
        )
    return Diagnosis("clocks", "ok", f"{skew * 1000:.0f} ms apart")


def _roles(facts: Inspection) -> list[Diagnosis]:
    if not facts.roles.weaknesses:
        return [
            Diagnosis(
                "roles", "ok", f"{facts.roles.user} owns, {', '.join(role.name for role in facts.roles.roles)} serve"
            )
        ]
    return [
        Diagnosis("roles", "warning", first.strip() + ".", rest.strip())
        for first, _, rest in (weakness.partition(". ") for weakness in facts.roles.weaknesses)
    ]


def _role_settings(facts: Inspection) -> list[Diagnosis]:
    if not facts.settings:
        return [Diagnosis("role settings", "ok", "neither Rowlock's roles nor the database change how seats are sold")]
    return [
        Diagnosis("role settings", "warning", str(setting), f"Unless you need it, run: {setting.reset};")
        for setting in facts.settings
    ]


def _definitions(facts: Inspection) -> Diagnosis:
    by_state: dict[str, list[str]] = {}
    for file in facts.definitions:
        by_state.setdefault(file.state, []).append(file.path)
    stale_files = [path for state in ("pending", "changed", "missing") for path in by_state.get(state, [])]
    if by_state.get("unknown"):
        return Diagnosis(
            "migrations",
            "warning",
            f"a newer Rowlock has migrated this database: {', '.join(by_state['unknown'])}",
            "Upgrade this installation.",
        )
    if stale_files:
        return Diagnosis(
            "migrations",
            "problem",
            f"{len(stale_files)} of {len(facts.definitions)} files are not applied: {', '.join(stale_files[:5])}"
            + (" …" if len(stale_files) > 5 else ""),
            "Run `rowlock migrate`, or `rowlock rollback undo` after a rollback.",
        )
    return Diagnosis("migrations", "ok", f"all {len(facts.definitions)} files are applied")


def _schema(schema: SchemaFacts) -> list[Diagnosis]:
    return [_partitions(schema), _cleanup(schema), _addresses(schema), _refunds(schema), _disputes(schema)]


def _refunds(schema: SchemaFacts) -> Diagnosis:
    if not schema.failed_refunds and not schema.late_refunds:
        return Diagnosis("refunds", "ok", "none has failed within 30 days, and none waits for its provider for days")
    return Diagnosis(
        "refunds",
        "warning",
        f"{schema.failed_refunds} failed within 30 days, {schema.late_refunds} not settled after 3 days",
        "`rowlock mail list --failed` names those that failed: docs/runbooks/money-differs.md#a-refund-that-failed.",
    )


def _disputes(schema: SchemaFacts) -> Diagnosis:
    if not schema.open_disputes:
        return Diagnosis("disputes", "ok", "none is open")
    until = (
        ""
        if schema.respond_until is None
        else f", the first to be answered by {schema.respond_until:%Y-%m-%d %H:%M %Z}"
    )
    return Diagnosis(
        "disputes",
        "warning",
        f"{schema.open_disputes} open{until}",
        "`rowlock disputes` lists them: docs/runbooks/money-differs.md#a-dispute.",
    )


def _addresses(schema: SchemaFacts) -> Diagnosis:
    """Whether the buyers of the last hour seem to come from one place of our own, as behind an unknown proxy."""
    found, address = schema.busiest_sessions, schema.busiest_address
    is_ours = address is not None and not ip_address(address).is_global
    if not is_ours or found < _SESSIONS_OF_A_PROXY or 2 * found < schema.sessions:
        return Diagnosis("addresses of buyers", "ok", f"{schema.sessions:,} sessions made holds within the last hour")
    what = f"{found:,} of the last hour's {schema.sessions:,} sessions that made holds came from {address}"
    limits = "no client is limited" if ip_address(str(address)).is_loopback else "all share the limits of one client"
    return Diagnosis(
        "addresses of buyers",
        "warning",
        f"{what}: if that is a proxy, {limits}",
        "Name the proxy in ROWLOCK_FORWARDED_ALLOW_IPS, and let it send X-Forwarded-For: "
        "docs/how-to/put-it-behind-a-proxy.md.",
    )


def _partitions(schema: SchemaFacts) -> Diagnosis:
    advice = "Run `rowlock migrate`, and keep a worker running: it makes partitions in time."
    if schema.missing_partitions:
        what = f"none for {', '.join(schema.missing_partitions)}; events go to the default partition"
        return Diagnosis("audit log partitions", "warning", what, advice)
    if schema.rows_in_default:
        return Diagnosis(
            "audit log partitions",
            "warning",
            "the default partition holds rows from a time when there was no partition",
            "Nothing is lost, and there is nothing to repair: docs/runbooks/audit-log-partitions.md says why.",
        )
    return Diagnosis("audit log partitions", "ok", "this month and the next have one")


def _cleanup(schema: SchemaFacts) -> Diagnosis:
    if schema.cleanup_paused_since is not None:
        return Diagnosis(
            "cleanup",
            "warning",
            f"paused since {schema.cleanup_paused_since.isoformat(timespec='seconds')}, {schema.lapsed} holds waiting",
            "Run `rowlock cleanup --resume` when its cause is gone. Seats of expired holds can be sold meanwhile.",
        )
    advice = "Start `rowlock worker`, or use pg_cron. Seats of expired holds can be sold without it."
    if schema.last_cleanup_error is not None:
        return Diagnosis(
            "cleanup",
            "warning",
            f"the last run failed: {schema.last_cleanup_error}",
            "Read the view rowlock.reservation_cleanup_job_status.",
        )
    if schema.last_cleanup_at is None:
        return Diagnosis("cleanup", "warning", "has never run", advice)
    ago = schema.server_time - schema.last_cleanup_at
    what = f"last run {ago.total_seconds():.0f} seconds ago, {schema.lapsed} holds waiting"
    return Diagnosis(
        "cleanup", "warning" if ago > _CLEANUP_OVERDUE else "ok", what, advice if ago > _CLEANUP_OVERDUE else ""
    )

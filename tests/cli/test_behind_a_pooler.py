"""Commands through PgBouncer: which are refused, with what to set, and what `doctor` says."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from rowlock.base.dsns import Dsns
from rowlock.cli.exits import ExitCode
from tests.cli.conftest import Invoke, Running
from tests.support.pgbouncer import PgBouncer, pgbouncer
from tests.support.servers import TestServer

LOGINS = {
    "ROWLOCK_APP_DATABASE_URL": "app",
    "ROWLOCK_OFFICE_DATABASE_URL": "office",
    "ROWLOCK_WORKER_DATABASE_URL": "worker",
    "ROWLOCK_V1_DATABASE_URL": "v1",
}
SET_ANOTHER = "set it to the direct address or the pooler's session address"


@pytest.fixture(params=["refuses options", "ignores options"])
def transactions(request: pytest.FixtureRequest, dsns: Dsns) -> Iterator[PgBouncer]:
    """A pooler in transaction mode, as it is by default and as hosts often set it."""
    settings = {"ignore_startup_parameters": "options"} if request.param == "ignores options" else {}
    with pgbouncer(dsns, "transaction", settings) as started:
        yield started


@pytest.fixture
def with_logins(transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of processes that serve through the pooler."""
    for setting, role in LOGINS.items():
        monkeypatch.setenv(setting, getattr(transactions.dsns, role))


@pytest.fixture
def recommended(server: TestServer, dsns: Dsns) -> None:
    """What docs/how-to/hosted-postgresql.md lets an administrator run, for this database only."""
    name = conninfo_to_dict(dsns.owner)["dbname"]
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as superuser:
        for role in LOGINS.values():
            for setting in (
                "lock_timeout = '3s'",
                "statement_timeout = '10s'",
                "idle_in_transaction_session_timeout = '10s'",
            ):
                superuser.execute(f"alter role rowlock_{role} in database {name} set {setting}".encode())


def poolers(told: dict[str, list[dict[str, str]]]) -> dict[str, tuple[str, str, str]]:
    """What the doctor says of each address: verdict, the sentence after the setting's name, and advice."""
    found = {}
    for diagnosis in told["diagnoses"]:
        if diagnosis["name"] == "pooler":
            setting, _, what = diagnosis["found"].partition(" ")
            found[setting] = (diagnosis["verdict"], what, diagnosis["advice"])
    return found


@pytest.mark.parametrize(
    "command", [("serve", "--port", "0"), ("worker",), ("show", "list"), ("cleanup",), ("stats",)], ids=" ".join
)
def test_what_would_serve_as_the_owner_is_refused_with_what_to_set(
    invoke: Invoke, transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", transactions.dsns.owner)

    done = invoke(*command)

    assert (done.code, done.out) == (ExitCode.REFUSED, "")
    assert SET_ANOTHER in done.err
    assert all(setting in done.err for setting in LOGINS)


@pytest.mark.usefixtures("with_logins")
@pytest.mark.parametrize(
    "command",
    [("migrate",), ("up", "--port", "0"), ("rollback", "full"), ("rollback", "undo"), ("check",)],
    ids=" ".join,
)
def test_what_needs_a_session_of_its_own_is_refused_also_with_logins(
    invoke: Invoke, transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DATABASE_URL", transactions.dsns.owner)

    done = invoke(*command)

    assert done.code == ExitCode.REFUSED
    assert SET_ANOTHER in done.err
    assert not any(setting in done.err for setting in LOGINS)


@pytest.mark.usefixtures("with_logins")
@pytest.mark.parametrize("owner", [True, False])
def test_with_logins_commands_work(
    invoke: Invoke, transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch, owner: bool
) -> None:
    if owner:
        monkeypatch.setenv("DATABASE_URL", transactions.dsns.owner)

    for command in (("show", "list"), ("cleanup",), ("stats",), ("cleanup",), ("stats",)):
        done = invoke(*command)
        assert done.code == 0, done.err


@pytest.mark.soak("pg15")
def test_servers_and_workers_start_through_transactions_with_logins(transactions: PgBouncer) -> None:
    env = {setting: getattr(transactions.dsns, role) for setting, role in LOGINS.items()}
    with Running("serve", "--port", 0, env=env) as serve, Running("worker", env=env) as worker:
        serve.line_with("Rowlock serves ")
        worker.line_with("Rowlock's worker runs.")

        assert (serve.stop(), worker.stop()) == (0, 0)


def test_doctor_says_that_the_owner_alone_does_not_work_through_transactions(
    invoke: Invoke, transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", transactions.dsns.owner)

    done = invoke("doctor", "--json")

    [(verdict, what, advice)] = poolers(done.document).values()
    assert (done.code, verdict) == (ExitCode.REFUSED, "problem")
    assert what.startswith("leads through a pooler in transaction mode")
    assert "the direct address" in advice
    assert all(setting in advice for setting in LOGINS)


@pytest.mark.usefixtures("with_logins", "recommended")
def test_doctor_finds_logins_with_the_recommended_settings_ok(
    invoke: Invoke, dsns: Dsns, transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", dsns.owner)
    told = invoke("doctor", "--json").document
    found = poolers(told)

    assert [each["verdict"] for each in told["diagnoses"] if each["name"] == "role settings"] == ["ok"]
    assert found.pop("DATABASE_URL") == ("ok", "leads to PostgreSQL itself", "")
    ok = ("ok", "leads through a pooler in transaction mode, and its sessions start with Rowlock's settings", "")
    assert found == dict.fromkeys(LOGINS, ok)

    monkeypatch.setenv("DATABASE_URL", transactions.dsns.owner)
    verdict, what, _ = poolers(invoke("doctor", "--json").document)["DATABASE_URL"]
    assert (verdict, what.partition(": ")[2]) == ("warning", "migrate, rollback and check do not work through it")


@pytest.mark.usefixtures("with_logins")
def test_what_doctor_advises_for_logins_without_settings_is_what_makes_them_ok(
    invoke: Invoke, server: TestServer, dsns: Dsns, transactions: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", dsns.owner)
    name = conninfo_to_dict(dsns.owner)["dbname"]
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as superuser:
        superuser.execute(f"alter role rowlock_app in database {name} set timezone = 'Europe/Berlin'".encode())
    found = poolers(invoke("doctor", "--json").document)

    assert {found[setting][0] for setting in LOGINS} == {"warning"}
    _, what, advice = found["ROWLOCK_APP_DATABASE_URL"]
    assert "timezone is Europe/Berlin, not UTC, lock_timeout is 0, not 3s, statement_timeout is 0, not 10s" in what
    statements = advice.removeprefix("Let an administrator run: ").rpartition(";")[0].split("; ")
    with psycopg.connect(server.superuser_dsn(), autocommit=True) as superuser:
        for statement in statements:
            here = statement.replace("rowlock_app set", f"rowlock_app in database {name} set")
            superuser.execute(here.encode())
    with pgbouncer(dsns, "transaction") as anew:  # Its sessions begin after the statements.
        monkeypatch.setenv("ROWLOCK_APP_DATABASE_URL", anew.dsns.app)
        assert poolers(invoke("doctor", "--json").document)["ROWLOCK_APP_DATABASE_URL"][0] == "ok"


def test_doctor_tells_session_mode_and_everything_works_through_it(
    invoke: Invoke, dsns: Dsns, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pgbouncer(dsns, "session", size=4) as started:
        monkeypatch.setenv("DATABASE_URL", started.dsns.owner)

        for command in (("migrate",), ("show", "list"), ("cleanup",), ("stats",), ("check",), ("rollback", "undo")):
            done = invoke(*command)
            assert done.code == 0, (command, done.err)
        told = poolers(invoke("doctor", "--json").document)

    assert told == {"DATABASE_URL": ("ok", "leads through a pooler in session mode, as good as none", "")}


def test_doctor_names_an_address_that_leads_nowhere(rowlock: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROWLOCK_APP_DATABASE_URL", "postgresql://rowlock_app:canary@127.0.0.1:1/rowlock")

    done = rowlock("doctor", "--json")

    verdict, what, _ = poolers(done.document)["ROWLOCK_APP_DATABASE_URL"]
    assert verdict == "problem"
    assert what.startswith("cannot be examined: ")
    assert "canary" not in done.out

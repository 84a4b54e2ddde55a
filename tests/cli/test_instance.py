"""What an installation keeps, and which database a process finds."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from rowlock.base.dsns import Dsns
from rowlock.instance import (
    FILE_NAME,
    InstanceError,
    NoDatabaseError,
    keep_admin_api_key,
    load_instance,
    new_admin_api_key,
    owner_dsn,
    resolve_dsns,
)
from rowlock.settings import Settings
from tests.support.servers import TestServer

SECRET = "s" * 32


def settings(data_dir: Path, **given: str) -> Settings:
    return Settings(data_dir=data_dir).model_copy(update={name: SecretStr(value) for name, value in given.items()})


def user_of(dsn: str) -> str:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("select current_user").fetchone()
    assert row is not None
    return str(row[0])


def test_the_secret_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = load_instance(settings(tmp_path / "data"))
    second = load_instance(settings(tmp_path / "data"))

    assert first == second
    assert len(first.secret_key) >= 43
    assert first.admin_api_key_hash is None
    assert stat.S_IMODE((tmp_path / "data" / FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE_NAME]


def test_processes_that_start_at_once_agree_on_the_secret_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as executor:
        keys = set(executor.map(lambda _: load_instance(settings(tmp_path / "data")).secret_key, range(16)))

    assert len(keys) == 1


def test_of_the_admin_key_only_its_hash_is_kept(tmp_path: Path) -> None:
    key, key_hash = new_admin_api_key()
    secret = load_instance(settings(tmp_path)).secret_key

    keep_admin_api_key(tmp_path, key_hash)

    assert key_hash == sha256(key.encode()).digest()
    kept = load_instance(settings(tmp_path))
    assert (kept.secret_key, kept.admin_api_key_hash) == (secret, key_hash)
    assert key not in (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    assert repr(kept) == "Instance()"


def test_the_environment_counts_before_what_is_kept(tmp_path: Path) -> None:
    keep_admin_api_key(tmp_path, b"\x01" * 32)

    found = load_instance(settings(tmp_path, secret_key=SECRET, admin_api_key="an admin key of us"))

    assert found.secret_key == SECRET
    assert found.admin_api_key_hash == sha256(b"an admin key of us").digest()


def test_with_everything_from_the_environment_no_file_is_made(tmp_path: Path) -> None:
    load_instance(settings(tmp_path / "data", secret_key=SECRET, admin_api_key="an admin key of us"))

    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"secret_key": ""}, "ROWLOCK_SECRET_KEY is empty; it needs at least 32,"),
        ({"secret_key": "x" * 31}, "ROWLOCK_SECRET_KEY has 31 characters; it needs at least 32,"),
        ({"admission_key": ""}, "ROWLOCK_ADMISSION_KEY is empty; it needs at least 32,"),
        ({"admission_key": "x" * 31}, "ROWLOCK_ADMISSION_KEY has 31 characters; it needs at least 32,"),
        ({"admin_api_key": ""}, "ROWLOCK_ADMIN_API_KEY is empty; it needs at least 16,"),
        ({"admin_api_key": " " * 16}, "ROWLOCK_ADMIN_API_KEY is empty; it needs at least 16,"),
        ({"admin_api_key": "x"}, "ROWLOCK_ADMIN_API_KEY has 1 character; it needs at least 16,"),
    ],
)
def test_a_key_that_can_be_guessed_is_refused(tmp_path: Path, given: dict[str, str], told: str) -> None:
    """Before: with an empty admin key, every request was the operator's."""
    with pytest.raises(InstanceError, match=told):
        load_instance(settings(tmp_path, **{"secret_key": SECRET, "admin_api_key": "x" * 16, **given}))


def test_a_short_secret_key_of_the_folder_is_named_by_its_file(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"secret_key": "short"}', encoding="utf-8")

    with pytest.raises(InstanceError, match=f"secret_key in {tmp_path / FILE_NAME} has 5 characters"):
        load_instance(settings(tmp_path))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"admin_api_key_sha256": "zz", "secret_key": "x"}', "{}"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")

    with pytest.raises(InstanceError):
        load_instance(settings(tmp_path))


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")

    with pytest.raises(InstanceError, match="cannot be read or written"):
        load_instance(settings(tmp_path / "data"))


def test_without_any_database_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    for find in (owner_dsn, resolve_dsns):
        with pytest.raises(NoDatabaseError, match="rowlock up"):
            find(settings(tmp_path), tmp_path)


def test_one_login_serves_every_role(dsns: Dsns, tmp_path: Path) -> None:
    found = resolve_dsns(settings(tmp_path, database_url=dsns.owner), tmp_path)

    assert [user_of(dsn) for dsn in (found.owner, found.app, found.office, found.worker, found.v1)] == [
        "rowlock_owner",
        "rowlock_app",
        "rowlock_office",
        "rowlock_worker",
        "rowlock_v1",
    ]


def test_logins_of_their_own_come_first(dsns: Dsns, tmp_path: Path) -> None:
    own = {
        "app_database_url": dsns.app,
        "office_database_url": dsns.office,
        "worker_database_url": dsns.worker,
        "v1_database_url": dsns.v1,
    }

    assert resolve_dsns(settings(tmp_path, database_url=dsns.owner, **own), tmp_path) == dsns
    del own["v1_database_url"]
    without_v1 = resolve_dsns(settings(tmp_path, database_url=dsns.owner, **own), tmp_path)
    assert user_of(without_v1.v1) == "rowlock_v1"
    assert (without_v1.app, without_v1.office, without_v1.worker) == (dsns.app, dsns.office, dsns.worker)


def test_the_login_of_the_application_is_enough_to_serve(dsns: Dsns, tmp_path: Path) -> None:
    found = resolve_dsns(settings(tmp_path, app_database_url=dsns.app), tmp_path)

    assert (found.owner, found.app) == (dsns.app, dsns.app)
    with pytest.raises(NoDatabaseError):
        owner_dsn(settings(tmp_path, app_database_url=dsns.app), tmp_path)


def test_the_login_of_the_worker_is_enough_for_a_worker(dsns: Dsns, tmp_path: Path) -> None:
    found = resolve_dsns(settings(tmp_path, worker_database_url=dsns.worker), tmp_path)

    assert found.worker == dsns.worker


def test_a_login_that_may_not_take_on_the_roles_is_used_as_it_is(
    server: TestServer, dsns: Dsns, tmp_path: Path
) -> None:
    found = resolve_dsns(settings(tmp_path, database_url=dsns.app, v1_database_url=dsns.v1), tmp_path)

    assert user_of(found.app) == "rowlock_app"


def test_the_file_is_readable_json_for_people(tmp_path: Path) -> None:
    load_instance(settings(tmp_path))

    assert set(json.loads((tmp_path / FILE_NAME).read_text(encoding="utf-8"))) == {"secret_key"}

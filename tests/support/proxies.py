"""nginx and Caddy with the configurations of the documentation, in front of a server, for the length of a block.

What the documentation's text has of one machine is replaced: ports, and where the certificate is.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "put-it-behind-a-proxy.md"
HOST = "tickets.example.org"
VARIABLES = {"nginx": "ROWLOCK_TEST_NGINX", "caddy": "ROWLOCK_TEST_CADDY"}
DEBIAN = {"nginx": "/usr/sbin/nginx", "caddy": "/usr/bin/caddy"}
STARTS_WITHIN_SECONDS = 15.0


class ProxyMissingError(Exception):
    """This machine has no such proxy."""


def documented(language: str) -> str:
    """Every block of the page that is written for a proxy."""
    blocks = re.findall(rf"^```{language}\n(.+?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert blocks, f"The page has no block for {language}."
    return "\n".join(blocks)


@contextmanager
def proxy(kind: str, upstream_port: int, text: str) -> Iterator[int]:
    """nginx or Caddy with the configuration `text`; gives the port on which it speaks HTTPS."""
    program = _program(kind)
    folder = Path(tempfile.mkdtemp(prefix=f"rowlock-{kind}-"))
    try:
        port = _free_port()
        _make_certificate(folder)
        given = _replaced(text, "127.0.0.1:8000", f"127.0.0.1:{upstream_port}")
        command = (_nginx if kind == "nginx" else _caddy)(program, folder, port, given)
        with _running(command, folder, port):
            yield port
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(kind: str) -> str:
    program = os.environ.get(VARIABLES[kind], DEBIAN[kind])
    if not Path(program).is_file():
        reason = f"No {kind} in {program}. Install Debian's {kind}, or let {VARIABLES[kind]} name the program."
        if os.environ.get("CI") == "true":
            raise ProxyMissingError(reason)
        pytest.skip(reason)
    return program


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text, f"The page no longer has {old!r}."
    return text.replace(old, new)


def _nginx(program: str, folder: Path, port: int, text: str) -> Sequence[str]:
    for old, new in (
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        ("/etc/ssl/tickets.pem", f"{folder}/pem"),
        ("/etc/ssl/tickets.key", f"{folder}/key"),
    ):
        text = _replaced(text, old, new)
    # Where Debian's nginx would write belongs to the system.
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\n{places}{text}\naccess_log {folder}/access rowlock;\n}}\n",
        encoding="utf-8",
    )
    return [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "conf")]


def _caddy(program: str, folder: Path, port: int, text: str) -> Sequence[str]:
    # No administration, no certificates from elsewhere, and no other port.
    text = _replaced(text, "{\n    servers {", "{\n    admin off\n    auto_https off\n    servers {")
    site = f"https://{HOST}:{port} {{\n    bind 127.0.0.1\n    tls {folder}/pem {folder}/key"
    (folder / "conf").write_text(_replaced(text, f"{HOST} {{", site), encoding="utf-8")
    return [program, "run", "--adapter", "caddyfile", "--config", str(folder / "conf")]


def _make_certificate(folder: Path) -> None:
    """A certificate that only the test's client trusts: it does not look."""
    subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "pem")]
    subprocess.run(["openssl", "req", *kind, *subject, *files], check=True, capture_output=True)


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    log = folder / "log"
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=home)
    try:
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not _answers(port):
            text = log.read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, f"It ended: {text}"
            assert time.monotonic() < deadline, f"It did not start: {text}"
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])

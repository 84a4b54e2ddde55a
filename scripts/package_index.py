"""Fetches one pinned wheel from a Python package index, with nothing but the standard library.

bootstrap.py uses it where Python came without pip. Versions, dependencies and installing are left to uv.
"""

import hashlib
import html.parser
import json
import os
import platform
import re
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PYPI = "https://pypi.org/simple"
TIMEOUT_SECONDS = 60.0
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class PackageIndexError(Exception):
    """The wheel could not be had; the message says why and what to do."""


@dataclass(frozen=True)
class Answer:
    """A fetched file: its bytes, its media type, and the address it came from after redirects."""

    content: bytes
    media_type: str
    address: str


def index_url() -> str:
    """The package index to ask: uv's variables first, then pip's, then PyPI. Without a slash at its end."""
    for variable in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        url = os.environ.get(variable, "").strip()
        if url:
            return url.rstrip("/")
    return PYPI


def fetch_wheel(project: str, digests: Mapping[str, str], folder: Path) -> Path:
    """Download the wheel of `project` that fits this machine into `folder`, and return its path.

    `digests` maps each acceptable file name to its SHA-256 in hexadecimal. They come from uv.lock, so the
    index says only where a file is, never what may be in it.

    Raises PackageIndexError when the index does not answer, no file fits, or a digest differs.
    """
    fitting = [name for name in digests if fits_this_machine(name)]
    if not fitting:
        raise PackageIndexError(
            f"uv.lock names no {project} wheel for {platform.system()} on {platform.machine()}. Install "
            f"{project} by other means, and run `uv sync --frozen` in place of this."
        )
    index = index_url()
    offered = list_files(index, project)
    for name in fitting:
        if name in offered:
            content = read_url(offered[name]).content
            found = hashlib.sha256(content).hexdigest()
            if found != digests[name]:
                raise PackageIndexError(
                    f"{offered[name]} has SHA-256 {found}, but uv.lock says {digests[name]}. It was not "
                    "used: the index, or something on the way, changed it. Set PIP_INDEX_URL to another one."
                )
            wheel = folder / name
            wheel.write_bytes(content)
            return wheel
    wanted = " or ".join(fitting)
    raise PackageIndexError(f"{index} does not offer {wanted}. Set PIP_INDEX_URL to an index that does.")


def list_files(index: str, project: str) -> dict[str, str]:
    """The files of a project and their addresses, from the simple API in JSON (PEP 691) or HTML (PEP 503)."""
    page = read_url(f"{index}/{project}/")
    if page.media_type == JSON_TYPE:
        files = {entry["filename"]: entry["url"] for entry in json.loads(page.content)["files"]}
    else:
        links = _Links()
        links.feed(page.content.decode("utf-8", "replace"))
        files = {_file_name(link): link for link in links.found}
    return {name: urllib.parse.urljoin(page.address, url) for name, url in files.items()}


def _file_name(link: str) -> str:
    return urllib.parse.unquote(urllib.parse.urlsplit(link).path.rsplit("/", 1)[-1])


def fits_this_machine(wheel_name: str) -> bool:
    """Whether the wheel of a program (any Python will do) runs on this system, C library and processor."""
    tags = wheel_name.removesuffix(".whl").rsplit("-", 1)[-1]
    return any(_platform_fits(tag) for tag in tags.split("."))


def _platform_fits(tag: str) -> bool:
    machine = platform.machine()
    if platform.system() == "Darwin":
        mac = re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", tag)
        if mac is None or mac[3] not in (machine, "universal2"):
            return False
        return _numbers(platform.mac_ver()[0]) >= (int(mac[1]), int(mac[2]))
    if platform.system() == "Linux":
        linux = re.fullmatch(r"(manylinux|musllinux)_(\d+)_(\d+)_(\w+)", tag)
        if linux is None or linux[4] != machine:
            return tag == f"linux_{machine}"
        libc, version = platform.libc_ver()
        if linux[1] == "musllinux":
            return libc != "glibc"
        return libc == "glibc" and _numbers(version) >= (int(linux[2]), int(linux[3]))
    return False


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def read_url(url: str) -> Answer:
    """What is behind an http(s) or file address; proxies come from the environment.

    Raises PackageIndexError when the address is of another kind or does not answer.
    """
    if urllib.parse.urlsplit(url).scheme not in ("https", "http", "file"):
        raise PackageIndexError(f"{url} is no address that can be read. Give the index as https://….")
    request = urllib.request.Request(url, headers={"Accept": ACCEPT})  # noqa: S310 - the scheme is checked above.
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above.
            return Answer(answer.read(), answer.headers.get_content_type(), answer.geturl())
    except OSError as error:
        raise PackageIndexError(
            f"{url} could not be read: {error}. Check the network; behind a proxy set HTTPS_PROXY, with a "
            "mirror of PyPI set PIP_INDEX_URL, with a certificate authority of your own set SSL_CERT_FILE."
        ) from error


class _Links(html.parser.HTMLParser):
    """Collects the addresses of all links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend(value for name, value in attrs if name == "href" and value)

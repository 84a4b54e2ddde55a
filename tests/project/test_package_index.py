"""The wheel that starts everything is the one that uv.lock names, whatever index it comes from."""

import hashlib
import json
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

import package_index
from package_index import Answer, PackageIndexError

WHEEL = "uv-1.2.3-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
CONTENT = b"a wheel"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
JSON_PAGE = json.dumps({"files": [{"filename": WHEEL, "url": f"../../files/{WHEEL}"}]}).encode()
HTML_PAGE = f'<!DOCTYPE html><a href="../../files/{WHEEL}#sha256=00" data-core-metadata>{WHEEL}</a>'.encode()

Machine = Callable[[str, str, tuple[str, str]], None]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Pretends to be another machine: system, processor, C library with its version."""

    def pretend(system: str, processor: str, libc: tuple[str, str]) -> None:
        monkeypatch.setattr(platform, "system", lambda: system)
        monkeypatch.setattr(platform, "machine", lambda: processor)
        monkeypatch.setattr(platform, "libc_ver", lambda: libc)
        monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5", ("", "", ""), ""))

    return pretend


@pytest.fixture(params=["json", "html"])
def index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that offers the wheel, in both forms of the simple API."""
    page = {
        "json": (JSON_PAGE, "application/vnd.pypi.simple.v1+json"),
        "html": (HTML_PAGE, "text/html"),
    }[request.param]
    answers = {
        "https://mirror.example/simple/uv/": Answer(*page, "https://mirror.example/simple/uv/"),
        f"https://mirror.example/files/{WHEEL}": Answer(CONTENT, "application/zip", ""),
        f"https://mirror.example/files/{WHEEL}#sha256=00": Answer(CONTENT, "application/zip", ""),
    }
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://mirror.example/simple/")
    monkeypatch.setattr(package_index, "read_url", answers.__getitem__)


@pytest.mark.usefixtures("index")
def test_the_wheel_that_fits_is_fetched_from_the_index(machine: Machine, tmp_path: Path) -> None:
    machine("Linux", "x86_64", ("glibc", "2.36"))
    other = "uv-1.2.3-py3-none-musllinux_1_1_x86_64.whl"

    wheel = package_index.fetch_wheel("uv", {other: "00", WHEEL: DIGEST}, tmp_path)

    assert wheel.name == WHEEL
    assert wheel.read_bytes() == CONTENT


@pytest.mark.usefixtures("index")
def test_a_changed_wheel_is_refused_and_not_kept(machine: Machine, tmp_path: Path) -> None:
    machine("Linux", "x86_64", ("glibc", "2.36"))

    with pytest.raises(PackageIndexError, match=DIGEST):
        package_index.fetch_wheel("uv", {WHEEL: "00"}, tmp_path)

    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("index")
def test_an_index_without_the_wheel_is_named(machine: Machine, tmp_path: Path) -> None:
    machine("Linux", "x86_64", ("glibc", "2.36"))

    with pytest.raises(PackageIndexError, match=r"mirror\.example/simple does not offer"):
        package_index.fetch_wheel("uv", {WHEEL.replace("1.2.3", "1.2.4"): DIGEST}, tmp_path)


@pytest.mark.parametrize(
    ("system", "processor", "libc", "tags", "fits"),
    [
        ("Linux", "x86_64", ("glibc", "2.17"), "manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("Linux", "x86_64", ("glibc", "2.9"), "manylinux_2_17_x86_64.manylinux2014_x86_64", False),
        ("Linux", "aarch64", ("glibc", "2.36"), "manylinux_2_17_x86_64.manylinux2014_x86_64", False),
        ("Linux", "aarch64", ("", ""), "manylinux_2_17_aarch64.musllinux_1_1_aarch64", True),
        ("Linux", "x86_64", ("", ""), "manylinux_2_17_x86_64.manylinux2014_x86_64", False),
        ("Linux", "x86_64", ("glibc", "2.36"), "musllinux_1_1_x86_64", False),
        ("Linux", "armv6l", ("glibc", "2.36"), "linux_armv6l", True),
        ("Linux", "x86_64", ("glibc", "2.36"), "win_amd64", False),
        ("Darwin", "arm64", ("", ""), "macosx_11_0_arm64", True),
        ("Darwin", "x86_64", ("", ""), "macosx_11_0_arm64", False),
        ("Darwin", "arm64", ("", ""), "macosx_15_0_arm64", False),
        ("Windows", "AMD64", ("", ""), "win_amd64", False),
    ],
)
def test_a_wheel_fits_its_system_c_library_and_processor(
    machine: Machine, system: str, processor: str, libc: tuple[str, str], tags: str, *, fits: bool
) -> None:
    machine(system, processor, libc)

    assert package_index.fits_this_machine(f"uv-1.2.3-py3-none-{tags}.whl") is fits


def test_an_index_of_another_kind_than_http_is_refused() -> None:
    with pytest.raises(PackageIndexError, match="no address that can be read"):
        package_index.read_url("ftp://mirror.example/simple/uv/")

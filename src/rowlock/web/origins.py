"""Where a request may come from: the names under which this server is known, and the pages that may use its cookie."""

from collections.abc import Iterable

from rowlock.web.problems import ProblemError
from rowlock.web.sessions import COOKIE

PROBES = "/health/"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_COOKIE = COOKIE.encode()


class Origins:
    """Checks the Host of each request, and Sec-Fetch-Site where a browser could be used by another site.

    hosts  the names that are allowed, each with a port or for every port; none allows all.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower().encode() for host in hosts)

    def check(self, method: str, path: str, headers: dict[bytes, bytes]) -> None:
        """Raise ProblemError WRONG_HOST or CROSS_SITE for a request that is refused."""
        if self._hosts and not self._is_ours(headers.get(b"host", b"")) and not path.startswith(PROBES):
            raise ProblemError("WRONG_HOST")
        if (
            headers.get(b"sec-fetch-site") == b"cross-site"
            and method not in _SAFE_METHODS
            and _COOKIE in headers.get(b"cookie", b"")
        ):
            raise ProblemError("CROSS_SITE")

    def _is_ours(self, host: bytes) -> bool:
        if host in self._hosts:
            return True
        host = host.lower()
        name, _, port = host.rpartition(b":")
        return host in self._hosts or (port.isdigit() and name in self._hosts)

"""How many files this process may have open: each connection is one."""

import resource

WANTED_FILES = 65_536
"""What a server asks for: more than it has connections, and little enough that no system refuses it."""

ENOUGH_FILES = 4_096
RESERVED_FILES = 256
"""Of a server's files, those that are not for connections of clients: the database's, logs and libraries."""


def file_limits() -> tuple[int, int]:
    """How many files this process may have open now, and to how many it may raise that itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _number(soft), _number(hard)


def raise_file_limit() -> int:
    """Raise the limit as far as this process may, to WANTED_FILES at most, and return what it is then."""
    soft, hard = file_limits()
    wanted = min(WANTED_FILES, hard)
    if wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        except (OSError, ValueError):
            return soft  # Some systems have another limit besides; then it stays as it is.
    return max(wanted, soft)


def _number(limit: int) -> int:
    return WANTED_FILES if limit == resource.RLIM_INFINITY else limit

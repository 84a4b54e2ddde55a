"""The errors of the embedded server that a caller can handle."""

from pathlib import Path


class EmbeddedError(RuntimeError):
    """The embedded database cannot be used; the message says why and what to do next."""


class BinariesNotFoundError(EmbeddedError):
    """No usable PostgreSQL programs were found; the message lists every place that was searched."""


class StartError(EmbeddedError):
    """PostgreSQL did not start or did not become ready; the message ends with its last log lines."""


class AlreadyRunningError(EmbeddedError):
    """Another process runs a server on this data folder. `pid` is that process, None when it is unknown."""

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        stop = f"find and stop it (fuser {data_dir}/lock)" if pid is None else f"stop it (kill -TERM {pid})"
        super().__init__(
            f"The embedded database in {data_dir} is already run by {holder}. "
            f"Use the running one, {stop}, or choose another data folder."
        )
        self.data_dir = data_dir
        self.pid = pid

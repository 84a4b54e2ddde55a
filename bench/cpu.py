"""Processor time of the server's processes, read from /proc: independent of who else wants the processor."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat behind the name, which may contain anything but ends at the last parenthesis.
_PARENT, _USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM = 1, 11, 12, 13, 14


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """Processor seconds of the application and of PostgreSQL, kernel time on their behalf included."""

    app: float
    postgres: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.app + self.postgres

    def __sub__(self, earlier: "CpuSeconds") -> "CpuSeconds":
        return CpuSeconds(self.app - earlier.app, self.postgres - earlier.postgres)


def cpu_seconds(*, app_pid: int | None, postgres_pid: int) -> CpuSeconds:
    """What both have used until now: each process with its living children and those that have ended."""
    processes = _all_processes()
    app = 0.0 if app_pid is None else _tree(processes, app_pid)
    return CpuSeconds(app, _tree(processes, postgres_pid))


def _all_processes() -> dict[int, list[str]]:
    while (processes := _one_look()) is None:
        pass
    return processes


def _one_look() -> dict[int, list[str]] | None:
    """The fields of every process; None when one ended meanwhile.

    Its parent counts it from then on, but the parent may have been read before: then its time would be in neither.
    """
    processes = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                return None
            processes[int(folder.name)] = text.rpartition(")")[2].split()
    return processes


def _tree(processes: dict[int, list[str]], root: int) -> float:
    fields = processes.get(root)
    if fields is None:
        return 0.0
    ticks = sum(int(fields[index]) for index in (_USER, _SYSTEM, _ENDED_USER, _ENDED_SYSTEM))
    children = [pid for pid, other in processes.items() if int(other[_PARENT]) == root]
    return ticks / _TICKS_PER_SECOND + sum(_tree(processes, child) for child in children)

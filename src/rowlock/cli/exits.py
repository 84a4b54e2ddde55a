"""How commands end: the exit codes, and the error that carries one."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the exit code of a command means; docs/reference/cli.md lists the same."""

    # The command did what it was asked to.
    OK = 0
    # A check found violations or problems, or the command was refused; standard error says why.
    REFUSED = 1
    # The command line or a setting is wrong. Nothing was done.
    USAGE = 2
    # No database can be reached.
    NO_DATABASE = 3
    # The given file cannot be read in the expected format.
    BAD_FILE = 4


class CommandError(Exception):
    """Ends a command with a message for people on standard error."""

    def __init__(self, code: ExitCode, message: str) -> None:
        super().__init__(message)
        self.code = code

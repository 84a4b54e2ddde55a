"""The exception of the plan readers: a file that cannot be read, with the place in it and what to do."""

from typing import Literal

from rowlock.catalogue.plan_files.findings import Finding

ErrorCode = Literal[
    "FILE_UNREADABLE",
    "FILE_EMPTY",
    "FILE_TOO_LARGE",
    "NOT_UTF8",
    "UNKNOWN_FORMAT",
    "WRONG_FORMAT",
    "TRUNCATED",
    "NOT_JSON",
    "NOT_CSV",
    "TOO_DEEP",
    "NOT_FINITE",
    "WRONG_TYPE",
    "FIELD_MISSING",
    "OUT_OF_RANGE",
    "TEXT_TOO_LONG",
    "TOO_MANY_SEATS",
    "TOO_MANY_ROWS",
    "TOO_MANY_SECTIONS",
    "TOO_MANY_CATEGORIES",
    "TOO_MANY_SHAPES",
    "NO_SEATS",
    "CATEGORY_CHOICE",
]


class PlanError(Exception):
    """A plan file that cannot become a plan.

    code     stable, for programs.
    place    where in the file: a JSON path (`zones[0].rows[3]`), or "line 4, column 7"; "" for the file itself.
    message  what was found, what is allowed, and what to do.
    """

    def __init__(self, code: ErrorCode, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.code: ErrorCode = code
        self.place = place
        self.message = message

    def finding(self) -> Finding:
        """Return the error as a finding, for pages that show both."""
        return Finding(self.code, "error", self.place, self.message, "The file was refused.")


def wrong_type(place: str, expected: str, found: object) -> PlanError:
    """Return the error for a value of the wrong type; `expected` is a phrase such as "a number"."""
    return PlanError("WRONG_TYPE", place, f"expected {expected}, found {describe(found)}")


def describe(value: object) -> str:
    """Describe a JSON value in a message: `text "abc"`, `a list of 3`, `nothing`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            printable = "".join(letter if letter.isprintable() else "�" for letter in value[:40])
            return f'text "{printable}{"…" if len(value) > 40 else ""}"'
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "an object"
        case int() | float() if abs(value) < 1e15:
            return f"the number {value}"
        case _:
            return "a number that is far too large"

"""What both dialects of CSV share: a line with its number, and the measures of a plan without coordinates."""

from dataclasses import dataclass

from rowlock.catalogue.plan_files.geometry import DEFAULT_PITCH

PITCH = DEFAULT_PITCH
ROW_SPACING = 30.0
STANDARD = "Standard"
"""The category of seats for which the file names none."""


@dataclass(slots=True)
class Line:
    """One line of the file that is not blank, with its number counted from 1."""

    number: int
    cells: list[str]

    def place(self, column: int) -> str:
        """Return the place of a cell, by its index from 0."""
        return f"line {self.number}, column {column + 1}"

"""The limits of a plan file. A file beyond one of them is refused, never truncated."""

MAX_BYTES = 64 * 1024 * 1024
"""Checked before a file is read. Indented pretix files need about 340 bytes a seat."""

MAX_SEATS = 200_000
"""Twice the number of the largest existing stadiums."""

MAX_DEPTH = 64
"""Levels of nested JSON. A seats.io chart with floors, sections and shapes needs about 12."""

MAX_CONTAINERS = 1_000_000
"""JSON objects and lists in one file, counted before parsing: each takes far more memory than two bytes.
A pretix seat needs two, a seats.io seat one."""

MAX_SECTIONS = 5_000
"""Sections, empty ones included: each costs more than the two bytes of `{}`."""

MAX_ROWS = 50_000
"""Rows, tables and booths, empty ones included."""

MAX_COORDINATE = 1_000_000.0
"""Plan units, in both directions."""

MAX_TEXT = 200
"""Characters in a name, a label or a number."""

MAX_CATEGORIES = 200

MAX_CATEGORY_OBJECTS = 2_000
"""Declarations in the file, before those of one name are merged."""

MAX_SHAPES = 20_000
"""Pieces of scenery, readable or not."""

MAX_SHAPE_POINTS = 20_000
"""Points of all scenery together."""

MAX_LINES = 1_500_000
"""Lines of a CSV file, blank ones included."""

MAX_COLUMNS = 5_000
"""Cells in one line of a CSV file."""

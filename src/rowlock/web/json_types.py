"""Types of members of JSON bodies that every noun uses."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

Instant = Annotated[datetime, Meta(tz=True)]
"""RFC 3339 with an offset. Without `tz` msgspec's schema says of a datetime that it is any text."""

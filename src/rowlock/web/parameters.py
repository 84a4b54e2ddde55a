"""Path parameters that several features use."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from rowlock.base.outcomes import Outcome
from rowlock.web.problems import ProblemError

ShowId = Annotated[str, Path(description="The show's UUID.", max_length=100)]


def parse_show_id(text: str) -> UUID:
    """The show id in `text`. Raises ProblemError SHOW_NOT_FOUND, also for a text that is not a UUID."""
    try:
        return UUID(text)
    except ValueError as error:
        raise ProblemError(Outcome.SHOW_NOT_FOUND) from error

"""Parts of paths that several nouns read."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from rowlock.base.outcomes import Outcome
from rowlock.web.problems import ProblemError

ShowId = Annotated[str, Path(description="The show's UUID.", max_length=100)]


def parse_show_id(text: str) -> UUID:
    """The show id that `text` spells. Raises ProblemError: an id that cannot be is as unknown as any other."""
    try:
        return UUID(text)
    except ValueError as error:
        raise ProblemError(Outcome.SHOW_NOT_FOUND) from error

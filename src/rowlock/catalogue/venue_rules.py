"""What can be told of a venue."""

from collections.abc import Sequence
from dataclasses import replace

from rowlock.catalogue.instants import check_time_zone
from rowlock.catalogue.model import CatalogueError, VenueChanges, VenueListing

_TEXT_LENGTH = 2_000


def change_venue(venue: VenueListing, changes: VenueChanges, sections: Sequence[str]) -> VenueListing:
    """The venue with the changes; `sections` are the names of the sections of its plans. Raises CatalogueError."""
    if changes.time_zone is not None:
        check_time_zone(changes.time_zone)
        venue = replace(venue, time_zone=changes.time_zone)
    if changes.address is not None:
        venue = replace(venue, address=_text("address", changes.address))
    if changes.access_notes is not None:
        venue = replace(venue, access_notes=_text("access notes", changes.access_notes))
    if changes.step_free_sections is not None:
        for name in changes.step_free_sections:
            if name not in sections:
                raise CatalogueError(
                    f"No plan of {venue.name} has a section {name!r}. It has: {', '.join(sections) or 'none'}."
                )
        venue = replace(venue, step_free_sections=list(dict.fromkeys(changes.step_free_sections)))
    return venue


def _text(what: str, text: str) -> str | None:
    if len(text) > _TEXT_LENGTH:
        raise CatalogueError(f"The {what} may have {_TEXT_LENGTH:,} characters, not {len(text):,}.")
    return text.strip() or None

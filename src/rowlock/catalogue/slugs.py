"""Slugs (names for URLs) made of titles."""

import re
import unicodedata

_SLUG_LENGTH = 60
_SLUGS_TRIED = 1000


def slugs(text: str) -> list[str]:
    """Slugs made of `text`, in the order in which to try them: `swan-lake`, `swan-lake-2`, `swan-lake-3` and so on."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    base = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:_SLUG_LENGTH].strip("-") or "untitled"
    return [base, *(f"{base}-{number}" for number in range(2, _SLUGS_TRIED))]

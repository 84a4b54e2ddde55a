"""The forms of texts that clients send, as patterns for the API's documents and as words for refusals.

A person who reads a refusal is told "a mail address such as anna@example.org", and not the pattern.
"""

import re

LINE = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
MAIL_ADDRESS = r"^[^\s@<>\x00-\x1f]+@[^\s@<>\x00-\x1f]+\.[^\s@<>\x00-\x1f]+$"
VISIBLE_ASCII = r"^[!-~]+$"

_END = r"(?!\n)$"
_WORDS = {
    LINE: "a line of text: not blank, and without line breaks and other control characters",
    MAIL_ADDRESS: "a mail address, such as anna@example.org",
    VISIBLE_ASCII: "letters, digits and signs of ASCII, without blanks",
}
_OF_MSGSPEC = {repr(pattern[:-1] + _END): words for pattern, words in _WORDS.items()}
_REGEX = re.compile(r"Expected `str` matching regex (?P<pattern>'.*'|\".*\")(?P<place> - at `[^`]*`)?", re.DOTALL)
_OTHER = "text in the form that /docs describes"


def whole(pattern: str) -> str:
    """A pattern for msgspec, whose `$` would let a line break pass behind the last character."""
    return pattern[:-1] + _END


def in_words(message: str) -> str:
    """What msgspec says of a body, with words in place of a pattern."""
    found = _REGEX.fullmatch(message)
    if found is None:
        return message
    return f"Expected {_OF_MSGSPEC.get(found['pattern'], _OTHER)}{found['place'] or ''}"


def words_of(pattern: str) -> str:
    """The words for a pattern of pydantic's."""
    return _WORDS.get(pattern, _OTHER)

"""Checks a plan file before a reader gets it: size, encoding, JSON syntax and depth; and detects its format.

Malformed and malicious files are refused here. Only the outermost keys of each format are known here.
"""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NoReturn

from rowlock.catalogue.plan_files import limits
from rowlock.catalogue.plan_files.errors import PlanError, describe

PlanFormat = Literal["pretix", "seatsio", "csv"]

_FORMATS_ALLOWED = (
    "A plan is a pretix seating plan (JSON), a seats.io chart (JSON), "
    "or a CSV file with a header line or with cells such as res:A1"
)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    *(
        (magic, "an Excel workbook or a ZIP archive. In Excel, save it as CSV UTF-8")
        for magic in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook. In Excel, save it as CSV UTF-8"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive. Unpack it first"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
)
_HEAD_BYTES = 1_000
_ZEROS_OF_TEXT = 0.1
"""A text may have a stray zero byte, but UTF-16 has one for each letter of the Latin alphabet, and other files more."""

_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_STRING_OR_CONSTANT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|(-?Infinity|NaN)', re.DOTALL)
_LONG_DIGITS = re.compile(r"[0-9]{4000,}")


def load_file(path: Path) -> bytes:
    """Return the bytes of a plan file; its size is checked before it is read. Raises PlanError."""
    try:
        if not path.is_file():
            raise PlanError("FILE_UNREADABLE", "", f'there is no file "{path.name}" to read')
        check_size(path.stat().st_size)
        with path.open("rb") as file:
            return file.read(limits.MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise PlanError("FILE_UNREADABLE", "", f'"{path.name}" cannot be read: {reason}') from error


def check_size(size: int) -> None:
    """Raise PlanError FILE_TOO_LARGE when a file of `size` bytes is beyond the limit."""
    if size > limits.MAX_BYTES:
        raise PlanError(
            "FILE_TOO_LARGE",
            "",
            f"the file has {size:,} bytes; a plan may have {limits.MAX_BYTES:,} (and {limits.MAX_SEATS:,} seats). "
            "Write the JSON without indentation, or split the venue into several plans",
        )


def decode(data: bytes) -> str:
    """Return the text of a file, without a byte order mark. Raises PlanError."""
    check_size(len(data))
    if not data.strip():
        raise PlanError("FILE_EMPTY", "", f"the file is empty. {_FORMATS_ALLOWED}")
    for magic, what in _MAGIC:
        if data.startswith(magic):
            raise PlanError("UNKNOWN_FORMAT", "", f"the file is {what}. {_FORMATS_ALLOWED}")
    head = data[:_HEAD_BYTES]
    if head.count(0) > len(head) * _ZEROS_OF_TEXT:
        raise PlanError(
            "NOT_UTF8",
            f"byte {head.index(0) + 1}",
            "the file has zero bytes, as UTF-16 and files that are no text have. Save it as UTF-8 "
            '(in Excel: "CSV UTF-8") and try again',
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise PlanError(
            "NOT_UTF8",
            f"line {line}, byte {column}",
            f"byte 0x{data[error.start]:02x} is not UTF-8. Save the file as UTF-8 "
            '(in Excel: "CSV UTF-8") and try again',
        ) from None
    if not text.strip():
        raise PlanError("FILE_EMPTY", "", f"the file is empty. {_FORMATS_ALLOWED}")
    return text


def looks_like_json(text: str) -> bool:
    """Say whether the text begins like JSON."""
    return text.lstrip()[:1] in {"{", "["}


def parse_json(text: str) -> dict[str, Any]:
    """Return the JSON object in `text`; raises PlanError with line and column for anything else."""
    if text.count("{") + text.count("[") > limits.MAX_CONTAINERS:
        raise PlanError(
            "FILE_TOO_LARGE",
            "",
            f"the file has more than {limits.MAX_CONTAINERS:,} JSON objects and lists, more than any plan of "
            f"{limits.MAX_SEATS:,} seats needs. Split the venue into several plans",
        )
    try:
        tree = json.loads(text, parse_constant=lambda _: _refuse_constant(text), object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise _syntax_error(text, error) from None
    except RecursionError:
        raise _too_deep(text) from None
    except ValueError:
        # Python refuses to convert integers of thousands of digits.
        found = _LONG_DIGITS.search(text)
        place = _line_and_column(text, found.start()) if found else ""
        raise PlanError("OUT_OF_RANGE", place, "a number has too many digits to be a coordinate") from None
    if _depth(tree) > limits.MAX_DEPTH:
        raise _too_deep(text)
    if not isinstance(tree, dict):
        raise PlanError("UNKNOWN_FORMAT", "", f"expected a JSON object, found {describe(tree)}. {_FORMATS_ALLOWED}")
    return tree


def format_of_json(tree: dict[str, Any]) -> PlanFormat:
    """Return the format of a JSON file, by its outermost keys. Raises PlanError."""
    if "subChart" in tree or "subChartFloors" in tree:
        return "seatsio"
    if "zones" in tree:
        return "pretix"
    raise PlanError(
        "UNKNOWN_FORMAT",
        "",
        'the JSON has neither "zones" (pretix) nor "subChart" (seats.io) on its outermost level. ' + _FORMATS_ALLOWED,
    )


def check_csv(name: str, text: str) -> None:
    """Raise PlanError UNKNOWN_FORMAT when a text that is not JSON does not look like CSV either."""
    start = text.lstrip()
    if start.startswith("<"):
        raise PlanError("UNKNOWN_FORMAT", "", f"the file looks like XML, SVG or HTML. {_FORMATS_ALLOWED}")
    if name.lower().endswith((".csv", ".tsv", ".txt")):
        return
    first_line = start.split("\n", 1)[0]
    if not any(mark in first_line for mark in ",;\t:"):
        raise PlanError("UNKNOWN_FORMAT", "line 1", f"this is neither JSON nor CSV. {_FORMATS_ALLOWED}")


def wrong_format(chosen: PlanFormat, found: PlanFormat) -> PlanError:
    """Return the error for a file that was read as another format than it has."""
    names = {"pretix": "a pretix seating plan", "seatsio": "a seats.io chart", "csv": "a CSV file"}
    return PlanError(
        "WRONG_FORMAT",
        "",
        f'the file was to be read as {names[chosen]}, but it looks like {names[found]}. Choose "{found}", '
        "or choose no format and let it be detected",
    )


def _without_repeats(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; refuse one that has a member twice, because only the last would be read."""
    tree = dict(members)
    if len(tree) < len(members):
        names = Counter(name for name, _ in members)
        repeated = json.dumps(next(name for name, times in names.items() if times > 1)[:40])
        found = f"an object has the member {repeated} more than once, and only one can count"
        raise PlanError("NOT_JSON", "", f"{found}. Remove the others")
    return tree


def _depth(tree: object) -> int:
    """Return how deep lists and objects are nested, without recursion."""
    depth = 0
    level = [tree] if isinstance(tree, dict | list) else []
    while level:
        depth += 1
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
    return depth


def _too_deep(text: str) -> PlanError:
    depth = 0
    position = 0
    for match in _STRING_OR_BRACKET.finditer(text):
        bracket = match.group()
        depth += (bracket in "[{") - (bracket in "]}")
        if depth > limits.MAX_DEPTH:
            position = match.start()
            break
    return PlanError(
        "TOO_DEEP",
        _line_and_column(text, position),
        f"objects and lists are nested more than {limits.MAX_DEPTH} levels deep here; no plan format needs that. "
        "Export the plan again",
    )


def _syntax_error(text: str, error: json.JSONDecodeError) -> PlanError:
    place = f"line {error.lineno}, column {error.colno}"
    if error.msg.startswith("Unterminated string"):
        return PlanError("TRUNCATED", place, "the file ends in the text that starts here. Export or copy it again")
    reason = error.msg[0].lower() + error.msg[1:]
    if error.pos >= len(text.rstrip()):
        return PlanError("TRUNCATED", place, f"the file ends in the middle ({reason}). Export or copy it again")
    return PlanError("NOT_JSON", place, f"this is not JSON: {reason}. Export the plan again")


def _refuse_constant(text: str) -> NoReturn:
    constants = (match for match in _STRING_OR_CONSTANT.finditer(text) if match.group(1))
    match = next(constants, None)
    raise PlanError(
        "NOT_FINITE",
        _line_and_column(text, match.start()) if match else "",
        f"expected a number, found {match.group(1) if match else 'NaN'}, which is not JSON. Export the plan again",
    )


def _line_and_column(text: str, position: int) -> str:
    line = text.count("\n", 0, position) + 1
    return f"line {line}, column {position - text.rfind(chr(10), 0, position)}"

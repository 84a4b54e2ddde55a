"""Turns values into accessible PDF files, with typst and the templates and fonts in `documents`.

What is on a page is left to the templates, and which values they get to the modules that call this. Text is passed as
JSON and never as source of a template, so nothing in it is executed.
"""

import json
import logging
import re
import struct
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

import typst

FOLDER = Path(__file__).with_name("documents")
FONTS = FOLDER / "fonts"
STANDARD: Literal["ua-1"] = "ua-1"
LONG_WORD = 30
"""Characters. The narrowest column of running text takes about 40."""

_MOST_COMBINING = 2
# Controls that change the direction of what follows could make a text read as another one.
_DIRECTION_CONTROLS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# Shapers use these and draw nothing: joiners and variation selectors.
_INVISIBLE = frozenset({0x200C, 0x200D, *range(0xFE00, 0xFE10)})
_NO_GLYPH = "\u25fb"
_MAY_BREAK = "\u200b"
_CUT_BEFORE = 20

_log = logging.getLogger(__name__)


class Paper(StrEnum):
    """The paper that a document is laid out for; typst's names."""

    A4 = "a4"
    LETTER = "us-letter"


def typeset(template: str, values: object, *, created_at: datetime) -> bytes:
    """The PDF file that a template makes of JSON values: tagged, PDF/UA-1, with the fonts in it.

    The same arguments make the same bytes. Takes tens of milliseconds of a processor: call it from a thread.
    """
    source = FOLDER / template
    inputs = {"values": json.dumps(values, ensure_ascii=False)}
    try:
        return _compile(source, inputs, created_at, [STANDARD])
    except typst.TypstError:
        # A text that no font of ours can set, such as a letter with a mark of another script. The buyer needs the
        # document all the same; it is tagged, and shows an empty box where the character was.
        # The error names the text, which may be a buyer's name, so the log does not have it.
        _log.warning("A document made with %s does not reach %s: no font has a character of it", template, STANDARD)
        return _compile(source, inputs, created_at, [])


def _compile(source: Path, inputs: dict[str, str], created_at: datetime, standards: list[Literal["ua-1"]]) -> bytes:
    compiler = typst.Compiler(source, root=FOLDER, font_paths=_fonts(), ignore_system_fonts=True, sys_inputs=inputs)
    made = compiler.compile(format="pdf", pdf_standards=[*standards], timestamp=int(created_at.timestamp()))
    assert isinstance(made, bytes), "a PDF file is one document"
    return made


@cache
def _fonts() -> typst.Fonts:
    """The bundled fonts only, so that a document looks the same on every machine."""
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])


def printable(text: str | None, limit: int) -> str:
    """A text that can be set safely in one paragraph of at most `limit` characters; empty for None.

    Without controls, and with at most two combining marks on a letter. A character that no font has becomes a box.
    """
    plain = unicodedata.normalize("NFC", " ".join(_DIRECTION_CONTROLS.sub("", text or "").split()))
    kept: list[str] = []
    marks = 0
    for character in plain:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Co", "Cn") or (category == "Cf" and ord(character) not in _INVISIBLE):
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= _MOST_COMBINING:
            kept.append(character if ord(character) in _characters() else _NO_GLYPH)
    return _cut(" ".join("".join(kept).split()), limit)


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters, cut after a word where one ends near."""
    if len(text) <= limit:
        return text
    start = text[: limit - 1]
    words = start[: start.rfind(" ")] if " " in start[-_CUT_BEFORE:] else start
    return words.rstrip(" .,;:") + "…"


def direction(text: str) -> str:
    """`rtl` or `ltr`, by the first letter that has a direction."""
    for character in text:
        kind = unicodedata.bidirectional(character)
        if kind in ("R", "AL"):
            return "rtl"
        if kind == "L":
            return "ltr"
    return "ltr"


def directed(text: str | None, limit: int, *, word: int = LONG_WORD) -> dict[str, str]:
    """A printable text with its direction, as the templates take what people wrote.

    Words of more than `word` characters may be broken, so that none reaches over the edge of its column.
    """
    shown = printable(text, limit)
    part = r"[^\s/-]"
    broken = re.sub(rf"{part}{{{word}}}(?={part})", lambda run: run[0] + _MAY_BREAK, shown)
    return {"text": broken, "dir": direction(shown)}


@cache
def _characters() -> frozenset[int]:
    """The code points that one of the fonts has a glyph for, and those that need none."""
    found = set(_INVISIBLE)
    for path in sorted(FONTS.glob("*.ttf")):
        found.update(_mapped(path.read_bytes()))
    return frozenset(found)


def _mapped(font: bytes) -> Iterator[int]:
    """The code points in the character map of a TrueType font (OpenType specification, `cmap`, formats 4 and 12)."""
    tables = struct.unpack_from(">H", font, 4)[0]
    directory = {font[12 + 16 * n : 16 + 16 * n]: struct.unpack_from(">L", font, 20 + 16 * n)[0] for n in range(tables)}
    start = directory[b"cmap"]
    for n in range(struct.unpack_from(">H", font, start + 2)[0]):
        at = start + struct.unpack_from(">L", font, start + 8 + 8 * n)[0]
        kind = struct.unpack_from(">H", font, at)[0]
        if kind == 12:
            for group in range(struct.unpack_from(">L", font, at + 12)[0]):
                first, last = struct.unpack_from(">LL", font, at + 16 + 12 * group)
                yield from range(first, last + 1)
        elif kind == 4:
            half = struct.unpack_from(">H", font, at + 6)[0]
            lasts = struct.unpack_from(f">{half // 2}H", font, at + 14)
            firsts = struct.unpack_from(f">{half // 2}H", font, at + 16 + half)
            for first, last in zip(firsts, lasts, strict=True):
                if first != 0xFFFF:
                    yield from range(first, last + 1)

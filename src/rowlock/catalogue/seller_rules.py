"""What can be told of an organization as the seller on receipts. The lengths are those that a receipt can print."""

from dataclasses import replace

from rowlock.catalogue.model import CatalogueError, Seller, SellerChanges

_NAME_LENGTH, _LINE_LENGTH, _LINES, _TAX_ID_LENGTH = 120, 120, 6, 60


def change_seller(seller: Seller, changes: SellerChanges) -> Seller:
    """The seller with the changes. Raises CatalogueError."""
    if changes.legal_name is not None:
        seller = replace(seller, legal_name=_line("legal name", changes.legal_name, _NAME_LENGTH))
    if changes.address is not None:
        seller = replace(seller, address=_address(changes.address))
    if changes.tax_id is not None:
        seller = replace(seller, tax_id=_line("tax id", changes.tax_id, _TAX_ID_LENGTH))
    return seller


def _address(text: str) -> str | None:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _LINES:
        raise CatalogueError(f"The address may have at most {_LINES} lines, not {len(lines)}.")
    return "\n".join(_line("line of the address", line, _LINE_LENGTH) or "" for line in lines) or None


def _line(what: str, text: str, most: int) -> str | None:
    text = text.strip()
    if len(text) > most:
        raise CatalogueError(f"A {what} may have at most {most} characters, not {len(text)}.")
    if not text.isprintable():
        raise CatalogueError(f"A {what} is one line of visible characters, not {text!r}.")
    return text or None

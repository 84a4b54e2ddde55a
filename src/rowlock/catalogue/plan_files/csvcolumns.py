"""The columns of a list, and the other names that lists give them.

Box offices and ticket shops write `Reihe;Platz`, `seat_row,seat_number` or `Sector,Row,Number`. Without these names
such a list would be no list, and its lines would be read as the rows of a grid.
"""

from collections.abc import Sequence

REQUIRED = frozenset({"row", "seat"})
COLUMNS = frozenset({"section", "row", "seat", "category", "x", "y", "kind", "id"})

_OTHER_NAMES: dict[str, str] = {
    "row": "row label, row name, row number, row no, rownum, seat row, reihe, sitzreihe, rangée, fila, fileira, "
    "riga, rij, række, rivi, řada, rząd, sor, sıra, ряд, σειρά, שורה, صف, ردیف, 列, 排, 行, 열",
    "seat": "seat number, seat no, seatnum, seat label, seat name, seat nr, number, no, nr, platz, platznummer, sitz, "
    "sitzplatz, sitznummer, place, siège, fauteuil, asiento, butaca, assento, lugar, cadeira, posto, stoel, plats, "
    "plads, paikka, sedadlo, miejsce, szék, sedište, koltuk, место, кресло, місце, θέση, מושב, مقعد, صندلی, "
    "座席, 座席番号, 座位, 座位号, 座位號, 席, 좌석, 좌석번호",
    "section": "section name, sector, block, area, sitzbereich, bereich, sektor, secteur, sección, seção, settore, "
    "vak, sektion, сектор, секція",
    "category": "category name, seat category, price category, kategorie, preiskategorie, platzkategorie, catégorie, "
    "categoría, categoria, categorie, kategori, kategoria, категория",
    "kind": "seat kind",
    "id": "seat id, seat guid, guid",
}
_COLUMN_OF = {
    name.strip().casefold(): column for column, names in _OTHER_NAMES.items() for name in names.split(",")
} | {column: column for column in COLUMNS}


def columns_of(titles: Sequence[str]) -> dict[str, int]:
    """Return where each column of a list is, by the titles of its header as `csvlist.titles` returns them.

    Its own name counts more than another name, and of two other names the first; what is left is not among them.
    """
    found = {title: index for index, title in reversed(list(enumerate(titles))) if title in COLUMNS}
    for index, title in enumerate(titles):
        column = _COLUMN_OF.get(_plain(title))
        if column is not None:
            found.setdefault(column, index)
    return found


def is_header(titles: Sequence[str]) -> bool:
    """Say whether a line names every column that a list needs."""
    return columns_of(titles).keys() >= REQUIRED


def looks_like_header(titles: Sequence[str]) -> bool:
    """Say whether a line names one of the columns that a list needs, or x and y, and has no number, as a grid has."""
    if REQUIRED.intersection(titles):
        return True
    no_number = not any(letter.isdecimal() for title in titles for letter in title)
    columns = columns_of(titles).keys()
    return no_number and (bool(columns & (REQUIRED | {"id"})) or columns >= {"x", "y"})


def _plain(title: str) -> str:
    return " ".join(title.replace("_", " ").replace("-", " ").replace(".", " ").split())

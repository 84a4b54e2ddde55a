"""The words by which sections say how near to the stage they are, and which lie side by side, by language.

Only names are judged here; `front_rows` and the CSV reader decide what to make of them.
"""

import re
from functools import cache

from rowlock.catalogue.plan_files.stage_words import fold, tokens

# Language: the lowest tier | the next one | the highest.
_TIERS = """
Chinese: 池座, 一楼 | 楼座, 二楼 | 三楼
Czech: parter, přízemí | balkon | galerie
Danish: gulv, parket | balkon | galleri
Dutch: zaal, parterre, parket | balkon | galerij
English: stalls, orchestra, parterre, floor, ground | circle, mezzanine, balcony, loge, terrace | gallery, gods, upper
French: parterre, orchestre, fosse | balcon, corbeille, mezzanine | poulailler, paradis, galerie
German: parkett, erdgeschoss, saal | rang, balkon, empore, oberrang | galerie, olymp
Hungarian: földszint | erkély | karzat
Indonesian: lantai dasar, festival | balkon, tribun | galeri
Italian: platea, parterre | palchi, balconata, galleria | loggione
Japanese: アリーナ | バルコニー | 天井桟敷
Polish: parter | balkon | galeria
Portuguese: plateia | balcão, camarote | galeria
Russian: партер | балкон, бельэтаж, амфитеатр | галерея, ярус
Spanish: platea, butacas | anfiteatro, palcos, entresuelo | paraíso, gallinero, galería
Swedish: parkett | balkong, rad | galleri
"""
# With a number, these say the tier by themselves: "Floor 3", "2. Rang".
_LEVELS = """
floor level tier balcony circle rang etage étage stock nivel piso andar piano livello nivå våning piętro patro
emelet этаж ярус lantai tingkat 階 楼
"""
# Language: left | middle | right, as the audience sees the stage.
_SIDES = """
Chinese: 左, 左侧, 左側 | 中, 中央, 中间 | 右, 右侧, 右側
Czech: levá, levý, vlevo | střed | pravá, pravý, vpravo
Danish: venstre | midt, midten | højre
Dutch: links, linker | midden | rechts, rechter
English: left | centre, center, middle, mid, central | right
French: gauche | centre, milieu, central | droite
German: links, linke, linker, linkes | mitte | rechts, rechte, rechter, rechtes
Hungarian: bal, baloldal | közép, közepe | jobb, jobboldal
Indonesian: kiri | tengah | kanan
Italian: sinistra | centro, centrale | destra
Polish: lewa, lewy | środek | prawa, prawy
Portuguese: esquerda, esquerdo | centro, meio | direita, direito
Russian: левая, левый, лево | центр, середина | правая, правый, право
Spanish: izquierda | centro, central | derecha
Swedish: vänster | mitten | höger
Turkish: sol | orta | sağ
"""


def tier_of(name: str) -> float | None:
    """Return how far from the stage a section's name says it is, 0 for the stalls; None when it does not say."""
    words = set(tokens(name))
    number = re.search(r"[0-9]{1,2}", fold(name))
    if number is not None and words & _levels():
        return float(int(number.group()))
    return max((float(tier) for tier, of_tier in enumerate(_columns(_TIERS)) if words & of_tier), default=None)


def side_of(name: str) -> tuple[str, int] | None:
    """Return a name without its word for left, middle or right, and which it was (0, 1, 2); None if it has none."""
    words = list(tokens(name))
    for side, of_side in enumerate(_columns(_SIDES)):
        if found := [word for word in words if word in of_side]:
            words.remove(found[0])
            return " ".join((*words, *re.findall("[0-9]+", name))), side
    return None


@cache
def _levels() -> frozenset[str]:
    return frozenset(map(fold, _LEVELS.split()))


@cache
def _columns(table: str) -> tuple[frozenset[str], ...]:
    """Return the folded words of each column of a table."""
    lines = [line.partition(":")[2].split("|") for line in table.strip().splitlines()]
    columns = zip(*lines, strict=True)
    return tuple(frozenset(fold(word.strip()) for cell in column for word in cell.split(",")) for column in columns)

"""The words for what an audience looks at, by language, and whether a text on a map is one of them.

Only texts are judged here; which of several shapes is the stage is decided in `stage`. The words are those that seating
plans in each language print on the map: for a stage, for a court or field, for a screen. A word that means something
else in another of these languages is left out, or listed in `_ONLY_BESIDE`.
"""

import re
import unicodedata
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Literal

Sight = Literal["stage", "court", "screen"]

# Language: words for a stage | for a court, a field, a ring or a rink | for a screen.
_TABLE = """
Afrikaans: verhoog | speelveld | skerm
Arabic: مسرح, المسرح, خشبة المسرح, منصة, المنصة | ملعب, الملعب, أرض الملعب | شاشة, الشاشة
Armenian: բեմ | խաղադաշտ | էկրան
Basque: agertokia, oholtza | zelaia, kantxa | pantaila
Bengali: মঞ্চ | মাঠ | পর্দা
Bulgarian: сцена | игрище, терен | екран
Catalan: escenari | camp de joc, terreny de joc | pantalla
Chinese: 舞台, 舞臺, 主舞台, 戏台, 戲台 | 球场, 球場, 场地, 場地, 比赛场地, 比賽場地 | 银幕, 銀幕, 屏幕, 螢幕
Croatian: pozornica, bina | teren, igralište | platno
Czech: jeviště, pódium, scéna | hřiště, hrací plocha, kurt | plátno
Danish: scene, scenen | bane, banen, spilleplads | lærred
Dutch: podium, toneel | speelveld, veld | doek, filmdoek
English: stage, mainstage, forestage, podium, bandstand | court, pitch, field, rink, ring, ice, ice rink, \
    boxing ring, field of play, playing field, playing area, arena floor, track, octagon, cage, pool | screen
Estonian: lava | väljak, mänguväljak | ekraan
Filipino: entablado | palaruan |
Finnish: lava, näyttämö, esiintymislava | kenttä, pelikenttä, kaukalo | valkokangas
French: scène, estrade, podium, avant scène | terrain, terrain de jeu, aire de jeu, court, patinoire, piste, ring | \
    écran
Georgian: სცენა | მოედანი | ეკრანი
German: bühne, buehne, hauptbühne, vorbühne, bühnenfläche, bühnenbereich, podium | spielfeld, spielfläche, feld, \
    sportfeld, eisfläche, manege, ring, rasen | leinwand
Greek: σκηνή | γήπεδο, αγωνιστικός χώρος | οθόνη
Hebrew: במה, הבמה | מגרש, המגרש | מסך
Hindi: मंच, रंगमंच, स्टेज | मैदान | पर्दा
Hungarian: színpad | pálya, játéktér | vászon, vetítővászon
Icelandic: svið, sviðið | völlur | tjald
Indonesian: panggung, pentas | lapangan, lapangan pertandingan, gelanggang | layar
Irish: stáitse | páirc | scáileán
Italian: palcoscenico, scena | campo, campo da gioco, campo di gioco, terreno di gioco | schermo
Japanese: 舞台, ステージ | コート, フィールド, グラウンド, リンク | スクリーン
Korean: 무대, 스테이지 | 코트, 필드, 경기장, 링크 | 스크린
Latvian: skatuve | laukums | ekrāns
Lithuanian: scena | aikštė, aikštelė | ekranas
Malay: pentas, panggung | padang, gelanggang | skrin
Norwegian: scene, scenen | bane, banen, spillebane | lerret
Persian: صحنه | زمین بازی, زمین مسابقه | پرده
Polish: scena, estrada | boisko, kort, lodowisko, płyta boiska | ekran
Portuguese: palco, palco principal | quadra, campo, relvado, gramado | ecrã, tela
Romanian: scenă, scena | teren, teren de joc | ecran
Russian: сцена, эстрада | поле, футбольное поле, площадка, корт, манеж, ринг | экран
Serbian: бина, позорница, сцена, bina, pozornica | терен, teren | платно, platno
Slovak: javisko, pódium, scéna | ihrisko, hracia plocha | plátno
Slovenian: oder | igrišče | platno
Spanish: escenario, tarima, escena | cancha, campo, campo de juego, terreno de juego, pista de juego, ruedo | pantalla
Swedish: scen, scenen | spelplan | filmduk
Tamil: மேடை | மைதானம் | திரை
Thai: เวที | สนาม | จอ
Turkish: sahne | saha, oyun alanı, kort | perde
Ukrainian: сцена, естрада | поле, майданчик | екран
Vietnamese: sân khấu | sân, sân đấu, sân bóng, sân thi đấu | màn hình
Welsh: llwyfan | cae | sgrin
"""

# "Palco" is a stage in Portuguese and a box in Italian and Spanish: it counts only on a plan that is in Portuguese.
_ONLY_BESIDE = {"palco": "plateia balcao balcoes camarote camarotes frisas cadeiras assentos saida"}

# What may stand beside such a word without making another thing of it: which stage it is, or which game is played.
_NEUTRAL = """
the die der das la le les il el los o os de da main front big great grand grande centre center central centrale
principal principale haupt große hoofd stor główna glavna главная основная головна utama area live open air
concert show theatre theater basketball football soccer handball volleyball tennis badminton futsal hockey ice
eishockey sports fußball basket bola voli tenis
"""

# Beside one of these, a stage is only named as the place something else is near.
_ELSEWHERE = """
to at by of near behind from left right side back rear under over no not view door doors entrance entry exit
stairs steps lift seat seats box boxes row rows bar crew manager pit access toilet toilets zum zur an vor hinter
neben links rechts tür eingang ausgang aufgang treppe reihe plätze à au vers côté derrière porte entrée sortie
accès escalier al hacia detrás lado puerta entrada salida acceso verso dietro lato porta ingresso uscita naar
achter deur ingang uitgang do za wejście wyjście drzwi к за вход выход дверь ke di pintu masuk keluar samping
"""

_PARTS = re.compile(r"[/|\\()\[\]{}&+;:,•·∙*=<>«»\"“”„–—]")  # A hyphen is none: S-T-A-G-E is one word.
_MOST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text names, and whether it says nothing else."""

    sight: Sight
    alone: bool


def read(text: str, beside: Set[str] = frozenset()) -> Reading | None:
    """Return what the text names, or None when it names no stage, court or screen, or only a way to one.

    beside  folded words of the plan's other texts, which decide about words that differ between languages.
    """
    words = list(tokens(text))[: 4 * _MOST_WORDS]
    found: list[Sight] = []
    others: list[str] = []
    position = 0
    while position < len(words):
        length, sight = _match(words, position, beside)
        if sight is None:
            others.append(words[position])
        else:
            found.append(sight)
        position += length
    if not found:
        return None
    alone = all(word in _folded(_NEUTRAL) for word in others)
    if not alone and (len(words) > _MOST_WORDS or _folded(_ELSEWHERE) & set(others)):
        return None
    return Reading(found[0], alone)


def tokens(text: str) -> Iterator[str]:
    """Yield the folded words of a text: letters that stand apart are joined, and scripts are parted."""
    for part in _PARTS.split(text):
        words = [word for word in _letters(fold(part)) if word]
        # "S T A G E": at least three letters, each a word of its own.
        if len(words) > 2 and all(len(word) == 1 for word in words):
            words = ["".join(words)]
        for word in words:
            # "舞台STAGE" is two words, though nothing is between them.
            yield from ("".join(run) for _, run in groupby(word, key=_script))


def fold(text: str) -> str:
    """Return the text without case, width and accents: what two people who write the same word agree on."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return unicodedata.normalize("NFC", "".join(c for c in plain if not "\u0300" <= c <= "\u036f"))


def languages() -> tuple[str, ...]:
    """Return the languages of the table."""
    return tuple(line.partition(":")[0] for line in _lines())


def _match(words: list[str], position: int, beside: Set[str]) -> tuple[int, Sight | None]:
    """Return how many words from a position on are one term of the table, and what it names."""
    terms = _terms()
    for length in range(min(4, len(words) - position), 0, -1):
        term = tuple(words[position : position + length])
        if term in terms:
            needed = _ONLY_BESIDE.get(term[0])
            return length, terms[term] if needed is None or not _folded(needed).isdisjoint(beside) else None
    return 1, None


def _letters(text: str) -> Iterator[str]:
    """Yield the runs of letters; vowel signs of Indic and Thai script are parts of their letters."""
    for is_word, run in groupby(text, key=lambda c: unicodedata.category(c)[0] in "LM"):
        if is_word:
            yield "".join(run)


def _script(character: str) -> str:
    return re.split("[ -]", unicodedata.name(character, "?"), maxsplit=1)[0]


@cache
def _terms() -> dict[tuple[str, ...], Sight]:
    """Every term of the table, as its folded words."""
    sights: tuple[Sight, ...] = ("stage", "court", "screen")
    found: dict[tuple[str, ...], Sight] = {}
    for line in _lines():
        for sight, column in zip(sights, line.partition(":")[2].split("|"), strict=True):
            for term in filter(None, map(str.strip, column.split(","))):
                found.setdefault(tuple(tokens(term)), sight)
    return found


@cache
def _folded(words: str) -> frozenset[str]:
    return frozenset(map(fold, words.split()))


def _lines() -> list[str]:
    return [line for line in _TABLE.replace("\\\n", "").splitlines() if line.strip()]

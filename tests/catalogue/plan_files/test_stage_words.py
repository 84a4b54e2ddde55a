"""The words for a stage, a court and a screen: what a text on a map names, and what it only mentions."""

import pytest

from rowlock.catalogue.plan_files import stage_words
from rowlock.catalogue.plan_files.stage_words import Reading, Sight


@pytest.mark.parametrize(
    "text",
    [
        *("STAGE", "stage", "Stage:", "* Stage *", "Main Stage", "Stage 1", "Stage area", "The Stage", "MAINSTAGE"),
        *("S T A G E", "S-T-A-G-E", "S.T.A.G.E.", "S  T  A  G  E", "B Ü H N E", "S T A G E / B Ü H N E"),
        *("Stage / Bühne", "Bühne/Stage", "Bühne (Stage)", "舞台 STAGE", "舞台STAGE", "STAGE | SCÈNE"),
        *("Hauptbühne", "Buehne", "Buhne", "Bühne", "Scène", "SCENE", "escenario", "palcoscenico", "Scena"),
        *(
            "СЦЕНА",
            "Сцена",
            "σκηνή",
            "ΣΚΗΝΗ",
            "舞台",
            "舞臺",
            "ステージ",
            "무대",
            "เวที",
            "मंच",
            "মঞ্চ",
            "மேடை",
            "مسرح",
            "במה",
        ),
        *(
            "Sân khấu",
            "Panggung",
            "PANGGUNG UTAMA",
            "Sahne",
            "Színpad",
            "Jeviště",
            "Javisko",
            "Näyttämö",
            "Scenă",
            "სცენა",
        ),
        "\uff33\uff34\uff21\uff27\uff25",  # In letters of full width.
    ],
)
def test_a_stage_is_recognised(text: str) -> None:
    assert stage_words.read(text) == Reading("stage", alone=True)


@pytest.mark.parametrize(
    ("text", "sight"),
    [
        *((text, "court") for text in ("LAPANGAN", "Spielfeld", "Court", "Centre Court", "Football pitch", "Terrain")),
        *(
            (text, "court")
            for text in ("Field of play", "Campo de juego", "コート", "球场", "Поле", "Ice rink", "أرض الملعب")
        ),
        *((text, "screen") for text in ("Screen", "Leinwand", "Écran", "スクリーン", "Экран")),
    ],
)
def test_a_court_and_a_screen_are_recognised(text: str, sight: Sight) -> None:
    assert stage_words.read(text) == Reading(sight, alone=True)


@pytest.mark.parametrize(
    "text",
    [
        *("to the stage door", "Stage door", "Stage entrance", "Stage Left", "Behind the stage", "Stairs to stage"),
        *(
            "Backstage",
            "Hinterbühne",
            "Bühneneingang",
            "zur Bühne",
            "Accès à la scène",
            "Вход на сцену",
            "Stage-side boxes",
        ),
        *(
            "Palco",
            "PALCO 12",
            "Palchi",
            "Orchestra",
            "Courtyard",
            "Côté cour",
            "Platz",
            "Row A",
            "E X I T",
            "",
            "—",
            "S",
        ),
        "Please do not step on the stage while the band is playing",
    ],
)
def test_what_only_mentions_a_stage_or_means_something_else_is_none(text: str) -> None:
    assert stage_words.read(text) is None


def test_palco_is_a_stage_where_the_plan_is_in_portuguese() -> None:
    assert stage_words.read("Palco", {"plateia"}) == Reading("stage", alone=True)
    assert stage_words.read("Palco", {"platea", "galleria"}) is None


def test_a_phrase_with_other_words_is_told_from_the_word_alone() -> None:
    assert stage_words.read("STAGE approx. 12 x 8 m") == Reading("stage", alone=False)
    assert stage_words.read("Bühne Kammerspiele") == Reading("stage", alone=False)


def test_the_table_has_the_words_of_many_languages_once_each() -> None:
    assert len(stage_words.languages()) == len(set(stage_words.languages())) >= 40

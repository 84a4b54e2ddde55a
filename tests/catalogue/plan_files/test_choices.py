"""What only the operator can say: which categories are never sold, and which are accessible places."""

import pytest
from tests.catalogue.plan_files.builders import Json, only, pretix_plan, pretix_row, pretix_zone, read

from rowlock.catalogue.plan_files import Choices, GivenStage, PlanError, pretix, read_plan
from rowlock.catalogue.plan_files.words import sounds_accessible, sounds_unsold


def plan_of(*used: str) -> Json:
    row = pretix_row("A", 50, [50 + 25 * index for index in range(len(used))])
    for seat, category in zip(row["seats"], used, strict=True):
        seat["category"] = category
    return pretix_plan(pretix_zone("Hall", row), categories=[{"name": name} for name in dict.fromkeys(used)])


@pytest.mark.parametrize(
    "name",
    [
        "Accessible seating",
        "ADA",
        "Handicap",
        "Fauteuil roulant",
        "Wheelchair + Companion",
        "Rollstuhlplätze",
        "Begleitung",
        "Posti disabili",
        "Silla de ruedas",
        "Rolstoelplaatsen",
        "Miejsca dla wózków",
        "Для инвалидов",
        "車椅子席",
        "휠체어석",
        "Parkett ♿",
    ],
)
def test_accessibility_words_are_warned_of_and_change_nothing(name: str) -> None:
    reading = read(plan_of("Stalls", name, name))

    assert {seat.kind for seat in reading.plan.seats} == {"standard"}
    finding = only(reading.report, "ACCESSIBILITY_UNUSED")
    assert (finding.severity, finding.place) == ("warning", "categories[1]")
    assert "2 seats" in finding.found
    assert f'--wheelchair "{name}"' in finding.done


@pytest.mark.parametrize(
    "name", ["Stalls", "Canada", "Chariot row", "Circle", "Loge", "Parkett Mitte", "Ada Lovelaces"]
)
def test_other_names_are_not_warned_of(name: str) -> None:
    assert sounds_accessible(name) is (name == "Ada Lovelaces")  # "ADA" is a name too: a warning changes nothing.


@pytest.mark.parametrize(("section", "row"), [("Rollstuhlplätze", "A"), ("Hall", "Wheelchair bay")])
def test_sections_and_rows_of_ordinary_seats_that_speak_of_accessible_places_are_warned_of(
    section: str, row: str
) -> None:
    reading = read(pretix_plan(pretix_zone(section, pretix_row(row, 50, (50, 75)))))

    assert "2 seats are ordinary ones" in only(reading.report, "ACCESSIBILITY_UNUSED").found


def test_places_that_are_accessible_are_not_warned_of() -> None:
    row = pretix_row("Wheelchair bay", 50, (50, 75))
    row["seats"][0]["wheelchair"] = True

    assert read(pretix_plan(pretix_zone("Hall", row)), given=GivenStage("top")).report.warnings == 0


@pytest.mark.parametrize(
    "name", ["Gesperrt", "Gesperrt (Regie)", "Blocked seats", "Crew", "Kamera links", "kein Verkauf"]
)
def test_names_that_sound_unsold_are_warned_of_and_stay_on_sale(name: str) -> None:
    reading = read(plan_of("Stalls", name))

    assert all(category.for_sale for category in reading.plan.categories)
    finding = only(reading.report, "SALE_DOUBTFUL")
    assert "1 seat" in finding.found
    assert f'--not-for-sale "{name}"' in finding.done


@pytest.mark.parametrize("name", ["Closed Caption View", "Mötley Crew Fan Zone", "Block D", "For sale", "VIP"])
def test_names_that_only_have_such_a_word_in_them_are_not(name: str) -> None:
    assert not sounds_unsold(name)


def test_the_operator_says_what_is_what() -> None:
    content = plan_of("Stalls", "Rollstuhl", "Begleitung", "Crew")
    choices = Choices(not_for_sale=("Crew",), wheelchair=("rollstuhl ",), companion=("Begleitung",))

    reading = read(content, given=GivenStage("top"), choices=choices)

    assert [seat.kind for seat in reading.plan.seats] == ["standard", "wheelchair", "companion", "standard"]
    assert [category.for_sale for category in reading.plan.categories] == [True, True, True, False]
    assert reading.report.counts["KIND_FROM_CATEGORY"] == 2
    assert (reading.report.repairs, reading.report.warnings) == (0, 0)
    assert read_plan(pretix.write(reading.plan), name="hall.json").plan.seats == reading.plan.seats


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        (Choices(not_for_sale=("Lodge",)), 'no category "Lodge". It has "Stalls", "Crew"'),
        (
            Choices(wheelchair=("Crew",), companion=("Crew",)),
            '"Crew" was chosen for wheelchair places and',
        ),
    ],
)
def test_a_choice_that_does_not_fit_the_plan_is_refused(choices: Choices, told: str) -> None:
    with pytest.raises(PlanError) as caught:
        read(plan_of("Stalls", "Crew"), choices=choices)

    assert caught.value.code == "CATEGORY_CHOICE"
    assert told in caught.value.message

"""Price lists: which category and type a key names, fees and taxes within prices, and what is refused."""

import pytest

from rowlock.catalogue.model import ALL_CATEGORIES, CatalogueError, Category
from rowlock.catalogue.price_list import ALL_TYPES, Price, PriceChanges, PriceList
from rowlock.catalogue.prices import MOST_MINOR, read_key, resolve_adult_prices, resolve_prices

CATEGORIES = (Category("Stalls"), Category("Balcony"), Category("Crew", for_sale=False))
TRILLION = 10**12

Amounts = dict[tuple[str, str], int]


def amounts(price_list: PriceList) -> Amounts:
    return {(price.category, price.price_type): price.amount_minor for price in price_list.prices}


def both(stalls: int, balcony: int) -> Amounts:
    return {("Stalls", "adult"): stalls, ("Balcony", "adult"): balcony}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({ALL_CATEGORIES: 2500}, both(2500, 2500)),
        ({"Stalls": 4500, "Balcony": 0}, both(4500, 0)),
        ({"Stalls": 4500, ALL_CATEGORIES: 2000}, both(4500, 2000)),
        ({ALL_CATEGORIES: 2000, "Stalls": 4500}, both(4500, 2000)),
        ({"/adult": 2000, "Stalls/adult": 4500}, both(4500, 2000)),
        ({"": 2000, "Stalls/child": 900}, both(2000, 2000) | {("Stalls", "child"): 900}),
        (
            {"": 2000, "/child": 900, "Balcony / child": 0},
            both(2000, 2000) | {("Stalls", "child"): 900, ("Balcony", "child"): 0},
        ),
        ({"": TRILLION}, both(TRILLION, TRILLION)),
    ],
)
def test_every_category_for_sale_gets_its_prices(given: dict[str, int], expected: Amounts) -> None:
    assert amounts(resolve_prices(CATEGORIES, PriceChanges(given))) == expected


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "No price was given for: Stalls, Balcony"),
        ({"Stalls": 1}, "No price was given for: Balcony"),
        ({"/child": 1}, "No price was given for: Stalls, Balcony"),
        ({"Stall": 1}, "no category 'Stall'. It has: Stalls, Balcony"),
        ({"Stall/child": 1}, "no category 'Stall'. It has: Stalls, Balcony"),
        ({"Crew": 1, ALL_CATEGORIES: 1}, "Crew is not for sale"),
        ({"Crew/child": 1, ALL_CATEGORIES: 1}, "Crew is not for sale"),
        ({ALL_CATEGORIES: -1}, "from 0 to 1,000,000,000,000 minor units"),
        ({ALL_CATEGORIES: TRILLION + 1}, "would be 1,000,000,000,001 minor units"),
        ({"": 1, "/Child": 1}, "'Child' is not a price type"),
        ({"": 1, "/": 1}, "'' is not a price type"),
        ({"": 1, "/-child": 1}, "'-child' is not a price type"),
        ({"": 1, "/child_": 1}, "'child_' is not a price type"),
        ({"": 1, "/" + "x" * 41: 1}, "up to 40"),
        ({"": 1, "/kind\n": 1, "/kind": 2}, "two for the price of every category for the type kind"),
        ({"": 1, "Stalls": 1, "Stalls/adult": 2}, "two for the price of Stalls for the type adult"),
        ({"": 1, "/adult": 2}, "two for the price of every category"),
        ({"": 1} | {f"/type-{number}": 1 for number in range(20)}, "21 price types. A show may have 20"),
        ({"": None}, "cannot be taken away"),
        ({"": 1, "Stalls/child": None}, "no price of Stalls for the type child that could be taken away"),
    ],
)
def test_a_wrong_price_is_refused_with_the_name_of_its_category(given: dict[str, int | None], told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        resolve_prices(CATEGORIES, PriceChanges(given))


def test_twenty_types_are_the_most() -> None:
    given = {"": 1} | {f"/type-{number}": 1 for number in range(19)}

    assert len(resolve_prices(CATEGORIES, PriceChanges(given)).price_types) == 20


@pytest.mark.parametrize(
    ("key", "names", "expected"),
    [
        # What is a category as a whole is that category.
        ("Front/left", ["Front/left", "Front"], ("Front/left", "adult")),
        ("Front/left/child", ["Front/left", "Front"], ("Front/left", "child")),
        ("Front/child", ["Front/left", "Front"], ("Front", "child")),
        ("Front/left", ["Front"], ("Front", "left")),
        ("Front/left/adult", ["Front/left", "Front"], ("Front/left", "adult")),
        # Categories that would be something else otherwise.
        ("/child", ["/child"], ("/child", "adult")),
        ("/child/child", ["/child"], ("/child", "child")),
        ("/child", ["Front"], (ALL_CATEGORIES, "child")),
        ("A=4", ["A=4"], ("A=4", "adult")),
        ("A=4/child", ["A=4"], ("A=4", "child")),
        ("Front/", ["Front/"], ("Front/", "adult")),
        ("Front//child", ["Front/"], ("Front/", "child")),
        (ALL_CATEGORIES, ["Front"], (ALL_CATEGORIES, "adult")),
    ],
)
def test_a_key_names_one_category_and_type(key: str, names: list[str], expected: tuple[str, str]) -> None:
    assert read_key(key, names) == expected


def test_the_fee_per_ticket_is_within_every_price_but_a_free_one() -> None:
    given = PriceChanges({"Stalls": 2500, "Balcony": 0, "/child": 1000}, fee_per_ticket_minor=150)

    made = resolve_prices(CATEGORIES, given)

    assert amounts(made) == {
        ("Stalls", "adult"): 2650, ("Stalls", "child"): 1150, ("Balcony", "adult"): 0, ("Balcony", "child"): 1150,
    }  # fmt: skip
    assert [price.fee_minor for price in made.prices] == [150, 150, 0, 150]


def test_a_change_of_the_fee_keeps_what_is_left_without_it_and_a_price_keeps_the_fee() -> None:
    before = resolve_prices(CATEGORIES, PriceChanges({"Stalls": 2500, "Balcony": 0}, 150, 200, {ALL_TYPES: 700}))

    dearer = resolve_prices(CATEGORIES, PriceChanges({"Balcony": 1000}), before)
    without = resolve_prices(CATEGORIES, PriceChanges(fee_per_ticket_minor=0), dearer)
    order = resolve_prices(CATEGORIES, PriceChanges(fee_per_order_minor=0), before)

    assert dearer.prices == (Price("Stalls", "adult", 2650, 150, 700), Price("Balcony", "adult", 1150, 150, 700))
    assert without.prices == (Price("Stalls", "adult", 2500, 0, 700), Price("Balcony", "adult", 1000, 0, 700))
    assert dearer.fee_per_order_minor == without.fee_per_order_minor == 200
    assert (order.prices, order.fee_per_order_minor) == (before.prices, 0)
    assert resolve_prices(CATEGORIES, PriceChanges({"Stalls": 2500}), before) == before


def test_a_price_of_a_further_type_can_be_taken_away() -> None:
    before = resolve_prices(CATEGORIES, PriceChanges({"": 2500, "/child": 1000, "/senior": 2000}))

    fewer = resolve_prices(CATEGORIES, PriceChanges({"Stalls/child": None, "/senior": None}), before)

    assert amounts(fewer) == both(2500, 2500) | {("Balcony", "child"): 1000}
    assert fewer.price_types == ["adult", "child"]
    with pytest.raises(CatalogueError, match="cannot be taken away"):
        resolve_prices(CATEGORIES, PriceChanges({"Stalls": None}), before)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (PriceChanges({"": 0}, fee_per_ticket_minor=150), "Every ticket is free"),
        (PriceChanges({"": 1}, fee_per_ticket_minor=-1), "fee per ticket would be -1"),
        (PriceChanges({"": 1}, fee_per_order_minor=TRILLION + 1), "fee per order would be"),
        (PriceChanges({"": TRILLION}, fee_per_ticket_minor=1), "with its fee, would be 1,000,000,000,001"),
        (PriceChanges({"": 1}, tax_basis_points={"child": 700}), "no price of the type child. There are: adult"),
        (PriceChanges({"": 1}, tax_basis_points={"Adult": 700}), "not a price type"),
        (PriceChanges({"": 1}, tax_basis_points={"": 10_001}), "100.01 % is out of bounds"),
    ],
)
def test_a_fee_or_a_rate_that_cannot_be_is_refused(given: PriceChanges, told: str) -> None:
    with pytest.raises(CatalogueError, match=told):
        resolve_prices(CATEGORIES, given)


def test_each_type_has_its_rate_and_a_new_one_that_of_the_others() -> None:
    def rates(price_list: PriceList) -> dict[str, int]:
        return {price.price_type: price.tax_basis_points for price in price_list.prices}

    one = resolve_prices(CATEGORIES, PriceChanges({"": 2500}, tax_basis_points={ALL_TYPES: 1900}))
    two = resolve_prices(CATEGORIES, PriceChanges({"/child": 1000}), one)
    differ = resolve_prices(CATEGORIES, PriceChanges(tax_basis_points={"child": 700}), two)
    three = resolve_prices(CATEGORIES, PriceChanges({"/senior": 1}, tax_basis_points={"": 0, "senior": 750}), differ)

    assert (rates(one), rates(two)) == ({"adult": 1900}, {"adult": 1900, "child": 1900})
    assert (rates(differ), rates(three)) == ({"adult": 1900, "child": 700}, {"adult": 0, "child": 0, "senior": 750})
    with pytest.raises(CatalogueError, match="Say that of the new one: --tax senior=7"):
        resolve_prices(CATEGORIES, PriceChanges({"/senior": 1}), differ)


@pytest.mark.parametrize(
    ("amount_minor", "basis_points", "tax_minor"),
    [
        (0, 1900, 0),
        (2500, 0, 0),
        (10700, 700, 700),
        (11900, 1900, 1900),
        (2650, 700, 173),  # 173.36
        (2500, 700, 164),  # 163.55
        (3, 10_000, 2),  # 1.5: half up
        (1, 10_000, 1),  # 0.5
        (1, 9_999, 0),  # just below
        (TRILLION, 700, 65_420_560_748),  # beyond what a double would keep of the product
    ],
)
def test_the_tax_is_within_the_price_and_rounded_half_up(amount_minor: int, basis_points: int, tax_minor: int) -> None:
    assert Price("Stalls", "adult", amount_minor, 0, basis_points).tax_minor == tax_minor


def test_a_move_takes_a_price_for_adults_of_one_category() -> None:
    assert resolve_adult_prices(CATEGORIES, {"Stalls": 1, "Balcony/adult": 2}) == {"Stalls": 1, "Balcony": 2}
    for key in ("", "/adult", "Stalls/child"):
        with pytest.raises(CatalogueError, match="rowlock show update"):
            resolve_adult_prices(CATEGORIES, {key: 1})
    with pytest.raises(CatalogueError, match="no category 'Loge'"):
        resolve_adult_prices(CATEGORIES, {"Loge": 1})


def test_the_bound_is_what_the_documentation_says() -> None:
    assert MOST_MINOR == TRILLION

"""The shows for buyers: the list, one show with its prices, and the seat map of its plan."""

import gzip
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel

from rowlock.base.lru import Lru
from rowlock.base.outcomes import Outcome
from rowlock.catalogue.list_parameters import ShowParameters, write_cursor
from rowlock.catalogue.model import PublishedPlan, ShowListing
from rowlock.catalogue.price_list import Price, PriceList
from rowlock.catalogue.service import PLANS_LIMIT, Catalogue
from rowlock.web.openapi import problems
from rowlock.web.parameters import ShowId, parse_show_id
from rowlock.web.problems import ProblemError
from rowlock.web.security import PUBLIC, stated

_FOR_EVER = "public, max-age=31536000, immutable"


class Show(BaseModel):
    """One show. Prices are minor units of `currency`; durations are seconds; `starts_at` is an instant."""

    show_id: UUID
    slug: str
    title: str
    description: str | None
    image_url: str | None
    venue: str
    venue_address: str | None
    venue_access_notes: str | None
    step_free_sections: list[str]
    time_zone: str
    organization: str
    doors_at: datetime | None
    starts_at: datetime
    ends_at: datetime | None
    sales_start_at: datetime | None
    sales_end_at: datetime | None
    sales_close_at: datetime
    status: str
    currency: str
    price_from_minor: int | None
    fee_per_order_minor: int
    seats_total: int
    seats_available: int
    plan_id: UUID
    max_seats_per_reservation: int
    hold_seconds: int
    extension_seconds: int
    max_extensions: int


class ShowPrice(BaseModel):
    """The price of a category for one price type: `amount_minor` is what is paid, and the fee per ticket and the tax
    are within it. 700 basis points are 7 %."""

    category: str
    price_type: str
    amount_minor: int
    fee_minor: int
    tax_basis_points: int
    tax_minor: int


class ShowWithPrices(Show):
    """One show with its prices, and the price types that they are for."""

    prices: list[ShowPrice]
    price_types: list[str]


class Shows(BaseModel):
    """A page of shows, the next one first. `next_cursor` leads to the next page, and is null on the last one."""

    shows: list[Show]
    next_cursor: str | None


class MapCategory(BaseModel):
    """A part of the hall with one price."""

    name: str
    color: str
    for_sale: bool


class MapSection(BaseModel):
    """A named part of the hall."""

    name: str


class MapZone(BaseModel):
    """Sections that look at a point of their own; without a point they look as all do. `sections` are indexes."""

    name: str
    focal_point: tuple[float, float] | None
    sections: list[int]


class MapRow(BaseModel):
    """One physical row; `section` is an index into sections."""

    section: int
    label: str


class MapShape(BaseModel):
    """Scenery, such as the stage."""

    kind: str
    points: list[tuple[float, float]]
    text: str
    color: str


class MapSeat(BaseModel):
    """One seat. `row` and `category` are indexes; seats with the same `run` have no aisle between them."""

    seat_id: int
    row: int
    run: int
    position: int
    number: str
    label: str
    x: float
    y: float
    category: int
    kind: str
    source_id: str


class SeatMap(BaseModel):
    """The geometry of a plan version, which never changes."""

    plan_id: UUID
    plan_version: int
    name: str
    width: float
    height: float
    focal_point: tuple[float, float]
    in_the_round: bool
    seats_total: int
    categories: list[MapCategory]
    sections: list[MapSection]
    zones: list[MapZone]
    rows: list[MapRow]
    shapes: list[MapShape]
    seats: list[MapSeat]


def router(catalogue: Catalogue) -> APIRouter:
    """The routes of shows."""
    routes = APIRouter(prefix="/api/shows", tags=["shows"])
    maps = _SeatMaps()

    @routes.get(
        "",
        summary="List shows",
        operation_id="listShows",
        openapi_extra=stated(PUBLIC),
        responses=problems("INVALID_INPUT", "UNAUTHORIZED"),
    )
    async def list_shows(wanted: Annotated[ShowParameters, Query()]) -> Shows:
        """The shows to come, the next one first: page by page, and filtered. With `from` or `to`, also those that are
        over."""
        page = await catalogue.list_shows(wanted.as_filter())
        return Shows(
            shows=[Show(**_show(show)) for show in page.shows],
            next_cursor=None if page.next is None else write_cursor(page.next),
        )

    @routes.get(
        "/{show_id}",
        summary="One show",
        operation_id="getShow",
        openapi_extra=stated(PUBLIC),
        responses=problems(Outcome.SHOW_NOT_FOUND, "UNAUTHORIZED"),
    )
    async def one_show(show_id: ShowId) -> ShowWithPrices:
        """One show with its prices by category."""
        found = await catalogue.find_show(parse_show_id(show_id))
        if found is None:
            raise ProblemError(Outcome.SHOW_NOT_FOUND)
        listing, prices = found
        return ShowWithPrices(
            **_show(listing),
            prices=[_price(price) for price in prices],
            price_types=PriceList(tuple(prices)).price_types,
        )

    @routes.get(
        "/{show_id}/seat-map",
        summary="Seat map",
        operation_id="getSeatMap",
        openapi_extra=stated(PUBLIC),
        response_model=SeatMap,
        responses=problems(Outcome.SHOW_NOT_FOUND, "UNAUTHORIZED")
        | {304: {"description": "You have this plan version already."}},
    )
    async def seat_map(
        show_id: ShowId,
        plan_id: Annotated[
            str | None, Query(description="The plan that the show has: then the answer never changes.", max_length=100)
        ] = None,
        if_none_match: Annotated[str | None, Header()] = None,
        accept_encoding: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Geometry, categories and labels. With the `plan_id` of the show the answer is immutable. Without, or with one
        that the show no longer has, it is the map of its present plan, to be asked for again after each move."""
        published_plan = await catalogue.plan_of(parse_show_id(show_id))
        if published_plan is None:
            raise ProblemError(Outcome.SHOW_NOT_FOUND)
        headers = {
            "etag": f'"{published_plan.checksum[:32]}"',
            "cache-control": _FOR_EVER if plan_id == str(published_plan.plan_id) else "public, no-cache",
            "vary": "accept-encoding",
        }
        if if_none_match is not None and headers["etag"] in if_none_match:
            return Response(status_code=304, headers=headers)
        plain, compressed = maps.get(published_plan)
        if "gzip" in (accept_encoding or ""):
            headers["content-encoding"] = "gzip"
            return Response(compressed, headers=headers, media_type="application/json")
        return Response(plain, headers=headers, media_type="application/json")

    return routes


def _show(listing: ShowListing) -> dict[str, Any]:
    return {name: getattr(listing, name) for name in Show.model_fields}


def _price(price: Price) -> ShowPrice:
    return ShowPrice(**{name: getattr(price, name) for name in ShowPrice.model_fields})


class _SeatMaps:
    """Seat maps as bytes, plain and compressed, made once for each plan version that is in use."""

    def __init__(self) -> None:
        self._maps = Lru[UUID, tuple[bytes, bytes]](PLANS_LIMIT)

    def get(self, published_plan: PublishedPlan) -> tuple[bytes, bytes]:
        plan_id = published_plan.plan_id
        if (kept := self._maps.get(plan_id)) is not None:
            return kept
        plan = published_plan.plan
        plain = msgspec.json.encode(
            {
                "plan_id": plan_id,
                "plan_version": published_plan.version,
                "name": plan.name,
                "width": plan.width,
                "height": plan.height,
                "focal_point": plan.focal_point,
                "in_the_round": plan.in_the_round,
                "seats_total": len(plan.seats),
                "categories": plan.categories,
                "sections": plan.sections,
                "zones": plan.zones,
                "rows": plan.rows,
                "shapes": plan.shapes,
                "seats": plan.seats,
            }
        )
        return self._maps.put(plan_id, (plain, gzip.compress(plain, 6, mtime=0)))

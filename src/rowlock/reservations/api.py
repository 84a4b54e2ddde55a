"""The endpoints of a hold: reserve, best available, read, extend, change and release; version 2 and version 1."""

import hmac
from typing import Annotated, Any
from uuid import UUID

import msgspec

from rowlock.base.integrator import Scope
from rowlock.base.outcomes import Outcome
from rowlock.reservations.model import (
    BestSeats,
    Hold,
    Intent,
    ReleaseResult,
    ReservationResult,
    ReservationToken,
    SeatIds,
    Wish,
)
from rowlock.reservations.refusal_texts import refuse, seats_text, too_few
from rowlock.reservations.service import Reservations, UnknownAreaError
from rowlock.reservations.shapes import (
    ADMISSION,
    IDEMPOTENCY_KEY,
    ONE_NAME,
    SHOW_ID,
    SOME_SEAT,
    BestAvailableBody,
    ChangeBody,
    ExtendBody,
    Extended,
    HeldSeatView,
    HoldView,
    OwnHoldView,
    ReleaseBody,
    Released,
    Reservation,
    ReserveBody,
)
from rowlock.reservations.version1.service import Version1
from rowlock.web import admission
from rowlock.web.admission import Admissions
from rowlock.web.fast_path import Endpoint, Reply, Request
from rowlock.web.integrator_key import KeyGuard, require
from rowlock.web.problems import ProblemError
from rowlock.web.security import BROWSER, BUYER_OR_SELLER, HOLDER
from rowlock.web.sessions import Session

_encoder = msgspec.json.Encoder()

_RESERVE_PROBLEMS = (
    Outcome.SHOW_NOT_FOUND,
    Outcome.TOO_MANY_SEATS,
    Outcome.SHOW_NOT_ON_SALE,
    Outcome.DUPLICATE_RESERVATION,
    Outcome.SEATS_NOT_FOUND,
    Outcome.ACCESSIBLE_SEATS,
    Outcome.SEATS_UNAVAILABLE,
    Outcome.TOO_MANY_HOLDS,
    Outcome.IDEMPOTENCY_KEY_REUSED,
    Outcome.RESERVATION_EXPIRED,
    Outcome.RESERVATION_NOT_ACTIVE,
    "ADMISSION_REQUIRED",
    "FUNCTIONS_MISSING",
)
_TOKEN_PROBLEMS = (
    Outcome.RESERVATION_NOT_FOUND,
    Outcome.RESERVATION_NOT_ACTIVE,
    Outcome.RESERVATION_EXPIRED,
    "FUNCTIONS_MISSING",
)


class ReservationEndpoints:
    """The handlers of the endpoints."""

    def __init__(
        self,
        reservations: Reservations,
        version1: Version1,
        secret_key: str,
        keys: KeyGuard,
        admissions: Admissions | None = None,
    ) -> None:
        self._reservations = reservations
        self._version1 = version1
        self._secret_key = secret_key.encode()
        self._keys = keys
        self._admissions = admissions

    def endpoints(self) -> list[Endpoint]:
        """All endpoints of reservations, for the fast path."""
        base = "/api/seat-reservations"
        by_session: dict[str, Any] = {"keys": True, "security": HOLDER}
        reserve_facts: dict[str, Any] = {
            "takes": ReserveBody,
            "gives": Reservation,
            "status": 201,
            "problems": _RESERVE_PROBLEMS,
            "parameters": (IDEMPOTENCY_KEY, ADMISSION),
            **by_session,
        }
        release_facts: dict[str, Any] = {
            "takes": Annotated[ReleaseBody, ONE_NAME],
            "gives": Released,
            "problems": (*_TOKEN_PROBLEMS, Outcome.ORDER_BEING_PAID),
            **by_session,
        }
        by_token: dict[str, Any] = {"keys": True, "security": BUYER_OR_SELLER}
        return [
            Endpoint(
                "POST",
                f"{base}/reserve-v2",
                self.reserve,
                "Reserve seats",
                "Reserve seats of a show, all or nothing, for the show's hold time.",
                is_full=self._reservations.is_full,
                operation_id="reserveSeats",
                **reserve_facts,
            ),
            Endpoint(
                "POST",
                f"{base}/best-available",
                self.best_available,
                "Reserve the best seats",
                "Reserve the best seats still available: together, in the best row, towards its middle.",
                is_full=self._reservations.is_full,
                operation_id="reserveBestSeats",
                **(reserve_facts | {"takes": BestAvailableBody}),
            ),
            Endpoint(
                "POST",
                f"{base}/release-v2",
                self.release,
                "Release a reservation",
                "Give back every seat of a hold. Releasing it again gets the same answer.",
                operation_id="releaseReservation",
                **release_facts,
            ),
            Endpoint(
                "GET",
                f"{base}/mine",
                self.mine,
                "Find my reservation",
                "The live hold of this browser's session in a show, with its token: for a second tab or a reload.",
                gives=OwnHoldView,
                problems=("INVALID_INPUT", Outcome.RESERVATION_NOT_FOUND),
                parameters=(SHOW_ID,),
                keys=True,
                operation_id="findMyReservation",
                security=BROWSER,
            ),
            Endpoint(
                "GET",
                f"{base}/{{token}}",
                self.show,
                "Look at a reservation",
                "The seats, prices and deadline of a hold.",
                gives=HoldView,
                problems=(Outcome.RESERVATION_NOT_FOUND,),
                operation_id="getReservation",
                **by_token,
            ),
            Endpoint(
                "POST",
                f"{base}/{{token}}/extend",
                self.extend,
                "Extend a reservation",
                "Move the deadline of a live hold, by 5 minutes and at most 3 times unless the show says otherwise.",
                takes=ExtendBody,
                optional_body=True,
                gives=Extended,
                problems=(*_TOKEN_PROBLEMS, Outcome.MAX_EXTENSIONS_REACHED, "OUTCOME_UNKNOWN"),
                operation_id="extendReservation",
                **by_token,
            ),
            Endpoint(
                "POST",
                f"{base}/{{token}}/seats",
                self.change,
                "Change the seats of a reservation",
                "Add and drop seats of a live hold in one step, without releasing the others.",
                takes=Annotated[ChangeBody, SOME_SEAT],
                gives=Reservation,
                problems=(
                    *_TOKEN_PROBLEMS,
                    Outcome.ORDER_BEING_PAID,
                    Outcome.TOO_MANY_SEATS,
                    Outcome.SHOW_NOT_ON_SALE,
                    Outcome.SEATS_NOT_FOUND,
                    Outcome.ACCESSIBLE_SEATS,
                    Outcome.SEATS_UNAVAILABLE,
                    Outcome.TOO_MANY_HOLDS,
                ),
                operation_id="changeReservedSeats",
                **by_token,
            ),
            Endpoint(
                "POST",
                f"{base}/reserve",
                self.reserve_v1,
                "Reserve seats (version 1)",
                "The same contract without stored functions.",
                operation_id="reserveSeatsV1",
                **reserve_facts,
            ),
            Endpoint(
                "POST",
                f"{base}/release",
                self.release_v1,
                "Release a reservation (version 1)",
                "The same contract without stored functions.",
                operation_id="releaseReservationV1",
                **release_facts,
            ),
        ]

    async def reserve(self, request: Request) -> Reply:
        """POST reserve-v2."""
        return await self._reserve(request, self._reservations)

    async def reserve_v1(self, request: Request) -> Reply:
        """POST reserve."""
        return await self._reserve(request, self._version1)

    async def _reserve(self, request: Request, service: Reservations | Version1) -> Reply:
        body: ReserveBody = request.body
        if len(set(body.seat_ids)) < len(body.seat_ids):
            raise ProblemError("INVALID_INPUT", "A seat is listed twice in seat_ids. List each seat once.")
        await self._keys.check(request.integrator, Scope.SELL, body.show_id)
        session = self._admitted(request, body.show_id, body.session_id)
        intent: Intent[SeatIds] = self._intent(
            request, session, body.show_id, tuple(body.seat_ids), accessible=body.accessible
        )
        return await self._reserved(session, intent, await service.reserve(intent))

    async def best_available(self, request: Request) -> Reply:
        """POST best-available."""
        body: BestAvailableBody = request.body
        await self._keys.check(request.integrator, Scope.SELL, body.show_id)
        wish = BestSeats(body.quantity, body.category, body.accessible, body.section)
        session = self._admitted(request, body.show_id, body.session_id)
        intent: Intent[BestSeats] = self._intent(request, session, body.show_id, wish)
        try:
            result = await self._reservations.reserve_best(intent)
        except UnknownAreaError as error:
            raise ProblemError("INVALID_INPUT", str(error)) from error
        if result is None:
            raise ProblemError(Outcome.SHOW_NOT_FOUND)
        if result.left is not None:
            raise ProblemError(Outcome.SEATS_UNAVAILABLE, too_few(wish, result.left))
        return await self._reserved(session, intent, result)

    async def _reserved(self, session: Session, intent: Intent[Wish], result: ReservationResult) -> Reply:
        """The answer to a wish. A client that is refused because of a hold of its own is told that hold."""
        if result.outcome == Outcome.DUPLICATE_RESERVATION:
            hold = await self._reservations.find_live(intent.token.show_id, intent.holder)
            if hold is not None:  # It may have ended since.
                raise ProblemError(result.outcome, extra=_own(session, hold))
        elif result.outcome in (Outcome.RESERVATION_EXPIRED, Outcome.RESERVATION_NOT_ACTIVE):
            ended = {
                "reservation_id": result.reservation_id,
                "reservation_status": result.status,
                "seat_ids": result.seat_ids,
                "expires_at": result.expires_at,
                "server_time": result.server_time,
            }
            raise ProblemError(result.outcome, extra=ended)
        return _reservation(201, intent.token, result)

    async def mine(self, request: Request) -> Reply:
        """GET the live hold of the session in a show."""
        try:
            show_id = UUID(request.query("show_id") or "")
        except ValueError as error:
            raise ProblemError("INVALID_INPUT", "Give the id of a show: ?show_id=….") from error
        if request.integrator is not None:
            raise ProblemError(
                "INVALID_INPUT",
                "This is for browsers, which are known by their cookie. Leave out X-Rowlock-Key; a reserve that is "
                "repeated with its Idempotency-Key tells an integrator the hold.",
            )
        session = request.find_session()
        hold = None if session is None else await self._reservations.find_live(show_id, request.holder_of(session))
        if session is None or session.token_key is None or hold is None:
            raise ProblemError(Outcome.RESERVATION_NOT_FOUND, "This browser holds no seats of this show now.")
        token = ReservationToken.of_session(show_id, hold.reservation_id, session.token_key)
        view = OwnHoldView(reservation_token=str(token), **msgspec.structs.asdict(_hold_view(hold)))
        return Reply(200, _encoder.encode(view))

    async def show(self, request: Request) -> Reply:
        """GET a hold by its token."""
        hold = await self._reservations.find(await self._token(request, request.value))
        if hold is None:
            raise ProblemError(Outcome.RESERVATION_NOT_FOUND)
        return Reply(200, _encoder.encode(_hold_view(hold)))

    async def extend(self, request: Request) -> Reply:
        """POST extend."""
        body: ExtendBody | None = request.body
        seen = body.extension_count if body is not None else None
        result = await self._reservations.extend(await self._token(request, request.value), request.bearer(), seen)
        refuse(result)
        assert result.expires_at is not None
        assert result.extension_count is not None
        assert result.extensions_remaining is not None
        answer = Extended(
            expires_at=result.expires_at,
            extension_count=result.extension_count,
            extensions_remaining=result.extensions_remaining,
            server_time=result.server_time,
        )
        return Reply(200, _encoder.encode(answer))

    async def change(self, request: Request) -> Reply:
        """POST seats."""
        body: ChangeBody = request.body
        if not body.add and not body.remove:
            raise ProblemError("INVALID_INPUT", "Name at least one seat to add or to remove.")
        if any(len(set(seats)) < len(seats) for seats in (body.add, body.remove)):
            raise ProblemError("INVALID_INPUT", "A seat is listed twice in add or in remove. List each seat once.")
        if both := set(body.add) & set(body.remove):
            raise ProblemError(
                "INVALID_INPUT",
                f"{seats_text(sorted(both))} cannot be added and removed at once. Choose one of the two.",
            )
        token = await self._token(request, request.value)
        result = await self._reservations.change(
            token, body.add, body.remove, request.bearer(), accessible=body.accessible
        )
        if result.outcome == Outcome.INVALID_INPUT:
            raise ProblemError("INVALID_INPUT", "A hold keeps at least one seat. Release it to give back all.")
        return _reservation(200, token, result)

    async def release(self, request: Request) -> Reply:
        """POST release-v2."""
        return await self._release(request, self._reservations)

    async def release_v1(self, request: Request) -> Reply:
        """POST release."""
        return await self._release(request, self._version1)

    async def _release(self, request: Request, service: Reservations | Version1) -> Reply:
        body: ReleaseBody = request.body
        if (body.reservation_token is None) == (body.reservation_id is None):
            raise ProblemError(
                "INVALID_INPUT", "Send either reservation_token, or reservation_id with the session_id that holds it."
            )
        result: ReleaseResult
        if body.reservation_token is not None:
            token = await self._token(request, body.reservation_token)
            result = await service.release(token, request.bearer(body.session_id))
        else:
            assert body.reservation_id is not None
            if request.integrator is not None:
                # Whose show it is need not be asked: a holder of this key has holds in no other.
                require(request.integrator, Scope.SELL)
            result = await service.release_by_id(body.reservation_id, request.holder(body.session_id))
        if result.outcome != Outcome.OK:
            raise ProblemError(result.outcome)
        return Reply(200, _encoder.encode(Released(released_seat_ids=result.released_seat_ids)))

    def _admitted(self, request: Request, show_id: UUID, session_id: str | None) -> Session:
        """The session of a request to reserve. Raises ProblemError when it needs an admission and has none.

        A new browser gets its cookie with the refusal, so that it can be admitted. An integrator has a queue of its
        own.
        """
        session = request.session(session_id)
        if self._admissions is None or request.integrator is not None:
            return session
        if (why := self._admissions.why_not(request.headers.get(admission.HEADER), show_id, session.name)) is not None:
            cookie = () if request.new_cookie is None else ((b"set-cookie", request.new_cookie),)
            raise ProblemError("ADMISSION_REQUIRED", why, headers=cookie)
        return session

    async def _token(self, request: Request, text: str) -> ReservationToken:
        """The token in `text`. Raises ProblemError when it is none, or a key was sent that is not for its show."""
        token = ReservationToken.parse(text)
        if token is None:
            raise ProblemError(Outcome.RESERVATION_NOT_FOUND)
        await self._keys.check(request.integrator, Scope.SELL, token.show_id, unknown=Outcome.RESERVATION_NOT_FOUND)
        return token

    def _intent(
        self, request: Request, session: Session, show_id: UUID, wish: Wish, *, accessible: bool = False
    ) -> Intent[Wish]:
        """The intent of a request: holder, wish, idempotency key, and token. A repeated request gets the same token."""
        key = request.idempotency_key()
        if key is None:
            token = ReservationToken.mint(show_id)
        else:
            message = b"\0".join((show_id.bytes, session.key.encode(), key))
            token = ReservationToken.derive(show_id, hmac.digest(self._secret_key, message, "sha256"))
        if session.token_key is not None:
            token = ReservationToken.of_session(show_id, token.reservation_id, session.token_key)
        return Intent(token, request.holder_of(session), wish, key, accessible=accessible)


def _own(session: Session, hold: Hold) -> dict[str, Any]:
    """The members of a problem that tell a client its own hold."""
    told = {
        "reservation_id": hold.reservation_id,
        "reservation_status": hold.status,
        "seat_ids": [seat.seat_id for seat in hold.seats],
        "expires_at": hold.expires_at,
        "server_time": hold.server_time,
    }
    if session.token_key is not None:
        token = ReservationToken.of_session(hold.show_id, hold.reservation_id, session.token_key)
        told["reservation_token"] = str(token)
    return told


def _reservation(status: int, token: ReservationToken, result: ReservationResult) -> Reply:
    refuse(result)
    assert result.expires_at is not None
    assert result.extension_count is not None
    assert result.extensions_remaining is not None
    answer = Reservation(
        reservation_id=token.reservation_id,
        reservation_token=str(token),
        status=result.status or "active",
        show_id=token.show_id,
        seat_ids=result.seat_ids,
        expires_at=result.expires_at,
        extension_count=result.extension_count,
        extensions_remaining=result.extensions_remaining,
        server_time=result.server_time,
    )
    return Reply(status, _encoder.encode(answer))


def _hold_view(hold: Hold) -> HoldView:
    prices = [seat.price_minor for seat in hold.seats]
    return HoldView(
        reservation_id=hold.reservation_id,
        show_id=hold.show_id,
        status=hold.status,
        seat_ids=[seat.seat_id for seat in hold.seats],
        seats=[HeldSeatView(seat.seat_id, seat.label, seat.category, seat.price_minor) for seat in hold.seats],
        total_minor=None if None in prices else sum(price for price in prices if price is not None),
        currency=hold.currency,
        created_at=hold.created_at,
        expires_at=hold.expires_at,
        extension_count=hold.extension_count,
        extensions_remaining=hold.extensions_remaining,
        server_time=hold.server_time,
    )

"""What must hold between the tables, written a second time.

It is independent of the product's own invariant check, so that a mistake in one does not hide in the other.
"""

from collections.abc import Iterable
from typing import LiteralString
from uuid import UUID

from tests.support.answers import AuditRow


def fold_audit(rows: Iterable[AuditRow]) -> dict[int, tuple[str, UUID | None]]:
    """What the audit log alone says about every seat: (status, reservation or order it belongs to).

    Holds that ran out and were not retired yet still count, because no event says that time passed.
    """
    seats: dict[int, tuple[str, UUID | None]] = {}
    for row in rows:
        match row.event:
            case "created":
                seats |= dict.fromkeys(row.seat_ids, ("reserved", row.reservation_id))
            case "changed":
                for seat in row.metadata["removed"]:
                    seats.pop(seat, None)
                seats |= dict.fromkeys(row.seat_ids, ("reserved", row.reservation_id))
            case "refunded" if row.metadata["give_back"] == "house":
                seats |= dict.fromkeys(row.seat_ids, ("blocked", None))
            case "released" | "expired" | "unblocked" | "voided" | "refunded" | "exchanged":
                for seat in row.seat_ids:
                    seats.pop(seat, None)
            case "completed":
                seats |= dict.fromkeys(row.seat_ids, ("sold", row.order_id))
            case "blocked":
                seats |= dict.fromkeys(row.seat_ids, ("blocked", None))
            case "extended" | "failed" | "cancelled" | "moved":
                pass
            case "order_created" | "payment_failed" | "order_expired" | "refund_failed" | "reissued":
                pass
            case "disputed" | "dispute_won" | "dispute_lost":
                pass
            case other:
                raise AssertionError(f"The audit log has an event {other!r} that no function writes.")
    return seats


# Of one show, or of all of them when the parameter is null.
VIOLATIONS: LiteralString = """
with claims as (
    select c.* from rowlock.show_seats as c where c.show_id = %(show)s or %(show)s::uuid is null
),
holds as (
    select a.* from rowlock.seat_reservations as a where a.show_id = %(show)s or %(show)s::uuid is null
),
valid_tickets as (
    select t.* from rowlock.tickets as t
    where (t.show_id = %(show)s or %(show)s::uuid is null) and t.status <> 'void'
),
violations as (
    select c.show_id, 'seat ' || c.seat_id || ' is reserved for a hold that does not list it' as violation
    from claims as c
    where c.status = 'reserved' and not exists (
        select from holds as a
        where a.show_id = c.show_id and a.reservation_id = c.reservation_id and a.reserved_by = c.reserved_by
            and a.status = 'active' and a.expires_at = c.reserved_until and c.seat_id = any(a.seat_ids)
    )
    union all
    select a.show_id, 'live hold ' || a.reservation_id || ' has no claim on its seat ' || s
    from holds as a, unnest(a.seat_ids) as s
    where a.status = 'active' and a.expires_at > clock_timestamp() and not exists (
        select from claims as c
        where c.show_id = a.show_id and c.seat_id = s and c.reservation_id = a.reservation_id
            and c.status = 'reserved'
    )
    union all
    select c.show_id, 'seat ' || c.seat_id || ' is ' || c.status || ', and the plan of its show has no such seat'
    from claims as c join rowlock.shows as s using (show_id)
    where not exists (select from rowlock.seats as p where p.plan_id = s.plan_id and p.seat_id = c.seat_id)
    union all
    -- A hold that has ended may have had seats of an earlier plan.
    select a.show_id, 'hold ' || a.reservation_id || ' has seats that its show has not, or one twice'
    from holds as a join rowlock.shows as s using (show_id)
    where (
        select count(distinct e) < count(*) or min(e) < 1 or a.status = 'active' and max(e) > s.seats_total
        from unnest(a.seat_ids) as e
    )
    union all
    select a.show_id, 'hold ' || a.reservation_id || ' was extended more often or for longer than was logged'
    from holds as a
    cross join lateral (
        select count(*) filter (where e.metadata ->> 'operation' is distinct from 'pay') as times,
               max(e.metadata ->> 'expires_at')::timestamptz as until
        from rowlock.seat_reservation_audit_log as e
        where e.show_id = a.show_id and e.reservation_id = a.reservation_id and e.event = 'extended'
    ) as logged
    where a.status = 'active' and (a.extension_count <> logged.times or a.expires_at > logged.until)
    union all
    select a.show_id, 'hold ' || a.reservation_id || ' was ended more than once'
    from rowlock.seat_reservation_audit_log as a
    where (a.show_id = %(show)s or %(show)s::uuid is null) and a.event in ('expired', 'released')
    group by a.show_id, a.reservation_id having count(*) > 1
    union all
    select c.show_id, 'seat ' || c.seat_id || ' is sold without a ticket or a paid order'
    from claims as c
    where c.status = 'sold' and not exists (
        select from valid_tickets as t
        join rowlock.ticket_orders as o using (show_id, order_id)
        where t.show_id = c.show_id and t.order_id = c.order_id and t.seat_id = c.seat_id
            and o.status in ('confirmed', 'paid', 'partially_refunded')
    )
    union all
    select t.show_id, 'there is a ticket for seat ' || t.seat_id || ', which is not sold'
    from valid_tickets as t
    where not exists (
        select from claims as c
        where c.show_id = t.show_id and c.seat_id = t.seat_id and c.order_id = t.order_id
    )
)
select * from violations order by 1, 2
"""

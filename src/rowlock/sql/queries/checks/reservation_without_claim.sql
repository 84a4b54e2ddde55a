-- The clock is read after the snapshot was taken: a hold still running now has lost no seat in the snapshot.
select r.show_id, s.seat_id, r.reservation_id, null::uuid as order_id,
    'held by a live reservation, but not claimed for it' as what
from rowlock.seat_reservations as r
cross join lateral unnest(r.seat_ids) as s (seat_id)
where r.status = 'active' and r.expires_at > clock_timestamp()
    and not exists (
        select
        from rowlock.show_seats as c
        where c.show_id = r.show_id and c.seat_id = s.seat_id
            and c.status = 'reserved' and c.reservation_id = r.reservation_id
    )

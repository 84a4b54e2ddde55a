-- Of live reservations only: the limits of a show may be tightened afterwards.
select r.show_id, null::integer as seat_id, r.reservation_id, null::uuid as order_id,
    concat_ws(
        '; ',
        case
            when cardinality(r.seat_ids) > s.max_seats_per_reservation
                then cardinality(r.seat_ids) || ' seats, ' || s.max_seats_per_reservation || ' are allowed'
        end,
        case
            when r.extension_count > s.max_extensions
                then 'extended ' || r.extension_count || ' times, ' || s.max_extensions || ' are allowed'
        end,
        case
            when r.expires_at - r.created_at > make_interval(secs => s.max_hold_seconds)
                then 'held for ' || round(extract(epoch from r.expires_at - r.created_at)) || ' seconds, '
                    || s.max_hold_seconds || ' are allowed'
        end
    ) as what
from rowlock.seat_reservations as r
join rowlock.shows as s using (show_id)
where r.status = 'active'
    and (
        cardinality(r.seat_ids) > s.max_seats_per_reservation
        or r.extension_count > s.max_extensions
        or r.expires_at - r.created_at > make_interval(secs => s.max_hold_seconds)
    )

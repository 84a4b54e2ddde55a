select
    status = 'on_sale'
        and coalesce(sales_start_at <= clock_timestamp(), true)
        and coalesce(sales_end_at > clock_timestamp(), true) as on_sale,
    seats_total, max_seats_per_reservation, hold_seconds, max_extensions,
    exists (
        select from rowlock.seat_reservations as r
        where r.show_id = shows.show_id and r.reservation_id = %(reservation_id)s
    ) as known
from rowlock.shows
where show_id = %(show_id)s

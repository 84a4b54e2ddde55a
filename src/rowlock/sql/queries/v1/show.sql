select
    status = 'on_sale'
        and coalesce(sales_start_at <= clock_timestamp(), true)
        and coalesce(sales_end_at > clock_timestamp(), true) as on_sale,
    seats_total, max_seats_per_reservation, hold_seconds, max_extensions
from rowlock.shows
where show_id = %s

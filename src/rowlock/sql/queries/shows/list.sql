select
    show_id, slug, title, plan_id, venue, time_zone, organization, starts_at, sales_start_at, sales_end_at, status,
    currency, price_from_minor, seats_total, seats_available, max_seats_per_reservation, hold_seconds,
    extension_seconds, max_extensions
from rowlock.show_listing
where status <> 'draft' and (%(show_id)s::uuid is null or show_id = %(show_id)s)
order by starts_at, title, show_id

-- Every show, drafts included.
select
    show_id, slug, title, plan_id, venue, time_zone, organization, starts_at, sales_start_at, sales_end_at, status,
    currency, price_from_minor, seats_total, seats_available
from rowlock.show_listing
order by starts_at, title, show_id

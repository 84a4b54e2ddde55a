-- A new show, unless its slug is taken.
insert into rowlock.shows
    (plan_id, slug, title, starts_at, sales_start_at, sales_end_at, currency, seats_total)
select
    p.plan_id, %(slug)s, %(title)s, %(starts_at)s::timestamptz, %(sales_start_at)s::timestamptz,
    %(sales_end_at)s::timestamptz, %(currency)s, p.seats_total
from rowlock.seating_plans as p
where p.plan_id = %(plan_id)s
on conflict (slug) do nothing
returning show_id

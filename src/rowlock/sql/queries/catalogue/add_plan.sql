-- The next version of a plan. Its checksum follows in the same transaction, once its seats are stored.
insert into rowlock.seating_plans (venue_id, name, version, source_format, seats_total, layout, checksum)
select
    %(venue_id)s,
    %(name)s::text,
    coalesce(max(p.version), 0) + 1,
    %(source_format)s::text,
    %(seats_total)s::integer,
    %(layout)s::jsonb,
    ''::bytea
from rowlock.seating_plans as p
where p.venue_id = %(venue_id)s and p.name = %(name)s
returning plan_id, version

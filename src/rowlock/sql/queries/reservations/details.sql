-- One hold, and one row for each of its seats with its adult price.
select
    r.status, r.created_at, r.expires_at, r.extension_count, r.extensions_remaining, r.server_time, r.currency,
    s.seat_id, s.label, coalesce(pl.layout -> 'categories' -> s.category ->> 'name', '') as category,
    p.amount_minor as price_minor
from rowlock.reservation_details as r
join rowlock.seating_plans as pl on pl.plan_id = r.plan_id
join rowlock.seats as s on s.plan_id = r.plan_id and s.seat_id = any(r.seat_ids)
left join rowlock.show_prices as p
    on p.show_id = r.show_id and p.category = s.category and p.price_type = 'adult'
where r.show_id = %s and r.reservation_id = %s and r.token_hash = %s
order by s.seat_id

with counted as (
    select p.plan_id, p.seats_total, c.seats, c.last_seat_id
    from rowlock.seating_plans as p
    cross join lateral (
        select count(*) as seats, coalesce(max(s.seat_id), 0) as last_seat_id
        from rowlock.seats as s
        where s.plan_id = p.plan_id
    ) as c
)
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'the plan ' || c.plan_id || ' says ' || c.seats_total || ' seats, has ' || c.seats || ', and the last is number '
        || c.last_seat_id as what
from counted as c
where c.seats <> c.seats_total or c.last_seat_id <> c.seats_total
union all
select s.show_id, null, null, null,
    'the show says ' || s.seats_total || ' seats, its plan ' || c.seats_total
from rowlock.shows as s
join counted as c using (plan_id)
where s.seats_total <> c.seats_total

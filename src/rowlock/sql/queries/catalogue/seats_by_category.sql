-- The seats of some categories of a plan, by category.
select category, array_agg(seat_id order by seat_id) as seat_ids
from rowlock.seats
where plan_id = %(plan_id)s and category = any(%(categories)s::integer[])
group by category
order by category

-- Every pending order of the show is paid, one call of the function each, as checkouts do it.
select count(*) filter (where c.outcome = 'OK'), count(*)
from rowlock.ticket_orders as o
cross join lateral rowlock.complete_order_atomic(o.show_id, o.order_id, 'demo') as c
where o.show_id = %(show_id)s and o.status = 'pending'

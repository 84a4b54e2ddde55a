-- order_details: every order, one row for each line, with the newest ticket of its seat. It has no secret.
--
-- expires_at is the deadline of a pending order: that of its hold.
create or replace view rowlock.order_details as
select
    o.show_id,
    o.order_id,
    o.order_code,
    o.reservation_id,
    o.status,
    o.customer_name,
    o.customer_email,
    o.total_minor,
    o.fee_minor,
    o.currency,
    o.created_at,
    case when o.status = 'pending' then a.expires_at end as expires_at,
    i.seat_id,
    s.label,
    coalesce(p.layout -> 'categories' -> coalesce(i.category, s.category) ->> 'name', '') as category,
    i.price_type,
    i.amount_minor,
    i.fee_minor as item_fee_minor,
    i.tax_basis_points,
    t.ticket_id,
    t.status as ticket_status,
    t.revision as ticket_revision,
    o.credit_minor,
    o.exchange_of_show_id,
    o.exchange_of_order_id
from rowlock.ticket_orders as o
join rowlock.ticket_order_items as i using (show_id, order_id)
join rowlock.shows as w using (show_id)
join rowlock.seating_plans as p on p.plan_id = w.plan_id
left join rowlock.seats as s on s.plan_id = w.plan_id and s.seat_id = i.seat_id
left join rowlock.seat_reservations as a on a.show_id = o.show_id and a.reservation_id = o.reservation_id
left join lateral (
    select k.ticket_id, k.status, k.revision
    from rowlock.tickets as k
    where k.show_id = i.show_id and k.order_id = i.order_id and k.seat_id = i.seat_id
    order by k.issued_at desc, k.ticket_id
    limit 1
) as t on true;
comment on view rowlock.order_details is 'Orders with their lines and tickets, for staff, mail and reports.';

-- A guard that was dropped, or that PostgreSQL does not keep up any more, guards nothing.
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    'the unique index ' || g.name || ' of ' || g.table_name || ' is missing or not valid' as what
from (
    values
        ('idx_show_seats_no_double_booking', 'show_seats'),
        ('idx_one_active_reservation_per_holder', 'seat_reservations'),
        ('seat_reservations_pkey', 'seat_reservations'),
        ('ticket_orders_reservation_unique', 'ticket_orders'),
        ('ticket_order_items_pkey', 'ticket_order_items'),
        ('idx_one_live_ticket_per_seat', 'tickets')
) as g (name, table_name)
where not exists (
    select
    from pg_index as i
    where i.indexrelid = to_regclass('rowlock.' || g.name)
        and i.indrelid = to_regclass('rowlock.' || g.table_name)
        and i.indisunique and i.indisvalid and i.indisready and i.indislive
)
union all
select null, null, null, null, 'the constraint ' || g.name || ' of show_seats is missing or not validated'
from (
    values ('chk_show_seat_status'), ('chk_reserved_by_required'), ('chk_blocked_has_reason')
) as g (name)
where not exists (
    select
    from pg_constraint as k
    where k.conrelid = to_regclass('rowlock.show_seats') and k.conname = g.name and k.convalidated
)

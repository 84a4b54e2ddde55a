-- tell_buyers_of_move: make a message for each of the next orders whose buyers have to know that a show was moved.
--
-- In one step the batch gets its messages, the rest a further message of the same kind, and this one is done: a worker that
-- dies has told either all of a batch or none of it. So each order is told once for each move.
--
-- Locks     the message.
-- Outcomes  the number of orders in this batch; 0 also when the message was done before.
-- Writes    outbox_messages.
create or replace function rowlock.tell_buyers_of_move(p_show_id uuid, p_message_id bigint, p_limit integer)
returns integer
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_message outbox_messages%rowtype;
    v_orders  uuid[];
begin
    select * into v_message
    from outbox_messages as m
    where m.show_id = p_show_id and m.message_id = p_message_id and m.kind = 'show_moved' and m.done_at is null
    for update;
    -- step: message_locked
    if v_message.message_id is null then
        return 0;
    end if;
    v_orders := array(
        select o.order_id
        from ticket_orders as o
        where o.show_id = p_show_id and o.status in ('paid', 'partially_refunded')
            and (v_message.payload ->> 'after' is null or o.order_id > (v_message.payload ->> 'after')::uuid)
            and exists (
                select from tickets as t
                where t.show_id = o.show_id and t.order_id = o.order_id and t.status <> 'void'
            )
        order by o.order_id
        limit p_limit
    );
    insert into outbox_messages (kind, show_id, order_id, payload)
    select 'order_moved', p_show_id, o, v_message.payload - 'after' from unnest(v_orders) as o;
    if cardinality(v_orders) = p_limit then
        insert into outbox_messages (kind, show_id, payload)
        values (
            'show_moved', p_show_id, v_message.payload || jsonb_build_object('after', v_orders[p_limit])
        );
    end if;
    update outbox_messages as m set done_at = clock_timestamp() where m.message_id = p_message_id;
    -- step: written
    return cardinality(v_orders);
end
$$;
comment on function rowlock.tell_buyers_of_move is
    'Make a message for each of the next orders whose buyers have to know that a show was moved. Repeatable.';
revoke all on function rowlock.tell_buyers_of_move from public;

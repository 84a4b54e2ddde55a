-- begin_exchange_atomic: write down, in the show of the old tickets, that staff want to exchange them for others.
--
-- Nothing changes for the tickets yet: give_up_tickets_atomic decides, once the new seats are sold. The ids of the new
-- order and its hold are fixed here, so that a request that is repeated goes on with the same ones. The same key with
-- another wish is refused.
--
-- Locks     the order.
-- Outcomes  in precedence: ORDER_NOT_FOUND, IDEMPOTENCY_KEY_REUSED, OK (repeated), INVALID_INPUT (no seats, or one twice, or
--           no key), those of judge_exchange, OK.
-- Writes    ticket_exchanges; one audit row (failed) when it is refused.
create or replace function rowlock.begin_exchange_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_idempotency_key text,
    p_wish_hash bytea,
    p_seat_ids integer[],
    p_to_show_id uuid,
    p_to_order_id uuid,
    p_to_reservation_id uuid,
    p_reason text,
    p_ip_address inet,
    p_actor text
)
returns table (
    outcome text,
    to_order_id uuid,
    to_reservation_id uuid,
    status text,
    worth_minor bigint,
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order    ticket_orders%rowtype;
    v_exchange ticket_exchanges%rowtype;
    v_outcome  text;
    v_worth    bigint;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    -- step: order_locked
    if v_order.order_id is null then
        return query select 'ORDER_NOT_FOUND', null::uuid, null::uuid, null::text, 0::bigint, clock_timestamp();
        return;
    end if;
    select j.outcome, j.worth_minor into v_outcome, v_worth from judge_exchange(p_show_id, p_order_id, p_seat_ids) as j;
    select * into v_exchange
    from ticket_exchanges as x
    where x.show_id = p_show_id and x.idempotency_key = p_idempotency_key;
    v_outcome := case
        when
            v_exchange.to_order_id is not null
            and (v_exchange.order_id <> p_order_id or v_exchange.wish_hash <> p_wish_hash)
            then 'IDEMPOTENCY_KEY_REUSED'
        when v_exchange.to_order_id is not null then 'OK'
        when
            coalesce(p_idempotency_key, '') = '' or coalesce(cardinality(p_seat_ids), 0) = 0
            or cardinality(p_seat_ids) <> (select count(distinct s) from unnest(p_seat_ids) as s)
            then 'INVALID_INPUT'
        else v_outcome
    end;
    if v_outcome = 'OK' and v_exchange.to_order_id is null then
        insert into ticket_exchanges
            (show_id, to_order_id, to_show_id, to_reservation_id, order_id, seat_ids, idempotency_key, wish_hash, reason,
             actor, ip_address)
        values (
            p_show_id, p_to_order_id, p_to_show_id, p_to_reservation_id, p_order_id, p_seat_ids, p_idempotency_key,
            p_wish_hash, coalesce(p_reason, ''), p_actor, p_ip_address
        )
        on conflict (show_id, idempotency_key) do nothing
        returning * into v_exchange;
        -- Another order's exchange was begun with this key while we looked.
        v_outcome := case when found then 'OK' else 'IDEMPOTENCY_KEY_REUSED' end;
    end if;
    perform log_refusals(
        p_show_id, array[v_outcome], array[v_order.reservation_id], array[p_seat_ids::text], null, array[p_ip_address],
        null, jsonb_build_object('operation', 'exchange'), p_order_id, p_actor
    );
    -- step: written
    return query select v_outcome, v_exchange.to_order_id, v_exchange.to_reservation_id, v_exchange.status, v_worth,
        clock_timestamp();
end
$$;
comment on function rowlock.begin_exchange_atomic is
    'Write down that tickets are to be exchanged, in the show that they are for. Repeatable by its key.';
revoke all on function rowlock.begin_exchange_atomic from public;

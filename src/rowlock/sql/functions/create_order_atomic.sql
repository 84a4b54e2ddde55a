-- create_order_atomic: order the seats of a hold at the prices that its holder was shown.
--
-- The caller owns the hold by the secret of its token, makes the id, the code and the secret of the order, and may name a
-- price type for a seat; any other seat has the type adult. Prices, fees and tax rates are those of the hold's price
-- version. Only the SHA-256 of the order's secret is stored.
--
-- A hold has one live order. The same wish again is told that order. Another wish replaces a pending order that is not
-- being paid, which is then cancelled. A key that was used for another wish is refused; p_wish_hash is the hash of the
-- wish, and p_idempotency_key null where the client sent none.
--
-- Locks     the key in this show (advisory), the show (shared), the hold, then its live order.
-- Outcomes  in precedence: RESERVATION_NOT_FOUND, SHOW_NOT_ON_SALE (cancelled or a draft), IDEMPOTENCY_KEY_REUSED,
--           OK (repeated, is_new false), ORDER_BEING_PAID (another wish while the order is being paid or was paid),
--           RESERVATION_NOT_ACTIVE, RESERVATION_EXPIRED, SEATS_NOT_FOUND (see refused_seat_ids: not of the hold, or named
--           twice), ORDER_CODE_TAKEN (make another one), PRICE_TYPE_NOT_FOUND (see refused_seat_ids), OK.
-- Writes    ticket_orders, ticket_order_items, order_idempotency_keys, one audit row (order_created).
create or replace function rowlock.create_order_atomic(
    p_show_id uuid,
    p_reservation_id uuid,
    p_secret bytea,
    p_order_id uuid,
    p_order_code text,
    p_order_secret bytea,
    p_customer_name text,
    p_customer_email text,
    p_seat_ids integer[],
    p_price_types text[],
    p_idempotency_key text,
    p_wish_hash bytea,
    p_session_id text,
    p_ip_address inet,
    p_user_agent text
)
returns table (
    outcome text,
    order_id uuid,
    is_new boolean,
    status text,
    refused_seat_ids integer[],
    server_time timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_show    shows%rowtype;
    v_hold    seat_reservations%rowtype;
    v_order   ticket_orders%rowtype;
    v_key     order_idempotency_keys%rowtype;
    v_hash    bytea;            -- the wish of the live order
    v_paying  boolean := false;
    v_refused integer[];
    v_seats   integer[];        -- of the new order; the arrays below are parallel to it
    v_categories integer[];
    v_types   text[];
    v_amounts bigint[];
    v_fees    bigint[];
    v_taxes   integer[];
    v_total   bigint;
    v_fee     bigint;
    v_now     timestamptz;
    v_outcome text;
begin
    -- Of two orders with one key, the second waits and is refused.
    perform pg_advisory_xact_lock(hashtextextended(p_idempotency_key, hashtextextended(p_show_id::text, 1)));
    select * into v_show from shows as s where s.show_id = p_show_id for share;
    select * into v_hold
    from seat_reservations as a
    where a.show_id = p_show_id and a.reservation_id = p_reservation_id and a.token_hash = sha256(p_secret)
    for update;
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.reservation_id = v_hold.reservation_id
        and o.status not in ('voided', 'expired', 'cancelled')
    for update;
    select k.wish_hash into v_hash
    from order_idempotency_keys as k
    where k.show_id = p_show_id and k.order_id = v_order.order_id
    order by k.created_at
    limit 1;
    select * into v_key
    from order_idempotency_keys as k
    where k.show_id = p_show_id and k.idempotency_key = p_idempotency_key;
    -- step: order_locked

    v_now := clock_timestamp();
    v_paying := v_order.order_id is not null and (
        v_order.status <> 'pending' or exists (
            select from payment_intents as i
            where i.show_id = p_show_id and i.order_id = v_order.order_id
                and i.status in ('sent', 'in_doubt', 'authorized', 'captured')
        )
    );
    v_outcome := case
        when v_hold.reservation_id is null then 'RESERVATION_NOT_FOUND'
        when v_show.status in ('cancelled', 'draft') then 'SHOW_NOT_ON_SALE'
        when
            v_key.order_id is not null
            and (v_key.wish_hash <> p_wish_hash or v_key.order_id is distinct from v_order.order_id)
            then 'IDEMPOTENCY_KEY_REUSED'
        when v_order.order_id is not null and v_hash = p_wish_hash then 'REPEATED'
        when v_paying then 'ORDER_BEING_PAID'
        when v_hold.status = 'expired' then 'RESERVATION_EXPIRED'
        when v_hold.status <> 'active' then 'RESERVATION_NOT_ACTIVE'
        when v_hold.expires_at <= v_now then 'RESERVATION_EXPIRED'
    end;

    if v_outcome is null then
        v_refused := array(
            select t.seat_id from unnest(p_seat_ids) as t (seat_id)
            group by t.seat_id
            having count(*) > 1 or t.seat_id is null or t.seat_id <> all(v_hold.seat_ids)
        );
        v_outcome := case
            when cardinality(v_refused) > 0 then 'SEATS_NOT_FOUND'
            when exists (select from ticket_orders as o where o.show_id = p_show_id and o.order_code = p_order_code)
                then 'ORDER_CODE_TAKEN'
        end;
    end if;
    if v_outcome is null then
        select
            array_agg(h.seat_id), array_agg(s.category), array_agg(w.price_type), array_agg(p.amount_minor),
            array_agg(p.fee_minor), array_agg(p.tax_basis_points), sum(p.amount_minor)::bigint,
            array_agg(h.seat_id order by h.seat_id) filter (where p.amount_minor is null)
        into v_seats, v_categories, v_types, v_amounts, v_fees, v_taxes, v_total, v_refused
        from unnest(v_hold.seat_ids) as h (seat_id)
        join seats as s on s.plan_id = v_show.plan_id and s.seat_id = h.seat_id
        cross join lateral (
            select coalesce(
                (
                    select t.price_type
                    from unnest(p_seat_ids, p_price_types) as t (seat_id, price_type)
                    where t.seat_id = h.seat_id
                ),
                'adult'
            ) as price_type
        ) as w
        left join show_prices as p
            on p.show_id = p_show_id and p.price_version = v_hold.price_version and p.category = s.category
            and p.price_type = w.price_type;
        v_outcome := case when v_refused is null then 'OK' else 'PRICE_TYPE_NOT_FOUND' end;
    end if;
    if v_outcome = 'OK' then
        -- An order that is not being paid makes room for the new wish. A free one has no fee.
        perform cancel_pending_order(p_show_id, p_reservation_id);
        select coalesce(max(l.fee_per_order_minor), 0)
        into v_fee
        from show_price_lists as l
        where l.show_id = p_show_id and l.price_version = v_hold.price_version and v_total > 0;
        insert into ticket_orders
            (show_id, order_id, order_code, idempotency_key, reservation_id, token_hash, customer_name, customer_email,
             total_minor, fee_minor, currency, expires_at)
        values (
            p_show_id, p_order_id, p_order_code, coalesce(p_idempotency_key, 'order-' || p_order_id), p_reservation_id,
            sha256(p_order_secret), p_customer_name, p_customer_email, v_total + v_fee, v_fee, v_show.currency,
            v_hold.created_at + make_interval(secs => v_show.max_hold_seconds) + interval '5 minutes'
        );
        insert into ticket_order_items
            (show_id, order_id, seat_id, category, price_type, amount_minor, fee_minor, tax_basis_points)
        select p_show_id, p_order_id, i.*
        from unnest(v_seats, v_categories, v_types, v_amounts, v_fees, v_taxes) as i;
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, seat_ids, session_id, ip_address, user_agent)
        values (
            p_show_id, p_reservation_id, p_order_id, 'order_created', v_hold.seat_ids,
            coalesce(p_session_id, v_hold.session_id), p_ip_address, p_user_agent
        );
        v_order.order_id := p_order_id;
        v_order.status := 'pending';
    end if;
    if v_outcome in ('OK', 'REPEATED') then
        -- Keys beyond twenty of one order are not remembered: its wish is known without them.
        insert into order_idempotency_keys (show_id, idempotency_key, order_id, wish_hash)
        select p_show_id, coalesce(p_idempotency_key, 'order-' || v_order.order_id), v_order.order_id, p_wish_hash
        where (
            select count(*) from order_idempotency_keys as k
            where k.show_id = p_show_id and k.order_id = v_order.order_id
        ) < 20
        on conflict (show_id, idempotency_key) do nothing;
    end if;
    -- step: written
    return query select
        case v_outcome when 'REPEATED' then 'OK' else v_outcome end, v_order.order_id, v_outcome = 'OK', v_order.status,
        case when v_outcome in ('SEATS_NOT_FOUND', 'PRICE_TYPE_NOT_FOUND') then v_refused end, clock_timestamp();
end
$$;
comment on function rowlock.create_order_atomic is
    'Order the seats of a hold at the prices that its holder was shown. Repeatable.';
revoke all on function rowlock.create_order_atomic from public;

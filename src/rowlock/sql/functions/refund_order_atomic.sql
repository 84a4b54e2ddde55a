-- refund_order_atomic: open a refund of a paid order, for some of its seats, for all of them, or for an amount alone.
--
-- With p_seat_ids the amount is the price of these seats, and with the last of them the fee per order, unless
-- p_keep_fees. With p_amount_minor alone the buyer keeps seats and tickets. With neither, all that is left is refunded.
-- p_give_back says what becomes of refunded seats: on_sale (free again) or house (blocked). The refund is pending
-- until the provider has done it; tickets are void at once. The caller mints the refund id.
--
-- The same idempotency key with the same wish answers the same; with another wish it is refused. When the refund has
-- failed at the provider, the same key opens it again: for the provider that is another refund. A refund never exceeds what was captured less what other
-- refunds, pending ones included, give back, and less what a bank has taken back for good. While a chargeback is open its
-- amount is not refunded, so that it is not lost twice. An order is refunded when all of its seats were given back; after
-- some of them, or money alone, it is partially refunded.
--
-- What one payment does not have is taken from another: an order of an exchange has several. Each further part is a
-- refund of its own, which belongs to the one that is answered.
--
-- Locks     the order, what lock_payments locks, then the seats, by seat id.
-- Outcomes  in precedence: ORDER_NOT_FOUND, IDEMPOTENCY_KEY_REUSED, OK (repeated), INVALID_INPUT (seats and an amount,
--           an amount that is not positive, no key, no such p_give_back), ORDER_NOT_REFUNDABLE (not paid),
--           SEATS_NOT_FOUND (not of this order, or refunded before), REFUND_EXCEEDS_PAYMENT, PAYMENT_DISPUTED (more than
--           what is not disputed), OK.
-- Writes    refunds, refund_items, show_seats, tickets, ticket_orders, one audit row (refunded or failed), one outbox
--           message for each part (refund_requested when there is money to give back, else refund_succeeded).
create or replace function rowlock.refund_order_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_refund_id uuid,
    p_idempotency_key text,
    p_seat_ids integer[] default null,
    p_amount_minor bigint default null,
    p_give_back text default 'on_sale',
    p_keep_fees boolean default false,
    p_reason text default '',
    p_session_id text default null,
    p_ip_address inet default null,
    p_actor text default null
)
returns table (
    outcome text,
    order_id uuid,
    status text,
    refund_id uuid,
    amount_minor bigint,
    seat_ids integer[],
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
    v_order    ticket_orders%rowtype;
    v_known    refunds%rowtype;
    v_intents  uuid[];
    v_rest     bigint;         -- what was captured, less what refunds give back and banks have taken back
    v_free     bigint;         -- the same, less what is in open disputes
    v_left     integer[];      -- seats of the order that no refund has given back
    v_seats    integer[];
    v_amount   bigint;
    v_first    bigint;         -- the part of the amount that the first payment gives
    v_hash     bytea := sha256(convert_to(jsonb_build_array(
        p_order_id, array(select distinct s from unnest(p_seat_ids) as s order by s), p_seat_ids is null,
        p_amount_minor, p_give_back, p_keep_fees
    )::text, 'UTF8'));
    v_outcome  text;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    if not found then
        return query select 'ORDER_NOT_FOUND', p_order_id, null::text, p_refund_id, 0::bigint, '{}'::integer[],
            clock_timestamp();
        return;
    end if;
    perform lock_payments(p_show_id, array[p_order_id]);
    select * into v_known
    from refunds as r
    where r.show_id = p_show_id and r.idempotency_key = p_idempotency_key;
    -- step: order_locked

    select coalesce(sum(l.left_minor), 0)::bigint, coalesce(sum(l.free_minor), 0)::bigint
    into v_rest, v_free
    from payments_left(p_show_id, p_order_id) as l;
    if v_known.refund_id is not null then
        v_outcome := case
            when v_known.order_id <> p_order_id or v_known.wish_hash is distinct from v_hash
                then 'IDEMPOTENCY_KEY_REUSED'
            when exists (
                select from refunds as r
                join payments_left(p_show_id, p_order_id) as l on l.payment_intent_id = r.payment_intent_id
                where r.show_id = p_show_id and v_known.refund_id in (r.refund_id, r.part_of) and r.status = 'failed'
                    and r.amount_minor > l.left_minor
            ) then 'REFUND_EXCEEDS_PAYMENT'
            when exists (
                select from refunds as r
                join payments_left(p_show_id, p_order_id) as l on l.payment_intent_id = r.payment_intent_id
                where r.show_id = p_show_id and v_known.refund_id in (r.refund_id, r.part_of) and r.status = 'failed'
                    and r.amount_minor > l.free_minor
            ) then 'PAYMENT_DISPUTED'
            else 'OK'
        end;
        if v_outcome = 'OK' then
            with opened as (
                update refunds as r
                set status = 'pending', reopened = r.reopened + 1, provider_reference = null, failure = null,
                    updated_at = clock_timestamp()
                where r.show_id = p_show_id and v_known.refund_id in (r.refund_id, r.part_of) and r.status = 'failed'
                returning r.refund_id
            )
            insert into outbox_messages (show_id, order_id, kind, payload)
            select p_show_id, p_order_id, 'refund_requested', jsonb_build_object('refund_id', r.refund_id)
            from opened as r;
        end if;
        return query select
            v_outcome,
            p_order_id, v_order.status, v_known.refund_id,
            (
                select sum(r.amount_minor)::bigint from refunds as r
                where r.show_id = p_show_id and v_known.refund_id in (r.refund_id, r.part_of)
            ),
            array(
                select i.seat_id from refund_items as i
                where i.show_id = p_show_id and i.refund_id = v_known.refund_id order by i.seat_id
            ),
            clock_timestamp();
        return;
    end if;

    v_left := array(
        select i.seat_id from ticket_order_items as i
        where i.show_id = p_show_id and i.order_id = p_order_id
            and not exists (
                select from refund_items as f
                where f.show_id = p_show_id and f.order_id = p_order_id and f.seat_id = i.seat_id
            )
        order by i.seat_id
    );
    v_seats := case
        when p_seat_ids is not null then array(select distinct s from unnest(p_seat_ids) as s order by s)
        when p_amount_minor is not null then '{}'
        else v_left
    end;
    -- All that is left goes back with the last seats: amounts that were refunded alone are not given back twice.
    v_amount := case
        when p_amount_minor is not null then p_amount_minor
        else least(
            v_rest,
            (
                select coalesce(sum(i.amount_minor), 0)::bigint
                from ticket_order_items as i
                where i.show_id = p_show_id and i.order_id = p_order_id and i.seat_id = any(v_seats)
            ) + case when v_left <@ v_seats and not coalesce(p_keep_fees, false) then v_order.fee_minor else 0 end
        )
    end;
    v_outcome := case
        when
            p_seat_ids is not null and (p_amount_minor is not null or cardinality(v_seats) = 0)
            or p_amount_minor <= 0
            or p_refund_id is null
            or coalesce(p_idempotency_key, '') = ''
            or coalesce(p_give_back, '') not in ('on_sale', 'house')
            then 'INVALID_INPUT'
        when v_order.status not in ('paid', 'partially_refunded') then 'ORDER_NOT_REFUNDABLE'
        when not v_seats <@ v_left then 'SEATS_NOT_FOUND'
        when v_amount > v_rest then 'REFUND_EXCEEDS_PAYMENT'
        when v_amount > v_free then 'PAYMENT_DISPUTED'
        when p_seat_ids is null and p_amount_minor is null and cardinality(v_seats) = 0 and v_amount = 0
            then 'ORDER_NOT_REFUNDABLE'
        else 'OK'
    end;

    if v_outcome = 'OK' then
        select array_agg(s.payment_intent_id order by s.number), coalesce(min(s.amount_minor) filter (where s.number = 1), 0)
        into v_intents, v_first
        from split_refund(p_show_id, p_order_id, v_amount)
            with ordinality as s (payment_intent_id, amount_minor, number);
        insert into refunds
            (show_id, refund_id, order_id, payment_intent_id, idempotency_key, wish_hash, amount_minor, reason,
             give_back, status)
        values (
            p_show_id, p_refund_id, p_order_id, v_intents[1], p_idempotency_key, v_hash,
            v_first, coalesce(p_reason, ''), case when cardinality(v_seats) > 0 then p_give_back else 'nothing' end,
            case when v_amount > 0 then 'pending' else 'succeeded' end
        )
        on conflict (show_id, idempotency_key) do nothing;
        -- Another order's refund was opened with this key while we looked.
        v_outcome := case when found then 'OK' else 'IDEMPOTENCY_KEY_REUSED' end;
    end if;
    if v_outcome = 'OK' then
        insert into refunds
            (show_id, refund_id, order_id, payment_intent_id, idempotency_key, amount_minor, reason, part_of)
        select
            p_show_id, mint_id(p_show_id), p_order_id, s.payment_intent_id, 'part-' || p_refund_id || '-' || s.number,
            s.amount_minor, coalesce(p_reason, ''), p_refund_id
        -- What the first part has taken is taken: this is the rest.
        from split_refund(p_show_id, p_order_id, v_amount - v_first)
            with ordinality as s (payment_intent_id, amount_minor, number);
        -- The seats' parts of the money: together no more than this refund gives.
        insert into refund_items (show_id, refund_id, order_id, seat_id, amount_minor)
        select i.show_id, p_refund_id, i.order_id, i.seat_id, least(i.amount_minor, greatest(0, v_first - i.before_minor))
        from (
            select k.*, coalesce(sum(k.amount_minor) over (
                order by k.seat_id rows between unbounded preceding and 1 preceding
            ), 0)::bigint as before_minor
            from ticket_order_items as k
            where k.show_id = p_show_id and k.order_id = p_order_id and k.seat_id = any(v_seats)
        ) as i;
        perform free_seats_of_orders(
            p_show_id, array[p_order_id], v_seats,
            case when p_give_back = 'house' then 'refunded: ' || coalesce(p_reason, '') end
        );
        -- step: seats_locked
        v_order.status := case
            when v_left <@ v_seats then 'refunded'
            else 'partially_refunded'
        end;
        update ticket_orders as o
        set status = v_order.status
        where o.show_id = p_show_id and o.order_id = p_order_id;
        insert into outbox_messages (show_id, order_id, kind, payload)
        select
            p_show_id, p_order_id, case when v_amount > 0 then 'refund_requested' else 'refund_succeeded' end,
            jsonb_build_object('refund_id', r.refund_id)
        from refunds as r
        where r.show_id = p_show_id and r.order_id = p_order_id and p_refund_id in (r.refund_id, r.part_of);
    end if;

    if v_outcome = 'OK' then
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, seat_ids, session_id, ip_address, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, p_order_id, 'refunded', v_seats, p_session_id, p_ip_address,
            jsonb_build_object(
                'operation', 'refund', 'refund_id', p_refund_id, 'amount_minor', v_amount, 'give_back', p_give_back,
                'reason', p_reason
            ),
            p_actor
        );
    else
        perform log_refusals(
            p_show_id, array[v_outcome], array[v_order.reservation_id], array[v_seats::text], array[p_session_id],
            array[p_ip_address], null, jsonb_build_object('operation', 'refund', 'refund_id', p_refund_id), p_order_id,
            p_actor
        );
    end if;
    -- step: written
    return query select v_outcome, p_order_id, v_order.status, p_refund_id,
        case v_outcome when 'OK' then v_amount else 0 end, case v_outcome when 'OK' then v_seats else '{}' end,
        clock_timestamp();
end
$$;
comment on function rowlock.refund_order_atomic is
    'Open a refund of a paid order, of seats or of an amount, and give the seats back. Repeatable by its key.';
revoke all on function rowlock.refund_order_atomic from public;

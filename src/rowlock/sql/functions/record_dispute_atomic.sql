-- record_dispute_atomic: write down what the provider says of a chargeback.
--
-- The tickets and seats stay as they are: whether the seat is sold again is for staff to decide. Money that the bank took
-- is booked once, and so is money that came back. What a provider says may be old: a dispute that has ended is not opened
-- again. A repeated call changes nothing.
--
-- Locks     the show, and those whose orders have money of the payment, shared and by id; the order, then its payment
--           intent, then the dispute.
-- Outcomes  in precedence: PAYMENT_NOT_FOUND, INVALID_INPUT (no such status, an amount that is not positive, another
--           currency, or a reference of another payment), OK. dispute_id is that of the reference.
-- Writes    disputes, ledger_entries, one audit row (disputed, dispute_won or dispute_lost), and one outbox message
--           (show_cancelled) when it ends, for each of these shows that was cancelled.
create or replace function rowlock.record_dispute_atomic(
    p_show_id uuid,
    p_payment_intent_id uuid,
    p_dispute_id uuid,            -- minted by the caller; the one there is counts
    p_reference text,
    p_status text,                -- opened, won or lost
    p_provider_status text,
    p_amount_minor bigint,
    p_withdrawn_minor bigint,     -- what is off the account for it now
    p_fee_minor bigint,
    p_currency text,
    p_reason text,
    p_respond_until timestamptz
)
returns table (outcome text, dispute_id uuid, order_id uuid, status text, server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order   ticket_orders%rowtype;
    v_intent  payment_intents%rowtype;
    v_dispute disputes%rowtype;
    v_event   text;
    v_now     timestamptz;
begin
    -- A show that is being cancelled leaves out what is disputed: either it sees the end of a dispute, or this sees that it
    -- was cancelled.
    perform from (
        select from shows as s
        where s.show_id in (
            select p_show_id
            union all
            select c.show_id
            from payment_intents as i
            join payment_intents as c
                on c.provider = 'credit' and c.source_provider = i.provider and c.source_reference = i.provider_reference
            where i.show_id = p_show_id and i.payment_intent_id = p_payment_intent_id
        )
        order by s.show_id
        for share of s
    ) as l;
    select o.* into v_order
    from payment_intents as i
    join ticket_orders as o on o.show_id = i.show_id and o.order_id = i.order_id
    where i.show_id = p_show_id and i.payment_intent_id = p_payment_intent_id
    for update of o;
    select * into v_intent
    from payment_intents as i
    where i.show_id = p_show_id and i.payment_intent_id = p_payment_intent_id
    for update;
    -- step: order_locked
    if v_intent.payment_intent_id is null then
        return query select 'PAYMENT_NOT_FOUND', null::uuid, null::uuid, null::text, clock_timestamp();
        return;
    end if;
    select * into v_dispute
    from disputes as d
    where d.provider = v_intent.provider and d.provider_reference = p_reference
    for update;
    v_now := clock_timestamp();
    if coalesce(p_status, '') not in ('opened', 'won', 'lost')
        or coalesce(p_reference, '') = '' or p_dispute_id is null
        or coalesce(p_amount_minor, 0) <= 0
        or p_withdrawn_minor is null or p_withdrawn_minor < 0 or p_fee_minor is null
        or p_currency is distinct from v_intent.currency
        or v_dispute.payment_intent_id <> p_payment_intent_id
    then
        return query select 'INVALID_INPUT', v_dispute.dispute_id, v_order.order_id, v_dispute.status, v_now;
        return;
    end if;

    if v_dispute.dispute_id is null then
        insert into disputes as d
            (show_id, dispute_id, payment_intent_id, provider, provider_reference, provider_status, status, amount_minor,
             currency, reason, respond_until, ended_at)
        values (
            p_show_id, p_dispute_id, p_payment_intent_id, v_intent.provider, p_reference, left(p_provider_status, 200),
            p_status, p_amount_minor, p_currency, left(coalesce(p_reason, ''), 200), p_respond_until,
            case when p_status <> 'opened' then v_now end
        )
        returning d.* into v_dispute;
        v_event := 'disputed';
    elsif v_dispute.status <> p_status and p_status <> 'opened' then
        v_event := case p_status when 'won' then 'dispute_won' else 'dispute_lost' end;
    end if;
    if v_dispute.status = p_status or exists (
        select from state_changes as c
        where c.subject = 'disputes' and c.from_state = v_dispute.status and c.to_state = p_status
    ) then
        if v_dispute.withdrawn_minor = 0 and p_withdrawn_minor > 0 then
            v_dispute.withdrawn_minor := least(p_withdrawn_minor, p_amount_minor);
            v_dispute.fee_minor := p_fee_minor;
            perform book_money(
                p_show_id, v_dispute.dispute_id, v_order.order_id, 'disputed', -v_dispute.withdrawn_minor,
                v_dispute.fee_minor, p_currency
            );
        elsif v_dispute.withdrawn_minor > 0 and p_withdrawn_minor = 0 and v_dispute.return_movement_id is null then
            v_dispute.return_movement_id := mint_id(p_show_id);
            perform book_money(
                p_show_id, v_dispute.return_movement_id, v_order.order_id, 'disputed', v_dispute.withdrawn_minor,
                p_fee_minor - v_dispute.fee_minor, p_currency
            );
            v_dispute.fee_minor := p_fee_minor;
        end if;
        update disputes as d
        set status = p_status, provider_status = left(p_provider_status, 200), amount_minor = p_amount_minor,
            reason = left(coalesce(p_reason, ''), 200), respond_until = p_respond_until,
            withdrawn_minor = v_dispute.withdrawn_minor, fee_minor = v_dispute.fee_minor,
            return_movement_id = v_dispute.return_movement_id,
            ended_at = case when p_status <> 'opened' then coalesce(d.ended_at, v_now) end,
            updated_at = v_now
        where d.show_id = p_show_id and d.dispute_id = v_dispute.dispute_id;
        v_dispute.status := p_status;
    end if;
    if v_event is not null then
        insert into seat_reservation_audit_log (show_id, reservation_id, order_id, event, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, v_order.order_id, v_event,
            jsonb_build_object(
                'operation', 'dispute', 'dispute_id', v_dispute.dispute_id, 'amount_minor', p_amount_minor,
                'reason', left(coalesce(p_reason, ''), 200), 'status', p_status
            ),
            v_intent.provider
        );
    end if;
    if v_event in ('dispute_won', 'dispute_lost') then
        -- The cancellation of a show has left out its orders with this money.
        insert into outbox_messages (kind, show_id, payload)
        select 'show_cancelled', s.show_id, jsonb_build_object('reason', 'cancelled', 'actor', v_intent.provider)
        from shows as s
        where s.status = 'cancelled' and s.show_id in (
            select d.show_id
            from disputed_payments as d
            where d.dispute_show_id = p_show_id and d.dispute_id = v_dispute.dispute_id
        );
    end if;
    -- step: written
    return query select 'OK', v_dispute.dispute_id, v_order.order_id, v_dispute.status, v_now;
end
$$;
comment on function rowlock.record_dispute_atomic is 'Write down what the provider says of a chargeback. Repeatable.';
revoke all on function rowlock.record_dispute_atomic from public;

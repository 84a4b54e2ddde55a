-- issue_receipt_atomic: give a paid order its receipt, or a refund its credit note: the next number of the organization.
--
-- Numbers count from 1 within an organization and a year, without a gap: the counter is locked until the commit, and goes
-- back with a transaction that fails. An order or refund that has its number is told it again. Without p_refund_id it is
-- the receipt of the order.
--
-- The seller is written down as the organization is now: what changes later changes no receipt.
--
-- A free order has no receipt. Money that came after an order had ended, or twice, was no sale, so its refund is no credit.
--
-- Locks     the order (for key share, as its foreign key does), then the counter of the organization and year.
-- Outcomes  in precedence: ORDER_NOT_FOUND, REFUND_NOT_FOUND, RECEIPT_NOT_DUE (not paid, or free; the refund has not
--           succeeded, or is of money that was no sale), OK.
-- Writes    receipt_counters, receipts.
create or replace function rowlock.issue_receipt_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_refund_id uuid
)
returns table (
    outcome text,
    organization_id uuid,
    year integer,
    number integer,
    issued_at timestamptz
)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order        ticket_orders%rowtype;
    v_refund       refunds%rowtype;
    v_organization uuid;
    v_zone         text;
    v_year         integer;
    v_last         integer;
    v_now          timestamptz;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for key share;
    -- step: order_locked
    if v_order.order_id is null then
        return query select 'ORDER_NOT_FOUND', null::uuid, null::integer, null::integer, null::timestamptz;
        return;
    end if;
    if p_refund_id is not null then
        select * into v_refund
        from refunds as r
        where r.show_id = p_show_id and r.refund_id = p_refund_id and r.order_id = p_order_id;
        if v_refund.refund_id is null then
            return query select 'REFUND_NOT_FOUND', null::uuid, null::integer, null::integer, null::timestamptz;
            return;
        end if;
    end if;
    if
        v_order.paid_at is null or v_order.total_minor = 0
        or p_refund_id is not null and (
            v_refund.status <> 'succeeded' or v_refund.amount_minor = 0
            or v_refund.idempotency_key = 'late-' || v_refund.payment_intent_id
        )
    then
        return query select 'RECEIPT_NOT_DUE', null::uuid, null::integer, null::integer, null::timestamptz;
        return;
    end if;

    select coalesce(s.organization_id, v.organization_id), v.time_zone
    into v_organization, v_zone
    from shows as s
    join seating_plans as p on p.plan_id = s.plan_id
    join venues as v on v.venue_id = p.venue_id
    where s.show_id = p_show_id;
    -- A call that waits over New Year's Eve takes its number from the year that it gets it in.
    loop
        v_year := extract(year from clock_timestamp() at time zone v_zone)::integer;
        select c.last_number into v_last
        from receipt_counters as c
        where c.organization_id = v_organization and c.year = v_year
        for update;
        if not found then
            insert into receipt_counters (organization_id, year) values (v_organization, v_year)
            on conflict (organization_id, year) do nothing;
            continue;
        end if;
        -- step: counter_locked
        v_now := clock_timestamp();
        exit when extract(year from v_now at time zone v_zone) = v_year;
    end loop;

    -- Looked for under the lock: two workers may ask for the same one.
    return query
    select 'OK', r.organization_id, r.year, r.number, r.issued_at
    from receipts as r
    where r.show_id = p_show_id and r.order_id = p_order_id and r.refund_id is not distinct from p_refund_id;
    if found then
        return;
    end if;
    update receipt_counters as c
    set last_number = v_last + 1
    where c.organization_id = v_organization and c.year = v_year;
    insert into receipts (
        organization_id, year, number, show_id, order_id, refund_id, amount_minor, currency, issued_at,
        seller_name, seller_address, seller_tax_id
    )
    select
        o.organization_id, v_year, v_last + 1, p_show_id, p_order_id, p_refund_id,
        coalesce(v_refund.amount_minor, v_order.total_minor), v_order.currency, v_now,
        coalesce(o.legal_name, o.name), o.address, o.tax_id
    from organizations as o
    where o.organization_id = v_organization;
    -- step: written
    return query select 'OK', v_organization, v_year, v_last + 1, v_now;
end
$$;
comment on function rowlock.issue_receipt_atomic is
    'Give a paid order its receipt, or a refund its credit note, with the next number of the organization. Repeatable.';
revoke all on function rowlock.issue_receipt_atomic from public;

-- reissue_ticket_atomic: give a ticket its next revision, so that every code of it that is about no longer counts.
--
-- With p_revision, the revision that is to be replaced, a call may be repeated: it is OK, and changes nothing, when the
-- ticket has the next one already. Without it each call makes a new one.
--
-- Locks     the order, then the ticket.
-- Outcomes  in precedence: TICKET_NOT_FOUND (no such ticket of this order), TICKET_NOT_VALID (the order is not paid, or
--           the ticket is used or void), TICKET_REVISION_DIFFERS (another one than p_revision counts now, or there are
--           no more), OK.
-- Writes    tickets, one audit row (reissued), one outbox message (ticket_reissued).
create or replace function rowlock.reissue_ticket_atomic(
    p_show_id uuid,
    p_order_id uuid,
    p_ticket_id uuid,
    p_revision integer default null,
    p_reason text default null,
    p_ip_address inet default null,
    p_actor text default null
)
returns table (outcome text, ticket_id uuid, seat_id integer, revision integer, server_time timestamptz)
language plpgsql
security definer
set search_path = rowlock, pg_temp
set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
declare
    v_order   ticket_orders%rowtype;
    v_ticket  tickets%rowtype;
    v_outcome text;
begin
    select * into v_order
    from ticket_orders as o
    where o.show_id = p_show_id and o.order_id = p_order_id
    for update;
    select * into v_ticket
    from tickets as t
    where t.show_id = p_show_id and t.ticket_id = p_ticket_id and t.order_id = p_order_id
    for update;
    -- step: order_locked
    v_outcome := case
        when v_ticket.ticket_id is null then 'TICKET_NOT_FOUND'
        when v_order.status not in ('paid', 'partially_refunded') or v_ticket.status <> 'valid' then 'TICKET_NOT_VALID'
        when v_ticket.revision = p_revision + 1 then 'REPEATED'
        when v_ticket.revision <> p_revision or v_ticket.revision >= 255 then 'TICKET_REVISION_DIFFERS'
        else 'OK'
    end;
    if v_outcome = 'OK' then
        update tickets as t
        set revision = t.revision + 1
        where t.show_id = p_show_id and t.ticket_id = p_ticket_id
        returning t.revision into v_ticket.revision;
        insert into seat_reservation_audit_log
            (show_id, reservation_id, order_id, event, seat_ids, ip_address, metadata, actor)
        values (
            p_show_id, v_order.reservation_id, p_order_id, 'reissued', array[v_ticket.seat_id], p_ip_address,
            jsonb_build_object(
                'operation', 'reissue', 'ticket_id', p_ticket_id, 'revision', v_ticket.revision,
                'reason', left(p_reason, 200)
            ),
            p_actor
        );
        insert into outbox_messages (kind, show_id, order_id, payload)
        values (
            'ticket_reissued', p_show_id, p_order_id,
            jsonb_build_object('ticket_id', p_ticket_id, 'revision', v_ticket.revision)
        );
    end if;
    -- step: written
    return query select
        case v_outcome when 'REPEATED' then 'OK' else v_outcome end, v_ticket.ticket_id, v_ticket.seat_id,
        v_ticket.revision, clock_timestamp();
end
$$;
comment on function rowlock.reissue_ticket_atomic is
    'Give a ticket its next revision, so that codes of it that are about no longer count. Repeatable with p_revision.';
revoke all on function rowlock.reissue_ticket_atomic from public;

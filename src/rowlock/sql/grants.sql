-- The rights of each role. Applied after every migration. Grants to a role that does not exist are skipped, and
-- `rowlock doctor` reports which guarantee is weaker without it.
--
-- rowlock_app: reads the catalogue and the views, executes the functions, has no grant on a seat table.
-- rowlock_v1:  the version 1 fallback writes the seat tables directly, and nothing else.

-- No role may change or delete rows of the audit log, not even the owner.
revoke update, delete, truncate on rowlock.seat_reservation_audit_log from current_user;
revoke update, delete, truncate on rowlock.seat_reservation_audit_log_default from current_user;

do $$
begin
    if to_regrole('rowlock_app') is not null then
        grant usage on schema rowlock to rowlock_app;
        grant select on
            rowlock.organizations, rowlock.venues, rowlock.seating_plans, rowlock.seats, rowlock.shows,
            rowlock.show_prices, rowlock.runtime_settings, rowlock.schema_migrations, rowlock.schema_objects
            to rowlock_app;
        grant select on
            rowlock.seat_states, rowlock.reservation_details, rowlock.show_listing,
            rowlock.reservation_cleanup_job_status, rowlock.seat_change_feed, rowlock.lapsed_reservations
            to rowlock_app;
        grant execute on all functions in schema rowlock to rowlock_app;
        -- Parts of other functions, which check and lock before they call these.
        revoke execute on function
            rowlock.cancel_pending_order, rowlock.end_order_of_cancelled_show, rowlock.free_seats_of_orders,
            rowlock.lock_pending_order
            from rowlock_app;
    end if;
    if to_regrole('rowlock_v1') is not null then
        grant usage on schema rowlock to rowlock_v1;
        grant select on rowlock.shows, rowlock.show_prices, rowlock.seats to rowlock_v1;
        grant select, insert, update, delete on rowlock.show_seats, rowlock.seat_reservations to rowlock_v1;
        grant insert on rowlock.seat_reservation_audit_log to rowlock_v1;
        -- A released hold cancels its pending order, and may not be released while that is being paid.
        grant select (show_id, order_id, reservation_id, status) on rowlock.ticket_orders to rowlock_v1;
        grant select (show_id, order_id, status) on rowlock.payment_intents to rowlock_v1;
        grant update (status) on rowlock.ticket_orders to rowlock_v1;
        grant update (status, updated_at) on rowlock.payment_intents to rowlock_v1;
    end if;
end
$$;

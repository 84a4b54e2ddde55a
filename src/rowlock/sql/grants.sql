-- The rights of each role, one by one. Applied after every migration. Grants to a role that does not exist are skipped,
-- and `rowlock doctor` reports which guarantee is weaker without it.
--
-- rowlock_app:    buyers. Reads the catalogue, and holds seats through functions that ask for the proof of a hold.
-- rowlock_office: staff. Writes the catalogue, keeps house seats through functions, reads orders and reports.
-- rowlock_worker: money, jobs and cleanup, through functions.
-- rowlock_v1:     the version 1 fallback writes the seat tables directly, and nothing else.
--
-- No role but the owner reads a hash of a secret or the key of a holder, except rowlock_v1, which writes both. Only the
-- owner makes, lists and revokes the keys of integrators; rowlock_app asks about one by its hash.

-- No role may change or delete rows of the audit log, not even the owner.
revoke update, delete, truncate on rowlock.seat_reservation_audit_log from current_user;
revoke update, delete, truncate on rowlock.seat_reservation_audit_log_default from current_user;

do $$
declare
    v_role text;
begin
    -- What an older release granted and this one does not.
    foreach v_role in array array['rowlock_app', 'rowlock_office', 'rowlock_worker', 'rowlock_v1'] loop
        if to_regrole(v_role) is not null then
            execute format('revoke all on all tables in schema rowlock from %I', v_role);
            execute format('revoke all on all functions in schema rowlock from %I', v_role);
            execute format('grant usage on schema rowlock to %I', v_role);
        end if;
    end loop;

    if to_regrole('rowlock_app') is not null then
        grant select on
            rowlock.organizations, rowlock.venues, rowlock.seating_plans, rowlock.seats, rowlock.shows,
            rowlock.show_prices, rowlock.show_price_lists, rowlock.runtime_settings, rowlock.schema_migrations,
            rowlock.schema_objects, rowlock.schema_old_functions
            to rowlock_app;
        grant select on rowlock.seat_states, rowlock.show_listing to rowlock_app;
        grant execute on function
            rowlock.reserve_seats_atomic, rowlock.reserve_seats_batch, rowlock.extend_reservation_atomic,
            rowlock.change_seats_atomic, rowlock.change_seats_within_limits, rowlock.release_seats_atomic,
            rowlock.release_seats_batch,
            rowlock.find_reservation, rowlock.seat_changes_since, rowlock.find_integrator_key,
            rowlock.create_order_atomic, rowlock.find_order
            to rowlock_app;
    end if;

    if to_regrole('rowlock_office') is not null then
        grant select, insert, update on rowlock.organizations, rowlock.venues to rowlock_office;
        grant select, insert on rowlock.shows to rowlock_office;
        -- All but what decides which seats there are: move_show_atomic changes the plan.
        grant update (
            slug, title, description, image_url, doors_at, starts_at, ends_at, sales_start_at, sales_end_at, status,
            max_seats_per_reservation, hold_seconds, extension_seconds, max_extensions, max_hold_seconds, organization_id,
            price_version
        ) on rowlock.shows to rowlock_office;
        -- What was published or shown to buyers is never changed; a new version is added.
        grant select, insert on
            rowlock.seating_plans, rowlock.seats, rowlock.show_prices, rowlock.show_price_lists
            to rowlock_office;
        -- The checksum is computed from the stored seats, after they were added.
        grant update (checksum) on rowlock.seating_plans to rowlock_office;
        grant select on
            rowlock.ticket_order_items, rowlock.refunds, rowlock.refund_items, rowlock.tickets, rowlock.disputes,
            rowlock.ledger_entries, rowlock.reservation_cleanup_runs,
            rowlock.reservation_refusal_counts, rowlock.runtime_settings, rowlock.receipts, rowlock.ticket_exchanges
            to rowlock_office;
        -- Which mail failed and why, and that one came back. What a mail said is not kept there.
        grant select on rowlock.mails to rowlock_office;
        grant update (status, error, at) on rowlock.mails to rowlock_office;
        grant select (
            message_id, show_id, order_id, kind, created_at, done_at, attempts, next_attempt_at, last_error
        ) on rowlock.outbox_messages to rowlock_office;
        -- All but the hash of the order's secret, and the secret of the buyer's page.
        grant select (
            show_id, order_id, order_code, idempotency_key, reservation_id, customer_name, customer_email, status,
            total_minor, fee_minor, currency, created_at, expires_at, confirmed_at, paid_at, exchange_of_show_id,
            exchange_of_order_id, credit_minor, given_up_at
        ) on rowlock.ticket_orders to rowlock_office;
        grant select (
            show_id, payment_intent_id, order_id, provider, provider_reference, account, amount_minor, currency, status,
            created_at, updated_at, failure, source_provider, source_reference
        ) on rowlock.payment_intents to rowlock_office;
        -- All but the session, which is the key of the holder.
        grant select (
            id, at, xid, show_id, reservation_id, order_id, event, seat_ids, ip_address, user_agent, error_code, metadata,
            actor
        ) on rowlock.seat_reservation_audit_log to rowlock_office;
        grant select on
            rowlock.seat_states, rowlock.show_listing, rowlock.reservation_details, rowlock.reservation_refusals,
            rowlock.live_holds, rowlock.order_details, rowlock.disputed_payments,
            rowlock.reservation_cleanup_job_status, rowlock.seat_change_feed, rowlock.lapsed_reservations,
            rowlock.seating_plan_checksums
            to rowlock_office;
        grant execute on function
            rowlock.block_seats_atomic, rowlock.unblock_seats_atomic, rowlock.move_show_atomic,
            rowlock.announce_show_moved,
            rowlock.release_holds_atomic,
            rowlock.get_reservation_statistics
            to rowlock_office;
    end if;

    if to_regrole('rowlock_worker') is not null then
        grant select on
            rowlock.organizations, rowlock.venues, rowlock.seating_plans, rowlock.seats, rowlock.shows,
            rowlock.show_prices, rowlock.show_price_lists, rowlock.runtime_settings, rowlock.schema_migrations,
            rowlock.schema_objects, rowlock.schema_old_functions
            to rowlock_worker;
        grant select on
            rowlock.lapsed_reservations, rowlock.reservation_cleanup_job_status, rowlock.seat_change_feed,
            rowlock.order_details, rowlock.payment_intents, rowlock.refunds, rowlock.refund_items,
            rowlock.ledger_entries, rowlock.receipts, rowlock.ticket_exchanges
            to rowlock_worker;
        -- The inbox of what providers send: it changes no seat and no order.
        grant select, insert, update on rowlock.webhook_events to rowlock_worker;
        grant select on rowlock.disputes, rowlock.disputed_payments to rowlock_worker;
        -- What became of each mail; and the local mailbox, where mails land without a mail server, the newest few.
        grant select, insert, update on rowlock.mails to rowlock_worker;
        grant select, insert, update, delete on rowlock.mailbox_messages to rowlock_worker;
        -- The answers to repeated requests for a payment, which are forgotten after a while.
        grant select, insert, update, delete on rowlock.payment_idempotency_keys to rowlock_worker;
        -- What payment providers keep with us: they stand for systems outside, so their rows prove nothing to an order
        -- that the provider is not asked about.
        grant select, insert, update on
            rowlock.sandbox_payments, rowlock.sandbox_events, rowlock.sandbox_disputes, rowlock.manual_payments
            to rowlock_worker;
        grant select, insert on rowlock.sandbox_refunds, rowlock.manual_refunds to rowlock_worker;
        grant execute on function
            rowlock.begin_payment_atomic, rowlock.complete_order_atomic, rowlock.pay_order_atomic,
            rowlock.void_order_atomic, rowlock.refund_order_atomic, rowlock.cancel_show_atomic,
            rowlock.reissue_ticket_atomic,
            rowlock.record_payment_atomic, rowlock.settle_refund_atomic, rowlock.expire_orders_atomic,
            rowlock.end_order_atomic, rowlock.issue_receipt_atomic, rowlock.record_dispute_atomic,
            rowlock.record_refund_atomic, rowlock.retry_refunds_atomic,
            rowlock.begin_exchange_atomic, rowlock.make_exchange_order_atomic, rowlock.give_up_tickets_atomic,
            rowlock.finish_exchange_atomic, rowlock.tell_buyers_of_move,
            rowlock.take_outbox_messages, rowlock.finish_outbox_message,
            rowlock.cleanup_expired_seat_reservations, rowlock.ensure_audit_log_partitions,
            rowlock.get_reservation_statistics
            to rowlock_worker;
    end if;

    if to_regrole('rowlock_v1') is not null then
        grant select on rowlock.shows, rowlock.show_prices, rowlock.seats to rowlock_v1;
        grant select, insert, update, delete on rowlock.show_seats, rowlock.seat_reservations to rowlock_v1;
        grant insert on rowlock.seat_reservation_audit_log to rowlock_v1;
        grant select, insert, update on rowlock.reservation_refusal_counts to rowlock_v1;
        -- A released hold cancels its pending order, and may not be released while that is being paid.
        grant select (
            show_id, order_id, reservation_id, status, total_minor, credit_minor, currency, expires_at, token_hash
        ) on rowlock.ticket_orders to rowlock_v1;
        -- It begins payments, and writes down what the provider says of one that has begun.
        grant select (
            show_id, order_id, payment_intent_id, status, provider, provider_reference, client_secret, failure
        ) on rowlock.payment_intents to rowlock_v1;
        grant insert (
            show_id, payment_intent_id, order_id, provider, account, amount_minor, currency, status
        ) on rowlock.payment_intents to rowlock_v1;
        grant update (status) on rowlock.ticket_orders to rowlock_v1;
        grant update (
            status, updated_at, provider_reference, client_secret, failure
        ) on rowlock.payment_intents to rowlock_v1;
    end if;
end
$$;

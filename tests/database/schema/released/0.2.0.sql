-- The functions of release 0.2.0: what processes of that release call. Written when it was made; not changed afterwards.

create function rowlock.begin_payment_atomic(p_show_id uuid, p_order_id uuid, p_payment_intent_id uuid, p_provider text)
returns TABLE(outcome text, order_id uuid, payment_intent_id uuid, status text, amount_minor bigint, currency text, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.block_seats_atomic(p_show_id uuid, p_seat_ids integer[], p_reason text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_actor text DEFAULT NULL::text)
returns TABLE(outcome text, seat_ids integer[], unavailable_seat_ids integer[], server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.cancel_pending_order(p_show_id uuid, p_reservation_id uuid)
returns void
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.cancel_show_atomic(p_show_id uuid, p_reason text, p_limit integer DEFAULT 500, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
returns TABLE(outcome text, holds_released integer, orders_ended integer, holds_left integer, orders_left integer, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.change_seats_atomic(p_show_id uuid, p_reservation_id uuid, p_add integer[], p_remove integer[], p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text)
returns TABLE(outcome text, reservation_id uuid, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.cleanup_expired_seat_reservations(p_limit integer DEFAULT 1000, p_run_by text DEFAULT 'sql'::text)
returns TABLE(total_reservations_expired integer, total_seats_released integer, reservation_ids uuid[])
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.complete_order_atomic(p_show_id uuid, p_order_id uuid, p_payment_intent_id uuid DEFAULT NULL::uuid, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text)
returns TABLE(outcome text, order_id uuid, status text, seat_ids integer[], unavailable_seat_ids integer[], ticket_ids uuid[], server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.end_order_of_cancelled_show(p_show_id uuid, p_order_id uuid, p_reason text, p_session_id text, p_ip_address inet, p_actor text)
returns text
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.ensure_audit_log_partitions(p_months_ahead integer DEFAULT 2)
returns SETOF text
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.extend_reservation_atomic(p_show_id uuid, p_reservation_id uuid, p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_seen_extension_count integer DEFAULT NULL::integer)
returns TABLE(outcome text, reservation_id uuid, expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.find_reservation(p_show_id uuid, p_reservation_id uuid DEFAULT NULL::uuid, p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text)
returns TABLE(show_id uuid, reservation_id uuid, status text, seat_ids integer[], wish_hash bytea, created_at timestamp with time zone, expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, plan_id uuid, currency text, price_version integer, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.free_seats_of_orders(p_show_id uuid, p_order_ids uuid[], p_seat_ids integer[], p_house_reason text)
returns integer[]
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.get_reservation_statistics(p_show_id uuid DEFAULT NULL::uuid, p_hours integer DEFAULT 24)
returns TABLE(total_created bigint, total_completed bigint, total_expired bigint, total_released bigint, total_failed bigint, avg_hold_time_seconds numeric, expiration_rate numeric)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.lock_pending_order(p_show_id uuid, p_reservation_id uuid)
returns boolean
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.log_refusals(p_show_id uuid, p_outcomes text[], p_reservation_ids uuid[], p_seat_lists text[], p_session_ids text[], p_ip_addresses inet[], p_user_agents text[], p_metadata jsonb DEFAULT '{}'::jsonb, p_order_id uuid DEFAULT NULL::uuid, p_actor text DEFAULT NULL::text)
returns void
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.mint_id(p_show_id uuid)
returns uuid
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.pay_order_atomic(p_show_id uuid, p_order_id uuid, p_payment_intent_id uuid)
returns TABLE(outcome text, order_id uuid, status text, refund_id uuid, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.refund_order_atomic(p_show_id uuid, p_order_id uuid, p_refund_id uuid, p_idempotency_key text, p_seat_ids integer[] DEFAULT NULL::integer[], p_amount_minor bigint DEFAULT NULL::bigint, p_give_back text DEFAULT 'on_sale'::text, p_keep_fees boolean DEFAULT false, p_reason text DEFAULT ''::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
returns TABLE(outcome text, order_id uuid, status text, refund_id uuid, amount_minor bigint, seat_ids integer[], server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.release_seats_atomic(p_show_id uuid, p_reservation_id uuid, p_secret bytea DEFAULT NULL::bytea, p_reserved_by text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text)
returns TABLE(outcome text, reservation_id uuid, released_seat_ids integer[], server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.release_seats_batch(p_show_id uuid, p_reservation_ids uuid[], p_secrets bytea[], p_reserved_by text[], p_session_ids text[], p_ip_addresses inet[], p_user_agents text[])
returns TABLE(request integer, outcome text, reservation_id uuid, released_seat_ids integer[], server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.reserve_seats_atomic(p_show_id uuid, p_seat_ids integer[], p_reserved_by text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_reservation_id uuid DEFAULT NULL::uuid, p_secret bytea DEFAULT NULL::bytea, p_wish_hash bytea DEFAULT NULL::bytea)
returns TABLE(outcome text, reservation_id uuid, status text, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.reserve_seats_batch(p_show_id uuid, p_reservation_ids uuid[], p_secrets bytea[], p_wish_hashes bytea[], p_seat_ids integer[], p_seat_requests integer[], p_reserved_by text[], p_session_ids text[], p_ip_addresses inet[], p_user_agents text[])
returns TABLE(request integer, outcome text, reservation_id uuid, status text, seat_ids integer[], unavailable_seat_ids integer[], expires_at timestamp with time zone, extension_count integer, extensions_remaining integer, server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.seat_changes_since(p_show_id uuid, p_after_id bigint DEFAULT NULL::bigint)
returns TABLE(seats_total integer, last_id bigint, horizon xid8, next_xid xid8, server_time timestamp with time zone, seat_id integer, status text, reserved_until timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.unblock_seats_atomic(p_show_id uuid, p_seat_ids integer[], p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_user_agent text DEFAULT NULL::text, p_actor text DEFAULT NULL::text)
returns TABLE(outcome text, seat_ids integer[], server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

create function rowlock.void_order_atomic(p_show_id uuid, p_order_id uuid, p_reason text DEFAULT NULL::text, p_session_id text DEFAULT NULL::text, p_ip_address inet DEFAULT NULL::inet, p_actor text DEFAULT NULL::text)
returns TABLE(outcome text, order_id uuid, status text, released_seat_ids integer[], server_time timestamp with time zone)
language plpgsql as 'begin raise exception ''of release 0.2.0''; end';

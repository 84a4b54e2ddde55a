insert into rowlock.seat_reservation_audit_log
    (show_id, reservation_id, event, seat_ids, session_id, ip_address, user_agent, error_code, metadata)
values (
    %(show_id)s, %(reservation_id)s, %(event)s, %(seat_ids)s, %(session_id)s, %(ip_address)s, %(user_agent)s,
    %(error_code)s, %(metadata)s
)

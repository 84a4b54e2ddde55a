-- seat_states: the claims in force of a show, one row per seat that is not available.
--
-- It has no holder, token or order. A hold past its deadline is not listed, whether or not cleanup has removed its row.
create or replace view rowlock.seat_states as
select show_id, seat_id, status
from rowlock.show_seats
where status <> 'reserved' or reserved_until > clock_timestamp();
comment on view rowlock.seat_states is 'Seats that cannot be taken now: reserved, sold or blocked.';

-- seat_states: the live claims of a show, one row per seat that is not available.
--
-- Readers see no holder, token or order. A hold past its deadline is not listed: expiry is a fact.
create or replace view rowlock.seat_states as
select show_id, seat_id, status
from rowlock.show_seats
where status <> 'reserved' or reserved_until > clock_timestamp();
comment on view rowlock.seat_states is 'Seats that cannot be taken now: reserved, sold or blocked.';

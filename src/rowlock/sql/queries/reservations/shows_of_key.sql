-- The shows whose reservations carry this key: one, but for a coincidence of 32 bits.
select show_id from rowlock.shows where show_key = %s

-- Whoever publishes a plan of this venue next waits, so that versions count up without a gap or a clash.
select venue_id from rowlock.venues where venue_id = %s for update

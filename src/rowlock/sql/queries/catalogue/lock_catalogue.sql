-- Until the end of the transaction nobody else fills an empty catalogue. The number only has to be our own.
select pg_advisory_xact_lock(7237115463281209441)

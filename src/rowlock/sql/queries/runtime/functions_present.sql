select count(*) > 0 from pg_proc where pronamespace = 'rowlock'::regnamespace and proname = 'reserve_seats_batch'

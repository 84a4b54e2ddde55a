select c.relname::text as name
from pg_class as c
where c.relnamespace = 'rowlock'::regnamespace and c.relkind = 'v'
order by c.relname

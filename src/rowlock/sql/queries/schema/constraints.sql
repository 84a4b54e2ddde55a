-- A column's NOT NULL is a constraint with a name since PostgreSQL 18; it is said with the column.
select c.relname::text as name, format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid)) as line
from pg_class as c
join pg_constraint as k on k.conrelid = c.oid
where c.relnamespace = 'rowlock'::regnamespace and k.contype <> 'n'
order by name, position(k.contype::text in 'pufcx'), k.conname collate "C"

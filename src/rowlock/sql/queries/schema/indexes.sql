-- Indexes that are not part of a constraint.
select c.relname::text as name, pg_get_indexdef(i.indexrelid) || ';' as line
from pg_class as c
join pg_index as i on i.indrelid = c.oid
where c.relnamespace = 'rowlock'::regnamespace
    and not exists (select from pg_constraint as k where k.conindid = i.indexrelid and k.conrelid = c.oid)
order by name, i.indexrelid::regclass::text collate "C"

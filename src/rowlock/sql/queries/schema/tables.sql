select
    c.relname::text as name,
    (
        select i.inhparent::regclass::text || ' ' || pg_get_expr(c.relpartbound, c.oid)
        from pg_inherits as i
        where i.inhrelid = c.oid
    ) as partition_of,
    coalesce(' partition by ' || pg_get_partkeydef(c.oid), '')
        || coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', '') as suffix
from pg_class as c
where c.relnamespace = 'rowlock'::regnamespace and c.relkind in ('r', 'p')
order by c.relname

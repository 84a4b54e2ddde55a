select
    c.relname::text as name,
    case
        when a.attname is not null
            then format('comment on column %I.%I is %L;', c.relname, a.attname, d.description)
        when c.relkind = 'v' then format('comment on view %I is %L;', c.relname, d.description)
        else format('comment on table %I is %L;', c.relname, d.description)
    end as line,
    coalesce(a.attnum, 0) as position
from pg_class as c
join pg_description as d on d.objoid = c.oid and d.classoid = 'pg_class'::regclass
left join pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
where c.relnamespace = 'rowlock'::regnamespace and c.relkind in ('r', 'p', 'v')
union all
select p.oid::regprocedure::text, format('comment on function %I is %L;', p.proname, d.description), 0
from pg_proc as p
join pg_description as d on d.objoid = p.oid and d.classoid = 'pg_proc'::regclass
where p.pronamespace = 'rowlock'::regnamespace
order by name, position

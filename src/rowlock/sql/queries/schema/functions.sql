select
    p.oid::regprocedure::text as name,
    concat_ws(
        E'\n',
        format('create function %I(%s)', p.proname, pg_get_function_arguments(p.oid)),
        '    returns ' || pg_get_function_result(p.oid),
        '    language ' || l.lanname
            || case p.provolatile when 'i' then ' immutable' when 's' then ' stable' else '' end
            || case when p.prosecdef then ' security definer' else ' security invoker' end,
        (select string_agg('    set ' || s, E'\n' order by s collate "C") from unnest(p.proconfig) as s),
        format('    as ''see functions/%s.sql'';', p.proname)
    ) as declaration
from pg_proc as p
join pg_language as l on l.oid = p.prolang
where p.pronamespace = 'rowlock'::regnamespace
order by p.oid::regprocedure::text collate "C"

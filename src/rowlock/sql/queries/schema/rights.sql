-- What others may do is granted. The owner may do everything, so there only a lack is worth a line.
-- MAINTAIN exists since PostgreSQL 17 and is left out.
with acl as (
    select c.relname::text as name, quote_ident(c.relname) as object, c.relowner as owner, x.grantee,
        lower(x.privilege_type) as privilege
    from pg_class as c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as x
    where c.relnamespace = 'rowlock'::regnamespace and c.relkind in ('r', 'p', 'v')
        and x.privilege_type <> 'MAINTAIN'
    union all
    select p.oid::regprocedure::text, 'function ' || quote_ident(p.proname), p.proowner, x.grantee,
        lower(x.privilege_type)
    from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as x
    where p.pronamespace = 'rowlock'::regnamespace
),
lines as (
    select a.name, 'grant' as verb, case a.grantee when 0 then 'public' else pg_get_userbyid(a.grantee) end as role,
        format('grant %s on %s to ', string_agg(a.privilege, ', ' order by a.privilege), a.object) as line
    from acl as a
    where a.grantee <> a.owner
    group by a.name, a.object, a.grantee
    union all
    select c.relname::text, 'revoke', 'owner',
        format('revoke %s on %I from ', string_agg(t.privilege, ', ' order by t.privilege), c.relname)
    from pg_class as c,
        unnest(array['insert', 'select', 'update', 'delete', 'truncate', 'references', 'trigger']) as t (privilege)
    where c.relnamespace = 'rowlock'::regnamespace and c.relkind in ('r', 'p', 'v')
        and not exists (
            select from acl as a where a.name = c.relname and a.grantee = c.relowner and a.privilege = t.privilege
        )
    group by c.relname
)
select l.name, l.line || l.role || ';' as line
from lines as l
order by l.name, l.verb, l.role

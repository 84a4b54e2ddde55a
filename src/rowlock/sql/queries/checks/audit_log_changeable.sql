-- Rights that somebody was given, or left, on the log or a partition of it. Superusers need no rights.
select null::uuid as show_id, null::integer as seat_id, null::uuid as reservation_id, null::uuid as order_id,
    coalesce(pg_get_userbyid(nullif(g.grantee, 0)), 'everybody') || ' may '
        || lower(string_agg(g.privilege_type, ', ' order by g.privilege_type)) || ' ' || t.relid::regclass as what
from pg_partition_tree('rowlock.seat_reservation_audit_log') as t
join pg_class as c on c.oid = t.relid
cross join lateral aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) as g
where g.privilege_type in ('UPDATE', 'DELETE', 'TRUNCATE')
group by g.grantee, t.relid

-- 32 reservations of one show a transaction, as the server sends them under load.
\set k :k + 1
\set n :k * :clients + :client_id
\set batches :pairs / 32
\set show :first_show + :n / :batches
\set pair (:n % :batches) * 32
select count(*)
from (select array_agg(r.number) as numbers from generate_series(0, 31) as r (number)) as n,
    lateral rowlock.reserve_seats_batch(
        ('00000000-0000-4000-8000-' || :show)::uuid,
        (select array_agg(uuidv7()) from unnest(n.numbers)),
        array_fill('\x000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f'::bytea, array[32]),
        (select array_agg(2 * (:pair + i / 2) + i % 2 + 1) from generate_series(0, 63) as i),
        (select array_agg(i / 2 + 1) from generate_series(0, 63) as i),
        (select array_agg((4000000000000 + :n::bigint * 32 + i)::text) from unnest(n.numbers) as i),
        (select array_agg((4000000000000 + :n::bigint * 32 + i)::text) from unnest(n.numbers) as i),
        array_fill('127.0.0.1'::inet, array[32]),
        array_fill('rowlock-bench'::text, array[32])
    ) as b
where b.outcome = 'OK';

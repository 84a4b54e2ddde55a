-- One reservation a transaction, by the rule of Wishes in bench/halls.py; k is each client's own counter, from -1.
\set k :k + 1
\set n :skip + :k * :clients + :client_id
\set lap :at_once * :pairs
\set show :first_show + (:n / :lap) * :at_once + :n % :at_once
\set pair (:n % :lap) / :at_once
\set a 2 * :pair + 1
\set b 2 * :pair + 2
\set session 400000000000 + :n
select outcome
from rowlock.reserve_seats_atomic(
    ('00000000-0000-4000-8000-' || :show)::uuid, array[:a, :b]::integer[],
    '00000000-0000-4000-9000-' || :session, '00000000-0000-4000-9000-' || :session, '127.0.0.1', 'rowlock-bench', uuidv7(),
    '\x000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f'
);

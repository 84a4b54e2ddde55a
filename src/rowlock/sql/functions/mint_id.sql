-- mint_id: a new id of something in a show: an order, a ticket, a payment intent, a refund.
--
-- RFC 9562 version 8, as the application makes reservation ids: milliseconds first, so that an index grows at its end;
-- then randomness; the last 32 bits of the show id last, so that an id alone leads to its show.
--
-- Locks     nothing.
-- Outcomes  the id.
-- Writes    nothing.
create or replace function rowlock.mint_id(p_show_id uuid)
returns uuid
language plpgsql
volatile
security definer
set search_path = rowlock, pg_temp
as $$
declare
    v_random text := replace(gen_random_uuid()::text, '-', '');
begin
    -- Hexadecimal digits 17 to 24 of a random UUID begin with its variant, which is the one that we need.
    return (
        lpad(to_hex(floor(extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
        || '8' || substr(v_random, 14, 3) || substr(v_random, 17, 8) || right(p_show_id::text, 8)
    )::uuid;
end
$$;
comment on function rowlock.mint_id is 'A new id of something in a show, which carries the show''s key.';
revoke all on function rowlock.mint_id from public;

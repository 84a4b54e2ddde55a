-- get_reservation_statistics: what happened to reservations in the last p_hours, of one show or of all.
--
-- Counted from the audit log; total_failed has in addition the refusals that are only counted
-- (reservation_refusal_counts), in whole hours: those of each hour that has begun or ended in the last p_hours.
-- avg_hold_time_seconds is the mean over holds that were completed, expired or released in
-- that time; expiration_rate is the share of those that expired, from 0 to 1. Both are null when none ended.
--
-- Locks     nothing.
-- Outcomes  one row.
-- Writes    nothing.
create or replace function rowlock.get_reservation_statistics(p_show_id uuid default null, p_hours integer default 24)
returns table (
    total_created bigint,
    total_completed bigint,
    total_expired bigint,
    total_released bigint,
    total_failed bigint,
    avg_hold_time_seconds numeric,
    expiration_rate numeric
)
language plpgsql
stable
security definer
set search_path = rowlock, pg_temp
as $$
begin
    return query
    select
        count(*) filter (where a.event = 'created'),
        count(*) filter (where a.event = 'completed'),
        count(*) filter (where a.event = 'expired'),
        count(*) filter (where a.event = 'released'),
        count(*) filter (where a.event = 'failed') + (
            select coalesce(sum(c.refusals), 0)::bigint
            from reservation_refusal_counts as c
            where c.hour_at > clock_timestamp() - make_interval(hours => p_hours + 1)
                and (p_show_id is null or c.show_id = p_show_id)
        ),
        round(
            avg((a.metadata ->> 'held_seconds')::numeric)
                filter (where a.event in ('completed', 'expired', 'released')),
            3
        ),
        round(
            count(*) filter (where a.event = 'expired')::numeric
                / nullif(count(*) filter (where a.event in ('completed', 'expired', 'released')), 0),
            4
        )
    from seat_reservation_audit_log as a
    where a.at > clock_timestamp() - make_interval(hours => p_hours)
        and (p_show_id is null or a.show_id = p_show_id);
end
$$;
comment on function rowlock.get_reservation_statistics is
    'Counts of reservations created, completed, expired, released and refused, mean hold time and share expired.';
revoke all on function rowlock.get_reservation_statistics from public;
